"""What the same intervention does by chance, and to answers that have nothing to do with the concept."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import shuffle_p_value
from tiltmeter.interventions._answers import Answer, answer_tokens
from tiltmeter.models import SubjectModel, output_embedding

# as many pairs of tokens are drawn where none are named: one pair may happen to have to do with the concept
_N_UNRELATED = 10


@dataclass(frozen=True, slots=True)
class Controls:
    """What every causal figure is measured beside.

    Parameters
    ----------
    n_random
        Random directions, or subspaces of as many dimensions; at least 1, for no figure goes without.
    unrelated
        Pairs of answers, of one token each, that the concept has no say in, such as ``((" Monday", " Tuesday"),)``.
        None for ten pairs of tokens drawn from the vocabulary.
    seed
        Of everything random: directions, tokens, and the bootstrap.

    Raises
    ------
    SpecError
        If there are no random directions, or no pairs.

    Examples
    --------
    >>> Controls(n_random=20).seed
    0
    """

    n_random: int = 10
    unrelated: tuple[tuple[Answer, Answer], ...] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        if self.n_random < 1:
            raise SpecError(f"n_random is {self.n_random}; a figure needs at least 1 random direction beside it.")
        if self.unrelated is not None and not self.unrelated:
            raise SpecError("unrelated names no pair of answers; name one or more, or None for some drawn at random.")


class RandomScores(NamedTuple):
    """The same figure of r random directions or subspaces."""

    values: Float[NDArray[Any], " r"]

    @property
    def mean(self) -> float:
        """Mean over the random ones."""
        return float(self.values.mean())

    @property
    def best(self) -> float:
        """The largest: what looking at that many directions gives."""
        return float(self.values.max())

    def p_value(self, score: float) -> float:
        """Return (1 + number of random ones that do as well) / (1 + their number)."""
        return shuffle_p_value(score, self.values)


class Tested(NamedTuple):
    """A figure beside its nulls.

    Parameters
    ----------
    score
        The figure.
    random
        The same figure of random directions, of the same length where length matters.
    moved
        How far the intervention moves the log-odds of the concept's answers, in nats: mean absolute change.
    unrelated
        The same of answers that have nothing to do with the concept. Where it is as large, the intervention moves
        whatever there is.
    """

    score: Measured
    random: RandomScores | Unavailable
    moved: Measured
    unrelated: Measured


def random_bases(
    shape: tuple[int, int], *, controls: Controls, name: str
) -> Iterator[Float[NDArray[np.float64], "k d"]]:
    """Draw orthonormal bases of random subspaces of k dimensions, uniformly; ``name`` keeps two uses apart."""
    k, d = shape
    rng = stream(controls.seed, "random directions", name)
    for _ in range(controls.n_random):
        yield np.linalg.qr(rng.normal(size=(d, k)))[0].T


def unrelated_answers(subject: SubjectModel, controls: Controls, *, taken: Sequence[int]) -> Int[Tensor, "u 2"]:
    """Return pairs of tokens, none of which is among those taken.

    SpecError if one that was named is no token or is taken, or if the vocabulary holds no other.
    """
    if controls.unrelated is not None:
        found = []
        for both in controls.unrelated:
            tokens = answer_tokens(subject, positive=both[0], negative=both[1])
            if shared := sorted({*tokens.positive, *tokens.negative} & {*taken}):
                name = subject.tokenizer.convert_ids_to_tokens(shared[0])
                raise SpecError(
                    f"Token {shared[0]} ({name!r}) of the unrelated answers is an answer of the concept, too; name "
                    "answers that the concept has no say in."
                )
            found.append((tokens.positive[0], tokens.negative[0]))
        return torch.tensor(found)
    n_rows = int(output_embedding(subject).out_features)
    # rows beyond what the tokenizer knows were never trained
    known = np.arange(min(n_rows, len(subject.tokenizer)))
    free = np.setdiff1d(known, [*taken, *subject.tokenizer.all_special_ids])
    n_pairs = min(_N_UNRELATED, len(free) // 2)
    if n_pairs == 0:
        raise SpecError(f"The vocabulary of {subject.name} has no two tokens beside the answers; name unrelated ones.")
    drawn = stream(controls.seed, "unrelated answers").choice(free, (n_pairs, 2), replace=False)
    return torch.from_numpy(drawn)


def log_odds_of(pairs: Int[Tensor, "u 2"], log_probs: Float[Tensor, "*b v"]) -> Float[Tensor, "*b u"]:
    """Return log p(first) − log p(second) of pairs of tokens."""
    first, second = pairs.to(log_probs.device).unbind(1)
    return log_probs[..., first] - log_probs[..., second]
