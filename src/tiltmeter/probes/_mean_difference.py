"""The difference of the class means."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.numerics import ClassMeans, Moments, class_means
from tiltmeter.probes._probe import FitsMoments, Found, SupervisedProbe


def mean_difference(
    X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], *, sample_weight: Float[NDArray[Any], " n"] | None = None
) -> Found:
    """Return μ₁ − μ₀ and the offset that puts zero midway between the two means.

    Accumulates in float64. ``y`` is 0 or 1, both present.

    Raises
    ------
    ArrayError
        If a class is absent.

    Examples
    --------
    >>> mean_difference(np.array([[0.0, 1.0], [4.0, 1.0]]), np.array([0, 1])).vector.tolist()
    [4.0, 0.0]
    """
    return _from_means(class_means(X, y, sample_weight=sample_weight))


def _from_means(means: ClassMeans) -> Found:
    vector = means.positive - means.negative
    return Found(vector, -float(vector @ (means.positive + means.negative)) / 2)


class MeanDifference(FitsMoments, SupervisedProbe):
    """Project on the difference of the class means.

    The closed form that logistic regression tends to under strong L2, for any class balance. It ignores the
    covariance of the rows: it follows whatever differs between the classes on average, a distractor too, and is moved
    by outliers. Cost O(n d).

    See Also
    --------
    LDA : the same difference, whitened.
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

    def _find(
        self, X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> Found:
        return mean_difference(X, y, sample_weight=sample_weight)

    def _find_in_moments(self, moments: Moments) -> Found:
        return _from_means(moments.class_means())
