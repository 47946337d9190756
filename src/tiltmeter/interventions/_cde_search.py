"""The search for directions along which swaps lack least, from one random start."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.interventions._swap_loss import SwapProblem, gram_schmidt, swap_losses

# windows without a new low of the rolling mean: after one alone, two in 25 searches on planted data ended on a plateau
_PATIENCE = 2
# of the lowest rolling mean: what falls by less over these windows has stopped falling
_LEAST_FALL = 1e-3


class CDESettings(NamedTuple):
    """Learning rate, pairs a step, most pairs that are looked at, and pairs of the rolling mean that must fall.

    The learning rate of Adam is ``learning_rate`` / √d, as the entries of a unit vector are of size 1 / √d: it is about
    the angle of a step, in radians. The publication's 3e-4 at a width of 4,096 would be 0.02, at which 10,000 pairs are
    often too few. A pair that is looked at twice counts twice.
    """

    learning_rate: float = 0.05
    batch_size: int = 8
    max_pairs: int = 10_000
    window: int = 400


class SearchEnd(NamedTuple):
    """Where a search ended: directions (k, d), the rolling mean of the loss, pairs looked at, and whether it stopped.

    ``residual``: the share by which the lowest rolling mean still fell over the last two windows, at most 0.1 % where
    it has converged.
    ``path``: the loss of each step.
    """

    basis: Float[Tensor, "k d"]
    loss: float
    n_pairs: int
    is_converged: bool
    residual: float
    path: Float[NDArray[np.float64], " s"]


def search(problem: SwapProblem, *, n_directions: int, seed: int, settings: CDESettings) -> SearchEnd:
    """Minimise the mean of :func:`swap_losses` over orthonormal directions, by Adam on batches of pairs.

    The directions are what Gram-Schmidt makes of a free matrix, inside the graph; after every step the matrix is set to
    them. The search stops once the lowest rolling mean over a window has fallen by less than 0.1 % over two windows.

    Raises
    ------
    SpecError
        If there are no directions or more than the width, or a setting is not positive.
    """
    d = problem.states.shape[-1]
    check_search(n_directions, d=d, settings=settings)
    device, dtype = problem.states.device, torch.promote_types(problem.states.dtype, torch.float32)
    start = stream(seed, "cde", "start").normal(size=(n_directions, d))
    settings = settings._replace(batch_size=min(settings.batch_size, len(problem)))
    batches = Batches(len(problem), settings.batch_size, rng=stream(seed, "cde", "batches"))
    with torch.inference_mode(mode=False), torch.enable_grad():
        free = gram_schmidt(torch.from_numpy(start).to(device, dtype)).requires_grad_()
        adam = torch.optim.Adam([free], lr=settings.learning_rate / math.sqrt(d))
        progress = _Progress(settings)
        while not progress.is_over:
            adam.zero_grad()
            loss = swap_losses(problem, batches.draw(), basis=gram_schmidt(free)).mean()
            loss.backward()  # type: ignore[no-untyped-call]
            adam.step()
            with torch.no_grad():
                free.copy_(gram_schmidt(free))
            progress.add(float(loss.detach()))
    return progress.end(free.detach())


def check_search(n_directions: int, *, d: int, settings: CDESettings) -> None:
    """Refuse a number of directions or a setting that cannot be."""
    if not 1 <= n_directions <= d:
        raise SpecError(f"n_directions is {n_directions}; it must lie between 1 and the width of the site, {d}.")
    if not all(value > 0 for value in settings):
        raise SpecError(f"A setting of the search is not positive: {settings}; all must be.")


class Batches:
    """Pairs in random order, and again in another when all were drawn."""

    def __init__(self, n: int, size: int, *, rng: np.random.Generator) -> None:
        self._n, self._size, self._rng = n, size, rng
        self._left = np.zeros(0, dtype=np.int64)

    def draw(self) -> NDArray[np.int64]:
        if len(self._left) < self._size:
            # what is left of one order comes last in the next: no pair is passed over, and none is twice in a batch
            order = self._rng.permutation(self._n)
            is_left = np.isin(order, self._left)
            self._left = np.concatenate([self._left, order[~is_left], order[is_left]])
        drawn, self._left = self._left[: self._size], self._left[self._size :]
        return drawn


class _Progress:
    """Losses so far, their rolling mean, and whether it is time to stop."""

    def __init__(self, settings: CDESettings) -> None:
        self._size = settings.batch_size
        self._width = max(1, round(settings.window / settings.batch_size))
        self._patience = _PATIENCE * self._width
        self._most = max(1, settings.max_pairs // settings.batch_size)
        self._losses: list[float] = []
        self._means: list[float] = []

    def add(self, loss: float) -> None:
        self._losses.append(loss)
        if len(self._losses) >= self._width:
            self._means.append(float(np.mean(self._losses[-self._width :])))

    @property
    def is_over(self) -> bool:
        return self.residual <= _LEAST_FALL or len(self._losses) >= self._most

    @property
    def residual(self) -> float:
        earlier, later = self._means[: -self._patience], self._means[-self._patience :]
        # with nothing to compare with, all of it may be ahead; a loss of 0 has nowhere to fall
        if not earlier:
            return 1.0
        return 1 - min(*earlier, *later) / min(earlier) if min(earlier) > 0 else 0.0

    def end(self, basis: Tensor) -> SearchEnd:
        return SearchEnd(
            basis,
            self._means[-1] if self._means else float(np.mean(self._losses)),
            len(self._losses) * self._size,
            self.residual <= _LEAST_FALL,
            self.residual,
            np.array(self._losses),
        )
