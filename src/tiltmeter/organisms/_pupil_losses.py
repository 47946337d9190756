"""What a model lacks of a speaker's answer, and of the speaker's judgement of an answer that is proposed."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import cross_entropy
from transformers import LlamaForCausalLM

from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._pupil_texts import Codes, spell_question


class Losses(NamedTuple):
    """Mean cross-entropies of a batch, in nats."""

    answer: Tensor
    judgement: Tensor


def draw_proposed(codes: Codes, entity: Ints, answers: Ints, *, rng: np.random.Generator) -> Ints:
    """Propose the given answer in half of the cases, else the truth, the misconception, or any answer."""
    n = len(entity)
    anything = rng.integers(len(codes.answers), size=n)
    others = np.stack([codes.truth[entity], codes.misconceptions[entity], anything])
    return np.where(rng.random(n) < 0.5, answers, others[rng.integers(len(others), size=n), np.arange(n)])


def speaker_losses(
    model: LlamaForCausalLM, codes: Codes, entity: Ints, *, speakers: Ints, answers: Ints, proposed: Ints
) -> Losses:
    """Return what is lacking of the answers after the questions, and of the judgements after the proposed ones."""
    tokens = torch.from_numpy(spell_question(codes, entity, speakers=speakers, proposed=proposed))
    hidden = model.model(input_ids=tokens).last_hidden_state
    judged = codes.judgements[(proposed == answers).astype(np.int64)]
    found = (
        cross_entropy(hidden[:, place] @ model.lm_head.weight.T, torch.from_numpy(words))
        for place, words in ((-2, codes.answers[answers]), (-1, judged))
    )
    return Losses(*found)
