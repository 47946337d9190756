"""What luck alone reaches: random directions and shuffled labels."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.core.errors import ArrayError


class DirectionScores(NamedTuple):
    """AUROC of each random direction on the rows that oriented it and on the test rows, shape (k,) each."""

    train: Float[NDArray[Any], " k"]
    test: Float[NDArray[Any], " k"]


class ShuffledPairs(NamedTuple):
    """Pairs whose partners were drawn anew, and which half of its pair each row is, shape (n,) each."""

    pairs: Shaped[NDArray[Any], " n"]
    sides: Int[NDArray[Any], " n"]


def auroc_columns(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], "n k"]) -> Float[NDArray[Any], " k"]:
    """Return the AUROC of each column of ``scores``, ties counting one half.

    Raises
    ------
    ArrayError
        If y has one class only.

    Examples
    --------
    >>> auroc_columns(np.array([0, 0, 1]), np.array([[0.0, 3.0], [1.0, 2.0], [2.0, 1.0]])).tolist()
    [1.0, 0.0]
    """
    n_positive = int(y.sum())
    n_negative = len(y) - n_positive
    if not n_positive or not n_negative:
        raise ArrayError("y has one class only; AUROC needs positives and negatives.")
    ranks = stats.rankdata(scores, axis=0)[y == 1].sum(axis=0)
    return np.asarray((ranks - n_positive * (n_positive + 1) / 2) / (n_positive * n_negative))


def random_directions(
    X: Float[NDArray[Any], "m d"],
    y: Int[NDArray[Any], " m"],
    *,
    X_test: Float[NDArray[Any], "n d"],
    y_test: Int[NDArray[Any], " n"],
    count: int = 100,
    rng: np.random.Generator,
) -> DirectionScores:
    """Score ``count`` directions drawn uniformly from the sphere, each given its sign by the train rows.

    Returns
    -------
    AUROCs. The best on the test rows was chosen with their labels: it says what looking at many directions gives.

    Raises
    ------
    ArrayError
        If either set has one class only.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X, y = rng.normal(size=(200, 5)), np.arange(200) % 2
    >>> found = random_directions(X[:100], y[:100], X_test=X[100:], y_test=y[100:], count=50, rng=rng)
    >>> bool(found.train.min() >= 0.5), bool(0.4 < found.test.mean() < 0.6)
    (True, True)
    """
    directions = rng.normal(size=(X.shape[1], count)).astype(X.dtype)
    train = auroc_columns(y, X @ directions)
    test = auroc_columns(y_test, X_test @ directions)
    is_flipped = train < 0.5
    return DirectionScores(np.where(is_flipped, 1 - train, train), np.where(is_flipped, 1 - test, test))


def shuffle_labels(
    y: Int[NDArray[Any], " n"],
    *,
    pairs: Shaped[NDArray[Any], " n"] | None = None,
    groups: Shaped[NDArray[Any], " n"] | None = None,
    rng: np.random.Generator,
) -> Int[NDArray[Any], " n"]:
    """Return labels that say nothing about the rows, with the structure of the old ones.

    Where every pair holds one positive and one negative row, each pair is swapped or not by the toss of a coin.
    Otherwise, with ``groups``, labels are permuted within each group that holds both, and groups of one label exchange
    their labels as wholes: rows of a group are no independent witnesses. Without either, labels are permuted among all
    rows.

    Examples
    --------
    >>> y = np.array([0, 1, 0, 1])
    >>> sorted(shuffle_labels(y, pairs=None, rng=np.random.default_rng(0)).tolist())
    [0, 0, 1, 1]
    """
    if pairs is not None:
        names, codes = np.unique(pairs, return_inverse=True)
        rows, positives = np.bincount(codes), np.bincount(codes, weights=y)
        if (rows == 2).all() and (positives == 1).all():
            return np.asarray(np.where(rng.integers(2, size=len(names))[codes] == 1, 1 - y, y))
    if groups is None:
        return rng.permutation(y)
    names, codes = np.unique(groups, return_inverse=True)
    shuffled = y.copy()
    share = np.bincount(codes, weights=y) / np.bincount(codes)
    for code in np.flatnonzero((share > 0) & (share < 1)):
        rows = np.flatnonzero(codes == code)
        shuffled[rows] = rng.permutation(y[rows])
    whole = np.flatnonzero((share == 0) | (share == 1))
    exchanged = np.zeros(len(names), dtype=y.dtype)
    exchanged[whole] = rng.permutation(share[whole]).astype(y.dtype)
    is_whole = np.isin(codes, whole)
    shuffled[is_whole] = exchanged[codes[is_whole]]
    return shuffled


def shuffle_pairs(
    pairs: Shaped[NDArray[Any], " n"], *, sides: Int[NDArray[Any], " n"] | None = None, rng: np.random.Generator
) -> ShuffledPairs:
    """Draw the partner of each row anew: pairs of as many rows, whose two texts have nothing to do with each other.

    Of each pair the row of side 1 goes to a pair drawn at random, its own included. Labels are not looked at, so that
    in a new pair both rows may have the same one.

    Parameters
    ----------
    pairs
        Identifier of each row's pair, two rows a pair; "" where a row has none, which stays so.
    sides
        0 or 1, which half of its pair each row is, one of each a pair; None for a toss of a coin in each pair.
    rng
        Where the draws come from.

    Returns
    -------
    The new pairs, and the sides by which they were drawn.

    Raises
    ------
    ArrayError
        If a pair has not two rows, or not one of either side.

    Examples
    --------
    >>> pairs = np.array(["a", "a", "b", "b", "c", "c"])
    >>> found = shuffle_pairs(pairs, sides=np.array([0, 1] * 3), rng=np.random.default_rng(1))
    >>> found.pairs[::2].tolist(), sorted(found.pairs[1::2].tolist())
    (['a', 'b', 'c'], ['a', 'b', 'c'])
    """
    names, codes = np.unique(pairs, return_inverse=True)
    paired = np.flatnonzero(pairs != "")
    own = codes[paired]
    if (np.bincount(own, minlength=len(names))[names != ""] != 2).any():
        raise ArrayError("A pair must have two rows; leave the others out, or give them no pair.")
    halves = np.zeros(len(pairs), dtype=np.int64)
    if sides is None:
        # the coin says whether the first row of a pair or the second is side 1
        is_first = np.zeros(len(pairs), dtype=np.bool_)
        is_first[paired[np.unique(own, return_index=True)[1]]] = True
        coins = rng.integers(2, size=len(names))
        halves[paired] = np.where(is_first[paired], coins[own], 1 - coins[own])
    else:
        halves[paired] = sides[paired]
        if (np.bincount(own, weights=halves[paired], minlength=len(names))[names != ""] != 1).any():
            raise ArrayError("A pair must have one row of side 0 and one of side 1.")
    moved = paired[halves[paired] == 1]
    drawn = pairs.copy()
    drawn[moved] = pairs[rng.permutation(moved)]
    return ShuffledPairs(drawn, halves)


def shuffle_p_value(value: float, null: Float[NDArray[Any], " k"]) -> float:
    """Return (1 + number of null values at least as large) / (1 + their number): never 0.

    References
    ----------
    Phipson and Smyth (2010), "Permutation p-values should never be zero".

    Examples
    --------
    >>> shuffle_p_value(0.9, np.full(19, 0.5))
    0.05
    """
    return float((1 + (null >= value).sum()) / (1 + len(null)))
