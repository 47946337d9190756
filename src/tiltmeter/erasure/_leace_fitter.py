"""LEACE for rows that come in batches."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure._arguments import as_array, check_count, weights_of
from tiltmeter.erasure._concept import are_indicators
from tiltmeter.erasure._eraser import AffineEraser
from tiltmeter.erasure._joint import JointScatter, Precision, check_rows
from tiltmeter.erasure._leace import leace_of_joint


class LEACEFitter:
    """Gathers what LEACE needs of rows that are not kept, in one pass.

    Batches of any size and order give the same map to rounding, and so do fitters of parts that are merged. For many
    sites keep one fitter a site, in a dictionary, and update each with the site's rows of the same batch; for labels 0
    and 1 ``numerics.Moments`` do as well, which ``LEACE.fit_moments`` takes.

    Parameters
    ----------
    n_features
        Width d of the rows.
    n_columns
        c: 1 for one number, or for labels 0 and 1; for c ≥ 3 classes, c.
    shrinkage, precision, tol
        As in :class:`LEACE`.

    Raises
    ------
    SpecError
        If a number is below 1, or there is no such precision.

    Notes
    -----
    A row costs d² multiplications. Memory is one float64 matrix (d, d) and the rows of a block, at most 64 MiB or 256
    rows; in single precision a float32 matrix (d, d) beside it while rows are added.

    What is promised of classes, equal means, is promised where every row of z so far had at most one 1 and else 0;
    otherwise z is taken for numbers, of which less is promised.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(300) % 3
    >>> X = rng.normal(size=(300, 4)) + np.eye(4)[z]
    >>> fitter = LEACEFitter(4, 3)
    >>> for start in range(0, 300, 100):
    ...     fitter = fitter.update(X[start : start + 100], z[start : start + 100])
    >>> fitter.finish().rank
    2
    """

    def __init__(
        self,
        n_features: int,
        n_columns: int = 1,
        *,
        shrinkage: float = 0.0,
        precision: Precision = "float64",
        tol: float = 1e-10,
    ) -> None:
        check_count("n_features", n_features)
        check_count("n_columns", n_columns)
        self.n_features = n_features
        self.n_columns = n_columns
        self.shrinkage = shrinkage
        self.precision: Precision = precision
        self.tol = tol
        self._scatter = JointScatter(n_features, n_columns, precision=precision)
        self._has_classes = True

    def update(
        self,
        X: Float[NDArray[Any], "*rows d"] | Tensor,
        z: NDArray[Any] | Tensor,
        *,
        sample_weight: Float[NDArray[Any], " n"] | None = None,
    ) -> LEACEFitter:
        """Take a batch of rows, in place; a batch that is refused leaves the fitter as it was.

        Parameters
        ----------
        X
            Finite rows (..., d) of any floating type, an array or a tensor.
        z
            Numbers (..., c), or (...) where c is 1; or the number of each row's class (...), 0 to c − 1.
        sample_weight
            Non-negative, one a row: weight 2 counts as the row twice.

        Raises
        ------
        ArrayError
            If a shape or type is wrong or a value is not finite.
        """
        rows = as_array(X)
        if rows.ndim < 1 or rows.shape[-1] != self.n_features:
            raise ArrayError(f"X has shape {rows.shape}; its last axis must hold the {self.n_features} features.")
        columns = self._columns(as_array(z), rows.shape[:-1])
        rows = rows.reshape(-1, self.n_features)
        check_rows(rows)
        flat = None if sample_weight is None else as_array(sample_weight).ravel()
        # the rows of a batch may all count for nothing
        weights = weights_of(flat, n=len(rows), may_be_zero=True)
        self._scatter.add(rows, columns, weights=weights)
        self._has_classes = self._has_classes and are_indicators(columns)
        return self

    def merge(self, other: LEACEFitter) -> LEACEFitter:
        """Take what ``other`` has seen of other rows, in place; ``other`` stays valid.

        Shrinkage and tolerance are this fitter's own: they count only once the eraser is asked for.

        Raises
        ------
        ArrayError
            If the widths or precisions differ.
        """
        if (other.n_features, other.n_columns) != (self.n_features, self.n_columns):
            raise ArrayError(
                f"A fitter of {other.n_features} features and {other.n_columns} columns cannot be merged into one of "
                f"{self.n_features} and {self.n_columns}; merge fitters of the same site and concept."
            )
        if other.precision != self.precision:
            raise ArrayError(
                f"A fitter of precision {other.precision} cannot be merged into one of {self.precision}, which would "
                "pass its rounding for its own; gather all parts in the same precision."
            )
        self._scatter.merge(other._scatter)
        self._has_classes = self._has_classes and other._has_classes
        return self

    def finish(self) -> AffineEraser:
        """Return the eraser of all rows so far; more may follow.

        Raises
        ------
        ArrayError
            If there were no rows, single precision is not enough, or what was found would not erase z.
        NoDirectionError
            If no feature goes with z.
        """
        joint = self._scatter.finish()
        return leace_of_joint(
            joint, has_classes=self._has_classes, shrinkage=self.shrinkage, precision=self.precision, tol=self.tol
        )

    def _columns(self, z: NDArray[Any], shape: tuple[int, ...]) -> NDArray[np.float64]:
        c = self.n_columns
        if z.dtype.kind not in "biuf":
            raise ArrayError(f"z has dtype {z.dtype}; number the classes from 0, since batches may lack some of them.")
        if z.shape == (*shape, c) or (c == 1 and z.shape == shape):
            columns = z.reshape(-1, c).astype(np.float64)
            if not np.isfinite(columns).all():
                raise ArrayError("z contains NaN or infinity; drop these rows, or say what their concept is.")
            return columns
        if z.shape != shape:
            raise ArrayError(f"z has shape {z.shape} for rows of shape {shape}; give {c} numbers or one class a row.")
        codes = z.reshape(-1)
        if not np.isin(codes, np.arange(c)).all():
            raise ArrayError(f"z holds {np.unique(codes)[:5].tolist()}; with {c} columns the classes are 0 to {c - 1}.")
        return np.asarray(np.eye(c)[codes.astype(np.int64)])
