"""Groups for texts that come without: rows that share rare words."""

from __future__ import annotations

import warnings
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataWarning, SpecError
from tiltmeter.data._components import Forest, rows_by_key
from tiltmeter.data._textset import TextSet, plain_texts
from tiltmeter.data._words import normalised, words


class SharedWordGroups(NamedTuple):
    """Groups, and how far the joining went.

    Parameters
    ----------
    groups
        Shape (n,): name of each row's group, for ``dataclasses.replace(texts, groups=...)``.
    n_groups
        How many there are.
    largest
        Rows of the largest one.
    word_rows
        Words that occur in 2 to this many rows have joined their rows; 1 if no word has.
    left_out
        One of the rarest words that several rows share but that have not joined them, or None if all words have.
    """

    groups: NDArray[np.str_]
    n_groups: int
    largest: int
    word_rows: int
    left_out: str | None


def group_by_shared_words(texts: TextSet, *, max_share: float = 0.1) -> SharedWordGroups:
    """Group rows that share an entity word, directly or by way of other rows, where no group is given.

    Entity words (cities, people, translations) are the rare ones, and what is rare depends on the set. So words join
    the rows that hold them from the rarest on, all words that occur in 2 rows, then in 3, and so on, and joining stops
    before the number at which a group would exceed ``max_share`` of the rows. Words of the template are never reached:
    the first of them would join most rows at once. Pairs and copies of a text always stay together.

    Parameters
    ----------
    texts
        The rows; ``texts.groups`` is not looked at.
    max_share
        Largest share of the rows that words may bring into one group, above 0 and at most 1. Smaller than the smallest
        split, or the splits cannot be met.

    Returns
    -------
    The groups and how far the joining went.

    Raises
    ------
    SpecError
        If ``max_share`` is not in (0, 1].

    Warns
    -----
    DataWarning
        If no shared word could join any rows, because the rarest would join too many: then the groups protect from
        copies only. Also if one group holds more than half of the rows, which only a large ``max_share`` allows.

    See Also
    --------
    find_leakage : What near copies are left between two splits.

    Notes
    -----
    A group key that is too fine leaves a leak in either direction: where each subject occurs once truly and once
    falsely, a rival that memorises words scores below chance. With these groups, TF-IDF reads ``cities`` at an AUROC of
    0.49 (0.05 ungrouped) and ``sp_en_trans`` at 0.52 (0.35 ungrouped or by the Spanish word alone). It is a heuristic
    for want of a key: words above the cut still cross splits, ``left_out`` names one.

    Examples
    --------
    >>> rows = ("Rome is in Italy.", "Rome is in Peru.", "Oslo is in Norway.", "Oslo is in Chad.", "Bonn is in Iran.")
    >>> found = group_by_shared_words(TextSet(np.array(list("abcde")), texts=rows), max_share=0.5)
    >>> found.groups.tolist()
    ['words:texts:0', 'words:texts:0', 'words:texts:1', 'words:texts:1', 'words:texts:2']
    >>> found.word_rows, found.left_out
    (2, 'in')
    """
    if not 0 < max_share <= 1:
        raise SpecError(f"max_share is {max_share}; give a share above 0 and at most 1.")
    forest = Forest(len(texts))
    for rows in rows_by_key(_kept_whole(texts)).values():
        forest.join(rows)
    by_word = rows_by_key([words(text) for text in plain_texts(texts)])
    shared: dict[int, list[str]] = {}
    for word, rows in by_word.items():
        if len(rows) > 1:
            shared.setdefault(len(rows), []).append(str(word))
    # pairs or copies may exceed the limit before any word is joined; words may then join the other rows
    limit = max(max_share * len(texts), forest.largest)
    word_rows, left_out = 1, None
    for count in sorted(shared):
        joined = forest.copy()
        for word in shared[count]:
            joined.join(by_word[word])
        if joined.largest > limit:
            left_out = min(shared[count])
            break
        forest, word_rows = joined, count
    numbers = forest.numbers()
    result = SharedWordGroups(
        groups=np.array([f"words:{texts.distribution}:{number}" for number in numbers], dtype=np.str_),
        n_groups=len(set(numbers)),
        largest=forest.largest,
        word_rows=word_rows,
        left_out=left_out,
    )
    name, n = texts.distribution, len(texts)
    if word_rows == 1 and left_out is not None:
        warnings.warn(
            f"{name}: no shared word could join rows, as the rarest, {left_out!r} in {min(shared)} rows, would put "
            f"more than {max_share:.0%} of them in one group; the groups hold only copies and pairs together.",
            DataWarning,
            stacklevel=2,
        )
    elif result.largest > n / 2 and word_rows > 1:
        warnings.warn(
            f"{name}: one group holds {result.largest} of {n} rows; the commonest word that joined rows is "
            f"{min(shared[word_rows])!r} in {word_rows} rows, so lower max_share.",
            DataWarning,
            stacklevel=2,
        )
    return result


def _kept_whole(texts: TextSet) -> list[list[tuple[str, str]]]:
    keys = [[("text", normalised(text))] for text in plain_texts(texts)]
    for index, pair in enumerate([] if texts.pairs is None else texts.pairs.tolist()):
        if pair:
            keys[index].append(("pair", pair))
    return keys
