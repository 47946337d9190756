"""Files that are either whole or not there: atomic writes, atomic folders, JSON and hashes."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ValidationError

from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.records import Record

R = TypeVar("R", bound=Record)


def write_bytes(path: Path, content: bytes) -> None:
    """Write ``content`` to a temporary neighbour, flush it to disk, and rename it over ``path``.

    FileError if it cannot be written; what was there before is there still.
    """
    try:
        _replace(path, content)
    except OSError as error:
        raise FileError(f"{path} cannot be written ({error.strerror or error}).") from error


def _replace(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        _open_up(name, mode=0o666)
        os.replace(name, path)
    except BaseException:
        Path(name).unlink(missing_ok=True)
        raise


def write_text(path: Path, content: str) -> None:
    """Write UTF-8 text atomically."""
    write_bytes(path, content.encode("utf-8"))


def write_json(path: Path, value: Any) -> None:  # noqa: ANN401  (JSON is any)
    """Write JSON atomically: two-space indent, keys as given, NaN and infinity refused (ValueError)."""
    write_text(path, json.dumps(value, indent=2, ensure_ascii=False, allow_nan=False) + "\n")


def expand_user(where: str | Path) -> Path:
    """Return a path with ``~`` replaced by the home it stands for; as it is where it stands for none, as ~old.csv."""
    path = Path(where)
    try:
        return path.expanduser()
    except RuntimeError:
        return path


def read_json(path: Path) -> Any:  # noqa: ANN401
    """Read a JSON file; FileError if it is not there, FormatError naming the line if it is not JSON (NaN is not)."""
    try:
        return json.loads(path.read_text(encoding="utf-8"), parse_constant=_refuse)
    except FileNotFoundError:
        raise FileError(f"{path} does not exist; check the path.") from None
    except ValueError as error:  # malformed JSON, a constant that JSON lacks, or not UTF-8
        raise FormatError(
            f"{path} is not valid JSON ({error}); it may be damaged or not one of Tiltmeter's files."
        ) from error


def read_record(path: Path, kind: type[R]) -> R:
    """Read a record from its JSON file; FileError if it is not there, FormatError if it is another thing."""
    content = read_json(path)
    try:
        return kind.model_validate(content)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"]) or "the whole file"
        more = "" if error.error_count() == 1 else f" and {error.error_count() - 1} more"
        raise FormatError(
            f"{path} is not a record that this release reads ({where}: {first['msg']}{more}); "
            "it is damaged or of another version, so make it again."
        ) from error


def _refuse(constant: str) -> None:
    raise ValueError(f"{constant} is not a JSON value")


def sha256(content: bytes) -> str:
    """Return the hexadecimal SHA-256 of ``content``."""
    return hashlib.sha256(content).hexdigest()


def seal(record: Mapping[str, Any]) -> str:
    """Return the hash of a JSON-able record but its entry ``sha256_of_the_rest``, which is where it is kept."""
    rest = {key: value for key, value in record.items() if key != "sha256_of_the_rest"}
    return sha256(json.dumps(rest, sort_keys=True).encode())


def write_sealed(folder: Path, head: Mapping[str, Any], *, content: bytes, stem: str, version: int) -> None:
    """Write ``content`` as ``stem.safetensors`` and, last, ``head`` with the hashes of both as ``stem.json``.

    :func:`read_sealed` reads it back.

    Raises
    ------
    TypeError, ValueError
        If ``head`` holds what JSON cannot; then nothing was written.
    """
    whole = {"format_version": version, "sha256": sha256(content), **head}
    # as it will be read back: keys that are numbers come back as strings, and the hash must be that of what is read
    whole = json.loads(json.dumps(whole, allow_nan=False))
    whole["sha256_of_the_rest"] = seal(whole)
    write_bytes(folder / f"{stem}.safetensors", content)
    write_json(folder / f"{stem}.json", whole)


def read_sealed(folder: Path, *, stem: str, what: str, version: int) -> tuple[dict[str, Any], bytes]:
    """Read a record ``stem.json`` and the ``stem.safetensors`` whose hash it holds, and check both.

    ``what`` names the thing in messages, such as "a probe".

    Raises
    ------
    FileError
        If one of the two files is not there.
    FormatError
        If they are of another version, damaged or changed.
    """
    path, weights = folder / f"{stem}.json", folder / f"{stem}.safetensors"
    head = read_json(path)
    if not isinstance(head, dict) or head.get("format_version") != version:
        raise FormatError(f"{path} is not {what} of format version {version}; save it again with this release.")
    if seal(head) != head.get("sha256_of_the_rest"):
        raise FormatError(f"{path} does not match the hash that it holds; it was changed after it was saved.")
    if not weights.is_file():
        raise FileError(f"{weights} does not exist; {what} needs both of its files.")
    content = weights.read_bytes()
    if sha256(content) != head.get("sha256"):
        raise FormatError(f"{weights} does not match the hash in {path.name}; one of the two was changed.")
    return head, content


@contextmanager
def new_folder(path: Path) -> Iterator[Path]:
    """Fill a folder that appears under its name only when it is complete.

    Yields a temporary sibling; when the block ends without an error it is renamed to ``path``, otherwise it is
    removed and nothing is left behind.

    Raises
    ------
    FileError
        At once, if ``path`` exists; after the block, if somebody made it meanwhile.
    """
    if path.exists():
        raise FileError(f"{path} exists already; name another folder or remove it first.")
    made = [parent for parent in path.parents if not parent.exists()]
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(dir=path.parent, prefix=f".{path.name}."))
    except OSError as error:
        _remove_empty(made)
        raise FileError(f"{path} cannot be made here ({error}); name another folder.") from error
    try:
        yield temporary
        _open_up(temporary, mode=0o777)
        try:
            os.rename(temporary, path)
        except OSError as error:
            raise FileError(f"{path} appeared while it was being made ({error}); name another folder.") from error
    except BaseException:
        shutil.rmtree(temporary, ignore_errors=True)
        _remove_empty(made)
        raise


def _open_up(path: str | Path, *, mode: int) -> None:
    """Undo that tempfile makes private things: a report or a monitor may be read by whom the umask allows."""
    umask = os.umask(0)
    os.umask(umask)
    os.chmod(path, mode & ~umask)


def _remove_empty(folders: list[Path]) -> None:
    """Remove the folders that were made on the way, innermost first, unless somebody put something there."""
    for folder in folders:
        try:
            folder.rmdir()
        except OSError:
            return
