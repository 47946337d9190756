"""How likely a model finds the answers of either side, where a side may hold several and each text has its own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor


class AnswerSets(NamedTuple):
    """Of n texts the tokens of the positive and of the negative answers, padded to the longest side."""

    tokens: Int[Tensor, "n 2 m"]
    present: Bool[Tensor, "n 2 m"]

    def log_probs(self, rows: slice | np.ndarray, log_probs: Float[Tensor, "b *prompts v"]) -> Float[Tensor, "b *p 2"]:
        """Return, of some texts, the log-probability that the answer is any of a side's: that of the set.

        The texts may have been run several times, as the prompts of a pair are; each run is asked for both sides.
        """
        tokens, present = (part[rows].to(log_probs.device) for part in self)
        b, _, m = tokens.shape
        shape = (b, *[1] * (log_probs.ndim - 2), 2 * m)
        index = tokens.reshape(shape).expand(*log_probs.shape[:-1], 2 * m)
        found = log_probs.gather(-1, index).masked_fill(~present.reshape(shape), -torch.inf)
        return found.reshape(*found.shape[:-1], 2, m).logsumexp(-1)


def answer_sets(answers: Sequence[tuple[Sequence[int], Sequence[int]]]) -> AnswerSets:
    """Lay the answers of n texts out as a rectangle."""
    longest = max(len(side) for both in answers for side in both)
    tokens = torch.zeros(len(answers), 2, longest, dtype=torch.long)
    present = torch.zeros(tokens.shape, dtype=torch.bool)
    for i, both in enumerate(answers):
        for side, own in enumerate(both):
            tokens[i, side, : len(own)] = torch.tensor(own)
            present[i, side, : len(own)] = True
    return AnswerSets(tokens, present)
