"""Least squares on the labels, with an L2 penalty."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import ClassMeans, Moments, class_means, solve_positive, within_covariance
from tiltmeter.probes._probe import FitsMoments, Found, SupervisedProbe


def ridge(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    alpha: float = 1.0,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
) -> Found:
    """Minimise the mean of (t − X · w − b)² plus alpha s² |w|² over w and a free b, with t = −1 and 1 for the labels.

    s² is the mean variance of the features within the classes, so that alpha has no unit: rescaling the rows turns no
    direction. Solved in float64.

    Parameters
    ----------
    X, y
        Rows and labels 0 and 1, both present.
    alpha
        Strength of the penalty, ≥ 0.
    sample_weight
        Shape (n,), or None.

    Raises
    ------
    ArrayError
        If a class is absent, alpha is negative, or alpha is 0 and the covariance is singular.

    Notes
    -----
    scikit-learn's ``Ridge(alpha=A)`` on labels −1 and 1 has A = alpha · N · s², with N the total weight.

    With W the covariance within the classes, δ the difference of their means and π the share of label 1, the normal
    equations are (W + π (1 − π) δ δᵀ + alpha s² I) w = 2 π (1 − π) δ. The class means add a multiple of δ only, so w
    is a multiple of (W + alpha s² I)⁻¹ δ: the direction of LDA with shrinkage alpha / (1 + alpha), and only the offset
    differs.

    Examples
    --------
    >>> ridge(np.array([[0.0], [2.0]]), np.array([0, 1])).vector.tolist()
    [1.0]
    """
    _check(alpha)
    covariance = within_covariance(X, y, shrinkage=alpha / (1 + alpha), sample_weight=sample_weight).matrix
    return _solved(class_means(X, y, sample_weight=sample_weight), covariance, alpha)


def _check(alpha: float) -> None:
    if not 0 <= alpha < np.inf:
        raise ArrayError(f"alpha is {alpha}; the strength of the penalty must be finite and not negative.")


def _solved(means: ClassMeans, shrunk: Float[NDArray[Any], "d d"], alpha: float) -> Found:
    """Solve the normal equations, given (W + alpha s² I) / (1 + alpha)."""
    difference = means.positive - means.negative
    bend = means.prior * (1 - means.prior)
    if not shrunk.any():  # every row equals its class mean: the shortest w that fits without error
        length = float(difference @ difference)
        vector = 2 * difference / length if length > 0 else difference
    else:
        singular = "The within-class covariance is singular; use alpha above 0."
        inner = solve_positive(shrunk, difference, otherwise=singular) / (1 + alpha)
        # Sherman and Morrison's formula for what the means add
        vector = 2 * bend * inner / (1 + bend * float(difference @ inner))
    mean = means.negative + means.prior * difference
    return Found(vector, 2 * means.prior - 1 - float(vector @ mean))


class Ridge(FitsMoments, SupervisedProbe):
    """Least squares on labels −1 and 1 with an L2 penalty and a free intercept, in closed form.

    The direction is that of LDA with shrinkage alpha / (1 + alpha). The zero is where the fitted label is 0, which
    lies nearer to the rarer class's mean than midway: a rare class may get no score above 0, so set a threshold. Cost
    O(n d² + d³).

    Parameters
    ----------
    alpha
        Strength of the penalty, ≥ 0, in units of the mean within-class variance of the features.

    See Also
    --------
    LDA : the same directions, with zero midway between the class means.

    References
    ----------
    Hoerl and Kennard (1970).

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> Ridge().fit(X, np.array([0, 0, 1, 1])).predict(X).tolist()
    [0, 0, 1, 1]
    """

    def __init__(self, alpha: float = 1.0) -> None:
        self.alpha = alpha

    def _find(
        self, X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> Found:
        return ridge(X, y, alpha=self.alpha, sample_weight=sample_weight)

    def _find_in_moments(self, moments: Moments) -> Found:
        _check(self.alpha)
        covariance = moments.within_covariance(shrinkage=self.alpha / (1 + self.alpha)).matrix
        return _solved(moments.class_means(), covariance, self.alpha)
