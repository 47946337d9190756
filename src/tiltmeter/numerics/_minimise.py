"""Many smooth problems of the same shape, minimised side by side."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import torch
from torch import Tensor

# values of problems b at x, shape (b,), and their gradients, shape (b, p); ``which`` are the numbers of those problems
Objective = Callable[[Tensor, Tensor], tuple[Tensor, Tensor]]

# Armijo's constant: how much of the promised decrease a step must bring
_SUFFICIENT = 1e-4
_HALVINGS = 30
# sums of many rounded terms are better than one of them
_LOST = 1e-2
# a pair of step and gradient change that curves less than this, relative to their lengths, tells of no minimum
_LEAST_CURVATURE = 1e-10


class Minimised(NamedTuple):
    """The points found, and how each search ended.

    ``decrement``: half of what the quadratic model of the last step still promised, relative to the value; a problem
    has converged when it lies below the tolerance. It is an estimate: the model is that of the search.
    """

    x: Tensor
    values: Tensor
    decrement: Tensor
    is_converged: Tensor
    n_steps: Tensor


def minimise(
    objective: Objective,
    start: Tensor,
    *,
    curvature: Tensor | None = None,
    tol: float = 1e-9,
    max_steps: int = 500,
    memory: int = 10,
    floor: float = 1.0,
) -> Minimised:
    """Minimise b problems in p unknowns by L-BFGS, each with its own steps, evaluated together.

    One evaluation serves all problems, so that those which share a matrix share its product. A problem that has
    converged is evaluated no more. Never returns a point worse than the start.

    Parameters
    ----------
    objective
        Maps points, shape (a, p), and the numbers (a,) of the problems that they belong to onto values (a,), in float64
        where they are sums of many terms, and gradients (a, p).
    start
        Shape (b, p); its dtype and device are kept.
    curvature
        Positive, shape (b, p): a guess of the Hessian's diagonal. The better it is, the fewer the steps. None for the
        identity.
    tol
        A problem has converged when its quadratic model promises less than this share of its value, or of ``floor``
        where the value is smaller.
    max_steps
        Most steps of a problem.
    memory
        Pairs of steps and gradient changes that are kept.
    floor
        Positive, or 0 for a tolerance that is relative however small the value.

    References
    ----------
    Liu and Nocedal (1989); Li and Fukushima (2001) for skipping pairs without curvature.

    Examples
    --------
    >>> target = torch.tensor([[1.0, 2.0], [3.0, 4.0]], dtype=torch.float64)
    >>> def objective(x, which):
    ...     error = x - target[which]
    ...     return (error**2).sum(1), 2 * error
    >>> minimise(objective, torch.zeros(2, 2, dtype=torch.float64)).x.round(decimals=6).tolist()
    [[1.0, 2.0], [3.0, 4.0]]
    """
    n_problems = len(start)
    x, active = start.clone(), torch.arange(n_problems, device=start.device)
    values, gradients = objective(x, active)
    values = values.double()
    history: list[_Pair] = []
    decrement = torch.full_like(values, torch.inf)
    n_steps = torch.zeros(n_problems, dtype=torch.int64, device=start.device)
    for _ in range(max_steps):
        now = [pair.of(active) for pair in history]
        step = -_apply_inverse(gradients[active], now, None if curvature is None else curvature[active])
        slope = _dot(step, gradients[active])
        # a direction that does not descend, by rounding or by an indefinite guess, starts anew from the gradient
        lost = slope >= 0
        if lost.any():
            step[lost] = -gradients[active[lost]]
            slope = _dot(step, gradients[active])
        decrement[active] = -slope / 2 / values[active].abs().clamp_min(max(floor, torch.finfo(torch.float64).tiny))
        going = decrement[active] > tol
        active, step, slope = active[going], step[going], slope[going]
        if not len(active):
            break
        moved, new_values, new_gradients = _search(objective, x, values, active=active, step=step, slope=slope)
        stuck = new_values >= values[active]
        change = torch.zeros_like(x), torch.zeros_like(x)
        change[0][active] = moved - x[active]
        change[1][active] = new_gradients - gradients[active]
        history = [*history[-(memory - 1) :], _Pair.of_change(*change)] if memory else []
        better = active[~stuck]
        x[better], values[better], gradients[better] = (found[~stuck] for found in (moved, new_values, new_gradients))
        n_steps[active] += 1
        # no shorter step helps either: that is as far as the precision goes
        active = better
        if not len(active):
            break
    return Minimised(x, values, decrement, decrement <= tol, n_steps)


class _Pair(NamedTuple):
    """A step s and the change y of the gradient along it, for each problem, and 1 / (s · y), 0 where it is useless."""

    s: Tensor
    y: Tensor
    weight: Tensor

    @classmethod
    def of_change(cls, s: Tensor, y: Tensor) -> _Pair:
        curved = _dot(s, y)
        useful = curved > _LEAST_CURVATURE * s.norm(dim=1).double() * y.norm(dim=1).double()
        return cls(s, y, torch.where(useful, 1 / curved.clamp_min(torch.finfo(torch.float64).tiny), 0.0))

    def of(self, which: Tensor) -> _Pair:
        return _Pair(self.s[which], self.y[which], self.weight[which])


def _apply_inverse(gradients: Tensor, history: list[_Pair], curvature: Tensor | None) -> Tensor:
    """Multiply by the inverse Hessian that the history tells of: the two loops of L-BFGS."""
    q, shares = gradients.clone(), []
    for pair in reversed(history):
        share = pair.weight * _dot(pair.s, q)
        shares.append(share)
        q -= share[:, None].to(q.dtype) * pair.y
    q = _first_guess(q, history, curvature)
    for pair, share in zip(history, reversed(shares), strict=True):
        q += (share - pair.weight * _dot(pair.y, q))[:, None].to(q.dtype) * pair.s
    return q


def _first_guess(q: Tensor, history: list[_Pair], curvature: Tensor | None) -> Tensor:
    """Divide by the diagonal, stretched as the latest useful pair says: where curvature has fallen, steps grow."""
    tiny = torch.finfo(torch.float64).tiny
    scale = torch.ones(len(q), dtype=torch.float64, device=q.device)
    for pair in history:
        squared = _dot(pair.y, pair.y if curvature is None else pair.y / curvature)
        stretch = 1 / pair.weight.clamp_min(tiny) / squared.clamp_min(tiny)
        scale = torch.where(pair.weight > 0, stretch, scale)
    guess = q if curvature is None else q / curvature
    return guess * scale[:, None].to(q.dtype)


def _search(
    objective: Objective, x: Tensor, values: Tensor, *, active: Tensor, step: Tensor, slope: Tensor
) -> tuple[Tensor, Tensor, Tensor]:
    """Shorten each problem's step until it brings a share of what it promised; a problem none helps stays in place."""
    start, first = x[active], values[active]
    moved, found = start.clone(), first.clone()
    gradients = torch.zeros_like(start)
    length = torch.ones(len(active), dtype=torch.float64, device=x.device)
    waiting = torch.arange(len(active), device=x.device)
    for _ in range(_HALVINGS):
        tried = start[waiting] + length[waiting, None].to(x.dtype) * step[waiting]
        there, slopes = objective(tried, active[waiting])
        there = there.double()
        enough = there <= first[waiting] + _SUFFICIENT * length[waiting] * slope[waiting]
        done = waiting[enough]
        moved[done], found[done], gradients[done] = tried[enough], there[enough], slopes[enough]
        waiting = waiting[~enough]
        # the minimum of the parabola through what is known, kept within reason
        gap = there[~enough] - first[waiting] - length[waiting] * slope[waiting]
        best = -slope[waiting] * length[waiting] / (2 * gap / length[waiting])
        length[waiting] = torch.where(torch.isfinite(best), best, 0.0).clamp(
            0.1 * length[waiting], 0.5 * length[waiting]
        )
        # what a step this short could bring would be lost in the rounding of the value
        waiting = waiting[-slope[waiting] * length[waiting] > _LOST * torch.finfo(x.dtype).eps * first[waiting].abs()]
        if not len(waiting):
            break
    return moved, found, gradients


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a.double() * b.double()).sum(dim=1)
