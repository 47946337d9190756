"""Logistic regression, and its path from little to much L2."""

from __future__ import annotations

import warnings
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import linalg, special

from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.numerics import class_means
from tiltmeter.probes._margins import fit_margins
from tiltmeter.probes._mean_difference import mean_difference
from tiltmeter.probes._probe import Found, SupervisedProbe, one_of

# below this width Newton's method with a dense Hessian is both the fastest and the most exact
_NEWTON_WIDTH = 1024
_MOST_STEPS = 200
# relative gains: below the first a search ends, above the second it has not converged
_LEAST_GAIN = 1e-12
_MOST_RESIDUAL = 1e-9
# of the unit diagonal: rounding must not make a Hessian indefinite; it slows the last steps by as little
_JITTER = 1e-14
# of the largest, squared: with fewer rows than features, singular values below are rounding
_RANK_TOL = 1e-13


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

    Solved in float64 by Newton's method (by L-BFGS where rows and features are both more than 1,024) on centred rows,
    until the next step promises a relative gain below 1e-12.

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
    check_penalty(C, penalty_scale)
    means = class_means(X, y, sample_weight=sample_weight)
    weight = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    if (means.positive == means.negative).all():  # then the constant classifier is the best one
        return Found(np.zeros(X.shape[1]), float(special.logit(means.prior)))
    scale = within_scale(X, y, sample_weight)
    # the intercept is free: centring changes no optimum, and an offset that all rows share costs no digits
    center = weight @ X / weight.sum()
    rows = (X - center) / scale
    problem = _Newton(*_in_own_coordinates(rows), 2.0 * y - 1, weight, C if penalty_scale == "within" else C * scale**2)
    if problem.scores.shape[1] <= _NEWTON_WIDTH:
        coefficients, intercept, residual = problem.solve(special.logit(means.prior))
    else:
        found = fit_margins(
            torch.from_numpy(rows),
            torch.from_numpy(np.array(y[:, None])),
            row_weights=torch.from_numpy(weight[:, None]),
            C=torch.tensor([problem.strength], dtype=torch.float64),
            tol=_LEAST_GAIN,
        )
        coefficients, intercept = found.weights[0].numpy(), float(found.intercepts[0])
        residual = 0.0 if found.is_converged[0] else np.inf
    if residual > _MOST_RESIDUAL:
        warnings.warn(
            f"Logistic stopped where a relative gain of {residual:.1g} was still promised; use a smaller C.",
            ConvergenceWarning,
            stacklevel=2,
        )
    vector = coefficients / scale
    return Found(vector, intercept - float(vector @ center))


def check_penalty(C: float, penalty_scale: str) -> None:
    """Refuse an inverse strength that is not positive, and a scale that there is not."""
    if not C > 0:
        raise ArrayError(f"C is {C}; the inverse strength of the penalty must be positive.")
    one_of("penalty_scale", penalty_scale, ("raw", "within"))


def _in_own_coordinates(
    centred: Float[NDArray[Any], "n d"],
) -> tuple[Float[NDArray[Any], "n r"], Float[NDArray[Any], "d r"] | None]:
    """Return rows in the space that they span and its orthonormal basis, where they are fewer than features."""
    n, d = centred.shape
    if d <= n:
        return centred, None
    squared, left = linalg.eigh(centred @ centred.T)
    kept = squared > _RANK_TOL * squared[-1]
    roots = np.sqrt(squared[kept])
    return left[:, kept] * roots, centred.T @ (left[:, kept] / roots)


class _Newton(NamedTuple):
    """One logistic regression in coordinates (n, r) with a basis (d, r), None for the features themselves."""

    scores: Float[NDArray[Any], "n r"]
    basis: Float[NDArray[Any], "d r"] | None
    targets: Float[NDArray[Any], " n"]
    weight: Float[NDArray[Any], " n"]
    strength: float

    def objective(self, x: Float[NDArray[Any], " q"]) -> float:
        margins = self.targets * (self.scores @ x[:-1] + x[-1])
        return float(self.weight @ np.logaddexp(0, -margins) + x[:-1] @ x[:-1] / (2 * self.strength))

    def step(self, x: Float[NDArray[Any], " q"]) -> tuple[Float[NDArray[Any], " q"], float]:
        """Return Newton's step, and the decrease that it promises."""
        margins = self.targets * (self.scores @ x[:-1] + x[-1])
        pull = self.weight * self.targets * special.expit(-margins)
        bend = self.weight * special.expit(margins) * special.expit(-margins)
        gradient = -np.append(pull @ self.scores - x[:-1] / self.strength, pull.sum())
        hessian = np.empty((len(x), len(x)))
        # a matrix times itself costs half of what two matrices do
        bent = np.sqrt(bend)[:, None] * self.scores
        hessian[:-1, :-1] = bent.T @ bent
        hessian[np.arange(len(x) - 1), np.arange(len(x) - 1)] += 1 / self.strength
        hessian[:-1, -1] = hessian[-1, :-1] = bend @ self.scores
        # where every row is told apart beyond doubt nothing curves along the intercept
        hessian[-1, -1] = bend.sum() + np.finfo(np.float64).tiny
        # in units of its own diagonal, so that features of unlike scale do no harm
        unit = 1 / np.sqrt(np.diagonal(hessian))
        scaled = hessian * unit * unit[:, None]
        scaled[np.diag_indices(len(x))] += _JITTER
        factor = linalg.cho_factor(scaled, lower=True, overwrite_a=True, check_finite=False)
        step = -unit * linalg.cho_solve(factor, unit * gradient, check_finite=False)
        return step, -float(gradient @ step) / 2

    def solve(self, intercept: float) -> tuple[Float[NDArray[Any], " d"], float, float]:
        """Return coefficients of the features, the intercept, and the relative gain that is still promised."""
        x = np.zeros(self.scores.shape[1] + 1)
        x[-1] = intercept
        value, residual = self.objective(x), np.inf
        for _ in range(_MOST_STEPS):
            step, gain = self.step(x)
            residual = gain / value
            if residual <= _LEAST_GAIN:
                break
            length = 1.0
            while (there := self.objective(x + length * step)) > value - 1e-4 * 2 * gain * length and length > 1e-10:
                length /= 2
            if there >= value:  # as far as rounding goes
                break
            x, value = x + length * step, there
        coefficients = x[:-1] if self.basis is None else self.basis @ x[:-1]
        return coefficients, float(x[-1]), residual


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
    if not all(penalty > 0 for penalty in penalties):
        raise ArrayError(f"penalties are {penalties}; each must be positive.")
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
