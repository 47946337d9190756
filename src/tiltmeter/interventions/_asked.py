"""Labelled texts after which a model is asked for one of two answers, and what it says once a block gave otherwise."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.data import TextSet, require_two_classes
from tiltmeter.evaluation import Resampling, bootstrap_estimate, mean_estimate, resampling
from tiltmeter.interventions._answer_sets import AnswerSets, answer_sets
from tiltmeter.interventions._answers import Answers, answer_tokens
from tiltmeter.interventions._constant import wide
from tiltmeter.interventions._controls import Controls, RandomScores, Tested, log_odds_of, unrelated_answers
from tiltmeter.interventions._pairs import EncodedPairs
from tiltmeter.models import Edit, Encoded, SubjectModel, edited, encoded_for, frozen_weights, logits_from, next_logits

_BATCH = 64


class Said(NamedTuple):
    """What a model says after n texts: log-probability of the positive and negative answers, log-odds of unrelated."""

    own: Float[NDArray[np.float64], "n 2"]
    unrelated: Float[NDArray[np.float64], "n u"]

    @property
    def odds(self) -> Float[NDArray[np.float64], " n"]:
        """Log-odds of the positive answers."""
        return np.asarray(self.own[:, 0] - self.own[:, 1])


@dataclass(frozen=True, slots=True, eq=False)
class Asked:
    """Texts as tokens, padded on the right, with labels and answers; the answer follows the last token.

    Parameters
    ----------
    tokens, lengths
        Shape (n, t), and how many of each row are its own.
    last_read
        Shape (n,): the last token that is read; the last of the text unless its span ends before.
    y, groups
        Labels, both present; and groups, or None.
    answers, unrelated
        Tokens of both sides' answers, and pairs of tokens that have nothing to do with them.
    """

    tokens: Int[Tensor, "n t"]
    lengths: Int[Tensor, " n"]
    last_read: Int[Tensor, " n"]
    y: Int[NDArray[Any], " n"]
    groups: NDArray[np.str_] | None
    answers: AnswerSets
    unrelated: Int[Tensor, "u 2"]

    def __len__(self) -> int:
        return len(self.y)

    @property
    def own(self) -> Bool[Tensor, "n t"]:
        """False at padding."""
        return torch.arange(self.tokens.shape[1]) < self.lengths[:, None]

    def select(self, rows: NDArray[np.bool_]) -> Asked:
        """Return the texts that a mask names."""
        index = torch.from_numpy(np.flatnonzero(rows))
        return replace(
            self,
            tokens=self.tokens[index],
            lengths=self.lengths[index],
            last_read=self.last_read[index],
            y=self.y[rows],
            groups=None if self.groups is None else self.groups[rows],
            answers=AnswerSets(*(part[index] for part in self.answers)),
        )

    def resampling(self, controls: Controls) -> Resampling:
        """Resample the texts, in groups where these exist."""
        return resampling(len(self), groups=self.groups, seed=controls.seed)

    def clean(self, subject: SubjectModel, *, layer: int) -> tuple[Float[Tensor, "n t d"], Said]:
        """Run the texts once: what a block gave, in the model's dtype, and what the model says."""
        (site,) = subject.resolve_sites([Site(layer, "resid_post")])
        states, said = [], []
        for rows in self._batches():
            with subject.capture([site]) as seen:
                logits = next_logits(subject, self.tokens[rows], at=self.lengths[rows] - 1, mask=self.own[rows])
            states.append(seen[site].clone())
            said.append(self._measured(rows, logits))
        return torch.cat(states), _joined(said)

    def given(
        self,
        subject: SubjectModel,
        states: Float[Tensor, "n t d"],
        *,
        layer: int,
        later: Callable[[slice], Sequence[Edit]] | None = None,
    ) -> Said:
        """Run from a block on, as if it had given ``states``, under edits of later blocks that fit the rows."""
        said = []
        with frozen_weights(subject):
            for rows in self._batches():
                tokens, at, mask = self.tokens[rows], self.lengths[rows] - 1, self.own[rows]
                with edited(subject, later(rows) if later is not None else []):
                    logits = logits_from(subject, states[rows], tokens=tokens, layer=layer, at=at, mask=mask)
                said.append(self._measured(rows, logits))
        return _joined(said)

    def _measured(self, rows: slice, logits: Tensor) -> Said:
        log_probs = wide(logits).log_softmax(-1)
        found = (self.answers.log_probs(rows, log_probs), log_odds_of(self.unrelated, log_probs))
        return Said(*(part.double().cpu().numpy() for part in found))

    def _batches(self) -> list[slice]:
        return [slice(start, start + _BATCH) for start in range(0, len(self), _BATCH)]


