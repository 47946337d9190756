"""A linear support vector machine."""

from __future__ import annotations

import warnings
from typing import Any, Literal

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import linalg

from tiltmeter.core.errors import ConvergenceWarning
from tiltmeter.numerics import class_means
from tiltmeter.probes._logistic import check_penalty, within_scale
from tiltmeter.probes._margins import fit_margins
from tiltmeter.probes._probe import Found, SupervisedProbe

# of the objective; Newton's steps then settle which rows lie within the margin
_TOL = 1e-10
_MOST_NEWTON_STEPS = 50
# what ties on the margin may leave of the gradient, by rounding
_RESIDUAL = 1e-9


def linear_svm(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    C: float = 1.0,
    penalty_scale: Literal["raw", "within"] = "raw",
    sample_weight: Float[NDArray[Any], " n"] | None = None,
) -> Found:
    """Minimise Σ max(0, 1 − margin)² + |w|² / (2C) over w and a free intercept, in float64.

    A search by L-BFGS, and then Newton's steps until the rows within the margin are the same rows, which is the exact
    minimum. Cost: O(n min(n, d)) a step of the first, O(min(n, d)² max(n, d)) of the second.

    Parameters
    ----------
    X, y
        Rows and labels 0 and 1, both present.
    C
        Inverse strength of the penalty, > 0; scikit-learn's ``LinearSVC(C)`` has the same, but for its penalty on the
        intercept.
    penalty_scale
        ``"raw"`` or ``"within"``, as in :func:`tiltmeter.probes.logistic`.
    sample_weight
        Shape (n,), or None.

    Raises
    ------
    ArrayError
        If a class is absent or C is not positive.

    Warns
    -----
    ConvergenceWarning
        If a gradient is left that is more than rounding; the message says how much.

    Examples
    --------
    >>> found = linear_svm(np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1]), C=100.0)
    >>> round(float(found.vector[0]), 2), round(abs(found.offset), 6)
    (1.0, 0.0)
    """
    check_penalty(C, penalty_scale)
    means = class_means(X, y, sample_weight=sample_weight)
    if (means.positive == means.negative).all():  # then the constant classifier is the best one
        return Found(np.zeros(X.shape[1]), 2 * means.prior - 1)
    scale = within_scale(X, y, sample_weight)
    rows = X.astype(np.float64) / scale
    strength = C if penalty_scale == "within" else C * scale**2
    weight = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    found = fit_margins(
        torch.from_numpy(rows),
        torch.from_numpy(y[:, None]),
        row_weights=torch.from_numpy(weight[:, None]),
        C=torch.tensor([strength], dtype=torch.float64),
        loss="squared_hinge",
        tol=_TOL,
    )
    start = Found(found.weights[0].numpy(), float(found.intercepts[0]))
    exact, residual = _settled(rows, 2.0 * y - 1, weight=weight, start=start, strength=strength)
    if residual > _RESIDUAL:
        warnings.warn(
            f"LinearSVM stopped after {int(found.n_steps[0])} steps with a gradient of {residual:.1e} of the rows' "
            "pull; use a smaller C.",
            ConvergenceWarning,
            stacklevel=2,
        )
    return Found(exact.vector / scale, exact.offset)


