"""Means and other figures of weighted rows: against loops, at the ends, and what their intervals cover."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.core import Unavailable
from tiltmeter.evaluation import bootstrap_estimate, mean_estimate, resampling

RNG = np.random.default_rng(0)


def test_the_interval_equals_the_naive_twin():
    values = RNG.normal(size=40)
    groups = np.repeat([f"g{i}" for i in range(20)], 2)
    by = resampling(40, groups=groups, n_draws=200, level=0.9, seed=3)
    means = []
    for weights in by.weights:
        rows = [value for value, weight in zip(values, weights, strict=True) for _ in range(int(weight))]
        means.append(np.mean(rows))
    found = mean_estimate(values, by=by)
    stretch = 1.7291328 / 1.6448536  # quantiles at 0.95: Student's with 19 degrees of freedom, normal
    low, high = np.quantile(means, [0.05, 0.95])
    mean = values.mean()
    assert found.value == pytest.approx(mean) and (found.n, found.seed) == (20, 3)
    assert (found.low, found.high) == pytest.approx((mean - stretch * (mean - low), mean + stretch * (high - mean)))


def test_the_interval_of_a_mean_covers_the_truth_with_few_groups():
    covered = 0
    for seed in range(300):
        rng = np.random.default_rng(seed)
        values = np.repeat(rng.normal(size=12), 3) + 0.3 * rng.normal(size=36)
        by = resampling(36, groups=np.repeat(np.arange(12), 3).astype(str), n_draws=300, seed=seed)
        found = mean_estimate(values, by=by)
        covered += found.low <= 0 <= found.high
    assert 0.9 <= covered / 300 <= 0.99


@pytest.mark.parametrize("end", [0.0, 1.0])
def test_where_all_agree_the_interval_still_has_a_width(end):
    by = resampling(30, groups=np.repeat(np.arange(10), 3).astype(str), n_draws=50)
    # off by what single precision leaves
    found = mean_estimate(np.full(30, abs(end - 1e-8)), by=by, bounds=(0.0, 1.0))
    assert found.method == f"exact binomial over groups, all of which show {int(end)}"
    # (1 - x)^10 = 0.025
    assert abs(found.low - found.high) == pytest.approx(0.3085, abs=1e-4)
    assert found.low <= found.value <= found.high
    # without bounds nothing is known of what else could have been seen
    assert mean_estimate(np.full(30, end), by=by).method == "percentile bootstrap over groups, approximate"


def test_a_figure_stays_within_its_bounds():
    values = np.concatenate([np.zeros(15), np.ones(1)])
    by = resampling(16, groups=None)
    assert mean_estimate(values, by=by, bounds=(0.0, 1.0)).low == 0.0
    lengths = np.exp(RNG.normal(size=16))
    found = bootstrap_estimate(
        lambda weights: (weights @ (2 * lengths)) / (weights @ lengths), by=by, bounds=(0.0, 3.0)
    )
    assert (found.value, found.low, found.high) == pytest.approx((2.0, 2.0, 2.0))


def test_what_cannot_be_computed_is_unavailable():
    few = resampling(7, groups=None)
    assert mean_estimate(np.arange(7.0), by=few).reason == "7 rows are too few to resample; 8 are needed"
    assert isinstance(mean_estimate(np.zeros(0), by=few), Unavailable)
    by = resampling(20, groups=None)
    undefined = bootstrap_estimate(lambda weights: np.full(len(weights), np.nan), by=by)
    assert undefined.reason == "the figure is not defined on these rows"
    # defined on the rows, and in one draw of three not
    mostly = bootstrap_estimate(lambda weights: np.where(np.arange(len(weights)) % 3 == 2, np.nan, 0.5), by=by)
    assert isinstance(mostly, Unavailable)