def _joined(parts: Sequence[Said]) -> Said:
    return Said(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def asked(
    subject: SubjectModel,
    texts: TextSet | Encoded | EncodedPairs,
    *,
    answers: tuple[Answers, Answers] | None,
    controls: Controls,
) -> Asked:
    """Bring labelled texts with their positive and negative answers, or pairs that have their own, into one form.

    SpecError if answers are missing, given twice, or no single tokens; DataError if there are no labels of both kinds.
    """
    if isinstance(texts, EncodedPairs):
        if answers is not None:
            raise SpecError("Pairs of prompts have their own answers; leave answers out.")
        sets = answer_sets([own for own in texts.answers for _ in range(2)])
        lengths = torch.from_numpy(np.repeat(texts.lengths, 2))
        tokens, last_read = torch.from_numpy(texts.tokens).flatten(0, 1), lengths - 1
        y = np.tile([1, 0], len(texts))
        groups: NDArray[np.str_] | None = np.repeat(texts.pairs.groups, 2)
    else:
        if answers is None:
            raise SpecError('Texts have no answers of their own; give the positive and the negative: (" yes", " no").')
        encoded = encoded_for(subject, texts)
        y, groups = require_two_classes(encoded.texts), encoded.texts.groups
        found = answer_tokens(subject, positive=answers[0], negative=answers[1])
        sets = answer_sets([(found.positive, found.negative)] * len(encoded))
        lengths = torch.from_numpy(encoded.lengths)
        tokens = torch.zeros(len(encoded), int(lengths.max()), dtype=torch.long)
        last_read = torch.zeros(len(encoded), dtype=torch.long)
        for i in range(len(encoded)):
            own, read = encoded.row(i)
            tokens[i, : len(own)] = torch.from_numpy(own.astype(np.int64))
            last_read[i] = int(np.flatnonzero(read)[-1])
    taken = sorted(set(sets.tokens[sets.present].tolist()))
    unrelated = unrelated_answers(subject, controls, taken=taken)
    return Asked(tokens, lengths, last_read, y, groups, sets, unrelated)


def class_gap(
    values: NDArray[np.float64], y: NDArray[Any], weights: NDArray[np.float64]
) -> Float[NDArray[np.float64], " b"]:
    """Return the mean of the positive rows minus that of the negative ones, under each weighting; NaN if none."""
    with np.errstate(invalid="ignore"):
        return np.asarray(
            (weights @ (values * y)) / (weights @ y) - (weights @ (values * (1 - y))) / (weights @ (1 - y))
        )


Statistic = Callable[[NDArray[np.float64]], NDArray[np.float64]]
"""From weights of the texts (b, n) to a figure under each, shape (b,)."""


def tested(
    found: Said,
    random: Sequence[Said],
    statistic: Callable[[Said], Statistic],
    *,
    before: Said,
    by: Resampling,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Tested:
    """Set a figure of what a model said under an intervention beside the same of random ones.

    ``before`` is what it said without.
    """
    once = np.ones((1, len(found.own)))
    return Tested(
        bootstrap_estimate(statistic(found), by=by, bounds=bounds),
        RandomScores(np.array([statistic(said)(once)[0] for said in random])),
        mean_estimate(np.abs(found.odds - before.odds), by=by, bounds=(0.0, np.inf)),
        mean_estimate(np.abs(found.unrelated - before.unrelated).mean(axis=1), by=by, bounds=(0.0, np.inf)),
    )


def block_output(subject: SubjectModel, direction: Direction) -> Site:
    """Return the site of a direction, if it is a block's output: what comes before that need not be run again.

    ArrayError if it is of another width than the model's; SpecError if it is elsewhere, or the block is absent.
    """
    site = direction.site
    if site is None or site.point != "resid_post":
        raise SpecError(f"The direction's site is {site}; this is measured at a block's output, such as 12.resid_post.")
    if len(direction.vector) != subject.d_model:
        raise ArrayError(
            f"The direction has width {len(direction.vector)}, and {subject.name} shows rows of width "
            f"{subject.d_model}; it belongs to another model."
        )
    return subject.resolve_sites([site])[0]
