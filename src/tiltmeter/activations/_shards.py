"""Shards: safetensors files that are written once, checked before they are believed, and read memory-mapped."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from tiltmeter.activations._manifest import NotWrittenError, StoredFile
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.core.files import sha256, write_bytes

_PIECE = 1 << 20
ADVICE = "Nothing was read from it: remove the file and collect the same texts again, which makes anew what is missing."


def keep(folder: Path, file: str, content: bytes) -> StoredFile:
    """Write a file of the store, whole or not at all."""
    try:
        write_bytes(folder / file, content)
    except FileError as error:
        raise NotWrittenError(str(error)) from error
    return StoredFile(file=file, bytes=len(content), sha256=sha256(content))


def kept(folder: Path, stored: StoredFile) -> bytes:
    """Return the content of a file of the store, once it is sure to be what the manifest names."""
    if (problem := problem_of(folder, stored)) is not None:
        raise FormatError(f"{problem} {ADVICE}")
    return (folder / stored.file).read_bytes()


def write_shard(folder: Path, file: str, values: dict[str, Tensor]) -> StoredFile:
    """Write the rows of each site as one file."""
    return keep(folder, file, save(values))


def problem_of(folder: Path, stored: StoredFile) -> str | None:
    """Say what is wrong with a file of the store, or None where it is what the manifest names."""
    path = folder / stored.file
    try:
        with path.open("rb") as file:
            size = os.fstat(file.fileno()).st_size
            if size != stored.bytes:
                return f"{path} has {size:,} bytes instead of {stored.bytes:,}; it is damaged."
            digest = hashlib.sha256()
            while piece := file.read(_PIECE):
                digest.update(piece)
    except OSError as error:
        return f"{path} cannot be read ({error.strerror})."
    return None if digest.hexdigest() == stored.sha256 else f"{path} is damaged: its hash is not the manifest's."


class ShardReader:
    """Opens the shards of one folder, each checked whole when it is first used, and again if it changes."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._checked: dict[str, tuple[int, ...]] = {}

    def __call__(self, stored: StoredFile, site: str) -> Tensor:
        """Return the rows of a site, memory-mapped: only the rows that are used are read.

        Raises
        ------
        FileError
            If the shard is gone.
        FormatError
            If it is damaged.
        """
        path = self._folder / stored.file
        try:
            state = path.stat()
        except OSError:
            raise FileError(
                f"{path} is gone; collect the same texts again, which makes anew what is missing."
            ) from None
        # the time of change, unlike that of modification, cannot be set back
        seen = (state.st_size, state.st_mtime_ns, state.st_ctime_ns, state.st_ino)
        if self._checked.get(stored.file) != seen:
            if (problem := problem_of(self._folder, stored)) is not None:
                raise FormatError(f"{problem} {ADVICE}")
            self._checked[stored.file] = seen
        try:
            with safe_open(path, framework="pt") as file:
                rows: Tensor = file.get_tensor(site)
        except SafetensorError as error:
            raise FormatError(f"{path} does not hold site {site} ({error}); it is not of this store.") from error
        return rows
