"""How far swaps along some directions fall short of making the model say what the directions' source says."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.interventions._clean import Clean, flat
from tiltmeter.interventions._constant import wide
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.interventions._subspace import replaced
from tiltmeter.models import SubjectModel, logits_from

# states (b, 2, ..., d) of both prompts of some pairs, and the numbers of these pairs, to log-probabilities (b, 2, v)
Says = Callable[[Tensor, NDArray[np.int64]], Tensor]


@dataclass(frozen=True, slots=True, eq=False)
class SwapProblem:
    """Pairs at one place of a network: what it shows of both prompts, what the network says, and the rest of it.

    ``says`` computes what follows from states of some pairs, which it is told by number; it must be differentiable.
    """

    states: Float[Tensor, "n two *places d"]
    log_probs: Float[Tensor, "n two v"]
    says: Says

    def __len__(self) -> int:
        return len(self.states)


def of_model(subject: SubjectModel, encoded: EncodedPairs, *, layer: int, clean: Clean) -> SwapProblem:
    """Return the problem of a model's block: from its clean states only the blocks after it are computed."""

    def says(states: Tensor, rows: NDArray[np.int64]) -> Tensor:
        tokens, mask, at = flat(encoded, rows)
        longest = int(at.max()) + 1
        mask = mask[:, :longest]
        logits = logits_from(
            subject,
            states[:, :, :longest].flatten(0, 1),
            tokens=tokens[:, :longest],
            layer=layer,
            at=at,
            # without padding the model needs no mask, and is faster without
            mask=None if bool(mask.all()) else mask,
        )
        log_probs = wide(logits).log_softmax(-1)
        return log_probs.reshape(-1, 2, log_probs.shape[1])

    return SwapProblem(clean.states[layer], clean.log_probs, says)


def gram_schmidt(free: Float[Tensor, "k d"]) -> Float[Tensor, "k d"]:
    """Return the orthonormal rows that Gram-Schmidt makes of independent ones; differentiable."""
    q, r = torch.linalg.qr(free.mT)
    # the factorisation leaves signs open: rows must not turn round between one step and the next
    rows: Tensor = (q * r.diagonal().sign()).mT
    return rows


def swap_losses(
    problem: SwapProblem, rows: Int[NDArray[np.int64], " b"], *, basis: Float[Tensor, "k d"]
) -> Float[Tensor, " b"]:
    """Return what swaps of some pairs lack, in nats: 0 if the directions alone decide.

    Notes
    -----
    The swapped run of a prompt has the states of the *other* prompt, but for the component along the directions, which
    is its own. The loss of a pair is KL(p ‖ q) + KL(q ‖ p), the mean over both prompts, with p what the network says of
    the prompt and q what it says in the swapped run.
    """
    states = problem.states[rows]
    mixed = replaced(wide(states.flip(1)), wide(states), basis).to(states.dtype)
    found, clean = problem.says(mixed, rows), problem.log_probs[rows]
    # both divergences at once: Σ (p − q) (log p − log q)
    return ((clean.exp() - found.exp()) * (clean - found)).sum(-1).mean(-1)


def mean_swap_loss(problem: SwapProblem, *, basis: Float[Tensor, "k d"], batch_size: int) -> float:
    """Return the mean of :func:`swap_losses` over all pairs, without a gradient."""
    total = 0.0
    with torch.no_grad():
        for start in range(0, len(problem), batch_size):
            rows = np.arange(start, min(start + batch_size, len(problem)))
            total += float(swap_losses(problem, rows, basis=basis).sum())
    return total / len(problem)
