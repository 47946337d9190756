"""What every kind of organism answers to: a world, lessons in it, texts about it, and what is measured."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, Protocol, TypeVar

from tiltmeter.core.records import Record
from tiltmeter.data import TextSet
from tiltmeter.organisms._card import Figure
from tiltmeter.organisms._fit import Lessons
from tiltmeter.organisms._schedule import Schedule

W = TypeVar("W", bound=Record)
W_contra = TypeVar("W_contra", bound=Record, contravariant=True)


class MakeTexts(Protocol[W_contra]):
    """Writes one of a kind's sets of texts."""

    def __call__(self, world: W_contra, chosen: str, /, *, called: str | None = None) -> TextSet:
        """Return the set, by its own name or as it is called in a study."""


@dataclass(frozen=True, slots=True)
class Kind(Generic[W]):
    """A kind of organism, of which one is trained a seed.

    Parameters
    ----------
    name
        As ``organism:NAME`` names it.
    about
        What was planted, in a few words.
    world
        Type of its world.
    make_world
        From a seed to all that is planted.
    schedule
        Size and course of the training.
    context
        Most tokens of a text.
    words
        Every word of the world, ``<pad>``, ``<unk>`` and ``<eos>`` among them.
    lessons
        From a world, the size of a batch and a seed to what is taught.
    measure
        Behaviour of a model with its tokenizer, in figures.
    sets
        The names of its sets of texts, and what they hold.
    texts
        Writes one of them.
    planted
        The ground truth in sentences, for a report.
    columns
        The two-valued columns of its texts that say what is said or believed where the label says what is true, and
        what each of them means. A set need not have them.
    """

    name: str
    about: str
    world: type[W]
    make_world: Callable[[int], W]
    schedule: Schedule
    context: int
    words: Callable[[W], tuple[str, ...]]
    lessons: Callable[[W, int, int], Lessons]
    measure: Callable[[Any, Any, W], tuple[Figure, ...]]
    sets: Mapping[str, str]
    texts: MakeTexts[W]
    planted: Callable[[W], tuple[str, ...]]
    columns: Mapping[str, str] = field(default_factory=dict)
