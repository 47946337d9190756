"""What every program of rules can do: decide, and decide with some of its rules alone."""

from __future__ import annotations

import zlib
from collections.abc import Sequence, Set
from typing import Protocol

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from tiltmeter.baselines import RuleList


class Program(Protocol):
    """Rules that can be taken away one by one."""

    @property
    def n_rules(self) -> int:
        """How many rules there are."""

    def lines(self) -> tuple[str, ...]:
        """Write the rules out, a line each."""

    def fires(self, text: str) -> tuple[str, ...]:
        """Name the rules whose conditions hold of a text, in a fixed order."""

    def decide(self, text: str, *, only: Set[str] | None = None) -> int:
        """Say 1, -1, or 0 where nothing is said, by all rules or by those in ``only``."""


class ListedRules:
    """An ordered list of rules, of which the first that fits decides, as a program.

    Parameters
    ----------
    rules
        As :func:`tiltmeter.baselines.read_rules` reads them. What the list says of a text that no rule fits is no rule:
        there the program says nothing.

    Examples
    --------
    >>> from tiltmeter.baselines import Rule
    >>> listed = ListedRules(RuleList(rules=(Rule(words="good", then=1), Rule(words="bad", then=0))))
    >>> listed.fires("good and bad"), listed.decide("good and bad"), listed.decide("good and bad", only={"2"})
    (('1', '2'), 1, -1)
    """

    def __init__(self, rules: RuleList) -> None:
        self.rules = rules

    @property
    def n_rules(self) -> int:
        """How many rules there are."""
        return len(self.rules.rules)

    def lines(self) -> tuple[str, ...]:
        """Write the rules out, a line each."""
        return tuple(map(str, self.rules.rules))

    def fires(self, text: str) -> tuple[str, ...]:
        """Name the rules that fit a text by their places, from 1."""
        return tuple(str(place) for place, rule in enumerate(self.rules.rules, start=1) if rule.fits(text))

    def decide(self, text: str, *, only: Set[str] | None = None) -> int:
        """Say what the first rule that fits says; 0 where none does."""
        for place in self.fires(text):
            if only is None or place in only:
                return 2 * self.rules.rules[int(place) - 1].then - 1
        return 0


def decisions(program: Program, texts: Sequence[str]) -> Int[NDArray[np.int64], " n"]:
    """Return what a program says of each text.

    Parameters
    ----------
    program
        Rules.
    texts
        n strings.

    Returns
    -------
    1, -1, or 0 where the program says nothing.

    Examples
    --------
    >>> from tiltmeter.baselines import Rule
    >>> listed = ListedRules(RuleList(rules=(Rule(words="good", then=1),)))
    >>> decisions(listed, ["good", "bad"]).tolist()
    [1, 0]
    """
    return np.array([program.decide(text) for text in texts], dtype=np.int64)


def description_bits(program: Program) -> int:
    """Return an upper bound of the description length of a program: its lines, compressed by zlib, in bits.

    Parameters
    ----------
    program
        Rules.

    Examples
    --------
    >>> from tiltmeter.baselines import Rule
    >>> short, long = (RuleList(rules=(Rule(words=word, then=1),)) for word in ("ab", "abcdefghij"))
    >>> description_bits(ListedRules(short)) < description_bits(ListedRules(long))
    True
    """
    return 8 * len(zlib.compress("\n".join(program.lines()).encode(), level=9))
