import numpy as np
import pytest

from tests.methods import plant
from tiltmeter.probes import MeanDifference, MedianDifference, median_difference

ROWS = plant(40, 5, shift=3.0, seed=0)


def naive_geometric_median(rows):
    """Minimise the summed distance by the plain fixed point, many times over, in loops."""
    center = [sum(row[j] for row in rows) / len(rows) for j in range(len(rows[0]))]
    for _ in range(400):
        above, below = [0.0] * len(center), 0.0
        for row in rows:
            distance = sum((a - b) ** 2 for a, b in zip(row, center, strict=True)) ** 0.5
            below += 1 / distance
            above = [a + v / distance for a, v in zip(above, row, strict=True)]
        center = [a / below for a in above]
    return np.array(center)


def test_the_geometric_difference_equals_the_naive_twin():
    low, high = (naive_geometric_median(ROWS.X[label == ROWS.y].tolist()) for label in (0, 1))
    found = median_difference(ROWS.X, ROWS.y)
    np.testing.assert_allclose(found.vector, high - low, atol=1e-7)
    assert found.offset == pytest.approx(-float((high - low) @ (high + low)) / 2, abs=1e-6)


def test_in_one_dimension_both_are_the_difference_of_medians():
    x = np.random.default_rng(0).normal(size=(42, 1))
    y = np.arange(42) % 2
    expected = np.median(x[y == 1]) - np.median(x[y == 0])
    for center in ("geometric", "tukey"):
        assert median_difference(x, y, center=center).vector[0] == pytest.approx(expected, abs=1e-8)


@pytest.mark.parametrize("center", ["geometric", "tukey"])
@pytest.mark.parametrize("seed", range(5))
def test_outliers_turn_the_mean_difference_but_not_the_median_one(center, seed):
    # 5 % of the positives are thrown 1,000 units to one side, along a feature that has nothing to do with the concept
    clean = plant(200, 10, shift=4.0, seed=seed)
    X = clean.X.copy()
    thrown = np.flatnonzero(clean.y == 1)[:10]
    aside = np.random.default_rng(100 + seed).normal(size=10)
    aside -= (aside @ clean.direction) * clean.direction
    X[thrown] += 1000 * aside / np.linalg.norm(aside)
    robust = MedianDifference(center, n_directions=200).fit(X, clean.y)
    assert robust.direction_ @ clean.direction > 0.95
    assert MeanDifference().fit(X, clean.y).direction_ @ clean.direction < 0.2


def test_skew_within_the_classes_misleads_the_median_where_the_mean_is_right():
    # what it does not claim: the classes differ in their mean, by rows far out, and not in their centre
    rng = np.random.default_rng(0)
    y = np.arange(2000) % 2
    X = rng.normal(size=(2000, 2))
    far = (y == 1) & (rng.random(2000) < 0.1)
    X[far, 0] += 30.0
    assert mean_gap(MeanDifference(), X, y) > 2.5
    assert median_difference(X, y).vector[0] < 0.5


def mean_gap(probe, X, y):
    scores = probe.fit(X, y).decision_function(X)
    return scores[y == 1].mean() - scores[y == 0].mean()


def test_without_outliers_it_points_where_the_mean_difference_does():
    for center in ("geometric", "tukey"):
        robust = MedianDifference(center).fit(ROWS.X, ROWS.y).direction_
        assert robust @ MeanDifference().fit(ROWS.X, ROWS.y).direction_ > 0.9


def test_rotating_the_rows_rotates_the_geometric_direction():
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(5, 5)))[0]
    here, there = MedianDifference().fit(ROWS.X, ROWS.y), MedianDifference().fit(ROWS.X @ rotation, ROWS.y)
    np.testing.assert_allclose(there.direction_, here.direction_ @ rotation, atol=1e-7)


def test_a_large_offset_of_all_rows_moves_only_the_intercept():
    here, there = MedianDifference().fit(ROWS.X, ROWS.y), MedianDifference().fit(ROWS.X + 1e6, ROWS.y)
    np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-6)


def test_the_seed_matters_to_the_approximate_median_only():
    one, other = (median_difference(ROWS.X, ROWS.y, center="tukey", random_state=seed) for seed in (0, 1))
    assert (one.vector != other.vector).any()
    one, other = (median_difference(ROWS.X[:, :2], ROWS.y, center="tukey", random_state=seed) for seed in (0, 1))
    np.testing.assert_array_equal(one.vector, other.vector)
