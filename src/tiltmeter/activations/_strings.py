"""Strings in safetensors, which has none: UTF-8 end to end, and where each ends."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray


def packed(name: str, strings: NDArray[np.str_]) -> dict[str, NDArray[Any]]:
    """Return the two tensors that hold an array of strings."""
    encoded = [string.encode() for string in strings.tolist()]
    ends = np.cumsum([len(string) for string in encoded], dtype=np.int64)
    return {f"{name}.utf8": np.frombuffer(b"".join(encoded), np.uint8), f"{name}.ends": ends}


def unpacked(name: str, arrays: dict[str, NDArray[Any]]) -> NDArray[np.str_]:
    """Return the strings that :func:`packed` put there."""
    content, ends = arrays[f"{name}.utf8"].tobytes(), arrays[f"{name}.ends"].tolist()
    return np.array([content[a:b].decode() for a, b in zip([0, *ends[:-1]], ends, strict=True)], dtype=np.str_)
