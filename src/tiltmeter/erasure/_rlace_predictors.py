"""Predictors of classes from whitened rows, fitted without a penalty and side by side, some directions left out."""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor

from tiltmeter.numerics import Minimised, minimise

# nats, as far as double precision goes
_REFIT_TOL = 1e-13
_MAX_STEPS = 2000
# up to so many unknowns a dense Hessian costs less than the steps that it saves
_NEWTON_SIZE = 250
_NEWTON_STEPS = 100
_HALVINGS = 40


class Game(NamedTuple):
    """Rows (n, r) of unit covariance, and what they were made with.

    ``there`` (d, r) takes centred rows to them, and predictors on them back to predictors on centred rows; ``back``
    (r, d) takes directions on them to directions of raw rows. ``classes`` (n,) and their shares ``prior`` (c,).
    """

    rows: Tensor
    there: Tensor
    back: Tensor
    classes: Tensor
    prior: Tensor

    @property
    def entropy(self) -> float:
        """The entropy of the labels, in nats."""
        return float(-(self.prior * self.prior.log()).sum())

    def cross_covariance(self) -> Tensor:
        """Return the covariance (r, c) of the whitened rows with the classes."""
        one_hot = torch.nn.functional.one_hot(self.classes, len(self.prior)).to(self.rows)
        return self.rows.T @ (one_hot - self.prior) / len(self.rows)


def best_predictors(
    game: Game, basis: Tensor | None, start: Tensor, *, penalty: float = 0.0, tol: float = _REFIT_TOL
) -> Minimised:
    """Fit b predictors side by side, each at right angles to its own orthonormal basis (b, r, k).

    ``start`` has shape (b, r + 1, c), the intercepts last; the points come back flat, shape (b, (r + 1) · c). What is
    minimised is the mean log loss plus ``penalty`` / 2 times the mean squared score, summed over the classes.
    """
    b, width, c = start.shape
    start = start.clone()
    start[:, :-1] = without(start[:, :-1], basis)
    # a start worse than the constant predictor, as after a long step of the ascent, is none
    is_lost = log_loss(game, start)[0] > game.entropy
    start[is_lost] = 0.0
    start[is_lost, -1] = game.prior.log()

    def objective(x: Tensor, which: Tensor) -> tuple[Tensor, Tensor]:
        own = None if basis is None else basis[which]
        points = x.view(-1, width, c)
        weights = without(points[:, :-1], own)
        values, slopes = log_loss(game, torch.cat([weights, points[:, -1:]], 1))
        slopes[:, :-1] = without(slopes[:, :-1], own) + penalty * weights
        return values + penalty / 2 * (weights**2).sum((1, 2)), slopes.flatten(1)

    if width * c <= _NEWTON_SIZE:
        parts = [None if basis is None else basis[i : i + 1] for i in range(b)]
        return _side_by_side([_newton(game, own, start[i : i + 1], penalty, tol) for i, own in enumerate(parts)])
    # where all weights are 0 the Hessian's diagonal is this, since the rows are white
    curvature = (game.prior * (1 - game.prior)).expand(b, width, c).flatten(1)
    found = minimise(objective, start.flatten(1), curvature=curvature, tol=tol, max_steps=_MAX_STEPS)
    points = found.x.view(b, width, c)
    points[:, :-1] = without(points[:, :-1], basis)
    return found._replace(x=points.flatten(1))


def log_loss(game: Game, points: Tensor) -> tuple[Tensor, Tensor]:
    """Return the mean log loss (b,) of predictors (b, r + 1, c), and its gradient."""
    b, width, c = points.shape
    n = len(game.rows)
    weights = points[:, :-1].transpose(0, 1).reshape(width - 1, b * c)
    logs = torch.log_softmax((game.rows @ weights).view(n, b, c) + points[:, -1], dim=2)
    own = game.classes[:, None, None].expand(n, b, 1)
    values = -logs.gather(2, own)[:, :, 0].mean(0)
    residuals = logs.exp_()
    residuals.scatter_add_(2, own, residuals.new_full((n, b, 1), -1.0))
    residuals /= n
    of_weights = (game.rows.T @ residuals.view(n, b * c)).view(width - 1, b, c).transpose(0, 1)
    return values, torch.cat([of_weights, residuals.sum(0)[:, None]], 1)


