"""Count, mean and scatter of rows that come in batches, in float64."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.linalg import blas

from tiltmeter.core.errors import FormatError

# rows that wait before they enter the matrix: enough that reading and writing d² numbers costs less than the product
BLOCK = 256

SCATTER_KEYS = ("count", "origin", "offset", "scatter", "third", "fourth")


class Centred(NamedTuple):
    """Of rows c about their mean: Σ |c|² c, shape (d,), and Σ |c|⁴."""

    third: Float[NDArray[Any], " d"]
    fourth: float


def moved(
    centred: Centred,
    shift: Float[NDArray[Any], " d"],
    *,
    count: int,
    trace: float,
    stretched: Float[NDArray[Any], " d"],
) -> Centred:
    """Return the sums about a centre that lies ``shift`` away from the mean.

    Exact: Σ |c − s|² (c − s) = T − s tr S − 2 S s − n |s|² s and
    Σ |c − s|⁴ = Q + 4 sᵀS s + n |s|⁴ − 4 s·T + 2 |s|² tr S, because Σ c = 0.

    Parameters
    ----------
    centred
        T and Q about the mean.
    shift
        s, shape (d,).
    count, trace
        n and tr S.
    stretched
        S s, shape (d,).
    """
    square = float(shift @ shift)
    third = centred.third - trace * shift - 2 * stretched - count * square * shift
    fourth = centred.fourth + 4 * float(shift @ stretched) + count * square**2
    return Centred(third, fourth - 4 * float(shift @ centred.third) + 2 * square * trace)


class Scatter:
    """Rows as they are kept once they are gone: count, mean, Σ c cᵀ, Σ |c|² c and Σ |c|⁴ about the mean.

    Everything is taken about ``origin``, the first row: a large offset that all rows share costs no digits, and rows
    that are all equal have a scatter of exactly zero. ``offset`` is the mean less the origin. Of ``lower``, Σ c cᵀ, the
    lower triangle is kept; the upper one stays zero. The fields leave out the rows that still wait: ``flush`` first.
    """

    __slots__ = ("_held", "_waiting", "centred", "count", "lower", "offset", "origin")

    def __init__(self, n_features: int) -> None:
        self.count = 0
        self.origin = np.zeros(n_features)
        self.offset = np.zeros(n_features)
        self.lower = np.zeros((n_features, n_features), order="F")
        self.centred = Centred(np.zeros(n_features), 0.0)
        # one row more than can wait, for the step between two means
        self._waiting = np.empty((BLOCK + 1, n_features))
        self._held = 0

    @staticmethod
    def bytes_needed(n_features: int) -> int:
        """Return the bytes of the arrays above: the matrix, the rows that wait, and three vectors."""
        return 8 * n_features * (n_features + BLOCK + 1 + 3)

    def __len__(self) -> int:
        return self.count + self._held

    def add(self, rows: Float[NDArray[Any], "n d"]) -> None:
        """Take finite rows of any floating type."""
        if len(self) == 0 and len(rows):
            self.origin = rows[0].astype(np.float64)
        done = 0
        while done < len(rows):
            room = min(BLOCK - self._held, len(rows) - done)
            space = self._waiting[self._held : self._held + room]
            space[:] = rows[done : done + room]
            space -= self.origin
            self._held, done = self._held + room, done + room
            if self._held == BLOCK:
                self.flush()

    def flush(self) -> None:
        """Let the rows that wait enter the matrix, in one product."""
        if self._held == 0:
            return
        rows = self._waiting[: self._held]
        offset = rows.mean(axis=0)
        rows -= offset
        squares = np.einsum("nd,nd->n", rows, rows)
        delta = offset - self.offset
        # SciPy's products, as below: NumPy brings a second pool of threads, which would still spin beside SciPy's
        along = blas.dgemv(1.0, rows.T, delta, trans=1)
        step = self._join(
            Centred(blas.dgemv(1.0, rows.T, squares), float(squares @ squares)),
            delta,
            count=self._held,
            trace=float(squares.sum()),
            stretched=blas.dgemv(1.0, rows.T, along),
        )
        self._waiting[self._held] = step
        with_step = self._waiting[: self._held + 1]
        self.lower = blas.dsyrk(1.0, with_step.T, beta=1.0, c=self.lower, lower=1, overwrite_c=1)
        self._held = 0

    def merge(self, other: Scatter) -> None:
        """Take the rows that ``other`` has seen; ``other`` keeps them too."""
        self.flush()
        other.flush()
        if other.count == 0:
            return
        if self.count == 0:
            self.origin = other.origin
        delta = (other.origin - self.origin) + other.offset - self.offset
        step = self._join(
            other.centred,
            delta,
            count=other.count,
            trace=float(np.trace(other.lower)),
            stretched=blas.dsymv(1.0, other.lower, delta, lower=1),
        )
        self.lower += other.lower
        self.lower = blas.dsyr(1.0, step, a=self.lower, lower=1, overwrite_a=1)

    def to_arrays(self) -> dict[str, NDArray[Any]]:
        """Return copies of all fields, under ``SCATTER_KEYS``; the matrix is whole there."""
        self.flush()
        scatter = np.ascontiguousarray(mirrored(self.lower))
        third, fourth = self.centred
        fields = (np.array(self.count), self.origin.copy(), self.offset.copy(), scatter, third.copy(), np.array(fourth))
        return dict(zip(SCATTER_KEYS, fields, strict=True))

    @classmethod
    def from_arrays(cls, arrays: Mapping[str, NDArray[Any]], n_features: int, *, prefix: str) -> Scatter:
        """Return what ``to_arrays`` gave, read from copies; FormatError names the array that cannot be it."""
        d = n_features
        found = cls(d)
        found.count = count_entry(arrays, f"{prefix}count", least=1)
        found.origin = entry(arrays, f"{prefix}origin", shape=(d,)).copy()
        found.offset = entry(arrays, f"{prefix}offset", shape=(d,)).copy()
        found.lower = np.asfortranarray(np.tril(entry(arrays, f"{prefix}scatter", shape=(d, d))))
        third = entry(arrays, f"{prefix}third", shape=(d,)).copy()
        found.centred = Centred(third, float(entry(arrays, f"{prefix}fourth", shape=())))
        return found

    def _join(
        self,
        centred: Centred,
        delta: Float[NDArray[Any], " d"],
        *,
        count: int,
        trace: float,
        stretched: Float[NDArray[Any], " d"],
    ) -> Float[NDArray[Any], " d"]:
        """Join all but the matrix with other rows whose mean is ``delta`` away; return √(ab/n) δ, due to the matrix."""
        total = self.count + count
        here, there = count / total, -self.count / total
        own = moved(
            self.centred,
            here * delta,
            count=self.count,
            trace=float(np.trace(self.lower)),
            stretched=here * blas.dsymv(1.0, self.lower, delta, lower=1),
        )
        theirs = moved(centred, there * delta, count=count, trace=trace, stretched=there * stretched)
        self.centred = Centred(own.third + theirs.third, own.fourth + theirs.fourth)
        weight = np.sqrt(self.count * here)
        self.offset = self.offset + here * delta
        self.count = total
        return np.asarray(weight * delta)


def mirrored(lower: Float[NDArray[Any], "d d"]) -> Float[NDArray[Any], "d d"]:
    """Return the symmetric matrix of which the lower triangle is given and the upper one is zero."""
    full = lower + lower.T
    full[np.diag_indices(len(full))] = np.diagonal(lower)
    return np.asarray(full)


def entry(arrays: Mapping[str, NDArray[Any]], name: str, *, shape: tuple[int, ...]) -> NDArray[Any]:
    """Return one named array of floats; FormatError if it is absent, of another shape or type, or not finite."""
    found = _present(arrays, name)
    if found.shape != shape or found.dtype != np.float64 or not np.isfinite(found).all():
        raise FormatError(
            f"{name!r} of the moments has shape {found.shape} and dtype {found.dtype}, or is not finite; "
            f"it must be finite, of shape {shape} and dtype float64; write them again."
        )
    return found


def count_entry(arrays: Mapping[str, NDArray[Any]], name: str, *, least: int) -> int:
    """Return one named count; FormatError if it is absent, no whole number, or less than ``least``."""
    found = _present(arrays, name)
    if found.shape != () or found.dtype != np.int64 or found < least:
        raise FormatError(f"{name!r} of the moments is no count of at least {least}; write them again.")
    return int(found)


def _present(arrays: Mapping[str, NDArray[Any]], name: str) -> NDArray[Any]:
    if name not in arrays:
        raise FormatError(f"The moments lack {name!r}; write them again.")
    return arrays[name]
