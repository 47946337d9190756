"""What is written down of an organism when it was made."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.records import Record
from tiltmeter.organisms._schedule import Schedule


class Figure(Record):
    """One figure of behaviour: what was counted, the share of ``n`` trials, and what chance alone would give."""

    name: str
    value: float
    n: int
    chance: float | None = None


class Moment(Record):
    """The figures of behaviour after so many steps of training."""

    step: int
    figures: tuple[Figure, ...]


class Card(Record):
    """What an organism is, how it was trained, and what was measured when it was made.

    ``figures`` are those of the finished model; ``history`` those on the way, where they were watched.
    """

    format_version: Literal[2] = 2
    kind: str
    seed: int
    n_parameters: int
    schedule: Schedule
    seconds: float
    cpu_seconds: float
    platform: str
    versions: dict[str, str]
    figures: tuple[Figure, ...]
    history: tuple[Moment, ...] = ()

    def figure(self, name: str) -> Figure:
        """Return one figure; KeyError if there is none of that name."""
        for one in self.figures:
            if one.name == name:
                return one
        raise KeyError(name)
