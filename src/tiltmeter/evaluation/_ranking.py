"""AUROC and the true-positive rate at a fixed false-positive rate, for one weighting of the rows or for many."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError

# counts are whole numbers: the slack keeps 0.01 * 300 from being read as 2.9999999
_SLACK = 1e-9


class Ranking(NamedTuple):
    """AUROC and TPR per weighting, shape (b,) each; NaN where a weighting leaves one class without weight."""

    auroc: Float[NDArray[Any], " b"]
    tpr: Float[NDArray[Any], " b"]


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
    return _once(y, scores, fpr=1.0)[0]


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
    return _once(y, scores, fpr=fpr)[1]


def rankings(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, weights: Float[NDArray[Any], "b n"], fpr: float
) -> Ranking:
    """Return AUROC and TPR at ``fpr`` under each row of ``weights``, sharing one sort among all of them.

    The weights are not negative. Cost is O(n log n + b n), and memory O(b) where the draws of a row lie side by side
    in memory, as in :func:`tiltmeter.numerics.bootstrap_weights`; other weights are copied into that order first.

    Raises
    ------
    ArrayError
        If one class is absent, a label is not 0 or 1, lengths differ, or a score is not finite.

    Examples
    --------
    >>> y, scores = np.array([0, 0, 1, 1]), np.array([0.1, 0.4, 0.3, 0.9])
    >>> rankings(y, scores, weights=np.array([[1.0, 1.0, 1.0, 1.0], [1.0, 0.0, 1.0, 1.0]]), fpr=0.01).auroc.tolist()
    [0.75, 1.0]
    """
    _check_both_classes(y, scores)
    of_row = np.ascontiguousarray(weights.T, dtype=np.float64)
    above, wins, won, n_negative, so_far = np.zeros((5, len(weights)))
    for row in np.flatnonzero(y == 0).tolist():
        n_negative += of_row[row]
    limit = fpr * n_negative + _SLACK
    caught, is_within, is_any_within = np.empty(len(weights)), np.ones(len(weights), dtype=np.bool_), fpr < 1
    # from the highest score down, of equal scores the negatives first, all draws at a time: vectors that stay in the
    # cache, where sorted copies of all weights would not
    order = np.lexsort((y, -scores))
    for row, is_positive in zip(order.tolist(), y[order].tolist(), strict=True):
        weight = of_row[row]
        if is_positive:
            above += weight
            continue
        np.multiply(above, weight, out=won)
        wins += won
        if is_any_within:
            so_far += weight
            is_passed = is_within & (so_far > limit)
            caught[is_passed] = above[is_passed]
            is_within &= ~is_passed
            is_any_within = bool(is_within.any())
    n_positive = above
    caught[is_within] = n_positive[is_within]
    for is_tied in _ties(y, scores):
        positive, negative = (of_row[is_tied & (y == label)].sum(axis=0) for label in (1, 0))
        wins += positive * negative / 2
    usable = (n_positive > 0) & (n_negative > 0)
    nothing = np.full(len(weights), np.nan)
    return Ranking(
        np.divide(wins, n_positive * n_negative, out=nothing.copy(), where=usable),
        np.divide(caught, n_positive, out=nothing, where=usable),
    )


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


def _once(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, fpr: float) -> tuple[float, float]:
    """Return AUROC and TPR at ``fpr`` of rows that all count the same."""
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
