"""Groups that hold a text and its near copies together."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError
from tiltmeter.data._components import Forest, rows_by_key
from tiltmeter.data._leakage import near_copies
from tiltmeter.data._textset import TextSet, plain_texts
from tiltmeter.data._words import normalised


def join_near_copies(texts: TextSet, *, near: float = 0.7) -> NDArray[np.str_]:
    """Join the groups of texts that are copies or near copies of each other, so that no split divides them.

    Groups and pairs stay whole, and are joined by way of each other: where a text of one group is a near copy of a text
    of a second, and another of the second of one of a third, all three become one.

    Parameters
    ----------
    texts
        The rows. Rows without a group are joined by their copies and pairs alone.
    near
        Similarity from which two texts are near copies, above 0 and at most 1, as :func:`find_leakage` measures it.
        That weighs words by their rarity in the splits that it compares, this by their rarity in all rows, so that a
        pair at the edge may be near in one and not in the other; hence the lower default.

    Returns
    -------
    Shape (n,): each row's group, by the name that the first row of the joined rows has.

    Raises
    ------
    SpecError
        If ``near`` is not in (0, 1].

    See Also
    --------
    find_leakage : What near copies stand on both sides of a split.
    group_by_shared_words : Groups by the rare words that texts share.

    Examples
    --------
    >>> rows = ("Rome is in Italy.", "rome  is in Italy!", "Oslo is in Norway.")
    >>> texts = TextSet(np.array(list("abc")), texts=rows, groups=np.array(["one", "two", "three"]))
    >>> join_near_copies(texts).tolist()
    ['one', 'one', 'three']
    """
    if not 0 < near <= 1:
        raise SpecError(f"near is {near}; give a similarity above 0 and at most 1.")
    forest = Forest(len(texts))
    for held in (texts.groups, texts.pairs):
        for _, rows in rows_by_key([[one] if one else [] for one in ([] if held is None else held.tolist())]).items():
            forest.join(rows)
    same = list(rows_by_key([[normalised(text)] for text in plain_texts(texts)]).items())
    for _, rows in same:
        forest.join(rows)
    distinct = [str(text) for text, _ in same]
    for found in near_copies(distinct, distinct, near=near):
        for i, j in zip(found.train.tolist(), found.test.tolist(), strict=True):
            forest.join((same[i][1][0], same[j][1][0]))
    names = [f"row:{texts.distribution}:{row_id}" for row_id in texts.ids] if texts.groups is None else texts.groups
    first: dict[int, str] = {}
    return np.array([first.setdefault(number, str(name)) for number, name in zip(forest.numbers(), names, strict=True)])
