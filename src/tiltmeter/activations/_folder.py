"""The folder of a store while it is written to: one writer, nothing half there, nothing of others touched."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from tiltmeter.activations._manifest import (
    MANIFEST,
    Manifest,
    NotWrittenError,
    StoreSpec,
    read_manifest,
    require_same,
)
from tiltmeter.core.errors import FileError, TiltmeterError

try:
    import fcntl
except ImportError:  # not on Windows, where nothing keeps two programs from writing to the same store
    fcntl = None  # type: ignore[assignment]

PLAN = "plan.safetensors"
# the folder of a part, what is in it, and what an atomic write leaves behind when its process is killed
_PART = re.compile(r"\d{3,}")
_SHARD = re.compile(r"shard-\d{5,}\.safetensors")
_FILE = re.compile(r"plan\.safetensors|labels-[0-9a-f]{12}\.safetensors|shard-\d{5,}\.safetensors")
_TEMPORARY = re.compile(rf"\.(manifest\.json|{_FILE.pattern})\.[^.]+")


@contextmanager
def only_writer(folder: Path) -> Iterator[None]:
    """Make the folder if it is not there, and be the only one to write to it; if it was made for nothing it goes.

    Raises ``FileError`` if it cannot be made or written, or somebody else writes to it.
    """
    made = [path for path in (folder, *folder.parents) if not path.exists()]
    try:
        folder.mkdir(parents=True, exist_ok=True)
        handle = _locked(folder)
    except OSError as error:
        if isinstance(error, TiltmeterError):
            raise
        raise FileError(f"{folder} cannot be made ({error.strerror or error}); name another folder.") from error
    try:
        if not os.access(folder, os.W_OK):
            raise FileError(f"{folder} is read-only; name another folder, or open the store and read what it holds.")
        yield
    finally:
        # while the lock is held, so that nobody else can have begun to use what is removed
        with suppress(OSError):  # gone, or not empty: something was written
            for path in made:
                if path == folder:
                    _remove_empty_parts(folder)
                path.rmdir()
        if handle is not None:
            os.close(handle)


def _locked(folder: Path) -> int | None:
    """Lock the folder; the system releases it when this process ends, however it ends."""
    if fcntl is None:
        return None
    while True:
        handle = os.open(folder, os.O_RDONLY)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            if os.path.samestat(os.fstat(handle), folder.stat()):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise FileError(f"Another program is writing to {folder}; wait for it, or name another folder.") from None
        except FileNotFoundError:
            pass
        # whoever held the lock has removed the folder meanwhile: the lock is on nothing
        os.close(handle)
        folder.mkdir(parents=True, exist_ok=True)


@contextmanager
def explained(folder: Path) -> Iterator[None]:
    """Say, with what ends the work, what is there and how to go on."""
    try:
        yield
    except KeyboardInterrupt as stopped:
        stopped.add_note(f"{_extent(folder)} The same call goes on from there.")
        raise
    except NotWrittenError as error:
        raise FileError(
            f"{error} {_extent(folder)} Make room or name another folder; the same call goes on from what is there."
        ) from error


def _extent(folder: Path) -> str:
    try:
        parts = [part for part in read_manifest(folder).parts if not part.is_closed]
    except TiltmeterError:
        return "Nothing was stored."
    n_stored, n_all = sum(len(part.shards) for part in parts), sum(part.n_shards for part in parts)
    return f"{folder} holds {n_stored} of {n_all} shards."


def present(folder: Path, spec: StoreSpec) -> Manifest:
    """Return the manifest that is there, or that of an empty store.

    Raises
    ------
    SpecError
        If the store was made otherwise.
    FileError
        If the folder holds something else, or shards without a manifest.
    """
    if (folder / MANIFEST).exists():
        manifest = read_manifest(folder)
        require_same(spec, manifest.spec, folder=folder)
        return manifest
    for path in folder.iterdir():
        if not (_TEMPORARY.fullmatch(path.name) or (_is_part(path) and _holds_only_ours(path))):
            raise FileError(f"{folder} is no activation store (it holds {path.name}); name another folder.")
        if _is_part(path) and any(_SHARD.fullmatch(file.name) for file in path.iterdir()):
            raise FileError(
                f"{folder} holds shards but no {MANIFEST}, which says what they are: restore it from a copy, or name "
                "another folder."
            )
    return Manifest(spec=spec)


def with_plans(folder: Path, manifest: Manifest) -> Manifest:
    """Return the manifest without the parts whose plan was removed, as a damaged one must be: nothing reads them."""
    return manifest.model_copy(update={"parts": tuple(p for p in manifest.parts if (folder / p.plan.file).exists())})


def _is_part(path: Path) -> bool:
    return bool(_PART.fullmatch(path.name)) and path.is_dir()


def _holds_only_ours(part: Path) -> bool:
    return all(_FILE.fullmatch(file.name) or _TEMPORARY.fullmatch(file.name) for file in part.iterdir())


def remove_strays(folder: Path, manifest: Manifest) -> None:
    """Remove what a killed run left: files of the store's own kinds that the manifest does not name."""
    named = {stored.file for stored in manifest.files()}
    for path in folder.iterdir():
        if _TEMPORARY.fullmatch(path.name):
            path.unlink()
        elif _is_part(path):
            for file in path.iterdir():
                is_ours = _FILE.fullmatch(file.name) or _TEMPORARY.fullmatch(file.name)
                if is_ours and file.is_file() and f"{path.name}/{file.name}" not in named:
                    file.unlink()
    _remove_empty_parts(folder)


def _remove_empty_parts(folder: Path) -> None:
    for path in folder.iterdir():
        if _is_part(path):
            with suppress(OSError):  # not empty
                path.rmdir()
