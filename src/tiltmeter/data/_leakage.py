"""Texts of a test split that stand in the train split as well, word for word or nearly."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import csr_array

from tiltmeter.core.errors import SpecError
from tiltmeter.core.evidence import Leak, Leakage, Leaked
from tiltmeter.data._textset import TextSet, plain_texts
from tiltmeter.data._words import normalised, word_order, words

# pairs of texts compared at a time: the sparse rows of both take about 200 MB where texts have 100 words
_PAIRS_AT_A_TIME = 100_000
_ROWS_AT_A_TIME = 500
# where more texts than this, of independent words, would share what two texts share, the order of words must agree too
_CHANCE = 0.05


class _Weighted(NamedTuple):
    """Texts × words: weights where a text has the word, the same cut to each text's prefix, and sums over words."""

    weights: csr_array
    prefix: csr_array
    total: NDArray[np.float64]


class _Similar(NamedTuple):
    """Pairs of a train and a test text, as indices, their similarities, and the weight of the words that they share."""

    train: NDArray[np.int64]
    test: NDArray[np.int64]
    similarity: NDArray[np.float64]
    shared: NDArray[np.float64]


def find_leakage(train: TextSet, test: TextSet, *, near: float = 0.8, max_examples: int = 20) -> Leakage:
    """Find test texts that occur in the train split, exactly or nearly.

    Exact means equal but for case and white space. Near means a similarity of at least ``near``: the Jaccard similarity
    of the two sets of words, each word weighted by its rarity in the union of both splits, log((N + 1) / rows with the
    word). So the words of a template weigh next to nothing, and two statements of one form about different things are
    no near duplicates, while two statements that differ by a frequent word such as "not" are. Where words are so few
    that another text would share as much by chance (of as many texts with independent words of these frequencies, more
    than 0.05 would hold all that the two share), one text must also become the other by putting in one word at most:
    "2 0 + 1 3" and "1 0 + 3 2" have the same words and are no copies. Every such pair is found.

    Parameters
    ----------
    train, test
        The two splits. Of chats the contents are compared, whatever the span.
    near
        Similarity from which a pair counts, above 0 and at most 1.
    max_examples
        How many pairs are returned as examples: exact ones first, then by falling similarity.

    Returns
    -------
    Numbers of exact and of near pairs (a near pair is not exact) over all pairs of a train and a test text, examples,
    and the number of test rows that stand in such pairs.

    Raises
    ------
    SpecError
        If ``near`` is not in (0, 1], or ``max_examples`` is negative.

    See Also
    --------
    group_by_shared_words : Groups that keep texts about the same thing in one split.
    join_near_copies : Groups that keep near copies in one split.

    Notes
    -----
    Pairs are found by their rarest words (prefix filtering: two sets of similarity t share a word among those that hold
    the first 1 - t of their weight), then compared exactly, in blocks; 10,000 against 10,000 texts of 120 words take
    seconds. A rare word added to a short templated statement weighs as much as the thing it is about, and makes another
    statement of it. Paraphrases and translations are not seen.

    Examples
    --------
    >>> def some(*rows):
    ...     return TextSet(np.array([str(i) for i in range(len(rows))]), texts=rows)
    >>> train = some("The city of Rome is in Italy.", "The city of Oslo is in Norway.", "Whales are large mammals.")
    >>> test = some("The city of Lima is in Peru.", "the city of  rome is in italy.", "The city of Bonn is in Chad.")
    >>> found = find_leakage(train, test)
    >>> found.n_exact, found.n_near, found.examples[0].train_text
    (1, 0, 'The city of Rome is in Italy.')
    """
    if not 0 < near <= 1:
        raise SpecError(f"near is {near}; give a similarity above 0 and at most 1.")
    if max_examples < 0:
        raise SpecError(f"max_examples is {max_examples}; give 0 or more.")
    if not len(train) or not len(test):
        return Leakage(n_exact=0, n_near=0, near_threshold=near, examples=())
    train_texts, test_texts = plain_texts(train), plain_texts(test)
    ours, theirs = _rows_by_text(train_texts), _rows_by_text(test_texts)
    copies = [(1.0, ours[text][0], theirs[text][0]) for text in ours if text in theirs]
    n_near, n_near_rows, close = _near_pairs(ours, theirs, near=near, max_examples=max_examples)
    return Leakage(
        n_exact=sum(len(ours[text]) * len(theirs[text]) for text in ours if text in theirs),
        n_near=n_near,
        near_threshold=near,
        examples=tuple(
            Leak(
                kind="exact" if index < len(copies) else "near",
                train_id=str(train.ids[i]),
                test_id=str(test.ids[j]),
                similarity=similarity,
                train_text=train_texts[i],
                test_text=test_texts[j],
            )
            for index, (similarity, i, j) in enumerate([*copies, *close][:max_examples])
        ),
        by_set=(
            Leaked(
                test=test.distribution,
                n_exact=sum(len(theirs[text]) for text in theirs if text in ours),
                n_near=n_near_rows,
                n_rows=len(test),
            ),
        ),
    )


def _rows_by_text(texts: Sequence[str]) -> dict[str, list[int]]:
    """Return the rows of each distinct text, so that copies within a split are compared once."""
    rows: dict[str, list[int]] = {}
    for row, text in enumerate(texts):
        rows.setdefault(normalised(text), []).append(row)
    return rows


