"""Linear discriminant analysis with a shrunk covariance."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.numerics import ClassMeans, Moments, class_means, solve_positive, within_covariance
from tiltmeter.probes._probe import FitsMoments, Found, SupervisedProbe


def lda(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    shrinkage: float | None = None,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
) -> Found:
    """Return Σ⁻¹(μ₁ − μ₀), with Σ the shrunk within-class covariance, and the offset that splits the two means.

    Solved in float64. Features without variance within the classes are handled by the shrinkage.

    Raises
    ------
    ArrayError
        If a class is absent, or ``shrinkage`` is 0 and the covariance is singular.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(400) % 2
    >>> X = rng.normal(size=(400, 2)) * [1.0, 10.0] + y[:, None] * [2.0, 2.0]
    >>> v = lda(X, y).vector
    >>> bool(abs(v[0]) > 20 * abs(v[1]))
    True
    """
    covariance = within_covariance(X, y, shrinkage=shrinkage, sample_weight=sample_weight).matrix
    return _whitened(class_means(X, y, sample_weight=sample_weight), covariance)


def _whitened(means: ClassMeans, covariance: Float[NDArray[Any], "d d"]) -> Found:
    difference = means.positive - means.negative
    if not covariance.any():  # every row equals its class mean: any metric gives the same answer
        vector = difference
    else:
        vector = solve_positive(
            covariance,
            difference,
            otherwise="The within-class covariance is singular; use shrinkage above 0, or None for Ledoit and Wolf's.",
        )
    return Found(vector, -float(vector @ (means.positive + means.negative)) / 2)


class LDA(FitsMoments, SupervisedProbe):
    """Fisher's discriminant: the mean difference in the metric of the within-class covariance.

    Best linear score for two Gaussians of equal covariance. The zero lies midway between the class means, whatever
    the class balance. With ``shrinkage=0`` it is the mean difference tilted by the inverse covariance, Σ⁻¹(μ₁ − μ₀),
    also known as the mass-mean probe for rows from the same distribution. Cost O(n d² + d³).

    Parameters
    ----------
    shrinkage
        In [0, 1], the weight of a multiple of the identity in the covariance; None for Ledoit and Wolf's value.

    See Also
    --------
    MeanDifference : without the covariance, cheaper and less apt to overfit few rows.
    Ridge : the same directions by least squares, with shrinkage alpha / (1 + alpha).

    References
    ----------
    Fisher (1936); Ledoit and Wolf (2004) for the shrinkage; Marks and Tegmark, arXiv 2310.06824, for the tilted
    difference.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [1.0, 3.0], [2.0, 0.0], [3.0, 3.0]])
    >>> probe = LDA(shrinkage=0.1).fit(X, np.array([0, 0, 1, 1]))
    >>> probe.predict(X).tolist()
    [0, 0, 1, 1]
    """

    def __init__(self, shrinkage: float | None = None) -> None:
        self.shrinkage = shrinkage

    def _find(
        self, X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> Found:
        return lda(X, y, shrinkage=self.shrinkage, sample_weight=sample_weight)

    def _find_in_moments(self, moments: Moments) -> Found:
        return _whitened(moments.class_means(), moments.within_covariance(shrinkage=self.shrinkage).matrix)
