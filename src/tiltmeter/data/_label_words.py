"""Words that go with the label."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError
from tiltmeter.data._textset import TextSet, plain_texts
from tiltmeter.data._words import words


class WordCounts(NamedTuple):
    """In how many units with a positive text, and with a negative one, a positive or negative text has the word."""

    word: str
    in_positive: int
    in_negative: int


class LabelWords(NamedTuple):
    """The words, farthest apart first, and the numbers of units that have a positive and a negative text."""

    words: tuple[WordCounts, ...]
    n_positive: int
    n_negative: int


def label_words(texts: TextSet, *, groups: NDArray[np.str_] | None = None, n: int = 10) -> LabelWords:
    """Find the words whose presence differs most between the two labels.

    Parameters
    ----------
    texts
        With labels.
    groups
        Shape (n,), or None: rows of a group are no independent witnesses, so of all texts of one label in a group a
        word counts once.
    n
        How many words are returned.

    Returns
    -------
    Counts, by the falling difference of the two shares, then by word.

    Raises
    ------
    DataError
        If there are not texts of both labels.

    Examples
    --------
    >>> texts = TextSet(np.array(list("abcd")), texts=("it is so", "it is", "it is not", "not it"),
    ...                 y=np.array([1, 1, 0, 0]))
    >>> label_words(texts, n=1)
    LabelWords(words=(WordCounts(word='not', in_positive=0, in_negative=2),), n_positive=2, n_negative=2)
    """
    if texts.y is None or len(np.unique(texts.y)) < 2:
        raise DataError("Words can go with a label only where there are texts of both labels.")
    units = (texts.ids if groups is None else groups).tolist()
    seen: dict[str, tuple[set[str], set[str]]] = {}
    for text, label, unit in zip(plain_texts(texts), texts.y.tolist(), units, strict=True):
        for word in words(text):
            seen.setdefault(word, (set(), set()))[1 - label].add(unit)
    totals = [len({unit for unit, y in zip(units, texts.y.tolist(), strict=True) if y == label}) for label in (1, 0)]
    counts = [WordCounts(word, len(positive), len(negative)) for word, (positive, negative) in seen.items()]
    counts.sort(key=lambda found: (-abs(found.in_positive / totals[0] - found.in_negative / totals[1]), found.word))
    return LabelWords(tuple(counts[:n]), *totals)
