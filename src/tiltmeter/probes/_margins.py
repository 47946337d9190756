"""Linear classifiers that minimise a convex loss of the margin, many on the same rows at once."""

from __future__ import annotations

from typing import Literal, NamedTuple

import torch
from torch import Tensor
from torch.nn import functional

from tiltmeter.numerics import minimise

Loss = Literal["logistic", "squared_hinge"]

# of the largest, squared: with fewer rows than features, singular values below are rounding
_RANK_TOL = 1e-13
# steps after which the guess of the Hessian's diagonal is made anew; each costs as much as a step
_REFRESHED_AFTER = 8
_MOST_STEPS = 2000


class Margins(NamedTuple):
    """Weights of b classifiers, shape (b, d), their intercepts, objectives (float64), and how each search ended."""

    weights: Tensor
    intercepts: Tensor
    objectives: Tensor
    is_converged: Tensor
    n_steps: Tensor


def fit_margins(
    X: Tensor,
    y: Tensor,
    *,
    row_weights: Tensor,
    C: Tensor,
    loss: Loss = "logistic",
    dtype: torch.dtype = torch.float64,
    tol: float = 1e-8,
) -> Margins:
    """Minimise Σ weight · loss(margin) + |w|² / (2C) for b problems, each with a free intercept.

    All problems share the products with X. They are solved in the coordinates of its principal components, where the
    Hessian is nearly diagonal, by L-BFGS that begins every few steps with that diagonal. In those coordinates rows that
    are fewer than features need no more unknowns than there are rows.

    Parameters
    ----------
    X
        Shape (n, d), float64.
    y
        Labels 0 and 1, shape (n, b) or (n, 1).
    row_weights
        Non-negative, shape (n, b) or (n, 1); 0 leaves a row out of a problem.
    C
        Inverse strengths of the penalty, shape (b,).
    loss
        ``"logistic"``: log(1 + e^−m). ``"squared_hinge"``: max(0, 1 − m)².
    dtype
        Precision in which most products are computed, on centred rows. Objectives are summed in float64, and problems
        that single precision leaves above the tolerance, or whose penalty its rounding would drown, are finished in
        double.
    tol
        As in :func:`tiltmeter.numerics.minimise`, but relative however small the objective.

    Returns
    -------
    Weights, intercepts and objectives in float64.
    """
    # the intercept is free: centring changes no optimum, and rids the components of the mean
    center = X.mean(0)
    centred = X - center
    components = _principal(centred)
    # made in double: along copies of a feature the rounding of single precision would be all there is
    scores = (centred @ components).to(dtype)
    weights, targets = row_weights.to(dtype), (2 * y - 1).to(dtype)
    totals = row_weights.double().expand(-1, len(C)).sum(0)
    share = (row_weights * y).double().expand(-1, len(C)).sum(0) / totals
    x = X.new_zeros(len(C), scores.shape[1] + 1)
    x[:, -1] = torch.logit(share) if loss == "logistic" else 2 * share - 1
    problems = _Problems(scores, scores**2, targets, weights, C, loss)
    state = _State(x, torch.zeros_like(share), torch.zeros(len(C), dtype=torch.int64, device=X.device))
    everything = torch.arange(len(C), device=X.device)
    rest = _descend(problems, state, everything, tol=tol)
    if dtype != torch.float64:
        # where the rows hardly vary only the penalty says anything, and rounding of the sums speaks louder than it
        largest = problems.curvature(x.to(dtype))[:, :-1].amax(1).double()
        is_left = 1 / C < torch.finfo(dtype).eps * largest
        is_left[rest] = True
        rest = everything[is_left]
        if len(rest):
            rest = _descend(problems.of(centred @ components), state, rest, tol=tol)
    is_converged = torch.ones(len(C), dtype=torch.bool, device=X.device)
    is_converged[rest] = False
    coefficients = x[:, :-1] @ components.T
    intercepts = x[:, -1] - coefficients @ center
    return Margins(coefficients, intercepts, state.values, is_converged, state.n_steps)


