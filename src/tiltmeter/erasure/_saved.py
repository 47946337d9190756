"""Erasers on disk."""

from __future__ import annotations

from dataclasses import fields
from pathlib import Path
from typing import Any

import numpy as np
from safetensors import SafetensorError
from safetensors.numpy import load as from_safetensors
from safetensors.numpy import save as to_safetensors

from tiltmeter.core.errors import ArrayError, FormatError
from tiltmeter.core.files import read_sealed, write_sealed
from tiltmeter.erasure._eraser import AffineEraser, Eraser, OracleEraser, QuadraticEraser

FORMAT_VERSION = 1

# every class that may be read back: a file names its class, and nothing else is ever made from one
CLASSES: tuple[type[Eraser], ...] = (AffineEraser, OracleEraser, QuadraticEraser)


def save(eraser: Eraser, folder: str | Path, *, stem: str = "eraser") -> None:
    """Write an eraser as ``stem.safetensors`` and, last, ``stem.json`` with the hash of the other.

    Numbers are kept bit for bit.

    Parameters
    ----------
    eraser
        One of the three kinds.
    folder
        Made if it is not there.
    stem
        Name of both files without their ending.

    Raises
    ------
    ArrayError
        If it is of a class of your own, or its classes are neither numbers nor strings.

    Examples
    --------
    >>> import tempfile
    >>> from tiltmeter.erasure import LEACE, load, save
    >>> X, z = np.array([[0.0, 1.0], [2.0, 1.0], [1.0, 2.0]]), np.array([0, 1, 1])
    >>> folder = Path(tempfile.mkdtemp())
    >>> save(LEACE().fit(X, z).eraser_, folder)
    >>> load(folder).method
    'LEACE'
    """
    if type(eraser) not in CLASSES:
        raise ArrayError(f"{type(eraser).__name__} is not an eraser of Tiltmeter; save the eraser_ of a fitted method.")
    held = {field.name: getattr(eraser, field.name) for field in fields(eraser)}  # type: ignore[arg-type]
    arrays = {
        name: value for name, value in held.items() if isinstance(value, np.ndarray) and value.dtype.kind in "buif"
    }
    content = to_safetensors({name: np.ascontiguousarray(array) for name, array in arrays.items()})
    head = {
        "eraser": type(eraser).__name__,
        "fields": {name: _plain(name, value) for name, value in held.items() if name not in arrays},
    }
    write_sealed(Path(folder), head, content=content, stem=stem, version=FORMAT_VERSION)


def load(folder: str | Path, *, stem: str = "eraser") -> Eraser:
    """Read an eraser that :func:`save` wrote; it erases as the saved one did, bit for bit.

    Raises
    ------
    FileError
        If one of the two files is not there.
    FormatError
        If they are of another version, damaged, changed, or of a class that this release does not have.

    Examples
    --------
    >>> import tempfile
    >>> from tiltmeter.erasure import MeanTranslation, load, save
    >>> X, z = np.array([[0.0], [2.0], [4.0], [8.0]]), np.array(["a", "a", "b", "b"])
    >>> folder = Path(tempfile.mkdtemp())
    >>> save(MeanTranslation().fit(X, z).eraser_, folder, stem="moved")
    >>> load(folder, stem="moved")(X, z).ravel().tolist()
    [2.5, 4.5, 1.5, 5.5]
    """
    folder = Path(folder)
    path = folder / f"{stem}.json"
    head, content = read_sealed(folder, stem=stem, what="an eraser", version=FORMAT_VERSION)
    kind = {one.__name__: one for one in CLASSES}.get(str(head.get("eraser")))
    if kind is None:
        raise FormatError(
            f"{path} is a {head.get('eraser')}, which this release does not know; use the one that wrote it."
        )
    try:
        held = {name: _from_plain(value) for name, value in head["fields"].items()} | from_safetensors(content)
        return kind(**held)
    except (KeyError, TypeError, AttributeError, ValueError, SafetensorError) as error:
        raise FormatError(f"{path} lacks a part of an eraser or holds a wrong one ({error}).") from error


def _plain(name: str, value: object) -> Any:  # noqa: ANN401  (JSON is any)
    if isinstance(value, np.ndarray):
        names = value.tolist()
        if not all(isinstance(one, str) for one in names):
            raise ArrayError(f"{name} holds labels that are neither numbers nor strings, which a file cannot hold.")
        return {"array": names}
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise ArrayError(f"{name} is a {type(value).__name__}, which a saved eraser cannot hold.")


def _from_plain(value: Any) -> Any:  # noqa: ANN401
    return np.array(value["array"]) if isinstance(value, dict) else value