def _near_pairs(
    ours: dict[str, list[int]], theirs: dict[str, list[int]], *, near: float, max_examples: int
) -> tuple[int, int, list[tuple[float, int, int]]]:
    """Count the near pairs that are not copies, and the test rows in them; return the most similar pairs' first rows.

    A test row that is a copy of some train row is not counted among the rows.
    """
    number = {text: index for index, text in enumerate(ours)}
    # the index among the train texts of the text that each test text is a copy of
    copy_of = np.array([number.get(text, -1) for text in theirs])
    count, other_count = (np.array([len(rows) for rows in side.values()]) for side in (ours, theirs))
    first, other_first = ([rows[0] for rows in side.values()] for side in (ours, theirs))
    n_near, best = 0, list[tuple[float, int, int]]()
    is_near = np.zeros(len(theirs), dtype=np.bool_)
    for found in near_copies(list(ours), list(theirs), near=near):
        new = copy_of[found.test] != found.train
        i, j, similarity = found.train[new], found.test[new], found.similarity[new]
        n_near += int((count[i] * other_count[j]).sum())
        is_near[j] = True
        top = np.argsort(-similarity, kind="stable")[:max_examples]
        best += [(float(similarity[k]), first[i[k]], other_first[j[k]]) for k in top]
        best = sorted(best, key=lambda pair: (-pair[0], *pair[1:]))[:max_examples]
    return n_near, int(other_count[is_near & (copy_of < 0)].sum()), best


def near_copies(ours: list[str], theirs: list[str], *, near: float) -> Iterator[_Similar]:
    """Yield the pairs of two lists of distinct normalised texts that are near copies or equal, a block at a time."""
    one, two = _weigh(ours, theirs, near=near)
    orders = [[word_order(text) for text in side] for side in (ours, theirs)]
    for found in _similar(one, two, near=near):
        by_chance = (len(ours) + len(theirs)) * np.exp(-found.shared) > _CHANCE
        kept = np.ones(len(found.train), dtype=np.bool_)
        for k in np.flatnonzero(by_chance):
            kept[k] = _is_one_word_more(orders[0][found.train[k]], orders[1][found.test[k]])
        yield _Similar(found.train[kept], found.test[kept], found.similarity[kept], found.shared[kept])


def _weigh(ours: list[str], theirs: list[str], *, near: float) -> tuple[_Weighted, _Weighted]:
    """Weigh the words of both sides by their rarity in the union."""
    bags = [words(text) for text in [*ours, *theirs]]
    n_with = Counter(word for bag in bags for word in bag)
    # columns from the rarest word to the commonest: the order in which prefixes are taken
    columns = {word: column for column, word in enumerate(sorted(n_with, key=lambda word: (n_with[word], word)))}
    rarity = np.log((len(bags) + 1) / np.array([n_with[word] for word in columns]))
    rows = [sorted(columns[word] for word in bag) for bag in bags]
    one, two = (_table(side, rarity=rarity, near=near) for side in (rows[: len(ours)], rows[len(ours) :]))
    return one, two


def _table(rows: list[list[int]], *, rarity: NDArray[np.float64], near: float) -> _Weighted:
    lengths = np.array([len(row) for row in rows])
    indices = np.concatenate(rows)
    ends = np.concatenate([[0], np.cumsum(lengths)])
    weights = rarity[indices]
    total = np.add.reduceat(weights, ends[:-1])
    running = np.cumsum(weights)
    before = running - weights - np.repeat(running[ends[:-1]] - weights[ends[:-1]], lengths)
    left = np.repeat(total, lengths) - before
    # a word is outside the prefix where it and all after it weigh less than a near copy must share; the slack keeps
    # words that the rounding of the running sum over all rows would drop
    kept = left >= (near - 1e-6) * np.repeat(total, lengths)
    shape = (len(rows), len(rarity))
    kept_ends = np.concatenate([[0], np.cumsum(kept)])[ends]
    return _Weighted(
        weights=csr_array((weights, indices, ends), shape=shape),
        prefix=csr_array((np.ones(int(kept.sum()), dtype=np.int32), indices[kept], kept_ends), shape=shape),
        total=total,
    )


def _similar(one: _Weighted, two: _Weighted, *, near: float) -> Iterator[_Similar]:
    """Yield every pair of similarity ``near`` or more, a block at a time."""
    present = two.weights.copy()
    present.data = np.ones_like(present.data)
    for start in range(0, len(one.total), _ROWS_AT_A_TIME):
        candidates = (one.prefix[start : start + _ROWS_AT_A_TIME] @ two.prefix.T).tocoo()
        i, j = candidates.row.astype(np.int64) + start, candidates.col.astype(np.int64)
        # the shared weight is at most the lighter text's, and the union at least the heavier one's
        lighter, heavier = np.minimum(one.total[i], two.total[j]), np.maximum(one.total[i], two.total[j])
        possible = lighter >= (near - 1e-9) * heavier
        i, j = i[possible], j[possible]
        for at in range(0, len(i), _PAIRS_AT_A_TIME):
            a, b = i[at : at + _PAIRS_AT_A_TIME], j[at : at + _PAIRS_AT_A_TIME]
            shared = np.asarray(one.weights[a].multiply(present[b]).sum(axis=1)).ravel()
            # rounding may leave the shared weight of equal sets just above the union's
            similarity = np.minimum(shared / (one.total[a] + two.total[b] - shared), 1.0)
            enough = similarity >= near - 1e-9
            yield _Similar(a[enough], b[enough], similarity[enough], shared[enough])


def _is_one_word_more(one: tuple[str, ...], two: tuple[str, ...]) -> bool:
    """Tell whether two texts are word for word the same but for at most one word that only one of them has."""
    short, long = sorted((one, two), key=len)
    if len(long) - len(short) > 1:
        return False
    same = next((i for i, (a, b) in enumerate(zip(short, long, strict=False)) if a != b), len(short))
    return short[same:] == long[same + len(long) - len(short) :]
