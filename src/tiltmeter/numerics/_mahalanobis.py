"""How far rows lie from what was seen, in units of how much that varies."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics._within import shrinkage_of

# directions in which rows vary less than this share of the most varied one are rounding: a Gram matrix knows no better
_RANK_TOL = 1e-12


class Ellipsoids(NamedTuple):
    """Class means (c, d) and the covariance within classes that they share, by its axes.

    ``axes`` (r, d) are orthonormal with ``variances`` (r,); in every direction across all of them the variance is
    ``rest``. ``shrinkage`` in [0, 1] is how far the covariance was drawn towards a multiple of the identity.
    """

    means: Float[NDArray[Any], "c d"]
    axes: Float[NDArray[Any], "r d"]
    variances: Float[NDArray[Any], " r"]
    rest: float
    shrinkage: float


def fit_ellipsoids(
    X: Float[NDArray[Any], "n d"], classes: Shaped[NDArray[Any], " n"] | None = None, *, shrinkage: float | None = None
) -> Ellipsoids:
    """Return the means of classes and the covariance within them, shrunk towards a multiple of the identity.

    Solves and accumulates in float64. The d × d matrix is never formed where rows are fewer than features.

    Parameters
    ----------
    X
        Finite rows.
    classes
        The class of each row, or None where there is but one.
    shrinkage
        In [0, 1]; None for the value of Ledoit and Wolf, but never less than 1e-8: what varied by chance alone in few
        rows is not taken for the truth.

    Raises
    ------
    ArrayError
        If there are no rows, a value is not finite, ``shrinkage`` is outside [0, 1], or 0 with fewer rows than
        features, or no row differs from the mean of its class.

    See Also
    --------
    within_covariance : the same covariance as a matrix, of two classes.

    Notes
    -----
    The cost is O(n d min(n, d)).

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(200, 3)) * [1.0, 2.0, 4.0]
    >>> np.sqrt(fit_ellipsoids(X).variances).round(1).tolist()
    [1.1, 2.0, 3.9]
    """
    if not len(X) or not np.isfinite(X).all():
        raise ArrayError(f"X has shape {X.shape}; it must hold finite rows, one at least.")
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise ArrayError(f"shrinkage is {shrinkage}; it must lie in [0, 1], or be None for Ledoit and Wolf's value.")
    names, which = np.unique(np.zeros(len(X)) if classes is None else classes, return_inverse=True)
    rows = X.astype(np.float64)
    # about one of the rows: an offset that all share costs no digits
    origin = rows[0].copy()
    rows -= origin
    means = np.stack([rows[which == k].mean(axis=0) for k in range(len(names))])
    rows -= means[which]
    n, d = rows.shape
    is_wide = n < d
    values, vectors = np.linalg.eigh((rows @ rows.T if is_wide else rows.T @ rows) / n)
    values = np.maximum(values, 0.0)
    if values[-1] <= (np.finfo(np.float64).eps * np.abs(origin).max(initial=0.0)) ** 2:
        raise ArrayError("The rows do not differ from the mean of their class; distances have no unit.")
    scale = float(values.sum()) / d
    if shrinkage is None:
        fourth = float(((rows**2).sum(axis=1) ** 2).mean())
        shrinkage = shrinkage_of(float(values @ values), scale=scale, d=d, fourth=fourth, total=float(n))
    if is_wide:
        kept = values > _RANK_TOL * values[-1]
        values = values[kept]
        vectors = rows.T @ vectors[:, kept] / np.sqrt(n * values)
    if shrinkage == 0 and (len(values) < d or values[0] <= _RANK_TOL * values[-1]):
        raise ArrayError(f"{n} rows do not vary in all of {d} directions; ask for some shrinkage.")
    variances = (1 - shrinkage) * values + shrinkage * scale
    return Ellipsoids(
        origin + means, np.ascontiguousarray(vectors.T), variances, float(shrinkage * scale), float(shrinkage)
    )


def squared_mahalanobis(X: Float[NDArray[Any], "n d"], shape: Ellipsoids) -> Float[NDArray[Any], " n"]:
    """Return the squared Mahalanobis distance of each row to the nearest class mean, float64.

    Raises
    ------
    ArrayError
        If the width differs.

    Notes
    -----
    min_k (x − μ_k)ᵀ Σ⁻¹ (x − μ_k). Of Gaussian rows with the true mean and covariance it has a χ² law with d degrees of
    freedom; of rows at hand it has not, so thresholds come from held-out rows.

    Examples
    --------
    >>> shape = Ellipsoids(np.array([[0.0, 0.0]]), np.eye(2), np.array([1.0, 4.0]), 0.0, 0.0)
    >>> squared_mahalanobis(np.array([[3.0, 0.0], [0.0, 4.0]]), shape).tolist()
    [9.0, 4.0]
    """
    if X.shape[1] != shape.means.shape[1]:
        raise ArrayError(f"X has shape {X.shape}; distances are of rows of width {shape.means.shape[1]}.")
    nearest = np.full(len(X), np.inf)
    for mean in shape.means:
        centred = X.astype(np.float64) - mean
        along = (centred @ shape.axes.T) ** 2
        squared = (along / shape.variances).sum(axis=1)
        if len(shape.axes) < X.shape[1]:
            across = (centred**2).sum(axis=1) - along.sum(axis=1)
            squared += np.maximum(across, 0.0) / shape.rest
        nearest = np.minimum(nearest, squared)
    return nearest
