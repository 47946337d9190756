"""AUROC and the true-positive rate at a fixed false-positive rate, for one weighting of the rows or for many."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError

# draws are done in blocks of at most this many weights: 64 MB in float64
_BLOCK = 8_000_000


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
    return float(rankings(y, scores, weights=np.ones((1, len(y))), fpr=1.0).auroc[0])


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
    return float(rankings(y, scores, weights=np.ones((1, len(y))), fpr=fpr).tpr[0])


def rankings(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, weights: Float[NDArray[Any], "b n"], fpr: float
) -> Ranking:
    """Return AUROC and TPR at ``fpr`` under each row of ``weights``, sharing one sort among all of them.

    Cost is O(n log n + b n).

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
    check_labelled_scores(y, scores)
    if len(np.unique(y)) < 2:
        raise ArrayError("y has one class only; AUROC needs positives and negatives.")
    step = max(1, _BLOCK // len(y))
    blocks = [_rankings(y, scores, weights[i : i + step], fpr) for i in range(0, len(weights), step)]
    return Ranking(*(np.concatenate(part) for part in zip(*blocks, strict=True)))


def check_labelled_scores(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"]) -> None:
    """Raise ArrayError unless there is one label, 0 or 1, and one finite score a row."""
    if y.shape != scores.shape or y.ndim != 1:
        raise ArrayError(f"y has shape {y.shape} and scores {scores.shape}; both must be one entry a row.")
    if not np.isfinite(scores).all():
        raise ArrayError(f"scores hold {int((~np.isfinite(scores)).sum())} values that are not finite.")
    if not np.isin(y, (0, 1)).all():
        raise ArrayError(f"y holds {np.unique(y)[:5].tolist()}; labels must be 0 and 1.")


def _rankings(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], weights: Float[NDArray[Any], "b n"], fpr: float
) -> Ranking:
    order = np.argsort(-scores, kind="stable")
    first = np.flatnonzero(np.diff(scores[order], prepend=np.inf))  # where each distinct score begins, highest first
    sorted_weights = weights[:, order]
    positive = np.add.reduceat(sorted_weights * y[order], first, axis=1)
    total = np.add.reduceat(sorted_weights, first, axis=1)
    above_positive = np.cumsum(positive, axis=1)
    above_negative = np.cumsum(total - positive, axis=1)
    n_positive, n_negative = above_positive[:, -1], above_negative[:, -1]
    usable = (n_positive > 0) & (n_negative > 0)
    with np.errstate(invalid="ignore", divide="ignore"):
        # a negative at its score is passed by all positives strictly above it and by half of those tied with it
        wins = ((total - positive) * (above_positive - positive / 2)).sum(axis=1)
        area = np.where(usable, wins / (n_positive * n_negative), np.nan)
        # counts are whole numbers: the small slack keeps 0.01 * 300 from being read as 2.9999999
        n_alarm_sets = (above_negative <= fpr * n_negative[:, None] + 1e-9).sum(axis=1)
        caught = np.take_along_axis(np.pad(above_positive, ((0, 0), (1, 0))), n_alarm_sets[:, None], axis=1)[:, 0]
        rate = np.where(usable, caught / n_positive, np.nan)
    return Ranking(area, rate)
