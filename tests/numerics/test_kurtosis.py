"""Kurtosis in loops, of weighted units, of pooled scales, and of scales that rows share."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from tiltmeter.numerics import excess_kurtosis, power_sums, scale_kurtosis, shared_kurtosis, skewness


def test_skewness_and_excess_kurtosis_are_scipys_for_any_centre_and_scale():
    x = np.random.default_rng(0).gamma(2.0, size=500)
    for moved in (x, 1e4 + x, 1e-3 * x, 1e3 * x):
        sums = power_sums(moved, units=np.arange(500))
        assert excess_kurtosis(sums)[0] == pytest.approx(stats.kurtosis(moved), rel=1e-6)
        assert skewness(sums)[0] == pytest.approx(stats.skew(moved), rel=1e-6)


def test_a_weighting_is_the_kurtosis_of_the_units_so_often_repeated():
    rng = np.random.default_rng(1)
    x, units = rng.normal(size=60), np.repeat(np.arange(6), 10)
    times = np.array([0, 2, 1, 3, 0, 1])
    repeated = np.concatenate([np.tile(x[units == unit], n) for unit, n in enumerate(times)])
    found = excess_kurtosis(power_sums(x, units=units), weights=times[None].astype(float))[0]
    assert found == pytest.approx(stats.kurtosis(repeated))


def test_the_kurtosis_of_pooled_scales_is_that_of_a_pooled_normal_matrix():
    rng = np.random.default_rng(2)
    centres, spreads = rng.normal(size=8), rng.uniform(0.5, 3, size=8)
    X = centres + spreads * rng.normal(size=(100_000, 8))
    found = scale_kurtosis(X)
    assert found.excess == pytest.approx(stats.kurtosis(X.ravel()), abs=0.03)
    assert found.least == pytest.approx(spreads.min(), rel=0.02)
    assert found.most == pytest.approx(spreads.max(), rel=0.02)


def test_shared_kurtosis_is_the_mean_over_pairs_of_columns_in_loops():
    X = np.random.default_rng(3).laplace(size=(40, 4)) @ np.random.default_rng(4).normal(size=(4, 4))
    z = (X - X.mean(axis=0)) / X.std(axis=0)
    pairs = [(a, b) for a in range(4) for b in range(4) if a != b]
    each = [np.mean(z[:, a] ** 2 * z[:, b] ** 2) - 1 - 2 * np.mean(z[:, a] * z[:, b]) ** 2 for a, b in pairs]
    assert shared_kurtosis(X).mean() == pytest.approx(3 * np.mean(each))


def test_heavy_tails_of_their_own_are_not_taken_for_a_shared_scale():
    rng = np.random.default_rng(5)
    own, shared = rng.laplace(size=(20_000, 6)), rng.normal(size=(20_000, 6))
    scale = np.sqrt(rng.exponential(size=(20_000, 1)))
    assert abs(shared_kurtosis(own).mean()) < 0.15
    assert shared_kurtosis(scale * shared).mean() == pytest.approx(3, abs=0.3)
    # correlated columns have no scale in common either
    assert abs(shared_kurtosis(shared @ rng.normal(size=(6, 6))).mean()) < 0.15