def without(weights: Tensor, basis: Tensor | None) -> Tensor:
    return weights if basis is None else weights - basis @ (basis.transpose(1, 2) @ weights)


def _newton(game: Game, basis: Tensor | None, start: Tensor, penalty: float, tol: float) -> Minimised:
    """Fit one predictor (1, r + 1, c) by Newton's method with shortened steps: few steps where classes nearly part."""
    rows = torch.cat([game.rows, game.rows.new_ones(len(game.rows), 1)], 1)
    point = start.clone()

    def loss(points: Tensor) -> tuple[Tensor, Tensor]:
        values, slopes = log_loss(game, points)
        slopes[:, :-1] = without(slopes[:, :-1], basis) + penalty * points[:, :-1]
        return values + penalty / 2 * (points[:, :-1] ** 2).sum((1, 2)), slopes

    value, slope = loss(point)
    decrement, n_steps = torch.full_like(value, torch.inf), 0
    while n_steps < _NEWTON_STEPS:
        n_steps += 1
        step = -_solve(_hessian(rows, point[0]), slope[0], None if basis is None else basis[0], penalty)
        decrement = -(step * slope[0]).sum()[None] / 2
        if decrement <= 0:
            decrement = decrement.abs()
            break
        length = 1.0
        for _ in range(_HALVINGS):
            moved = point + length * step
            new_value, new_slope = loss(moved)
            if new_value <= value - 1e-4 * length * decrement:
                break
            length /= 2
        if not new_value < value:
            break
        point, value, slope = moved, new_value, new_slope
        if decrement <= tol:
            break
    steps = torch.tensor([n_steps])
    return Minimised(point.flatten(1), value, decrement, decrement <= tol, steps)


def _hessian(rows: Tensor, point: Tensor) -> Tensor:
    """Return the Hessian (r + 1, c, r + 1, c) of the mean log loss at a predictor (r + 1, c)."""
    width, c = point.shape
    chances = torch.softmax(rows @ point, dim=1)
    hessian = point.new_empty(width, c, width, c)
    for i in range(c):
        for j in range(i, c):
            own = chances[:, i] * ((1.0 if i == j else 0.0) - chances[:, j]) / len(rows)
            hessian[:, i, :, j] = hessian[:, j, :, i] = rows.T @ (own[:, None] * rows)
    return hessian


def _solve(hessian: Tensor, slope: Tensor, basis: Tensor | None, penalty: float) -> Tensor:
    """Divide by the Hessian at right angles to the basis; it is made positive on what makes no difference."""
    width, c = slope.shape
    size = hessian.view(width * c, -1).diagonal().max()
    # the same number added to the scores of all classes changes nothing
    hessian = hessian + size * torch.einsum("pq,ij->piqj", torch.eye(width).to(slope), slope.new_ones(c, c) / c)
    if basis is not None:
        left = torch.eye(width).to(slope)
        left[:-1, :-1] -= basis @ basis.T
        hessian = torch.einsum("pq,qirj,rs->pisj", left, hessian, left)
        hessian += size * torch.einsum("pq,ij->piqj", torch.eye(width).to(slope) - left, torch.eye(c).to(slope))
    flat = hessian.reshape(width * c, width * c)
    ridge = slope.new_full((width, c), penalty)
    ridge[-1] = 0.0
    flat = flat + torch.diag(ridge.flatten() + torch.finfo(slope.dtype).eps * size)
    factor, failed = torch.linalg.cholesky_ex(flat)
    if failed:
        factor = torch.linalg.cholesky(flat + 1e-8 * size * torch.eye(len(flat)).to(slope))
    return torch.cholesky_solve(slope.reshape(-1, 1), factor).view(width, c)


def _side_by_side(found: list[Minimised]) -> Minimised:
    return Minimised(*(torch.cat(parts) for parts in zip(*found, strict=True)))
