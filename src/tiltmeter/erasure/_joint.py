"""Means, covariance and cross-covariance of rows and a concept, gathered in one pass."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.linalg import blas

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import Moments

Precision = Literal["float64", "float32"]

# numbers that wait before they enter the matrix: so many rows that the product outweighs reading and writing the matrix
_HELD = 2**22
_LEAST_ROWS, _MOST_ROWS = 256, 4096


class Joint(NamedTuple):
    """What closed forms need: everything divides by the total weight.

    ``lower`` is the lower triangle of the covariance of rows (d, d), or None where it was not asked for; ``variance``
    is its diagonal.
    """

    total: float
    mean: Float[NDArray[np.float64], " d"]
    variance: Float[NDArray[np.float64], " d"]
    lower: Float[NDArray[np.float64], "d d"] | None
    cross: Float[NDArray[np.float64], "d c"]
    z_mean: Float[NDArray[np.float64], " c"]
    z_covariance: Float[NDArray[np.float64], "c c"]


class JointScatter:
    """Count, means and centred products of rows and z, in float64, about the first row.

    Every block of rows is taken about its own mean, so that a large offset costs no digits and equal values have a
    variance of exactly zero. With ``"float32"`` the product of a block with itself is made in single precision and
    added in double; means and cross-products are in double always.
    """

    def __init__(
        self, n_features: int, n_columns: int, *, precision: Precision = "float64", has_matrix: bool = True
    ) -> None:
        self.precision = precision
        self.total = 0.0
        self._lower = np.zeros((n_features, n_features), order="F") if has_matrix else None
        self._squares = np.zeros(n_features)
        self._cross = np.zeros((n_features, n_columns))
        self._zz = np.zeros((n_columns, n_columns))
        self._origin, self._z_origin = np.zeros(n_features), np.zeros(n_columns)
        self._offset, self._z_offset = np.zeros(n_features), np.zeros(n_columns)
        self._is_begun = False
        # one row more than can wait, for the step between two means
        self._block = int(np.clip(_HELD // n_features, _LEAST_ROWS, _MOST_ROWS))
        self._rows = np.empty((0, n_features))
        self._z = np.empty((0, n_columns))
        self._weights = np.empty(0)
        self._held = 0

    def add(
        self,
        X: Float[NDArray[Any], "n d"],
        columns: Float[NDArray[Any], "n c"],
        *,
        weights: Float[NDArray[Any], " n"] | None = None,
    ) -> None:
        """Take finite rows of any floating type, their z, and their weights."""
        if not self._is_begun and len(X):
            self._origin, self._z_origin = X[0].astype(np.float64), columns[0].astype(np.float64)
            self._is_begun = True
        done = 0
        while done < len(X):
            self._make_room(len(X) - done)
            taken = min(self._block - self._held, len(X) - done)
            place, rows = slice(self._held, self._held + taken), slice(done, done + taken)
            np.subtract(X[rows], self._origin, out=self._rows[place], casting="same_kind", dtype=np.float64)
            np.subtract(columns[rows], self._z_origin, out=self._z[place])
            self._weights[place] = 1.0 if weights is None else weights[rows]
            self._held, done = self._held + taken, done + taken
            if self._held == self._block:
                self._flush()

    def merge(self, other: JointScatter) -> None:
        """Take what ``other`` has seen; ``other`` keeps it too."""
        self._flush()
        other._flush()
        if other.total == 0:
            return
        if self.total == 0:
            self._origin, self._z_origin, self._is_begun = other._origin, other._z_origin, True
        delta = (other._origin - self._origin) + other._offset - self._offset
        z_delta = (other._z_origin - self._z_origin) + other._z_offset - self._z_offset
        step, z_step = self._move(delta, z_delta, other.total)
        self._cross += other._cross + np.outer(step, z_step)
        self._zz += other._zz + np.outer(z_step, z_step)
        self._squares += other._squares + step**2
        if self._lower is not None and other._lower is not None:
            self._lower += other._lower
            self._lower = blas.dsyr(1.0, step, a=self._lower, lower=1, overwrite_a=1)

    def finish(self) -> Joint:
        """Return the moments so far; ArrayError if no row has weight."""
        self._flush()
        if self.total == 0:
            raise ArrayError("No row has a weight above 0; give rows before asking for their eraser.")
        lower = None if self._lower is None else self._lower / self.total
        variance = self._squares / self.total
        if lower is not None:
            variance = np.diagonal(lower).copy()
        return Joint(
            self.total,
            self._origin + self._offset,
            variance,
            lower,
            self._cross / self.total,
            self._z_origin + self._z_offset,
            self._zz / self.total,
        )

    def _make_room(self, n: int) -> None:
        """Let the rows that wait have a place; it grows, since a few rows need no large one."""
        needed = min(self._block, self._held + n) + 1
        if len(self._rows) < needed:
            size = min(self._block + 1, max(needed, 2 * len(self._rows)))
            for name in ("_rows", "_z", "_weights"):
                old = getattr(self, name)
                new = np.empty((size, *old.shape[1:]))
                new[: self._held] = old[: self._held]
                setattr(self, name, new)

    def _flush(self) -> None:
        """Let the rows that wait enter the products."""
        held, self._held = self._held, 0
        rows, z, weights = self._rows[:held], self._z[:held], self._weights[:held]
        total = float(weights.sum())
        if total == 0:
            return
        offset, z_offset = weights @ rows / total, weights @ z / total
        rows -= offset
        z -= z_offset
        step, z_step = self._move(offset - self._offset, z_offset - self._z_offset, total)
        weighted = weights[:, None] * z
        self._cross += rows.T @ weighted + np.outer(step, z_step)
        self._zz += z.T @ weighted + np.outer(z_step, z_step)
        if self._lower is None:
            self._squares += np.einsum("n,nd,nd->d", weights, rows, rows) + step**2
            return
        if (weights != 1.0).any():
            rows *= np.sqrt(weights)[:, None]
        if self.precision == "float32":
            narrow = rows.astype(np.float32)
            self._lower += blas.ssyrk(1.0, narrow.T, lower=1)
            self._lower = blas.dsyr(1.0, step, a=self._lower, lower=1, overwrite_a=1)
            return
        self._rows[held] = step
        self._lower = blas.dsyrk(1.0, self._rows[: held + 1].T, beta=1.0, c=self._lower, lower=1, overwrite_c=1)

    def _move(
        self, delta: Float[NDArray[Any], " d"], z_delta: Float[NDArray[Any], " c"], total: float
    ) -> tuple[Float[NDArray[Any], " d"], Float[NDArray[Any], " c"]]:
        """Move the means towards those of other rows that lie delta away; return both steps, each times √(ab/n)."""
        share = total / (self.total + total)
        scale = np.sqrt(self.total * share)
        self._offset = self._offset + share * delta
        self._z_offset = self._z_offset + share * z_delta
        self.total += total
        return scale * delta, scale * z_delta


def joint_moments(
    X: Float[NDArray[Any], "n d"],
    columns: Float[NDArray[Any], "n c"],
    *,
    weights: Float[NDArray[Any], " n"] | None = None,
    precision: Precision = "float64",
    has_matrix: bool = True,
) -> Joint:
    """Return the joint moments of rows that are at hand."""
    scatter = JointScatter(X.shape[1], columns.shape[1], precision=precision, has_matrix=has_matrix)
    scatter.add(X, columns, weights=weights)
    return scatter.finish()


def joint_of_moments(moments: Moments) -> Joint:
    """Return the joint moments of rows labelled 0 and 1 and their label; ArrayError if a label has no rows."""
    negative, positive, prior = moments.class_means()
    # rows without a label say nothing of the concept and are left out
    covariance = moments.within_covariance(shrinkage=0.0).matrix
    delta, spread = positive - negative, prior * (1 - prior)
    covariance += spread * np.outer(delta, delta)
    counts = moments.counts
    return Joint(
        float(counts.negative + counts.positive),
        negative + prior * delta,
        np.diagonal(covariance).copy(),
        np.asfortranarray(np.tril(covariance)),
        spread * delta[:, None],
        np.array([prior]),
        np.array([[spread]]),
    )


def check_rows(X: NDArray[Any], *, n_features: int | None = None) -> None:
    """Refuse what is not a finite matrix of floats, by the row."""
    if X.ndim != 2 or (n_features is not None and X.shape[1] != n_features):
        wanted = "" if n_features is None else f", of width {n_features}"
        raise ArrayError(f"X has shape {X.shape}; it must have two axes, rows and features{wanted}.")
    if not np.issubdtype(X.dtype, np.floating):
        raise ArrayError(f"X has dtype {X.dtype}; give rows of a floating type.")
    for start in range(0, len(X), _MOST_ROWS):
        rows = X[start : start + _MOST_ROWS]
        with np.errstate(over="ignore", invalid="ignore"):
            is_fine = np.isfinite(rows.sum(dtype=np.promote_types(X.dtype, np.float32)))
        # a sum that overflows is no fault of the rows
        if not is_fine and not (finite := np.isfinite(rows).all(axis=1)).all():
            raise ArrayError(
                f"Row {start + int(finite.argmin())} of X contains NaN or infinity; drop the row, or find where it "
                "comes from (float16 models overflow)."
            )
