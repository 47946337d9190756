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
    tol: float = 1e-8,
    max_steps: int = 1000,
) -> Margins:
    """Minimise Σ weight · loss(margin) + |w|² / (2C) for b problems, each with a free intercept.

    All problems share the products with X. They are solved in the coordinates of its principal components, where the
    Hessian is nearly diagonal, by L-BFGS that begins every few steps with that diagonal. In those coordinates rows that
    are fewer than features need no more unknowns than there are rows.

    Parameters
    ----------
    X
        Shape (n, d), float32 or float64: the precision of the products. Objectives are summed in float64, and problems
        that single precision leaves above the tolerance are finished in double.
    y
        Labels 0 and 1, shape (n, b) or (n, 1).
    row_weights
        Non-negative, shape (n, b) or (n, 1); 0 leaves a row out of a problem.
    C
        Inverse strengths of the penalty, shape (b,).
    loss
        ``"logistic"``: log(1 + e^−m). ``"squared_hinge"``: max(0, 1 − m)².
    tol, max_steps
        As in :func:`tiltmeter.numerics.minimise`.
    """
    # the intercept is free: centring changes no optimum, and rids the components of the mean
    center = X.double().mean(0).to(X.dtype)
    scores, components = _principal(X - center)
    weights, targets = row_weights.to(X.dtype), (2 * y - 1).to(X.dtype)
    totals = row_weights.double().expand(-1, len(C)).sum(0)
    share = (row_weights * y).double().expand(-1, len(C)).sum(0) / totals
    x = scores.new_zeros(len(C), scores.shape[1] + 1, dtype=torch.float64)
    x[:, -1] = torch.logit(share) if loss == "logistic" else 2 * share - 1
    problems = _Problems(scores, scores**2, targets, weights, C, loss)
    state = _State(x, torch.zeros_like(share), torch.zeros(len(C), dtype=torch.int64, device=X.device))
    rest = _descend(problems, state, torch.arange(len(C), device=X.device), tol=tol, max_steps=max_steps)
    if len(rest) and X.dtype != torch.float64:
        # the sums' rounding hides what is left to gain: the few that came to rest too early go on in double precision
        rest = _descend(problems.doubled(), state, rest, tol=tol, max_steps=max_steps)
    is_converged = torch.ones(len(C), dtype=torch.bool, device=X.device)
    is_converged[rest] = False
    coefficients = x[:, :-1] @ components.double().T
    intercepts = x[:, -1] - coefficients @ center.double()
    return Margins(coefficients.to(X.dtype), intercepts.to(X.dtype), state.values, is_converged, state.n_steps)


class _State(NamedTuple):
    """Points (b, r + 1) in double precision, their values (b,) and the steps taken (b,), changed in place."""

    x: Tensor
    values: Tensor
    n_steps: Tensor


def _descend(problems: _Problems, state: _State, going: Tensor, *, tol: float, max_steps: int) -> Tensor:
    """Minimise those that are going, a few steps at a time; return those that came to rest above the tolerance."""
    rest = going[:0]
    while len(going):
        part, start = problems.at(going), state.x[going].to(problems.scores.dtype)
        room = min(_REFRESHED_AFTER, max_steps - int(state.n_steps[going].max()))
        found = minimise(part.objective, start, curvature=part.curvature(start), tol=tol, max_steps=room)
        state.x[going], state.values[going] = found.x.double(), found.values
        state.n_steps[going] += found.n_steps
        left = ~found.is_converged
        is_stopped = left & (found.n_steps == room) & (state.n_steps[going] < max_steps)
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

    def doubled(self) -> _Problems:
        scores = self.scores.double()
        return _Problems(scores, scores**2, self.targets.double(), self.weights.double(), self.C, self.loss)

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


def _principal(X: Tensor) -> tuple[Tensor, Tensor]:
    """Return the rows in the coordinates of their principal components (n, r), and the components (d, r)."""
    n, d = X.shape
    if d <= n:
        # all of them, however small their variance: a basis of the whole space, so that nothing is left out. It must be
        # orthonormal, since the penalty is measured in it; that it is nearly the principal one only saves steps
        components = torch.linalg.eigh((X.T @ X).double())[1].to(X.dtype)
        return X @ components, components
    exact = X.double()
    squared, left = torch.linalg.eigh(exact @ exact.T)
    kept = squared > _RANK_TOL * squared[-1]
    roots, left = squared[kept].sqrt(), left[:, kept]
    return (left * roots).to(X.dtype), (exact.T @ (left / roots)).to(X.dtype)


def _columns(values: Tensor, which: Tensor) -> Tensor:
    return values if values.shape[1] == 1 else values[:, which]
