"""Vectors that stand ready for each text, such as word embeddings, in place of a model that is run."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import DataError, FileError, FormatError, SpecError
from tiltmeter.core.files import expand_user, sha256
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet, plain_texts
from tiltmeter.studies._spec import ModelSpec, ReadSpec, StudySpec

_PREFIX = "vectors:"
# what enters the first block: that is where a model keeps its word vectors
SITE = Site(0, "resid_pre")


@dataclass(frozen=True, slots=True, eq=False)
class Vectors:
    """Rows (n, d) by their text, and what identifies the file that they came from."""

    X: NDArray[np.floating[Any]]
    rows: dict[str, int]
    fingerprint: dict[str, Any]


def is_vectors(spec: StudySpec) -> bool:
    """Tell whether a study reads ready vectors; SpecError if it asks of them what only a model can do."""
    if not spec.model.path.startswith(_PREFIX):
        return False
    if spec.read != ReadSpec() or spec.model != ModelSpec(path=spec.model.path):
        raise SpecError(
            f"{spec.model.path!r} is one vector a text, read at {SITE}; leave out read, and revision, dtype and device."
        )
    return True


def open_vectors(where: str) -> Vectors:
    """Read ``vectors:FILE``, an ``.npz`` file with ``words``, n strings without repeats, and ``X``, shape (n, d).

    Raises
    ------
    FileError
        If there is no such file.
    FormatError
        If it is no such file, or a word repeats or a vector is not finite.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "v.npz"
    >>> np.savez(path, words=np.array(["he", "she"]), X=np.eye(2))
    >>> open_vectors(f"vectors:{path}").rows
    {'he': 0, 'she': 1}
    """
    path = expand_user(where.removeprefix(_PREFIX))
    if not path.is_file():
        raise FileError(f"{path} does not exist; vectors are an .npz file with words and X.")
    try:
        with np.load(path, allow_pickle=False) as found:
            words, X = found["words"], found["X"]
    except (OSError, ValueError, KeyError, TypeError, zipfile.BadZipFile) as error:
        raise FormatError(f"{path} cannot be read as an .npz file with words and X ({error}).") from None
    are_words = words.ndim == 1 and words.dtype.kind == "U"
    if not are_words or X.ndim != 2 or len(X) != len(words) or X.dtype.kind != "f" or not X.size:
        raise FormatError(
            f"{path} holds words of shape {words.shape} and X of shape {X.shape} and type {X.dtype}; "
            "it needs n strings and n rows of floats."
        )
    rows = {word: row for row, word in enumerate(words.tolist())}
    if len(rows) < len(words):
        raise FormatError(f"{path} holds {len(words) - len(rows)} words more than once; each word needs one vector.")
    with np.errstate(over="ignore"):
        narrow = X.astype(np.float32)
    if not np.isfinite(narrow).all():
        raise FormatError(f"{path} holds NaN or infinity, in single precision at least; leave those words out.")
    return Vectors(
        narrow,
        rows,
        {"vectors": path.name, "sha256": sha256(path.read_bytes()), "n_words": len(words), "width": X.shape[1]},
    )


def look_up(vectors: Vectors, texts: TextSet, *, name: str) -> dict[str, Activations]:
    """Return each text's vector, under the one site there is; DataError names a text that has none.

    Examples
    --------
    >>> vectors = Vectors(np.eye(2), {"he": 0, "she": 1}, {"sha256": "0"})
    >>> texts = TextSet(np.array(["a"]), texts=("she",), distribution="words")
    >>> look_up(vectors, texts, name="words")["0.resid_pre"].X.tolist()
    [[0.0, 1.0]]
    """
    words = plain_texts(texts)
    absent = [word for word in words if word not in vectors.rows]
    if absent:
        raise DataError(
            f"{name}: {len(absent)} of {len(words)} texts have no vector, the first of them {absent[0]!r}; "
            "leave them out, or give vectors that hold them."
        )
    acts = Activations(
        vectors.X[[vectors.rows[word] for word in words]],
        ids=texts.ids,
        y=texts.y,
        pairs=texts.pairs,
        sides=texts.sides,
        groups=texts.groups,
        site=SITE,
        fingerprint=str(vectors.fingerprint["sha256"]),
    )
    return {str(SITE): acts}
