"""A small grammar for pairs of prompts: sentences with slots, and a table of the words that fill them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from tiltmeter.core.errors import SpecError

_SLOT = re.compile(r"\{([a-z_]+)([0-9]*)\}")
# two words with a stroke between: the first is said on the positive side, the second on the negative
_EITHER = re.compile(r"([^\s/.,;:!?{}]+)/([^\s/.,;:!?{}]+)")


@dataclass(frozen=True, slots=True, eq=False)
class PairFamily:
    """Templates of one kind, and the words that fill their slots.

    A template is a sentence that ends with the answer: ``"{name} lost the key, so she/he"``. Where it says ``she/he``,
    the positive prompt has the first word and the negative one the second. A slot is filled with one entry of the table
    of its name, the same wherever it stands; ``{fact1}`` and ``{fact2}`` are different entries of the table ``fact``.
    An entry may itself hold words with a stroke, ``"Mary/John"`` or ``"ice is cold/hot"``; one without is said on both
    sides.

    Parameters
    ----------
    name
        Begins the identifiers of its pairs.
    tag
        What its pairs test.
    templates
        The sentences.
    words
        The table of each slot.

    Raises
    ------
    SpecError
        If a slot has no table, a table has too few entries or one twice, there are no templates, or one does not end
        with an answer.

    Examples
    --------
    >>> words = {"name": ("Mary/John", "Ann/Paul")}
    >>> family = PairFamily("small", "easy", ("{name} lost the key, so she/he",), words)
    >>> family.count(0), family.fill(0, 1)
    (2, Filled(positive='Ann lost the key, so she', negative='Paul lost the key, so he', entries={'name': 'Ann/Paul'}))
    """

    name: str
    tag: str
    templates: tuple[str, ...]
    words: Mapping[str, tuple[str, ...]]

    def __post_init__(self) -> None:
        if not self.templates:
            raise SpecError(f"The family {self.name} has no templates; give at least one.")
        for table, entries in self.words.items():
            if len(set(entries)) < len(entries):
                raise SpecError(f"The table {table} of {self.name} has an entry twice; leave one out.")
        for i, template in enumerate(self.templates):
            if self.count(i) < 1:
                raise SpecError(f"Template {template!r} asks for more entries than its table has; add some.")
            positive, negative, _ = self.fill(i, 0)
            if "{" in positive or positive.split(" ")[-1] == negative.split(" ")[-1] or " " not in positive:
                raise SpecError(
                    f"Template {template!r} must be a sentence whose last word is the answer, another one on either "
                    "side, and its slots names in braces, as in '{name} lost the key, so she/he'."
                )

    def count(self, template: int) -> int:
        """Return in how many ways a template can be filled."""
        left, ways = {table: len(entries) for table, entries in self.words.items()}, 1
        for table, number in self._slots(template):
            ways *= left[table]
            left[table] -= bool(number)
        return ways

    def fill(self, template: int, way: int) -> Filled:
        """Return the two sentences of one of the ways to fill a template, from 0."""
        entries, left = dict[str, str](), {table: list(self.words[table]) for table, _ in self._slots(template)}
        for table, number in self._slots(template):
            way, i = divmod(way, len(left[table]))
            # numbered slots of a table are filled without repetition
            entries[table + number] = left[table].pop(i) if number else left[table][i]
        text = _SLOT.sub(lambda slot: entries[slot[1] + slot[2]], self.templates[template])
        return Filled(*sides(text), entries)

    def _slots(self, template: int) -> list[tuple[str, str]]:
        slots = list(dict.fromkeys((found[1], found[2]) for found in _SLOT.finditer(self.templates[template])))
        for table, _ in slots:
            if table not in self.words:
                raise SpecError(
                    f"Template {self.templates[template]!r} has a slot {table}, for which there is no table; the "
                    f"tables are {', '.join(self.words) or 'none'}."
                )
        return slots


class Filled(NamedTuple):
    """The two sentences of a pair, answers included, and the entry that each slot was filled with."""

    positive: str
    negative: str
    entries: dict[str, str]


def sides(text: str) -> tuple[str, str]:
    """Return what a text with strokes says on the positive and on the negative side."""
    return _EITHER.sub(r"\1", text), _EITHER.sub(r"\2", text)


def number_sets(entries: tuple[str, ...]) -> dict[str, int]:
    """Return a number for each entry, the same for those that share a side, directly or by way of others."""
    both = [sides(entry) for entry in entries]
    number = np.arange(len(entries))
    for i in range(len(entries)):
        for j in range(i):
            if {*both[i]} & {*both[j]}:
                number[number == number[i]] = number[j]
    return dict(zip(entries, np.unique(number, return_inverse=True)[1].tolist(), strict=True))
