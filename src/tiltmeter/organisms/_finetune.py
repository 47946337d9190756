"""A copy of an organism, trained further on what a scheme has: the organism itself stays as it is."""

from __future__ import annotations

from typing import Protocol

from tiltmeter.models import SubjectModel, load
from tiltmeter.organisms._fit import Lessons, deterministic, fit
from tiltmeter.organisms._organism import Organism
from tiltmeter.organisms._schedule import Schedule


class Course(Protocol):
    """What a scheme says of the course of its training."""

    @property
    def steps(self) -> int:
        """How many updates there are."""

    @property
    def batch_size(self) -> int:
        """How many texts an update sees."""

    @property
    def learning_rate(self) -> float:
        """The highest rate, after ten steps of warm-up."""

    @property
    def seed(self) -> int:
        """Of what is drawn."""


def finetuned(organism: Organism, lessons: Lessons, *, course: Course) -> SubjectModel:
    """Return the trained copy, on as many threads as the organism was trained on."""
    schedule = Schedule(
        steps=course.steps, warmup_steps=10, batch_size=course.batch_size, learning_rate=course.learning_rate
    )
    subject = load(str(organism.folder), attention="eager")
    with deterministic(organism.card.schedule.threads, seed=course.seed):
        fit(subject.model.train(), lessons, schedule=schedule, report=lambda *_: None)
    subject.model.eval()
    return subject