class _State(NamedTuple):
    """Points (b, r + 1) in double precision, their values (b,) and the steps taken (b,), changed in place."""

    x: Tensor
    values: Tensor
    n_steps: Tensor


def _descend(problems: _Problems, state: _State, going: Tensor, *, tol: float) -> Tensor:
    """Minimise those that are going, a few steps at a time; return those that came to rest above the tolerance."""
    rest = going[:0]
    while len(going):
        part, start = problems.at(going), state.x[going].to(problems.scores.dtype)
        room = min(_REFRESHED_AFTER, _MOST_STEPS - int(state.n_steps[going].max()))
        found = minimise(part.objective, start, curvature=part.curvature(start), tol=tol, max_steps=room, floor=0.0)
        state.x[going], state.values[going] = found.x.double(), found.values
        state.n_steps[going] += found.n_steps
        left = ~found.is_converged
        is_stopped = left & (found.n_steps == room) & (state.n_steps[going] < _MOST_STEPS)
        rest = torch.cat([rest, going[left & ~is_stopped]])
        going = going[is_stopped]
    return rest


class _Problems(NamedTuple):
    """Rows in the coordinates (n, r) that all problems share, their squares, and what each problem has of its own."""

    scores: Tensor
    squares: Tensor
    targets: Tensor
    weights: Tensor
    C: Tensor
    loss: Loss

    def at(self, which: Tensor) -> _Problems:
        return self._replace(
            targets=_columns(self.targets, which), weights=_columns(self.weights, which), C=self.C[which]
        )

    def of(self, scores: Tensor) -> _Problems:
        """Return the same problems on other scores, in the precision of those."""
        targets, weights = self.targets.to(scores.dtype), self.weights.to(scores.dtype)
        return _Problems(scores, scores**2, targets, weights, self.C, self.loss)

    def objective(self, x: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        """Return values and gradients, as ``minimise`` needs them."""
        a, intercepts = x[:, :-1], x[:, -1]
        own, sign = _columns(self.weights, which), _columns(self.targets, which)
        margins = sign * (self.scores @ a.T + intercepts)
        if self.loss == "logistic":
            values, slopes = functional.softplus(-margins), -torch.sigmoid(-margins)
        else:
            short = (1 - margins).clamp_min(0)
            values, slopes = short**2, -2 * short
        residuals = own * slopes * sign
        penalty = 1 / self.C[which]
        total = (own * values).sum(0, dtype=torch.float64) + (a.double() ** 2).sum(1) * penalty / 2
        of_a = residuals.T @ self.scores + penalty[:, None].to(x.dtype) * a
        return total, torch.cat([of_a, residuals.sum(0)[:, None]], 1)

    def curvature(self, x: Tensor) -> Tensor:
        """Return the diagonal of each problem's Hessian at x: where classes are told apart, it has fallen."""
        margins = self.targets * (self.scores @ x[:, :-1].T + x[:, -1])
        if self.loss == "logistic":
            bend = torch.sigmoid(margins) * torch.sigmoid(-margins)
        else:
            bend = 2.0 * (margins < 1)
        own = self.weights * bend
        # positive even where every row is beyond the margin, so that a step stays finite
        of_a = (own.T @ self.squares) + (1 / self.C).to(x.dtype)[:, None]
        of_b = own.sum(0) + torch.finfo(x.dtype).eps * self.weights.sum(0)
        return torch.cat([of_a, of_b[:, None]], 1)


def _principal(centred: Tensor) -> Tensor:
    """Return the principal components (d, r) of centred rows, orthonormal."""
    n, d = centred.shape
    if d <= n:
        # all of them, however small their variance: a basis of the whole space, so that nothing is left out
        whole: Tensor = torch.linalg.eigh(centred.T @ centred)[1]
        return whole
    squared, left = torch.linalg.eigh(centred @ centred.T)
    kept = squared > _RANK_TOL * squared[-1]
    components: Tensor = centred.T @ (left[:, kept] / squared[kept].sqrt())
    return components


def _columns(values: Tensor, which: Tensor) -> Tensor:
    return values if values.shape[1] == 1 else values[:, which]
