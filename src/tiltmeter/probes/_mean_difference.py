"""The difference of the class means, of rows as they are or brought to a common size."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError
from tiltmeter.numerics import ClassMeans, Moments, class_means
from tiltmeter.probes._probe import FitsMoments, Found, SupervisedProbe, one_of

Rows = Literal["raw", "unit", "standardised"]

# a standard deviation below this share of the mean is the rounding of a constant
_ROUNDING = 4 * float(np.finfo(np.float64).eps)


def mean_difference(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    rows: Rows = "raw",
    sample_weight: Float[NDArray[Any], " n"] | None = None,
) -> Found:
    """Return μ₁ − μ₀ and the offset that puts zero midway between the two means.

    Accumulates in float64. ``y`` is 0 or 1, both present.

    Parameters
    ----------
    X, y
        Rows and labels.
    rows
        Of what the means are taken: ``"raw"`` rows, rows of ``"unit"`` norm, or rows ``"standardised"`` by each
        feature's standard deviation over all rows. The vector always scores raw rows, and zero is always midway
        between the scores of the raw class means.
    sample_weight
        Shape (n,), or None.

    Raises
    ------
    ArrayError
        If a class is absent.

    Notes
    -----
    Standardised rows x / s have the difference δ / s, and score a raw row by Σ x δ / s². A constant feature, and a row
    of zeros where rows are brought to unit norm, count as zero.

    Examples
    --------
    >>> mean_difference(np.array([[0.0, 1.0], [4.0, 1.0]]), np.array([0, 1])).vector.tolist()
    [4.0, 0.0]
    """
    one_of("rows", rows, ("raw", "unit", "standardised"))
    means = class_means(X, y, sample_weight=sample_weight)
    if rows == "raw":
        return _between(means, means.positive - means.negative)
    if rows == "unit":
        inner = class_means(_of_unit_norm(X), y, sample_weight=sample_weight)
        return _between(means, inner.positive - inner.negative)
    centred = X - np.where((y == 1)[:, None], means.positive, means.negative)
    return _between(means, _in_units_of_spread(means, np.average(centred**2, axis=0, weights=sample_weight)))


def _between(means: ClassMeans, vector: Float[NDArray[Any], " d"]) -> Found:
    return Found(vector, -float(vector @ (means.positive + means.negative)) / 2)


def _of_unit_norm(X: Float[NDArray[Any], "n d"]) -> Float[NDArray[Any], "n d"]:
    X = X.astype(np.float64)
    norms = np.linalg.norm(X, axis=1, keepdims=True)
    return np.asarray(np.divide(X, norms, out=np.zeros_like(X), where=norms > 0))


def _in_units_of_spread(means: ClassMeans, within: Float[NDArray[Any], " d"]) -> Float[NDArray[Any], " d"]:
    """Divide the difference by the variance over all rows: that within the classes and that between their means."""
    difference = means.positive - means.negative
    total = within + means.prior * (1 - means.prior) * difference**2
    floor = (_ROUNDING * np.maximum(np.abs(means.positive), np.abs(means.negative))) ** 2
    return np.asarray(np.divide(difference, total, out=np.zeros_like(difference), where=total > floor))


class MeanDifference(FitsMoments, SupervisedProbe):
    """Project on the difference of the class means.

    The closed form that logistic regression tends to under strong L2, for any class balance. It ignores the
    covariance of the rows: it follows whatever differs between the classes on average, a distractor too, and is moved
    by outliers. Cost O(n d).

    Parameters
    ----------
    rows
        Of what the means are taken: ``"raw"`` rows; rows of ``"unit"`` norm, so that long rows count no more than
        short ones; or rows ``"standardised"`` by each feature's standard deviation over all rows, so that no loud
        feature drowns the others. The direction scores raw rows in each case.

    Raises
    ------
    SpecError
        From ``fit_moments``, if ``rows="unit"``, which needs the rows one by one.

    See Also
    --------
    LDA : the same difference, whitened.
    MedianDifference : the same between centres that outliers do not move.
    LAT : the same from unlabelled pairs.

    References
    ----------
    Roger (2023), "Coup probes", first appendix; Marks and Tegmark, arXiv 2310.06824 ("mass-mean probe").

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [2.0, 1.0], [4.0, 1.0], [6.0, 1.0]])
    >>> probe = MeanDifference().fit(X, np.array([0, 0, 1, 1]))
    >>> probe.direction_.tolist(), probe.decision_function(X).tolist()
    ([1.0, 0.0], [-3.0, -1.0, 1.0, 3.0])
    """

    def __init__(self, rows: Rows = "raw") -> None:
        self.rows = rows

    def _find(
        self, X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> Found:
        return mean_difference(X, y, rows=self.rows, sample_weight=sample_weight)

    def _find_in_moments(self, moments: Moments) -> Found:
        if self.rows == "unit":
            raise SpecError(
                'MeanDifference with rows="unit" divides each row by its norm, which moments no longer hold; use '
                'rows="raw" or "standardised", or fit on the rows.'
            )
        means = moments.class_means()
        if self.rows == "raw":
            return _between(means, means.positive - means.negative)
        return _between(means, _in_units_of_spread(means, np.diag(moments.within_covariance(shrinkage=0.0).matrix)))
