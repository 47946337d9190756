"""Logistic regression, and its path from little to much L2."""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning
from sklearn.linear_model import LogisticRegression

from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.numerics import class_means
from tiltmeter.probes._mean_difference import mean_difference
from tiltmeter.probes._probe import Found, SupervisedProbe

# below this width Newton's method with a dense Hessian is both the fastest and the most exact
_NEWTON_WIDTH = 1024


class LogisticPath(NamedTuple):
    """Unit directions (l, d) for each penalty, and their cosines (l,) with the difference of the class means."""

    directions: Float[NDArray[Any], "l d"]
    cosines: Float[NDArray[Any], " l"]


def logistic(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    C: float = 1.0,
    penalty_scale: Literal["raw", "within"] = "raw",
    sample_weight: Float[NDArray[Any], " n"] | None = None,
) -> Found:
    """Minimise Σ log-loss + |w|² / (2C) over w and a free intercept.

    Solved in float64 by scikit-learn, to a tolerance of 1e-8 on the mean gradient in units of the features' scale.

    Parameters
    ----------
    X, y
        Rows and labels 0 and 1, both present.
    C
        Inverse strength of the penalty, > 0.
    penalty_scale
        ``"raw"``: the objective above, which is scikit-learn's; its strength depends on the scale of X.
        ``"within"``: the penalty is |w|² s² / (2C) with s² the mean within-class variance of the features, so that
        X and 1000 X give the same direction; ``C`` then corresponds to a raw C of C / s².
    sample_weight
        Shape (n,), or None.

    Raises
    ------
    ArrayError
        If a class is absent or C is not positive.

    Examples
    --------
    >>> found = logistic(np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 1, 0, 1]))
    >>> bool(found.vector[0] > 0), round(abs(found.offset), 6)
    (True, 0.0)
    """
    if not C > 0:
        raise ArrayError(f"C is {C}; the inverse strength of the penalty must be positive.")
    scale = within_scale(X, y, sample_weight)
    rows = X.astype(np.float64) / scale
    strength = C if penalty_scale == "within" else C * scale**2
    solver = "newton-cholesky" if X.shape[1] <= _NEWTON_WIDTH else "lbfgs"
    # the optimum's gradient is of the order of the penalty's: the tolerance must lie below it on strong penalties
    tol = 1e-8 * min(1.0, strength * len(X))
    model = LogisticRegression(C=strength, solver=solver, tol=tol, max_iter=5000)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit(rows, y, sample_weight=sample_weight)
    for warning in caught:
        if issubclass(warning.category, SklearnConvergenceWarning):
            warnings.warn(
                f"Logistic stopped after {int(model.n_iter_[0])} iterations above its tolerance; use a smaller C.",
                ConvergenceWarning,
                stacklevel=2,
            )
            break
    return Found(model.coef_[0] / scale, float(model.intercept_[0]))


def logistic_path(
    X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], *, penalties: tuple[float, ...]
) -> LogisticPath:
    """Follow the direction of logistic regression from weak to strong L2, towards the difference of class means.

    Parameters
    ----------
    X, y
        Rows and labels 0 and 1.
    penalties
        λ of the objective mean log-loss + λ |w|² / 2 (so C = 1 / (n λ)), in the units of X.

    Notes
    -----
    As λ grows every predicted probability tends to the base rate π and w to π (1 − π) (μ₁ − μ₀) / λ, for any class
    balance. Re-threshold such a probe: its learned intercept puts every row on one side.

    References
    ----------
    Roger (2023), "Coup probes", first appendix.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = (np.arange(500) % 5 == 0).astype(int)
    >>> X = rng.normal(size=(500, 3)) * [0.1, 1.0, 10.0] + y[:, None]
    >>> bool(logistic_path(X, y, penalties=(1e4,)).cosines[0] > 0.999)
    True
    """
    goal = mean_difference(X, y).vector
    found = np.stack([logistic(X, y, C=1 / (len(X) * penalty)).vector for penalty in penalties])
    directions = found / np.linalg.norm(found, axis=1, keepdims=True)
    return LogisticPath(directions, directions @ (goal / np.linalg.norm(goal)))


class Logistic(SupervisedProbe):
    """L2-regularised logistic regression with a free intercept.

    The best in-distribution reader of the linear methods where rows are many. With a strong penalty it becomes the
    mean difference; with a weak one it follows every direction that happens to separate the train rows.

    Parameters
    ----------
    C
        Inverse strength of the penalty, > 0.
    penalty_scale
        ``"raw"`` for scikit-learn's objective, ``"within"`` for a penalty in units of the mean within-class variance,
        which does not change when the activations are rescaled.

    See Also
    --------
    logistic_path : where between weak L2 and the mean difference a direction lies.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> Logistic().fit(X, np.array([0, 0, 1, 1])).predict(X).tolist()
    [0, 0, 1, 1]
    """

    def __init__(self, C: float = 1.0, *, penalty_scale: Literal["raw", "within"] = "raw") -> None:
        self.C = C
        self.penalty_scale = penalty_scale

    def _find(
        self, X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> Found:
        return logistic(X, y, C=self.C, penalty_scale=self.penalty_scale, sample_weight=sample_weight)


def within_scale(
    X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], sample_weight: Float[NDArray[Any], " n"] | None
) -> float:
    means = class_means(X, y, sample_weight=sample_weight)
    centred = X - np.where((y == 1)[:, None], means.positive, means.negative)
    variance = float(np.average((centred**2).mean(axis=1), weights=sample_weight))
    # rows that equal their class mean leave no scale to divide by
    return float(np.sqrt(variance)) if variance > 0 else 1.0
