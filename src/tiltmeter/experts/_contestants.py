"""Contestants behind one ``predict``: rules alone, and rules with a student behind them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from tiltmeter.experts._program import Program, decisions


class Predictor(Protocol):
    """Anything that labels texts."""

    def predict(self, texts: Sequence[str]) -> Int[NDArray[np.int64], " n"]:
        """Return the label 0 or 1 of each text."""


class ByRules:
    """A program of rules, and the label of texts of which it says nothing.

    Parameters
    ----------
    program
        The rules.
    otherwise
        The label 0 or 1 where no rule speaks.

    Examples
    --------
    >>> from tiltmeter.baselines import Rule, RuleList
    >>> from tiltmeter.experts import ListedRules
    >>> listed = ListedRules(RuleList(rules=(Rule(words="good", then=1),)))
    >>> ByRules(listed, otherwise=0).predict(["good", "bad"]).tolist()
    [1, 0]
    """

    def __init__(self, program: Program, *, otherwise: int) -> None:
        self.program, self.otherwise = program, otherwise

    def predict(self, texts: Sequence[str]) -> Int[NDArray[np.int64], " n"]:
        """Return the label 0 or 1 of each text."""
        said = decisions(self.program, texts)
        return np.where(said == 0, self.otherwise, (said > 0).astype(np.int64))


class Mixed:
    """A mixed program: the rules decide where they say something, and a network elsewhere.

    What the rules decide can be read off them, whatever the network is.

    Parameters
    ----------
    program
        The rules.
    behind
        What labels the texts of which they say nothing.

    Examples
    --------
    >>> from tiltmeter.baselines import Rule, RuleList
    >>> from tiltmeter.experts import ByRules, ListedRules
    >>> first, second = (ListedRules(RuleList(rules=(Rule(words=word, then=1),))) for word in ("good", "fine"))
    >>> Mixed(first, ByRules(second, otherwise=0)).predict(["good", "fine", "bad"]).tolist()
    [1, 1, 0]
    """

    def __init__(self, program: Program, behind: Predictor) -> None:
        self.program, self.behind = program, behind

    def predict(self, texts: Sequence[str]) -> Int[NDArray[np.int64], " n"]:
        """Return the label 0 or 1 of each text."""
        said = decisions(self.program, texts)
        labels = (said > 0).astype(np.int64)
        if silent := np.flatnonzero(said == 0).tolist():
            labels[silent] = self.behind.predict([texts[i] for i in silent])
        return labels
