import numpy as np
import pytest

from tests.methods import plant
from tiltmeter.core.errors import ArrayError
from tiltmeter.probes import MeanDifference, mean_difference

ROWS = plant(40, 7, shift=1.0, seed=0)


def naive_mean(rows):
    total = [0.0] * len(rows[0])
    for row in rows:
        for j, value in enumerate(row):
            total[j] += float(value)
    return np.array([value / len(rows) for value in total])


def test_mean_difference_equals_the_naive_twin():
    positive = naive_mean([x for x, label in zip(ROWS.X, ROWS.y, strict=True) if label == 1])
    negative = naive_mean([x for x, label in zip(ROWS.X, ROWS.y, strict=True) if label == 0])
    found = mean_difference(ROWS.X, ROWS.y)
    np.testing.assert_allclose(found.vector, positive - negative, rtol=1e-12, atol=1e-14)
    midpoint = sum(float(a - b) * float(a + b) / 2 for a, b in zip(positive, negative, strict=True))
    assert found.offset == pytest.approx(-midpoint)


def test_the_means_score_equally_far_from_zero():
    probe = MeanDifference().fit(ROWS.X, ROWS.y)
    means = np.stack([ROWS.X[ROWS.y == 0].mean(axis=0), ROWS.X[ROWS.y == 1].mean(axis=0)])
    low, high = probe.decision_function(means)
    assert high == pytest.approx(-low)
    assert high - low == pytest.approx(np.linalg.norm(means[1] - means[0]))


def test_the_direction_does_not_depend_on_class_balance():
    # each negative ten times: the same two means
    index = np.concatenate([np.flatnonzero(ROWS.y == 1), np.repeat(np.flatnonzero(ROWS.y == 0), 10)])
    here, there = (MeanDifference().fit(ROWS.X[i], ROWS.y[i]) for i in (slice(None), index))
    np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-12)
    assert there.intercept_ == pytest.approx(here.intercept_)


def test_moving_all_rows_moves_only_the_offset():
    here, there = MeanDifference().fit(ROWS.X, ROWS.y), MeanDifference().fit(ROWS.X + 100.0, ROWS.y)
    np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-12)
    np.testing.assert_allclose(there.decision_function(ROWS.X + 100.0), here.decision_function(ROWS.X), atol=1e-9)


def test_rotating_the_rows_rotates_the_direction():
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(7, 7)))[0]
    here, there = MeanDifference().fit(ROWS.X, ROWS.y), MeanDifference().fit(ROWS.X @ rotation, ROWS.y)
    np.testing.assert_allclose(there.direction_, here.direction_ @ rotation, atol=1e-12)


def test_float32_sums_are_taken_in_float64():
    # the sum is near 2e9, where neighbours in float32 lie 128 apart: a mean of 10,001 would be off by more than this
    X = np.full((400_000, 1), 1e4, dtype=np.float32)
    y = np.arange(len(X)) % 2
    X[y == 1] += np.float32(1.0)
    assert mean_difference(X, y).vector[0] == pytest.approx(1.0, rel=1e-9)


def test_equal_means_are_refused():
    X = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    with pytest.raises(ArrayError, match="MeanDifference found no direction"):
        MeanDifference().fit(X, np.array([0, 0, 1, 1]))
