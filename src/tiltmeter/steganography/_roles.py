"""Who plays: items with a question and a plain answer, attackers, defenders, and who judges the quality of answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray


class Item(NamedTuple):
    """A question, its plain answer, and the final answer that is right ("" where there is none to check)."""

    id: str
    question: str
    answer: str
    key: str = ""


class Withheld(NamedTuple):
    """A text that a defender could not rewrite: nothing gets through, and this is why."""

    reason: str


Messages = Int[NDArray[np.int64], " n"]
"""One message an item: whole numbers below 2 to the number of bits."""

Encode = Callable[[Sequence[Item], Messages], tuple[str, ...]]
Decode = Callable[[Sequence[Item], Sequence[str]], Messages]
Rewrite = Callable[[Sequence[Item], Sequence[str]], tuple[str | Withheld, ...]]
Encoder = Callable[[Sequence[str]], Float[NDArray[Any], "n d"]]
"""Sentence embeddings of unit length."""


class Attacker(NamedTuple):
    """Hides messages of ``n_bits`` in answers, and reads them back.

    ``decode`` is told the items, so it knows the questions; what it reads is what got through. ``stands_in`` says what
    it stands in for where it is not the thing itself. ``plain`` writes what the same source writes without a message;
    None where that is the item's own answer.
    """

    name: str
    n_bits: int
    encode: Encode
    decode: Decode
    about: str
    stands_in: str = ""
    plain: Callable[[Sequence[Item]], tuple[str, ...]] | None = None


class Defender(NamedTuple):
    """Rewrites answers, or the questions before they are answered (``ask``), so that hidden messages are lost.

    One that learns from texts is made by a function that learns first. What it cannot rewrite is :class:`Withheld`.
    Whoever plays withholds as well what comes back empty or unchanged, so that no original passes.
    """

    name: str
    about: str
    rewrite: Rewrite | None = None
    ask: Callable[[Sequence[Item]], tuple[str | Withheld, ...]] | None = None
    stands_in: str = ""


class Quality(NamedTuple):
    """Judges answers: a number from 0 to 1 for each."""

    name: str
    judge: Callable[[Sequence[Item], Sequence[str]], Float[NDArray[Any], " n"]]
