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
    here = _Points(x.clone(), values.clone(), gradients)
    history = _History.empty(start, curvature, memory=memory)
    decrement = torch.full_like(values, torch.inf)
    n_steps = torch.zeros(n_problems, dtype=torch.int64, device=start.device)
    for _ in range(max_steps):
        step = -history.apply_inverse(here.gradients)
        slope = _dot(step, here.gradients)
        # a direction that does not descend, by rounding or by an indefinite guess, starts anew from the gradient
        lost = slope >= 0
        if lost.any():
            step[lost] = -here.gradients[lost]
            slope = _dot(step, here.gradients)
        decrement[active] = -slope / 2 / here.values.abs().clamp_min(max(floor, torch.finfo(torch.float64).tiny))
        going = decrement[active] > tol
        if not going.all():
            active, step, slope = active[going], step[going], slope[going]
            here, history = here.of(going), history.of(going)
        if not len(active):
            break
        there = _search(objective, here, active=active, step=step, slope=slope)
        n_steps[active] += 1
        is_better = there.values < here.values
        history = history.after(there.x - here.x, there.gradients - here.gradients)
        here = there
        if not is_better.all():  # no shorter step helps either: that is as far as the precision goes
            active, here, history = active[is_better], here.of(is_better), history.of(is_better)
        if not len(active):
            break
        x[active], values[active] = here.x, here.values
    return Minimised(x, values, decrement, decrement <= tol, n_steps)


class _Points(NamedTuple):
    """Where a problems stand: points (a, p), values (a,) and gradients (a, p)."""

    x: Tensor
    values: Tensor
    gradients: Tensor

    def of(self, which: Tensor) -> _Points:
        return _Points(*(part[which] for part in self))


class _Pair(NamedTuple):
    """A step s and the change y of the gradient along it, (a, p) each, and 1 / (s · y), (a, 1), or 0 where useless."""

    s: Tensor
    y: Tensor
    weight: Tensor


class _History(NamedTuple):
    """What a problems have seen of their curvature, in float64: the latest pairs, oldest first, ``memory`` at most.

    ``diagonal`` (a, p) is what the two loops of L-BFGS begin with: the inverse of the guess of the Hessian's diagonal,
    which ``stretch`` (a, 1) scales as the latest useful pair says: where curvature has fallen, steps grow.
    """

    pairs: tuple[_Pair, ...]
    diagonal: Tensor
    stretch: Tensor
    memory: int

    @classmethod
    def empty(cls, x: Tensor, curvature: Tensor | None, *, memory: int) -> _History:
        ones = torch.ones(len(x), 1, dtype=torch.float64, device=x.device)
        return cls((), ones if curvature is None else 1 / curvature.double(), ones, memory)

    def of(self, which: Tensor) -> _History:
        pairs = tuple(_Pair(*(part[which] for part in pair)) for pair in self.pairs)
        return _History(pairs, self.diagonal[which], self.stretch[which], self.memory)

    def after(self, s: Tensor, y: Tensor) -> _History:
        """Add the latest pair of each problem, and forget the oldest where there are more than ``memory``."""
        if not self.memory:
            return self
        s, y = s.double(), y.double()
        tiny = torch.finfo(torch.float64).tiny
        curved = (s * y).sum(1, keepdim=True)
        useful = curved > _LEAST_CURVATURE * s.norm(dim=1, keepdim=True) * y.norm(dim=1, keepdim=True)
        weight = torch.where(useful, 1 / curved.clamp_min(tiny), 0.0)
        squared = (y * y * self.diagonal).sum(1, keepdim=True)
        stretch = torch.where(useful, curved / squared.clamp_min(tiny), self.stretch)
        pairs = (*self.pairs, _Pair(s, y, weight))[-self.memory :]
        return self._replace(pairs=pairs, stretch=stretch)

    def apply_inverse(self, gradients: Tensor) -> Tensor:
        """Multiply by the inverse Hessian that the history tells of: the two loops of L-BFGS."""
        q, shares = gradients.double(), []
        for pair in reversed(self.pairs):
            share = pair.weight * (pair.s * q).sum(1, keepdim=True)
            shares.append(share)
            q = torch.addcmul(q, share, pair.y, value=-1)
        q = q * self.diagonal * self.stretch
        for pair, share in zip(self.pairs, reversed(shares), strict=True):
            q = torch.addcmul(q, share - pair.weight * (pair.y * q).sum(1, keepdim=True), pair.s)
        return q.to(gradients.dtype)


def _search(objective: Objective, here: _Points, *, active: Tensor, step: Tensor, slope: Tensor) -> _Points:
    """Shorten each problem's step until it brings a share of what it promised; a problem none helps stays in place."""
    start, first = here.x, here.values
    moved, found = start.clone(), first.clone()
    gradients = torch.zeros_like(start)
    length = torch.ones(len(active), dtype=torch.float64, device=start.device)
    waiting = torch.arange(len(active), device=start.device)
    for _ in range(_HALVINGS):
        tried = start[waiting] + length[waiting, None].to(start.dtype) * step[waiting]
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
        waiting = waiting[
            -slope[waiting] * length[waiting] > _LOST * torch.finfo(start.dtype).eps * first[waiting].abs()
        ]
        if not len(waiting):
            break
    return _Points(moved, found, gradients)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a.double() * b.double()).sum(dim=1)
