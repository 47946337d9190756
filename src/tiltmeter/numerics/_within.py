"""Class means and the covariance within classes."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError

# where all rows lie equally far from their mean the formula gives 0, even if the covariance is singular
_LEAST_SHRINKAGE = 1e-8
# of some hundreds of rows that cancel, in units of the last place
_ROUNDING = 16


class ClassMeans(NamedTuple):
    """Weighted means of the rows labelled 0 and 1, shape (d,) each, and the share of weight on label 1."""

    negative: Float[NDArray[Any], " d"]
    positive: Float[NDArray[Any], " d"]
    prior: float


class WithinCovariance(NamedTuple):
    """A shrunk pooled within-class covariance, shape (d, d), and the shrinkage in [0, 1] that was used."""

    matrix: Float[NDArray[Any], "d d"]
    shrinkage: float


def class_means(
    X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], *, sample_weight: Float[NDArray[Any], " n"] | None = None
) -> ClassMeans:
    """Return the means of both classes in float64; ArrayError if a class has no weight.

    Means that differ by no more than rounding are returned equal: their difference would be a direction of noise.

    Examples
    --------
    >>> class_means(np.array([[0.0], [2.0], [4.0]]), np.array([0, 1, 1])).positive.tolist()
    [3.0]
    """
    weight = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    on_positive = float(weight[y == 1].sum())
    total = float(weight.sum())
    if not 0 < on_positive < total:
        raise ArrayError("y has one class only (or all weight is on one); both labels are needed.")
    negative, positive = (_mean(X, np.where(y == label, weight, 0.0)) for label in (0, 1))
    spread = float(np.abs(X - X[0].astype(np.float64)).max())
    return unless_equal(ClassMeans(negative, positive, on_positive / total), spread=spread)


def unless_equal(means: ClassMeans, *, spread: float) -> ClassMeans:
    """Make means equal that differ by no more than rounding, given how far rows lie from each other."""
    difference = float(np.abs(means.positive - means.negative).max())
    # sums of rows about one of their class; the mean itself carries the rounding of where the rows lie
    offset = float(np.abs(means.negative).max())
    if difference > _ROUNDING * np.finfo(np.float64).eps * (spread + offset):
        return means
    return means._replace(positive=means.negative.copy())


def _mean(X: Float[NDArray[Any], "n d"], weight: Float[NDArray[Any], " n"]) -> Float[NDArray[Any], " d"]:
    is_in = weight > 0
    rows = X[is_in].astype(np.float64, copy=False)
    # about one of the rows: the mean of equal rows is that row exactly, and a shared offset costs no digits
    origin = rows[0].copy()
    rows -= origin
    return np.asarray(origin + weight[is_in] @ rows / weight.sum())


def within_covariance(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    shrinkage: float | None = None,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
) -> WithinCovariance:
    """Return the pooled within-class covariance, shrunk towards a multiple of the identity.

    Solves and accumulates in float64. Weights count as repetitions: weight 2 is the row twice.

    Parameters
    ----------
    X, y
        Rows and their labels 0 and 1.
    shrinkage
        In [0, 1]; None for the value of Ledoit and Wolf, which minimises the expected squared error, but never less
        than 1e-8.
    sample_weight
        Shape (n,), non-negative, or None.

    Raises
    ------
    ArrayError
        If a class has no weight, or ``shrinkage`` is outside [0, 1].

    Notes
    -----
    With S the covariance of the rows about their class mean, m = tr(S)/d and N the total weight, the estimate is
    (1 − a) S + a m I with a = min(1, b / |S − m I|²), b = (Σ w |x|⁴ / N − |S|²) / N. The cost is O(n d²).

    References
    ----------
    Ledoit and Wolf (2004), "A well-conditioned estimator for large-dimensional covariance matrices", section 3.2.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(200, 3))
    >>> within_covariance(X, np.arange(200) % 2).matrix.shape
    (3, 3)
    """
    weight = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    means = class_means(X, y, sample_weight=sample_weight)
    centred = X.astype(np.float64) - np.where((y == 1)[:, None], means.positive, means.negative)
    total = float(weight.sum())
    sample = centred.T @ (weight[:, None] * centred) / total
    fourth = float(weight @ (centred**2).sum(axis=1) ** 2) / total
    return shrunk(sample, fourth=fourth, total=total, shrinkage=shrinkage)


def shrunk(
    sample: Float[NDArray[Any], "d d"], *, fourth: float, total: float, shrinkage: float | None
) -> WithinCovariance:
    """Shrink a covariance as ``within_covariance`` says, given Σ |x|⁴ / N and N; ``sample`` is overwritten."""
    if shrinkage is not None and not 0 <= shrinkage <= 1:
        raise ArrayError(f"shrinkage is {shrinkage}; it must lie in [0, 1], or be None for Ledoit and Wolf's value.")
    d = len(sample)
    scale = float(np.trace(sample)) / d
    if shrinkage is None:
        shrinkage = shrinkage_of(float(np.vdot(sample, sample)), scale=scale, d=d, fourth=fourth, total=total)
    sample *= 1 - shrinkage
    sample[np.diag_indices(d)] += shrinkage * scale
    return WithinCovariance(sample, shrinkage)


def shrinkage_of(square: float, *, scale: float, d: int, fourth: float, total: float) -> float:
    """Return Ledoit and Wolf's shrinkage, given |S|², tr(S)/d, the width d, Σ |x|⁴ / N and N."""
    spread = square - d * scale**2  # |S − m I|²
    noise = (fourth - square) / total
    # a covariance that is a multiple of the identity already (or zero) has nothing to be shrunk away from
    is_round = spread <= np.finfo(np.float64).eps * square
    return 1.0 if is_round else float(np.clip(noise / spread, _LEAST_SHRINKAGE, 1.0))
