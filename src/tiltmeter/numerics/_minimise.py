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
    Liu and Nocedal (1989); Byrd, Nocedal and Schnabel (1994) for the compact form, theorem 2.2; Li and Fukushima (2001)
    for skipping pairs without curvature.

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


class _History(NamedTuple):
    """What a problems have seen of their curvature, in float64: the latest pairs, oldest first, ``memory`` at most.

    ``s`` and ``y``, (a, m, p): steps and the changes of the gradient along them, zero where they tell of no minimum.
    ``products`` (a, m, m): s_i · y_j for i ≤ j, with ones on the diagonal for useless pairs. ``diagonal`` (a, p) is
    where L-BFGS begins: the inverse of the guess of the Hessian's diagonal, which ``stretch`` (a, 1) scales as the
    latest useful pair says: where curvature has fallen, steps grow.
    """

    s: Tensor
    y: Tensor
    products: Tensor
    diagonal: Tensor
    stretch: Tensor
    memory: int

    @classmethod
    def empty(cls, x: Tensor, curvature: Tensor | None, *, memory: int) -> _History:
        none = x.new_zeros(len(x), 0, x.shape[1], dtype=torch.float64)
        ones = x.new_ones(len(x), 1, dtype=torch.float64)
        return cls(none, none, none[:, :, :0], ones if curvature is None else 1 / curvature.double(), ones, memory)

    def of(self, which: Tensor) -> _History:
        return _History(
            self.s[which],
            self.y[which],
            self.products[which],
            self.diagonal[which],
            self.stretch[which],
            self.memory,
        )

    def after(self, s: Tensor, y: Tensor) -> _History:
        """Add the latest pair of each problem, and forget the oldest where there are more than ``memory``."""
        if not self.memory:
            return self
        s, y = s.double(), y.double()
        curved = (s * y).sum(1, keepdim=True)
        useful = curved > _LEAST_CURVATURE * s.norm(dim=1, keepdim=True) * y.norm(dim=1, keepdim=True)
        squared = (y * y * self.diagonal).sum(1, keepdim=True)
        stretch = torch.where(useful, curved / squared.clamp_min(torch.finfo(torch.float64).tiny), self.stretch)
        steps, changes = (
            torch.cat([kept, (new * useful)[:, None]], 1)[:, -self.memory :] for kept, new in ((self.s, s), (self.y, y))
        )
        products = (steps @ changes.mT).triu()
        level = products.diagonal(dim1=1, dim2=2)
        level[level == 0] = 1.0
        return self._replace(s=steps, y=changes, products=products, stretch=stretch)

    def apply_inverse(self, gradients: Tensor) -> Tensor:
        """Multiply by the inverse Hessian that the history tells of, in the compact form of the two loops of L-BFGS."""
        g, first = gradients.double()[:, :, None], (self.diagonal * self.stretch)[:, :, None]
        inner = torch.linalg.solve_triangular(self.products, self.s @ g, upper=True)
        back = first * (g - self.y.mT @ inner)
        outer = self.products.diagonal(dim1=1, dim2=2)[:, :, None] * inner - self.y @ back
        outer = torch.linalg.solve_triangular(self.products.mT, outer, upper=False)
        found: Tensor = back + self.s.mT @ outer
        return found[:, :, 0].to(gradients.dtype)


def _search(objective: Objective, here: _Points, *, active: Tensor, step: Tensor, slope: Tensor) -> _Points:
    """Shorten each problem's step until it brings a share of what it promised; a problem none helps stays in place."""
    moved = here.x + step
    found, gradients = objective(moved, active)
    found = found.double()
    # not the opposite comparison: a value that is not a number is no descent
    waiting = torch.nonzero(~(found <= here.values + _SUFFICIENT * slope))[:, 0]
    if not len(waiting):  # most steps are taken whole
        return _Points(moved, found, gradients)
    start, promised, first = here.x[waiting], slope[waiting], here.values[waiting]
    stride, length, there = step[waiting], torch.ones_like(promised), found[waiting]
    moved[waiting], found[waiting], gradients[waiting] = start, first, 0
    for _ in range(_HALVINGS - 1):
        # the minimum of the parabola through what is known, kept within reason
        best = -promised * length**2 / (2 * (there - first - length * promised))
        length = torch.where(torch.isfinite(best), best, 0.0).clamp(0.1 * length, 0.5 * length)
        # what a step this short could bring would be lost in the rounding of the value
        going = -promised * length > _LOST * torch.finfo(start.dtype).eps * first.abs()
        if not going.any():
            break
        tried = start + length[:, None].to(start.dtype) * stride
        there, slopes = objective(tried[going], active[waiting[going]])
        there = there.double()
        enough = there <= first[going] + _SUFFICIENT * length[going] * promised[going]
        done = waiting[going][enough]
        moved[done], found[done], gradients[done] = tried[going][enough], there[enough], slopes[enough]
        left = torch.nonzero(going)[:, 0][~enough]
        if not len(left):
            break
        waiting, there = waiting[left], there[~enough]
        start, stride, length, promised, first = (part[left] for part in (start, stride, length, promised, first))
    return _Points(moved, found, gradients)


def _dot(a: Tensor, b: Tensor) -> Tensor:
    return (a.double() * b.double()).sum(dim=1)
