"""AUROC and the true-positive rate at a fixed false-positive rate, for one weighting of the rows or for many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError

# counts are whole numbers: the slack keeps 0.01 * 300 from being read as 2.9999999
_SLACK = 1e-9


def auroc(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"]) -> float:
    """Return the probability that a positive row scores above a negative one, ties counting one half.

    Parameters
    ----------
    y
        Labels 0 and 1, both present.
    scores
        Finite, higher for positives.

    Raises
    ------
    ArrayError
        If one class is absent, a label is not 0 or 1, lengths differ, or a score is not finite.

    Examples
    --------
    >>> auroc(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.9]))
    0.875
    """
    return auroc_and_tpr(y, scores, fpr=1.0)[0]


def tpr_at_fpr(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, fpr: float) -> float:
    """Return the share of positives above the lowest score that at most a share ``fpr`` of the negatives exceeds.

    Never reads a point whose false-positive rate is above ``fpr``, and never interpolates. It describes these rows;
    a threshold for use comes from :func:`threshold_at_fpr` on other rows.

    Raises
    ------
    ArrayError
        As :func:`auroc`.

    Examples
    --------
    >>> tpr_at_fpr(np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.4, 0.9]), fpr=0.01)
    0.5
    """
    return auroc_and_tpr(y, scores, fpr=fpr)[1]


def auroc_draws(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, weights: Float[NDArray[Any], "b n"]
) -> Float[NDArray[Any], " b"]:
    """Return AUROC under each row of ``weights``, sharing one sort among all of them.

    The weights are not negative. NaN where a weighting leaves one class without weight. Cost is O(n log n + b n), and
    memory O(b) where the draws of a row lie side by side in memory, as in :func:`tiltmeter.numerics.bootstrap_weights`;
    other weights are copied into that order first.

    Raises
    ------
    ArrayError
        If one class is absent, a label is not 0 or 1, lengths differ, or a score is not finite.

    Examples
    --------
    >>> y, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9])
    >>> auroc_draws(y, scores, weights=np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]])).tolist()
    [0.75, 1.0]
    """
    of_row = _by_row(y, scores, weights)
    above, wins, won = np.zeros((3, len(weights)))
    for row, is_positive in _falling(y, scores):
        if is_positive:
            above += of_row[row]
        else:
            np.multiply(above, of_row[row], out=won)
            wins += won
    for is_tied in _ties(y, scores):
        positive, negative = (of_row[is_tied & (y == label)].sum(axis=0) for label in (1, 0))
        wins += positive * negative / 2
    return _ratio(wins, above * ((1.0 - y) @ of_row))


def tpr_draws(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, weights: Float[NDArray[Any], "b n"], fpr: float
) -> Float[NDArray[Any], " b"]:
    """Return the true-positive rate at ``fpr`` under each row of ``weights``; see :func:`tpr_at_fpr`.

    As :func:`auroc_draws`, and cheaper: only rows above the threshold of some draw are walked.

    Raises
    ------
    ArrayError
        As :func:`auroc_draws`.

    Examples
    --------
    >>> y, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9])
    >>> tpr_draws(y, scores, weights=np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]]), fpr=0.01).tolist()
    [0.5, 1.0]
    """
    of_row = _by_row(y, scores, weights)
    n_positive, n_negative = np.stack([y, 1.0 - y]) @ of_row
    limit = fpr * n_negative + _SLACK
    above, so_far = np.zeros((2, len(weights)))
    caught, is_within = n_positive.copy(), np.ones(len(weights), dtype=np.bool_)
    for row, is_positive in _falling(y, scores):
        if is_positive:
            above += of_row[row]
            continue
        so_far += of_row[row]
        is_passed = is_within & (so_far > limit)
        caught[is_passed] = above[is_passed]
        is_within &= ~is_passed
        if not is_within.any():
            break
    # a draw without negatives has no rate of false positives, and none of true ones at it
    return _ratio(np.where(n_negative > 0, caught, np.nan), n_positive)


def _by_row(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], weights: Float[NDArray[Any], "b n"]
) -> Float[NDArray[Any], "n b"]:
    """Lay the draws of a row side by side: vectors that stay in the cache, where sorted copies of all would not."""
    _check_both_classes(y, scores)
    return np.ascontiguousarray(weights.T, dtype=np.float64)


def _falling(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"]) -> Iterator[tuple[int, int]]:
    """Yield rows and their labels from the highest score down, of equal scores the negatives first."""
    order = np.lexsort((y, -scores))
    return zip(order.tolist(), y[order].tolist(), strict=True)


def _ratio(parts: Float[NDArray[Any], " b"], wholes: Float[NDArray[Any], " b"]) -> Float[NDArray[Any], " b"]:
    return np.asarray(np.divide(parts, wholes, out=np.full(len(parts), np.nan), where=wholes > 0))


def check_labelled_scores(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"]) -> None:
    """Raise ArrayError unless there is one label, 0 or 1, and one finite score a row."""
    if y.shape != scores.shape or y.ndim != 1:
        raise ArrayError(f"y has shape {y.shape} and scores {scores.shape}; both must be one entry a row.")
    if not np.isfinite(scores).all():
        raise ArrayError(f"scores hold {int((~np.isfinite(scores)).sum())} values that are not finite.")
    if not ((y == 0) | (y == 1)).all():
        raise ArrayError(f"y holds {np.unique(y)[:5].tolist()}; labels must be 0 and 1.")


def _check_both_classes(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"]) -> None:
    check_labelled_scores(y, scores)
    if len(np.unique(y)) < 2:
        raise ArrayError("y has one class only; AUROC needs positives and negatives.")


def auroc_and_tpr(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, fpr: float) -> tuple[float, float]:
    """Return what :func:`auroc` and :func:`tpr_at_fpr` do, from one sort."""
    _check_both_classes(y, scores)
    order = np.argsort(-scores, kind="stable")
    last = np.flatnonzero(np.diff(scores[order], append=-np.inf))  # where each distinct score ends, highest first
    positives = np.cumsum(y[order])[last]
    negatives = last + 1 - positives
    # a negative at its score is passed by all positives strictly above it and by half of those tied with it
    middle = positives - np.diff(positives, prepend=0) / 2
    area = np.diff(negatives, prepend=0) @ middle / (positives[-1] * negatives[-1])
    n_within = int((negatives <= fpr * negatives[-1] + _SLACK).sum())
    return float(area), float(positives[n_within - 1] / positives[-1]) if n_within else 0.0


def _ties(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"]) -> Iterator[Bool[NDArray[Any], " n"]]:
    """Yield the rows of each score that rows of both classes have."""
    for score in np.intersect1d(scores[y == 1], scores[y == 0]):
        yield scores == score
