"""Control vectors in the GGUF format, as llama.cpp and repeng read and write them.

The file: the letters GGUF, a version, the number of tensors and of keys; the keys with their values; of each tensor its
name, shape, type and place; then the numbers, each tensor at a multiple of the alignment. All is little-endian.
"""

from __future__ import annotations

import mmap
import re
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import FileError, FormatError, SpecError
from tiltmeter.core.files import write_bytes
from tiltmeter.interventions._steering_vectors import SteeringVectors

_MAGIC, _VERSION, _ALIGNMENT, _FLOAT32 = b"GGUF", 3, 32, 0
_UINT32, _STRING, _ARRAY = 4, 8, 9
# by number of type; strings and arrays aside
_SCALARS = {0: "B", 1: "b", 2: "H", 3: "h", _UINT32: "I", 5: "i", 6: "f", 7: "?", 10: "Q", 11: "q", 12: "d"}
_ARCHITECTURE = "controlvector"
# of a direction's name in the file
_NAME = re.compile(r"direction\.([0-9]{1,6})")


def write_gguf(path: Path, vectors: SteeringVectors) -> None:
    """Write steering vectors as a control vector for llama.cpp (``--control-vector``), repeng and others.

    ``direction.K`` is added to the output of block K, 0-based, times the strength that the reader chooses; the sign
    and length are those of the vectors, bit for bit. The file is whole or not there; an earlier one is replaced.

    Parameters
    ----------
    path
        The file, by custom ending in ``.gguf``.
    vectors
        Of any blocks but the first: the format starts at block 1.

    Raises
    ------
    SpecError
        If there is one for block 0.

    See Also
    --------
    read_gguf : The way back.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "calm.gguf"
    >>> write_gguf(path, SteeringVectors({3: np.array([0.5, -2.0], np.float32)}, model_hint="llama"))
    >>> read_gguf(path).vectors
    {3: array([ 0.5, -2. ], dtype=float32)}
    """
    if 0 in vectors.vectors:
        raise SpecError("GGUF control vectors start at block 1, and one is for block 0; leave it out, or use save.")
    keys = [
        _string("general.architecture") + struct.pack("<I", _STRING) + _string(_ARCHITECTURE),
        _string(f"{_ARCHITECTURE}.model_hint") + struct.pack("<I", _STRING) + _string(vectors.model_hint),
        _string(f"{_ARCHITECTURE}.layer_count") + struct.pack("<II", _UINT32, vectors.layer_count or 0),
    ]
    infos, numbers, offset = [], [], 0
    for layer, vector in sorted(vectors.vectors.items()):
        infos.append(_string(f"direction.{layer}") + struct.pack("<IQIQ", 1, len(vector), _FLOAT32, offset))
        numbers.append(_padded(vector.astype("<f4").tobytes()))
        offset += len(numbers[-1])
    start = _MAGIC + struct.pack("<IQQ", _VERSION, len(infos), len(keys))
    write_bytes(path, _padded(b"".join([start, *keys, *infos])) + b"".join(numbers))