def _settled(
    rows: Float[NDArray[Any], "n d"],
    targets: Float[NDArray[Any], " n"],
    *,
    weight: Float[NDArray[Any], " n"],
    start: Found,
    strength: float,
) -> tuple[Found, float]:
    """Solve the least squares problem of the rows within the margin until they are the same rows: the exact minimum.

    Also returns the gradient that is left, relative to the rows' pull: 0 where the rows came to rest.
    """
    sign, w, b = targets, start.vector, start.offset
    for _ in range(_MOST_NEWTON_STEPS):
        short = weight * np.maximum(0.0, 1 - sign * (rows @ w + b))
        is_in = short > 0
        if not is_in.any():  # only the penalty is left
            goal = Found(np.zeros_like(w), b)
        else:
            goal = _least_squares(rows[is_in], sign[is_in], weight=weight[is_in], strength=strength)
            # least squares also pulls back the rows that have crossed the margin: where none has, it is the minimum
            if ((weight * (1 - sign * (rows @ goal.vector + goal.offset)) > 0) == is_in).all():
                return goal, 0.0
        shift = goal.vector - w, goal.offset - b
        moved = rows @ shift[0] + shift[1]
        length = _best_length(1 - sign * (rows @ w + b), -sign * moved, weight=weight, penalty=(w, shift[0], strength))
        if length <= 0.0:
            break
        w, b = w + length * shift[0], b + length * shift[1]
    short = weight * np.maximum(0.0, 1 - sign * (rows @ w + b))
    left = w / strength - 2 * (short * sign) @ rows
    pull = 2 * float(short @ np.linalg.norm(rows, axis=1))
    return Found(w, b), float(np.linalg.norm(left)) / max(pull, float(np.finfo(np.float64).tiny))


def _best_length(
    short: Float[NDArray[Any], " n"],
    change: Float[NDArray[Any], " n"],
    *,
    weight: Float[NDArray[Any], " n"],
    penalty: tuple[Float[NDArray[Any], " d"], Float[NDArray[Any], " d"], float],
) -> float:
    """Return where along a step, at most its whole length, the objective is least: the slope is increasing there."""
    w, shift, strength = penalty

    def slope(length: float) -> float:
        here = np.maximum(0.0, short + length * change)
        return 2 * float((weight * here) @ change) + float((w + length * shift) @ shift) / strength

    if slope(1.0) <= 0:
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if slope(middle) <= 0 else (low, middle)
    return low


def _least_squares(
    rows: Float[NDArray[Any], "n d"],
    targets: Float[NDArray[Any], " n"],
    *,
    weight: Float[NDArray[Any], " n"],
    strength: float,
) -> Found:
    """Minimise Σ weight (t − x · w − b)² + |w|² / (2 strength), in as many unknowns as the smaller side has."""
    mean, level = weight @ rows / weight.sum(), float(weight @ targets) / float(weight.sum())
    root = np.sqrt(weight)
    centred, wanted = root[:, None] * (rows - mean), root * (targets - level)
    n, d = centred.shape
    ridge = 1 / (2 * strength)
    if d <= n:
        vector = linalg.solve(centred.T @ centred + ridge * np.eye(d), centred.T @ wanted, assume_a="pos")
    else:
        vector = centred.T @ linalg.solve(centred @ centred.T + ridge * np.eye(n), wanted, assume_a="pos")
    return Found(vector, level - float(vector @ mean))


class LinearSVM(SupervisedProbe):
    """A support vector machine with squared hinge loss, L2 and a free intercept.

    Rows beyond the margin have no say, so that easy rows do not tilt the direction as they tilt a least squares fit.

    Parameters
    ----------
    C
        Inverse strength of the penalty, > 0.
    penalty_scale
        ``"raw"`` for scikit-learn's objective, ``"within"`` for a penalty in units of the mean within-class variance,
        which does not change when the activations are rescaled.

    See Also
    --------
    Logistic : the same with a loss that no row ever leaves.

    References
    ----------
    Fan et al. (2008), "LIBLINEAR: A library for large linear classification".

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [3.0]])
    >>> LinearSVM().fit(X, np.array([0, 0, 1, 1])).predict(X).tolist()
    [0, 0, 1, 1]
    """

    def __init__(self, C: float = 1.0, *, penalty_scale: Literal["raw", "within"] = "raw") -> None:
        self.C = C
        self.penalty_scale = penalty_scale

    def _find(
        self, X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> Found:
        return linear_svm(X, y, C=self.C, penalty_scale=self.penalty_scale, sample_weight=sample_weight)
