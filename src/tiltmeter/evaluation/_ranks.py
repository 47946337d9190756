"""Ranks of many methods over several tasks, with intervals that pay for how many there are."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.core.errors import ArrayError

# values that differ by less are one value
_TIED = 1e-9


class TaskScores(NamedTuple):
    """Scores of m methods on the same rows of a task, higher being better, and the same under b resamplings.

    ``finest`` is the least standard error that a difference of two scores can have: where no row is out of order a
    bootstrap knows no doubt. Give one over the number of independent units.
    """

    values: Float[NDArray[Any], " m"]
    draws: Float[NDArray[Any], "b m"]
    finest: float


class Ranks(NamedTuple):
    """Ranks in k tasks of m methods, 1 for the best and ties sharing the mean, with bounds that hold all at once.

    ``n_sure``: pairs of methods, over all tasks, of which one is surely ahead. ``critical``: the studentised difference
    from which on that is so.
    """

    ranks: Float[NDArray[np.float64], "k m"]
    low: Int[NDArray[np.int64], "k m"]
    high: Int[NDArray[np.int64], "k m"]
    n_sure: int
    critical: float


class MeanScores(NamedTuple):
    """Mean scores over tasks, shape (m,), with simultaneous bounds, and whether another method is surely ahead."""

    values: Float[NDArray[np.float64], " m"]
    low: Float[NDArray[np.float64], " m"]
    high: Float[NDArray[np.float64], " m"]
    is_behind: NDArray[np.bool_]


def simultaneous_ranks(tasks: Sequence[TaskScores], *, level: float = 0.95) -> Ranks:
    """Rank methods in every task, with bounds that all hold at once with probability ``level``.

    In a task method i is surely ahead of j if its score is higher by more than ``critical`` standard errors of the
    difference. A rank is then at least one more than the number of methods that are surely ahead, and at most the
    number of those that are not surely behind.

    Parameters
    ----------
    tasks
        One or more, all of the same m ≥ 2 methods and as many resamplings; resamplings of different tasks are drawn
        independently.
    level
        Of all bounds together.

    Raises
    ------
    ArrayError
        If shapes disagree, there are no tasks or fewer than two methods, or a number is not finite.

    Notes
    -----
    ``critical`` is the ``level`` quantile, over resamplings, of the largest |d* − d| / s over all pairs in all tasks,
    where d is a difference of two scores, d* the same under a resampling, and s its standard deviation over
    resamplings, at least ``finest``; and it is no less than the normal quantile for one difference. So who picks the
    best of many methods after looking has paid for looking. The bounds are conservative for a single method.

    References
    ----------
    Mogstad, Romano, Shaikh and Wilhelm (2024), "Inference for ranks", Review of Economic Studies.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = np.array([0.9, 0.6, 0.59])
    >>> found = simultaneous_ranks([TaskScores(values, values + rng.normal(0, 0.02, (400, 3)), 0.001)])
    >>> found.ranks[0].tolist(), found.low[0].tolist(), found.high[0].tolist()
    ([1.0, 2.0, 3.0], [1, 2, 2], [1, 3, 3])
    """
    m = _check(tasks)
    first, second = np.triu_indices(m, k=1)
    differences = [_Differences.of(task, first, second) for task in tasks]
    largest = np.max([one.largest() for one in differences], axis=0)
    critical = _critical(largest, level)
    low, high, n_sure = [], [], 0
    for one in differences:
        is_ahead = np.zeros((m, m), dtype=bool)
        is_ahead[first, second] = one.value > critical * one.error
        is_ahead[second, first] = -one.value > critical * one.error
        n_sure += int(is_ahead.sum())
        low.append(1 + is_ahead.sum(axis=0))
        high.append(m - is_ahead.sum(axis=1))
    ranks = np.stack([plain_ranks(task.values) for task in tasks])
    return Ranks(ranks, np.stack(low), np.stack(high), n_sure, critical)


def simultaneous_means(tasks: Sequence[TaskScores], *, level: float = 0.95) -> MeanScores:
    """Average scores over tasks, with bounds for all methods at once, and say which are surely behind another.

    Parameters
    ----------
    tasks, level
        As for :func:`simultaneous_ranks`.

    Returns
    -------
    Means over these tasks: the bounds speak of other texts of the same tasks, and not of other tasks.

    Raises
    ------
    ArrayError
        As :func:`simultaneous_ranks`.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> values = np.array([0.9, 0.6])
    >>> found = simultaneous_means([TaskScores(values, values + rng.normal(0, 0.02, (400, 2)), 0.001)] * 2)
    >>> found.values.tolist(), found.is_behind.tolist()
    ([0.9, 0.6], [False, True])
    """
    m = _check(tasks)
    values = np.asarray(np.mean([task.values for task in tasks], axis=0, dtype=np.float64))
    draws = np.asarray(np.mean([task.draws for task in tasks], axis=0, dtype=np.float64))
    # of a mean of independent tasks
    finest = float(np.sqrt(sum(task.finest**2 for task in tasks))) / len(tasks)
    errors = np.maximum(draws.std(axis=0), finest)
    critical = _critical(np.max(np.abs(draws - values) / errors, axis=1), level)
    first, second = np.triu_indices(m, k=1)
    pairs = _Differences.of(TaskScores(values, draws, finest), first, second)
    sure = _critical(pairs.largest(), level) * pairs.error
    is_behind = np.zeros(m, dtype=bool)
    is_behind[second[pairs.value > sure]] = True
    is_behind[first[-pairs.value > sure]] = True
    return MeanScores(values, values - critical * errors, values + critical * errors, is_behind)


def _critical(largest: Float[NDArray[np.float64], " b"], level: float) -> float:
    """Return the quantile of the largest studentised differences, but no less than a single one has to exceed.

    Where scores are perfect nothing varies under resampling, and the quantile would be 0.
    """
    return max(float(np.quantile(largest, level, method="higher")), float(stats.norm.ppf((1 + level) / 2)))


def plain_ranks(values: Float[NDArray[Any], " m"]) -> Float[NDArray[np.float64], " m"]:
    """Return ranks, 1 for the highest, ties sharing their mean.

    Examples
    --------
    >>> plain_ranks(np.array([0.5, 0.9, 0.5])).tolist()
    [2.5, 1.0, 2.5]
    """
    above = (values[None, :] > values[:, None] + _TIED).sum(axis=1)
    tied = (np.abs(values[None, :] - values[:, None]) <= _TIED).sum(axis=1) - 1
    return np.asarray(1.0 + above + tied / 2)


class _Differences(NamedTuple):
    value: Float[NDArray[np.float64], " p"]
    draws: Float[NDArray[np.float64], "b p"]
    error: Float[NDArray[np.float64], " p"]

    @classmethod
    def of(cls, task: TaskScores, first: NDArray[np.int64], second: NDArray[np.int64]) -> _Differences:
        draws = np.asarray(task.draws[:, first] - task.draws[:, second], dtype=np.float64)
        value = np.asarray(task.values[first] - task.values[second], dtype=np.float64)
        return cls(value, draws, np.maximum(draws.std(axis=0), task.finest))

    def largest(self) -> Float[NDArray[np.float64], " b"]:
        return np.asarray(np.max(np.abs(self.draws - self.value) / self.error, axis=1))


def _check(tasks: Sequence[TaskScores]) -> int:
    """Return the number of methods."""
    shapes = {task.draws.shape for task in tasks}
    if len(shapes) != 1 or any(task.values.shape != task.draws.shape[1:] for task in tasks):
        raise ArrayError(
            f"The tasks have draws of shapes {sorted(shapes)}; give one task or more, all of the same methods and with "
            "as many draws."
        )
    (shape,) = shapes
    if shape[1] < 2 or shape[0] < 1:
        raise ArrayError(f"The draws have shape {shape}; there is something to rank from two methods on.")
    if not all(np.isfinite(task.values).all() and np.isfinite(task.draws).all() for task in tasks):
        raise ArrayError("Some scores are not finite; leave out the methods that have none.")
    if not all(task.finest > 0 for task in tasks):
        raise ArrayError("finest must be above 0; give one over the number of independent units.")
    return int(shape[1])