def read_gguf(path: Path) -> SteeringVectors:
    """Read a control vector.

    Parameters
    ----------
    path
        A file by :func:`write_gguf`, llama.cpp or repeng.

    Raises
    ------
    FileError
        If there is no such file.
    FormatError
        If it is not a GGUF file of version 2 or 3, not a control vector, damaged, or holds vectors of another type than
        float32, of block 0, or of unlike width.

    See Also
    --------
    SteeringVectors.check : Whether they belong to a model.

    Examples
    --------
    >>> read_gguf(Path("nowhere.gguf"))
    Traceback (most recent call last):
        ...
    tiltmeter.core.errors.FileError: nowhere.gguf does not exist; check the path.
    """
    try:
        # mapped: somebody will give the file of a whole model, which is then refused by its first page
        with path.open("rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            return _read(content)
    except FileNotFoundError:
        raise FileError(f"{path} does not exist; check the path.") from None
    except (_DamagedError, ValueError, struct.error) as error:
        # a ValueError is what an empty file gives, which cannot be mapped, and what the vectors themselves raise
        raise FormatError(f"{path} is not a control vector that can be read: {error}") from error


class _DamagedError(Exception):
    """What is wrong with the file, in a sentence."""


class _Tensor(NamedTuple):
    name: str
    shape: tuple[int, ...]
    kind: int
    offset: int


class _Cursor:
    """Reads one value after the other, and never beyond the end."""

    def __init__(self, content: mmap.mmap) -> None:
        self._content = content
        self.place = 0

    def take(self, n: int) -> bytes:
        if n > len(self._content) - self.place:
            raise _DamagedError(f"it ends after {len(self._content)} bytes, in the middle of what it announces.")
        self.place += n
        return self._content[self.place - n : self.place]

    def number(self, letter: str) -> Any:  # noqa: ANN401
        return struct.unpack(f"<{letter}", self.take(struct.calcsize(f"<{letter}")))[0]

    def string(self) -> str:
        return self.take(self.number("Q")).decode("utf-8")

    def value(self) -> Any:  # noqa: ANN401
        return self._of_kind(self.number("I"))

    def _of_kind(self, kind: int) -> Any:  # noqa: ANN401
        if kind in _SCALARS:
            return self.number(_SCALARS[kind])
        if kind == _STRING:
            return self.string()
        if kind != _ARRAY:
            raise _DamagedError(f"it holds a value of type {kind}, which the format does not know.")
        inner, n = self.number("I"), self.number("Q")
        if inner in _SCALARS:
            # nobody looks at them, and a model's may be long
            self.take(n * struct.calcsize(f"<{_SCALARS[inner]}"))
            return None
        if inner != _STRING:
            raise _DamagedError(f"it holds an array of values of type {inner}, which the format does not know.")
        for _ in range(n):
            self.string()
        return None


def _read(content: mmap.mmap) -> SteeringVectors:
    cursor = _Cursor(content)
    if cursor.take(4) != _MAGIC:
        raise _DamagedError("it does not begin with the letters GGUF.")
    version = cursor.number("I")
    if version not in (2, 3):
        raise _DamagedError(f"it is of version {version} (or of a machine with another order of bytes); 2 and 3 are.")
    n_tensors, n_keys = cursor.number("Q"), cursor.number("Q")
    keys = _times(n_keys, lambda: (cursor.string(), cursor.value()))
    known = dict(keys)
    if (architecture := known.get("general.architecture")) != _ARCHITECTURE:
        raise _DamagedError(f"its architecture is {architecture!r}; a control vector's is {_ARCHITECTURE!r}.")
    tensors = _times(n_tensors, lambda: _tensor(cursor))
    alignment = known.get("general.alignment", _ALIGNMENT)
    if not isinstance(alignment, int) or alignment < 1:
        raise _DamagedError(f"its alignment is {alignment!r}; it must be a positive number.")
    start = -(-cursor.place // alignment) * alignment
    vectors = {_layer(tensor): _numbers(content, tensor, start=start) for tensor in tensors}
    if len(vectors) < len(tensors):
        raise _DamagedError("two of its vectors are for one block.")
    hint, count = known.get(f"{_ARCHITECTURE}.model_hint", ""), known.get(f"{_ARCHITECTURE}.layer_count")
    if not isinstance(hint, str) or not isinstance(count, int | None):
        raise _DamagedError(f"its model hint is {hint!r} and its layer count {count!r}; a name and a number are due.")
    return SteeringVectors(dict(sorted(vectors.items())), model_hint=hint, layer_count=count)


def _times(n: int, read: Callable[[], Any]) -> list[Any]:
    # one by one, so that a number that lies ends with the file and takes no memory of its own
    return [read() for _ in range(n)]


def _tensor(cursor: _Cursor) -> _Tensor:
    name, n_axes = cursor.string(), cursor.number("I")
    return _Tensor(name, tuple(_times(n_axes, lambda: cursor.number("Q"))), cursor.number("I"), cursor.number("Q"))


def _layer(tensor: _Tensor) -> int:
    match = _NAME.fullmatch(tensor.name)
    if match is None or int(match[1]) == 0:
        raise _DamagedError(f"its tensor {tensor.name!r} is not named direction.K with a block K from 1.")
    return int(match[1])


def _numbers(content: mmap.mmap, tensor: _Tensor, *, start: int) -> NDArray[np.float32]:
    if tensor.kind != _FLOAT32 or len(tensor.shape) != 1:
        raise _DamagedError(f"{tensor.name} is of type {tensor.kind} and shape {tensor.shape}; one axis of float32 is.")
    first = start + tensor.offset
    last = first + 4 * tensor.shape[0]
    if last > len(content):
        raise _DamagedError(f"{tensor.name} ends at byte {last}, and the file at {len(content)}.")
    return np.frombuffer(content[first:last], dtype="<f4").astype(np.float32)


def _string(text: str) -> bytes:
    encoded = text.encode("utf-8")
    return struct.pack("<Q", len(encoded)) + encoded


def _padded(content: bytes) -> bytes:
    return content + b"\0" * (-len(content) % _ALIGNMENT)
