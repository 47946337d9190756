"""Straightness of the log density in loops, and the outliers that are left out of it."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.numerics import log_histogram, straightness


def test_r2_is_that_of_a_regression_in_loops():
    x = np.random.default_rng(0).logistic(size=5000)
    kept = np.sort(np.abs(x - np.median(x)))[: 5000 - 5]
    inside = x[np.abs(x - np.median(x)) <= kept[-1]]
    assert len(inside) == 4995
    counts, edges = np.histogram(inside, bins=100)
    middles = (edges[:-1] + edges[1:]) / 2 - inside.mean()
    points = [(m, np.log(c)) for m, c in zip(middles, counts, strict=True) if c > 0]
    found = straightness(log_histogram(x, units=np.arange(5000)))
    for figure, of in ((found.square, lambda m: m**2), (found.absolute, abs)):
        a, y = np.array([of(m) for m, _ in points]), np.array([y for _, y in points])
        slope, offset = np.polyfit(a, y, 1)
        residual = ((y - slope * a - offset) ** 2).sum()
        assert figure[0] == pytest.approx(1 - residual / ((y - y.mean()) ** 2).sum())


def test_outliers_are_left_out_and_change_nothing():
    x = np.random.default_rng(1).normal(size=4000)
    x[:3] = [1e6, -1e6, 1e5]
    histogram = log_histogram(x, units=np.arange(4000))
    assert not histogram.kept[:3].any() and (~histogram.kept).sum() == 4
    assert straightness(histogram).square[0] > 0.9


def test_a_normal_is_straight_in_squares_and_a_laplace_in_distances():
    rng = np.random.default_rng(2)
    for x, wins in ((rng.normal(size=50_000), "square"), (rng.laplace(size=50_000), "absolute")):
        found = straightness(log_histogram(x, units=np.arange(50_000)))._asdict()
        assert max(found, key=lambda name: found[name][0]) == wins


def test_a_weighting_counts_units_so_often():
    x, units = np.random.default_rng(3).normal(size=900), np.repeat(np.arange(9), 100)
    histogram = log_histogram(x, units=units)
    weights = np.array([[2.0, 0, 1, 1, 1, 0, 3, 0, 1]])
    total = (weights[0][:, None] * histogram.counts).sum(axis=0)
    alone = histogram._replace(counts=total[None].astype(np.int64))
    assert straightness(histogram, weights=weights).square[0] == pytest.approx(straightness(alone).square[0])


def test_scale_changes_nothing_and_two_points_are_no_line():
    x = np.random.default_rng(4).laplace(size=2000)
    units, scales = np.arange(2000), (1e-200, 1.0, 1e200)
    figures = [straightness(log_histogram(scale * x, units=units)).square[0] for scale in scales]
    assert figures == pytest.approx([figures[1]] * 3)
    two = straightness(log_histogram(np.repeat([0.0, 1.0], 200), units=np.arange(400)))
    assert np.isnan(two.square[0]) and np.isnan(two.absolute[0])
