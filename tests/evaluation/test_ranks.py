"""Ranks over tasks, against loops, and what their bounds promise."""

from __future__ import annotations

import math

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import TaskScores, simultaneous_means, simultaneous_ranks


def a_task(seed: int, *, values: list[float], sd: float = 0.03, draws: int = 60, finest: float = 1e-3) -> TaskScores:
    rng = np.random.default_rng(seed)
    centre = np.array(values)
    common = rng.normal(0, sd, (draws, 1))  # what all methods share on the same rows
    return TaskScores(centre, centre + common + rng.normal(0, sd, (draws, len(values))), finest)


TASKS = [
    a_task(0, values=[0.95, 0.9, 0.6, 0.6]),
    a_task(1, values=[0.7, 0.9, 0.5, 0.2]),
    a_task(2, values=[1.0, 1.0, 1.0, 0.99], sd=0.0, finest=0.02),
]


def quantile(values: list[float], level: float) -> float:
    """The value that a share ``level`` does not exceed, the higher of two neighbours; never below one normal."""
    single = {0.8: 1.2815515655446004, 0.95: 1.959963984540054}[level]
    return max(sorted(values)[math.ceil(level * (len(values) - 1))], single)


def naive_critical(tasks: list[TaskScores], level: float) -> float:
    largest = []
    for b in range(len(tasks[0].draws)):
        found = 0.0
        for task in tasks:
            for i in range(len(task.values)):
                for j in range(i):
                    d = task.values[i] - task.values[j]
                    column = [draw[i] - draw[j] for draw in task.draws]
                    mean = sum(column) / len(column)
                    s = max(math.sqrt(sum((one - mean) ** 2 for one in column) / len(column)), task.finest)
                    found = max(found, abs(column[b] - d) / s)
        largest.append(found)
    return quantile(largest, level)


def naive_bounds(task: TaskScores, critical: float) -> tuple[list[int], list[int], list[float]]:
    m = len(task.values)
    low, high, ranks = [1] * m, [m] * m, [1.0] * m
    for i in range(m):
        for j in range(m):
            if i == j:
                continue
            d = task.values[j] - task.values[i]
            column = task.draws[:, j] - task.draws[:, i]
            s = max(float(column.std()), task.finest)
            low[i] += d > critical * s
            high[i] -= -d > critical * s
            ranks[i] += 1.0 if d > 1e-9 else 0.5 if abs(d) <= 1e-9 else 0.0
    return low, high, ranks


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_ranks_and_their_bounds_equal_those_of_loops(level):
    found = simultaneous_ranks(TASKS, level=level)
    critical = naive_critical(TASKS, level)
    assert found.critical == pytest.approx(critical, rel=1e-12)
    n_sure = 0
    for k, task in enumerate(TASKS):
        low, high, ranks = naive_bounds(task, critical)
        assert found.low[k].tolist() == low and found.high[k].tolist() == high
        assert found.ranks[k].tolist() == ranks
        n_sure += sum(low) - len(low)
    assert found.n_sure == n_sure > 0


@pytest.mark.parametrize("level", [0.8, 0.95])
def test_means_and_their_bounds_equal_those_of_loops(level):
    found = simultaneous_means(TASKS, level=level)
    m, n_draws = 4, len(TASKS[0].draws)
    values = [sum(task.values[i] for task in TASKS) / 3 for i in range(m)]
    draws = [[sum(task.draws[b][i] for task in TASKS) / 3 for i in range(m)] for b in range(n_draws)]
    finest = math.sqrt(sum(task.finest**2 for task in TASKS)) / 3

    def spread(column: list[float]) -> float:
        return max(float(np.std(column)), finest)

    errors = [spread([draw[i] for draw in draws]) for i in range(m)]
    critical = quantile([max(abs(draw[i] - values[i]) / errors[i] for i in range(m)) for draw in draws], level)
    assert found.values == pytest.approx(values)
    assert found.low == pytest.approx([value - critical * e for value, e in zip(values, errors, strict=True)])
    assert found.high == pytest.approx([value + critical * e for value, e in zip(values, errors, strict=True)])
    pairs = {(i, j): spread([draw[i] - draw[j] for draw in draws]) for i in range(m) for j in range(m) if i != j}
    largest = [max(abs(draw[i] - draw[j] - values[i] + values[j]) / s for (i, j), s in pairs.items()) for draw in draws]
    limit = quantile(largest, level)
    behind = [any(values[j] - values[i] > limit * pairs[j, i] for j in range(m) if j != i) for i in range(m)]
    assert found.is_behind.tolist() == behind and any(behind) and not all(behind)


def test_methods_that_are_alike_are_seldom_told_apart():
    # the bounds of 10 methods in 3 tasks are to be wrong anywhere in at most one case in twenty, whoever is looked at
    rng, n_cases, wrong = np.random.default_rng(0), 300, 0
    for _ in range(n_cases):
        tasks = []
        for _ in range(3):
            seen = 0.8 + rng.normal(0, 0.02, 10)
            tasks.append(TaskScores(seen, seen + rng.normal(0, 0.02, (200, 10)), 1e-6))
        wrong += simultaneous_ranks(tasks).n_sure > 0
    # three standard errors of a share of 0.05
    assert wrong / n_cases <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / n_cases)
    assert wrong > 0  # and yet they are bounds that can be wrong


def test_one_who_looks_at_many_pays_for_it():
    two = a_task(5, values=[0.9, 0.86], draws=2000)
    rng = np.random.default_rng(6)
    more = rng.normal(0, 0.03, (2000, 30))
    many = TaskScores(
        np.append(two.values, np.full(30, 0.5)), np.concatenate([two.draws, 0.5 + more], axis=1), two.finest
    )
    assert simultaneous_ranks([many]).critical > 1.3 * simultaneous_ranks([two]).critical


def test_a_perfect_score_is_not_surely_ahead_of_one_that_is_nearly_so():
    # nothing varies under resampling, and yet fifty units cannot tell 1.00 from 0.97
    values = np.array([1.0, 0.97, 0.95])
    task = TaskScores(values, np.tile(values, (100, 1)), 1 / 50)
    found = simultaneous_ranks([task])
    assert found.low.tolist() == [[1, 1, 2]] and found.high.tolist() == [[2, 3, 3]]
    assert simultaneous_means([task]).is_behind.tolist() == [False, False, True]
    assert simultaneous_means([task]).low == pytest.approx(values - 1.96 / 50, abs=1e-4)


@pytest.mark.parametrize(
    ("tasks", "said"),
    [
        ([], "give one task or more"),
        ([TASKS[0], a_task(0, values=[0.5, 0.6])], "all of the same methods"),
        ([TaskScores(np.array([0.5]), np.array([[0.5], [0.6]]), 0.1)], "from two methods on"),
        ([TaskScores(np.array([0.5, np.nan]), np.ones((3, 2)), 0.1)], "not finite"),
        ([TaskScores(np.array([0.5, 0.4]), np.ones((3, 2)), 0.0)], "finest must be above 0"),
    ],
)
def test_what_cannot_be_ranked_is_refused(tasks, said):
    with pytest.raises(ArrayError, match=said):
        simultaneous_ranks(tasks)
    with pytest.raises(ArrayError, match=said):
        simultaneous_means(tasks)
