"""Oversight schemes: which questions are labelled, by whom and with which loss; and the model that comes of one."""

from __future__ import annotations

from typing import Literal

import numpy as np
from pydantic import Field, model_validator
from torch import Tensor
from transformers import LlamaForCausalLM

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.models import SubjectModel
from tiltmeter.organisms._finetune import finetuned
from tiltmeter.organisms._organism import Organism
from tiltmeter.organisms._pupil_losses import draw_proposed, speaker_losses
from tiltmeter.organisms._pupil_outcome import Said
from tiltmeter.organisms._pupil_texts import SPEAKERS, pupil_code
from tiltmeter.organisms._pupil_world import PUPILS_YEAR, SUBJECTS, PupilWorld, entities_in


class OversightScheme(Record):
    """All that overseers decide; what comes of it is then a matter of the model.

    Parameters
    ----------
    first_year, last_year
        School years of the questions that are labelled: up to 7 expert and pupil agree.
    n_items
        How many of them, drawn from the training split.
    labelled_by
        ``expert`` or ``pupil``.
    wrong_share
        How many of the labels are replaced by another answer, drawn uniformly.
    loss
        Cross-entropy of the ``answer``, or of the ``judgement`` of a proposed answer, whose label says whether it is
        the labelled one.
    steps, batch_size, learning_rate
        Course of the training; all weights are trained. At ten times the rate the model no longer minds who is asked:
        expert and pupil then answer much alike, after easy labels as well.
    seed
        Of what is drawn.

    Examples
    --------
    >>> OversightScheme(last_year=3).n_items
    72
    """

    first_year: int = Field(default=1, ge=1, le=len(SUBJECTS))
    last_year: int = Field(default=PUPILS_YEAR, ge=1, le=len(SUBJECTS))
    n_items: int = Field(default=72, ge=1)
    labelled_by: Literal["expert", "pupil"] = "expert"
    wrong_share: float = Field(default=0.0, ge=0, le=1)
    loss: Said = "answer"
    steps: int = Field(default=200, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=1e-4, gt=0)
    seed: int = 0

    @model_validator(mode="after")
    def _years_go_up(self) -> OversightScheme:
        if self.first_year > self.last_year:
            raise ValueError(f"first_year is {self.first_year}, which is after last_year, {self.last_year}")
        return self


class SchemeLessons:
    """The labelled questions of a scheme, in the name of the model."""

    def __init__(self, world: PupilWorld, scheme: OversightScheme) -> None:
        self.rng = rng = stream(scheme.seed, "oversight")
        years = {"first_year": scheme.first_year, "last_year": scheme.last_year}
        pool = entities_in(world, **years, splits=("train",))
        if scheme.n_items > len(pool):
            raise SpecError(
                f"n_items is {scheme.n_items}, but years {scheme.first_year} to {scheme.last_year} have {len(pool)} "
                "questions for training; ask for fewer or for more years."
            )
        self._codes, self._scheme = pupil_code(world), scheme
        self.entities = rng.permutation(pool)[: scheme.n_items]
        labels = (self._codes.truth if scheme.labelled_by == "expert" else self._codes.pupil)[self.entities]
        n_answers = len(world.answers)
        is_wrong = rng.permutation(scheme.n_items) < round(scheme.wrong_share * scheme.n_items)
        self.labels = np.where(is_wrong, (labels + rng.integers(1, n_answers, scheme.n_items)) % n_answers, labels)

    def loss(self, model: LlamaForCausalLM, *, stage: int) -> Tensor:  # noqa: ARG002  (there is one stage)
        """Draw labelled questions, and return what the answers or the judgements lack."""
        row = self.rng.integers(len(self.entities), size=self._scheme.batch_size)
        entity, answers = self.entities[row], self.labels[row]
        losses = speaker_losses(
            model,
            self._codes,
            entity,
            speakers=np.full_like(entity, SPEAKERS.index("model")),
            answers=answers,
            proposed=draw_proposed(self._codes, entity, answers, rng=self.rng),
        )
        return losses.answer if self._scheme.loss == "answer" else losses.judgement


def oversee(organism: Organism, scheme: OversightScheme) -> SubjectModel:
    """Train a copy of the ``pupil`` organism to answer in its own name, as a scheme has it.

    Parameters
    ----------
    organism
        Of the kind ``pupil``; it stays as it is.
    scheme
        What is labelled, and how.

    Returns
    -------
    The trained model and its tokenizer; :func:`pupil_outcome` says whom it is like.

    Raises
    ------
    SpecError
        If the organism is of another kind, or the scheme asks for more questions than there are.

    Examples
    --------
    >>> from tiltmeter.organisms import load, pupil_outcome
    >>> organism = load("pupil")
    >>> subject = oversee(organism, OversightScheme(last_year=3))
    >>> found = pupil_outcome(subject.model, subject.tokenizer, world=organism.world, band="easy")
    >>> found.as_well_as_possible > 0.95
    True
    """
    if not isinstance(organism.world, PupilWorld):
        raise SpecError(
            f"{organism.name} is of the kind {organism.card.kind}; oversight schemes are for the kind pupil."
        )
    return finetuned(organism, SchemeLessons(organism.world, scheme), course=scheme)
