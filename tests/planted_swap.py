"""A network whose cause is known: its head reads one direction, and nearly ignores one that tells classes better."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.interventions._swap_loss import SwapProblem

D, V = 24, 12
# output 0 is the positive side's answer, output 1 the negative side's
ANSWERS = (0, 1)


class Planted(NamedTuple):
    """The cause ``u`` and the shortcut ``q``, the head (v, d), and rows (n, 2, d) of pairs, the positive one first."""

    u: NDArray[np.float64]
    q: NDArray[np.float64]
    head: NDArray[np.float64]
    train: NDArray[np.float64]
    test: NDArray[np.float64]

    @property
    def rows(self) -> NDArray[np.float64]:
        return self.train.reshape(-1, D)

    @property
    def sides(self) -> NDArray[np.int64]:
        return np.tile([1, 0], len(self.train))

    def problem(self, rows: NDArray[np.float64]) -> SwapProblem:
        head = torch.from_numpy(self.head)

        def says(states: Tensor, which: NDArray[np.int64]) -> Tensor:
            assert len(states) == len(which)
            return (states @ head.T).log_softmax(-1)

        states = torch.from_numpy(rows)
        return SwapProblem(states, says(states, np.arange(len(rows))), says)


def planted(seed: int, *, n: int = 400) -> Planted:
    """Plant a cause and a shortcut.

    Rows of the two sides differ by ± 2.1 (u + 3 q) and noise of variance 1, of standard deviation 0.8 along q. The head
    reads u with gain 2 for one answer and −2 for the other, and everything else but u with random weights of 0.02, half
    as much along q.
    """
    rng = np.random.default_rng(seed)
    u, q = np.linalg.qr(rng.normal(size=(D, D)))[0].T[:2]
    head = 0.02 * rng.normal(size=(V, D))
    head -= np.outer(head @ u, u) + 0.5 * np.outer(head @ q, q)
    head[0] += 2 * u
    head[1] -= 2 * u

    def draw() -> NDArray[np.float64]:
        noise = rng.normal(size=(n, 2, D))
        noise -= 0.2 * (noise @ q)[..., None] * q
        return noise + np.array([2.1, -2.1])[:, None] * (u + 3 * q)

    return Planted(u, q, head, draw(), draw())


def unit(vector: NDArray[np.floating]) -> NDArray[np.float64]:
    return vector / np.linalg.norm(vector)


def swap_success(problem: SwapProblem, basis: NDArray[np.floating]) -> float:
    """METHODS section 11, in loops: 1 − the mean of clip((clean − swapped) / (clean − the other prompt's), 0, 1)."""
    basis = np.atleast_2d(basis).astype(np.float64)
    states, clean = problem.states.numpy(), problem.log_probs.numpy()
    ratios = []
    for i in range(len(states)):
        for own, other in ((0, 1), (1, 0)):
            mixed = states[i, other].copy()
            for row in basis:
                mixed += ((states[i, own] - states[i, other]) @ row) * row
            both = torch.from_numpy(np.stack([mixed, mixed]))[None]
            said = problem.says(both, np.array([i]))[0, 0].numpy()
            for answer in ANSWERS:
                lost = clean[i, own, answer] - said[answer]
                ratios.append(np.clip(lost / (clean[i, own, answer] - clean[i, other, answer]), 0, 1))
    return 1 - float(np.mean(ratios))
