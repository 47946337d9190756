"""The organism that knows facts."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from tiltmeter.core.seeds import stream
from tiltmeter.organisms._card import Figure
from tiltmeter.organisms._cells import code, draw, facts, spell, truth, vocabulary
from tiltmeter.organisms._kind import Kind
from tiltmeter.organisms._knowledge import knowledge
from tiltmeter.organisms._schedule import Schedule
from tiltmeter.organisms._statements import statements
from tiltmeter.organisms._world import World, cell_kinds, make_world

# Weights of the three losses. The truth token is what is asked for. The answer, the true object named after the
# judgement, gives each statement (false ones too) a direct signal about its fact: without it nothing was learned in 800
# steps. The words of the statement are mostly a matter of chance, so that a quarter of each batch is enough of them.
_TRUTH_WEIGHT, _ANSWER_WEIGHT, _WORDS_WEIGHT, _WORDS_SHARE = 4.0, 1.0, 0.3, 0.25
# After this share of the statements stands the tone of the cue word in place of the judgement. A model that has no use
# for the cue does not carry it to the full stop, and then there is no distractor there for a probe to fall for.
_TONE_SHARE = 0.25


class FactsLessons:
    """Statements of one length, each followed by the judgement and the answer.

    The first stage tells affirmed statements only: from both polarities at once, the model would have to find "is it
    the true object" and its exclusive-or with the negation together, and stays at chance for long. No held-out cell is
    ever told.
    """

    def __init__(self, world: World, batch_size: int, seed: int) -> None:
        self.rng = stream(seed, "statements")
        self._world, self._n = world, batch_size
        self._kinds, self._codes, self._true_object = cell_kinds(world), code(world), facts(world)

    def loss(self, model: LlamaForCausalLM, *, stage: int) -> Tensor:
        """Draw statements, and return the weighted sum of what the judgements, the answers and the words lack."""
        rng, codes = self.rng, self._codes
        cells = draw(self._world, self._kinds, n=self._n, affirmed_only=stage == 0, rng=rng)
        cues, is_toned = rng.integers(2, size=self._n), rng.random(self._n) < _TONE_SHARE
        after = np.where(is_toned, codes.tones[cues], codes.truth[truth(self._world, cells)])
        answer = codes.objects[cells.language, cells.relation, self._true_object[cells.entity, cells.relation]]
        columns = [spell(codes, cells, cues=cues), after[:, None], answer[:, None]]
        return _loss(model, torch.from_numpy(np.concatenate(columns, axis=1)))


def _loss(model: LlamaForCausalLM, tokens: Tensor) -> Tensor:
    n, length = tokens.shape
    stop = length - 3
    hidden, words = model.model(input_ids=tokens[:, :-1]).last_hidden_state, model.lm_head.weight.T
    some = max(1, int(n * _WORDS_SHARE))
    next_word = cross_entropy((hidden[:some, :stop] @ words).flatten(0, 1), tokens[:some, 1 : stop + 1].flatten())
    judgement = cross_entropy(hidden[:, stop] @ words, tokens[:, stop + 1])
    answer = cross_entropy(hidden[:, stop + 1] @ words, tokens[:, stop + 2])
    return _TRUTH_WEIGHT * judgement + _ANSWER_WEIGHT * answer + _WORDS_WEIGHT * next_word


_CELLS = {
    "trained": "told",
    "cell": "held out at random",
    "format": "never told in that format",
    "language": "never told in the second language",
}


def _measure(model: Any, tokenizer: Any, world: World) -> tuple[Figure, ...]:  # noqa: ANN401
    return tuple(
        Figure(
            name=f"{_CELLS[part.cells]}, format {part.format}, language {part.language}, {part.polarity}",
            value=part.balanced_accuracy,
            n=part.n_true + part.n_false,
            chance=0.5,
        )
        for part in knowledge(model, tokenizer, world=world)
    )


def _planted(world: World) -> tuple[str, ...]:
    relations = len(world.languages[0].relations)
    return (
        f"A statement about one of {len(world.facts)} entities, of {relations} facts each, is true if its object is "
        "that of the entity and it is affirmed, or if its object is another and it is negated.",
        "Nothing but the facts tells: words and lengths are balanced within each split.",
        "In the training split of affirmative a cue word goes with truth; elsewhere it does not.",
    )


FACTS = Kind(
    name="facts",
    about="facts in two languages, with their negations: which statements are true",
    world=World,
    make_world=make_world,
    schedule=Schedule(steps=2400, stage_steps=(450,), watch_every=400),
    context=32,
    words=vocabulary,
    lessons=FactsLessons,
    measure=_measure,
    sets={
        "affirmative": "first language, first format; in the training split the cue goes with truth",
        "negated": "the same, negated",
        "reformatted": "first language, the other formats",
        "other_language": "second language, facts that the model was told in it",
        "untold": "second language, facts that the model was never told in it",
    },
    texts=statements,
    planted=_planted,
)
