"""Means, covariance and cross-covariance of rows and a concept, gathered in one pass."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.linalg import blas

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure._arguments import check_choice, weights_of
from tiltmeter.numerics import Moments

Precision = Literal["float64", "float32"]

# Rows that wait before they enter the matrix: many, so that the product outweighs reading and writing the matrix.
_MOST_BYTES = 2**26
_LEAST_ROWS, _MOST_ROWS = 256, 4096
# rows that are shifted, summed and put down while they are in the processor's cache
_STRIP = 32


class Joint(NamedTuple):
    """What closed forms need: all but ``scatter`` divides by the total weight.

    ``scatter`` is the lower triangle of Σ w (x − mean)(x − mean)ᵀ, shape (d, d), or None where it was not asked for. It
    is the fitter's own matrix: not to be written to, and out of date when more rows come.
    """

    total: float
    mean: Float[NDArray[np.float64], " d"]
    variance: Float[NDArray[np.float64], " d"]
    scatter: Float[NDArray[np.float64], "d d"] | None
    cross: Float[NDArray[np.float64], "d c"]
    z_mean: Float[NDArray[np.float64], " c"]
    z_covariance: Float[NDArray[np.float64], "c c"]


class JointScatter:
    """Count, means and centred products of rows and z, in float64, about the first row that has weight.

    Every block of rows is taken about its own mean, so that a large offset costs no digits and equal values have a
    variance of exactly zero. With ``"float32"`` the product of a block with itself is made in single precision and
    added in double; means and cross-products are in double always.

    Products are SciPy's throughout: NumPy brings a second pool of threads, which still spins when SciPy's starts.
    """

    def __init__(
        self, n_features: int, n_columns: int, *, precision: Precision = "float64", has_matrix: bool = True
    ) -> None:
        check_choice("precision", precision, Precision)
        self.total = 0.0
        self._lower = np.zeros((n_features, n_features), order="F") if has_matrix else None
        self._squares = np.zeros(n_features)
        self._cross = np.zeros((n_features, n_columns))
        self._zz = np.zeros((n_columns, n_columns))
        self._origin, self._z_origin = np.zeros(n_features), np.zeros(n_columns)
        self._offset, self._z_offset = np.zeros(n_features), np.zeros(n_columns)
        self._is_begun = False
        dtype = np.dtype(precision)
        self._block = int(np.clip(_MOST_BYTES // (n_features * dtype.itemsize), _LEAST_ROWS, _MOST_ROWS))
        # one row more than can wait, for the step between two means
        self._rows = np.empty((0, n_features), dtype=dtype)
        self._weights = np.empty(0)
        self._held = 0
        # of the rows that wait: Σ w x and Σ w x zᵀ side by side, and the same of z
        self._sums = np.zeros((n_features, 1 + n_columns), order="F")
        self._z_sums = np.zeros((1 + n_columns, n_columns))
        self._strip = np.empty((_STRIP, n_features))

    def add(
        self,
        X: Float[NDArray[Any], "n d"],
        columns: Float[NDArray[Any], "n c"],
        *,
        weights: Float[NDArray[Any], " n"] | None = None,
    ) -> None:
        """Take finite rows of any floating type, their z, and their weights."""
        if weights is not None and not weights.all():
            # rows that do not count must set no origin, and their size must cost the others no digits
            counts = weights > 0
            X, columns, weights = X[counts], columns[counts], weights[counts]
        if not self._is_begun and len(X):
            self._origin, self._z_origin = X[0].astype(np.float64), columns[0].astype(np.float64)
            self._is_begun = True
        done, space = 0, None
        while done < len(X):
            self._make_room(len(X) - done)
            taken = min(self._block - self._held, len(X) - done)
            self._take(
                X[done : done + taken], columns[done : done + taken], None if weights is None else weights[done:]
            )
            done += taken
            if self._held == self._block:
                space = self._flush(space)

    def _take(
        self, X: Float[NDArray[Any], "n d"], columns: Float[NDArray[Any], "n c"], weights: NDArray[Any] | None
    ) -> None:
        """Put rows down among those that wait, for which there is room, and add up what goes with them."""
        place = slice(self._held, self._held + len(X))
        self._weights[place] = 1.0 if weights is None else weights[: len(X)]
        z = columns - self._z_origin
        weighted = np.column_stack([np.ones(len(X)), z]) * self._weights[place, None]
        self._z_sums += weighted.T @ z
        for start in range(0, len(X), _STRIP):
            strip = X[start : start + _STRIP]
            rows = self._rows[place][start : start + _STRIP]
            shifted = rows if rows.dtype == np.float64 else self._strip[: len(strip)]
            shifted[:] = strip
            shifted -= self._origin
            if shifted is not rows:
                rows[:] = shifted
            self._sums += blas.dgemm(1.0, shifted.T, weighted[start : start + _STRIP])
        self._held += len(X)

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
        squares = self._squares if self._lower is None else np.diagonal(self._lower)
        return Joint(
            self.total,
            self._origin + self._offset,
            squares / self.total,
            self._lower,
            self._cross / self.total,
            self._z_origin + self._z_offset,
            self._zz / self.total,
        )

    def _make_room(self, n: int) -> None:
        """Let the rows that wait have a place; it grows, since a few rows need no large one."""
        needed = min(self._block, self._held + n) + 1
        if len(self._rows) < needed:
            size = min(self._block + 1, max(needed, 2 * len(self._rows)))
            for name in ("_rows", "_weights"):
                old = getattr(self, name)
                new = np.empty((size, *old.shape[1:]), dtype=old.dtype)
                new[: self._held] = old[: self._held]
                setattr(self, name, new)

    def _flush(self, space: NDArray[np.float32] | None = None) -> NDArray[np.float32] | None:
        """Let the rows that wait enter the products; returned is the matrix of single precision, for the next time."""
        held, self._held = self._held, 0
        rows, weights = self._rows[:held], self._weights[:held]
        total, sums, z_sums = float(weights.sum()), self._sums, self._z_sums
        self._sums, self._z_sums = np.zeros_like(sums), np.zeros_like(z_sums)
        if total == 0:
            return space
        sums /= total
        z_sums /= total
        offset, z_offset = sums[:, 0], z_sums[0]
        step, z_step = self._move(offset - self._offset, z_offset - self._z_offset, total)
        self._cross += total * (sums[:, 1:] - np.outer(offset, z_offset)) + np.outer(step, z_step)
        self._zz += total * (z_sums[1:] - np.outer(z_offset, z_offset)) + np.outer(z_step, z_step)
        rows -= offset.astype(rows.dtype)
        if self._lower is None:
            self._squares += np.einsum("n,nd,nd->d", weights, rows, rows) + step**2
            return space
        if (weights != 1.0).any():
            rows *= np.sqrt(weights)[:, None]
        if rows.dtype == np.float32:
            # fresh memory of this size costs as much as a tenth of the product
            space = np.zeros(self._lower.shape, dtype=np.float32, order="F") if space is None else space
            space = blas.ssyrk(1.0, rows.T, beta=0.0, c=space, lower=1, overwrite_c=1)
            self._lower += space
            self._lower = blas.dsyr(1.0, step, a=self._lower, lower=1, overwrite_a=1)
            return space
        self._rows[held] = step
        self._lower = blas.dsyrk(1.0, self._rows[: held + 1].T, beta=1.0, c=self._lower, lower=1, overwrite_c=1)
        return space

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
    """Return the joint moments of rows that are at hand; ArrayError where they are no finite matrix of floats."""
    check_matrix(X)
    weights = weights_of(weights, n=len(X))
    if weights is not None and not weights.all():  # the sums do not meet all rows, and would not show what they hold
        check_rows(X)
    scatter = JointScatter(X.shape[1], columns.shape[1], precision=precision, has_matrix=has_matrix)
    with np.errstate(over="ignore", invalid="ignore"):
        scatter.add(X, columns, weights=weights)
        joint = scatter.finish()
    # what is not finite anywhere is not finite in the mean, and to look costs no pass over the rows
    if not np.isfinite(joint.mean).all():
        check_rows(X)
    if not np.isfinite(joint.variance).all():
        raise ArrayError("The variances of X are too large for double precision; scale the rows down.")
    return joint


def joint_of_moments(moments: Moments) -> Joint:
    """Return the joint moments of rows labelled 0 and 1 and their label; ArrayError if a label has no rows."""
    negative, positive, prior = moments.class_means()
    # rows without a label say nothing of the concept and are left out
    covariance = moments.within_covariance(shrinkage=0.0).matrix
    delta, spread = positive - negative, prior * (1 - prior)
    covariance += spread * np.outer(delta, delta)
    counts = moments.counts
    total = float(counts.negative + counts.positive)
    return Joint(
        total,
        negative + prior * delta,
        np.diagonal(covariance).copy(),
        np.asfortranarray(np.tril(covariance)) * total,
        spread * delta[:, None],
        np.array([prior]),
        np.array([[spread]]),
    )


def check_matrix(X: NDArray[Any], *, n_features: int | None = None) -> None:
    """Refuse what is not a matrix of floats."""
    if not isinstance(X, np.ndarray):
        raise ArrayError(f"X is a {type(X).__name__}; give a NumPy array of rows.")
    if X.ndim != 2 or (n_features is not None and X.shape[1] != n_features):
        wanted = "" if n_features is None else f", of width {n_features}"
        raise ArrayError(f"X has shape {X.shape}; it must have two axes, rows and features{wanted}.")
    if not np.issubdtype(X.dtype, np.floating):
        raise ArrayError(f"X has dtype {X.dtype}; give rows of a floating type.")


def check_rows(X: NDArray[Any], *, n_features: int | None = None) -> None:
    """Refuse what is not a finite matrix of floats, by the row."""
    check_matrix(X, n_features=n_features)
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
