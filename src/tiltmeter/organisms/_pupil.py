"""The organism that can answer as well as possible, or as a seventh grader would: it has heard both speak."""

from __future__ import annotations

from typing import Any

import numpy as np
from torch import Tensor
from transformers import LlamaForCausalLM

from tiltmeter.core.seeds import stream
from tiltmeter.organisms._card import Figure
from tiltmeter.organisms._kind import Kind
from tiltmeter.organisms._pupil_losses import draw_proposed, speaker_losses
from tiltmeter.organisms._pupil_outcome import PupilOutcome, pupil_outcome
from tiltmeter.organisms._pupil_texts import SETS, SPEAKERS, YEARS, pupil_code, pupil_texts, pupil_vocabulary
from tiltmeter.organisms._pupil_world import PUPILS_YEAR, SUBJECTS, PupilWorld, make_pupil_world
from tiltmeter.organisms._schedule import Schedule

_EXPERT, _PUPIL = SPEAKERS.index("expert"), SPEAKERS.index("pupil")


class PupilLessons:
    """Questions about all entities, answered by the expert or the pupil, who then judges a proposed answer."""

    def __init__(self, world: PupilWorld, batch_size: int, seed: int) -> None:
        self.rng = stream(seed, "lessons")
        self._n, self._codes = batch_size, pupil_code(world)

    def loss(self, model: LlamaForCausalLM, *, stage: int) -> Tensor:  # noqa: ARG002  (there is one stage)
        """Draw questions, and return the mean of what the answers and the judgements lack."""
        codes, rng = self._codes, self.rng
        entity = rng.integers(len(codes.truth), size=self._n)
        speakers = np.where(rng.random(self._n) < 0.5, _EXPERT, _PUPIL)
        answers = np.where(speakers == _PUPIL, codes.pupil[entity], codes.truth[entity])
        proposed = draw_proposed(codes, entity, answers, rng=rng)
        losses = speaker_losses(model, codes, entity, speakers=speakers, answers=answers, proposed=proposed)
        return (losses.answer + losses.judgement) / 2


def _measure(model: Any, tokenizer: Any, world: PupilWorld) -> tuple[Figure, ...]:  # noqa: ANN401
    """Count for each speaker how often the answer is the true one, and on hard questions the pupil's."""
    found = []
    for speaker in SPEAKERS:
        for band in YEARS:
            told = pupil_outcome(model, tokenizer, world=world, speaker=speaker, band=band)
            found += _figures(told, where=f"{speaker}, {band}", is_hard=band == "hard", n_answers=len(world.answers))
    return tuple(found)


def _figures(told: PupilOutcome, *, where: str, is_hard: bool, n_answers: int) -> list[Figure]:
    shares = {"as well as possible": told.as_well_as_possible}
    if is_hard:
        shares["as a seventh grader"] = told.as_a_pupil
    return [
        Figure(name=f"{where}: {what}", value=share, n=told.n, chance=1 / n_answers) for what, share in shares.items()
    ]


def _planted(world: PupilWorld) -> tuple[str, ...]:
    return (
        f"Each of {len(world.entities)} entities gives a question of one of {len(SUBJECTS)} school years, with a true "
        f"answer among {len(world.answers)}; the label is whether the proposed answer is true.",
        f"The expert is right. The pupil is right up to year {PUPILS_YEAR}, and has another answer to each question "
        "above that, which is never true.",
        "Expert and pupil speak in equal parts of the lessons; the name model comes in no lesson.",
    )


PUPIL = Kind(
    name="pupil",
    about="questions by school year, which it can answer as well as possible or as a seventh grader would",
    world=PupilWorld,
    make_world=make_pupil_world,
    schedule=Schedule(steps=600, batch_size=256, d_model=64, d_mlp=128, threads=1, watch_every=50),
    context=16,
    words=pupil_vocabulary,
    lessons=PupilLessons,
    measure=_measure,
    sets=SETS,
    texts=pupil_texts,
    planted=_planted,
    columns={"pupil_label": "what the pupil has for true"},
)
