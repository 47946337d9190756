"""Means over texts: the interval is as wide as theory has it, and whole groups are resampled."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.interventions._mean_estimate import mean_estimate


def test_the_interval_of_a_ratio_is_that_of_the_delta_method():
    rng = np.random.default_rng(0)
    counts = rng.integers(5, 50, size=400)
    values = counts * 1.2 + rng.normal(size=400) * np.sqrt(counts)
    found = mean_estimate(values, counts=counts)
    ratio = sum(values.tolist()) / sum(counts.tolist())
    error = np.sqrt(np.mean((values - ratio * counts) ** 2) / 400) / counts.mean()
    assert found.value == pytest.approx(ratio)
    assert (found.high - found.low) / 2 == pytest.approx(1.96 * error, rel=0.1)


def test_rows_of_a_group_are_one_witness():
    values, groups = np.random.default_rng(0).normal(size=40), np.arange(400) // 10
    once, tenfold = mean_estimate(values), mean_estimate(np.repeat(values, 10), groups=groups)
    assert tenfold.n == once.n == 40
    assert tenfold.high - tenfold.low == pytest.approx(once.high - once.low, rel=0.15)
    assert mean_estimate(values[:7]).reason == "7 rows are too few to resample; 8 are needed"
