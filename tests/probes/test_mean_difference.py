import numpy as np
import pytest

from tests.methods import plant
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.numerics import Moments
from tiltmeter.probes import LDA, MeanDifference, mean_difference

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


# ------------------------------------------------------------ rows of unit norm, rows standardised


def naive_difference(rows, labels):
    return naive_mean([x for x, one in zip(rows, labels, strict=True) if one == 1]) - naive_mean(
        [x for x, one in zip(rows, labels, strict=True) if one == 0]
    )


def test_the_difference_of_unit_rows_equals_the_naive_twin():
    unit = [[value / sum(float(v) ** 2 for v in row) ** 0.5 for value in row] for row in ROWS.X]
    found = mean_difference(ROWS.X, ROWS.y, rows="unit")
    np.testing.assert_allclose(found.vector, naive_difference(unit, ROWS.y), rtol=1e-12, atol=1e-14)


def test_the_difference_of_standardised_rows_scores_raw_rows_as_it_scores_standardised_ones():
    X = ROWS.X * np.geomspace(0.1, 10, 7) + 3.0
    standard = np.empty_like(X)
    for j in range(7):
        mean = sum(float(v) for v in X[:, j]) / len(X)
        spread = (sum((float(v) - mean) ** 2 for v in X[:, j]) / len(X)) ** 0.5
        standard[:, j] = [(float(v) - mean) / spread for v in X[:, j]]
    found = mean_difference(X, ROWS.y, rows="standardised")
    inner = naive_difference(standard, ROWS.y)
    raw = X @ found.vector + found.offset
    low, high = (naive_mean(standard[label == ROWS.y]) for label in (0, 1))
    np.testing.assert_allclose(raw, (standard - (low + high) / 2) @ inner, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("rows", ["raw", "unit", "standardised"])
def test_zero_lies_midway_between_the_raw_class_means_whatever_the_rows(rows):
    probe = MeanDifference(rows).fit(ROWS.X + 5.0, ROWS.y)
    means = np.stack([ROWS.X[ROWS.y == 0].mean(axis=0), ROWS.X[ROWS.y == 1].mean(axis=0)]) + 5.0
    low, high = probe.decision_function(means)
    assert high == pytest.approx(-low)


def test_stretching_a_feature_changes_no_score_of_the_standardised_difference_but_of_the_raw_one():
    stretch = np.geomspace(0.01, 100, 7)

    def ranks(rows, X):
        return np.argsort(MeanDifference(rows).fit(X, ROWS.y).decision_function(X))

    np.testing.assert_array_equal(ranks("standardised", ROWS.X * stretch), ranks("standardised", ROWS.X))
    assert (ranks("raw", ROWS.X * stretch) != ranks("raw", ROWS.X)).any()


def test_stretching_a_row_changes_nothing_of_the_unit_difference_but_the_raw_one():
    stretch = np.random.default_rng(0).uniform(0.1, 10, size=(len(ROWS.X), 1))
    here, there = (mean_difference(X, ROWS.y, rows="unit").vector for X in (ROWS.X, ROWS.X * stretch))
    np.testing.assert_allclose(there, here, atol=1e-12)
    raw = mean_difference(ROWS.X * stretch, ROWS.y).vector
    assert np.abs(raw - mean_difference(ROWS.X, ROWS.y).vector).max() > 0.1


@pytest.mark.parametrize("seed", range(5))
def test_each_kind_of_rows_wins_where_its_trouble_is(seed):
    # 400 rows of 20 features, classes 1.5 apart along one. Trouble: five other features 50 times as loud; or a tenth of
    # the rows 300 times as long.
    rng = np.random.default_rng(seed)
    y = np.arange(400) % 2
    X = rng.normal(size=(400, 20)) + 1.5 * y[:, None] * np.eye(20)[0]
    loud = X * np.where(np.arange(20) >= 15, 50.0, 1.0)
    long = (X + 3.0) * np.where(rng.random(400) < 0.1, 300.0, 1.0)[:, None]
    cosine = {
        (name, rows): mean_difference(trouble, y, rows=rows).vector[0]
        / np.linalg.norm(mean_difference(trouble, y, rows=rows).vector)
        for name, trouble in (("loud", loud), ("long", long))
        for rows in ("raw", "unit", "standardised")
    }
    assert cosine["loud", "standardised"] > 0.9 > 0.5 > cosine["loud", "raw"]
    # how far the few long rows drag the raw means is chance: by 0.1 to 1 here
    assert cosine["long", "unit"] > 0.85
    assert cosine["long", "raw"] < cosine["long", "unit"] - 0.05


def test_a_row_of_zeros_counts_as_zero_where_rows_are_brought_to_unit_norm():
    X = np.array([[0.0, 0.0], [0.0, 2.0], [3.0, 0.0], [5.0, 0.0]])
    assert mean_difference(X, np.array([0, 0, 1, 1]), rows="unit").vector.tolist() == [1.0, -0.5]


def test_a_constant_feature_is_no_infinity_once_standardised():
    X = np.column_stack([ROWS.X, np.full(len(ROWS.X), 0.1)])
    assert mean_difference(X, ROWS.y, rows="standardised").vector[-1] == 0.0


def test_moments_hold_standardised_rows_but_not_unit_ones():
    # unlabelled rows must not change the spread: they are of no class
    moments = Moments(7).update(ROWS.X, ROWS.y).update(100 * ROWS.X)
    found = MeanDifference("standardised").fit_moments(moments)
    np.testing.assert_allclose(
        found.direction_, MeanDifference("standardised").fit(ROWS.X, ROWS.y).direction_, atol=1e-12
    )
    with pytest.raises(SpecError, match='rows="unit" divides each row by its norm, which moments no longer hold'):
        MeanDifference("unit").fit_moments(moments)


def test_with_independent_features_the_standardised_difference_is_nearly_ldas():
    rng = np.random.default_rng(0)
    y = np.arange(20_000) % 2
    X = rng.normal(size=(20_000, 5)) * np.geomspace(0.1, 10, 5) + 0.2 * y[:, None] * np.geomspace(0.1, 10, 5)
    here, there = MeanDifference("standardised").fit(X, y), LDA(0.0).fit(X, y)
    assert here.direction_ @ there.direction_ > 0.999


# ------------------------------------------------------------ how many pairs it takes


@pytest.mark.parametrize(("shift", "n_pairs"), [(0.5, 400), (1.0, 400), (4.0, 400), *((1.0, 4**i) for i in range(6))])
def test_the_direction_is_as_good_as_the_number_of_pairs_allows(shift, n_pairs):
    # δ = shift · u + noise of variance 2 / n in each of d features, so that cos(δ, u)² is about
    # 1 / (1 + 2 d / n shift²): shift² n against the noise is all that counts. The mean of 20 draws has a standard error
    # of at most 0.03.
    draws = [plant(n_pairs, 50, shift=shift, seed=seed) for seed in range(20)]
    cosines = [MeanDifference().fit(one.X, one.y).direction_ @ one.direction for one in draws]
    assert np.mean(cosines) == pytest.approx((1 + 100 / (n_pairs * shift**2)) ** -0.5, abs=0.09)


@pytest.mark.parametrize("rows", ["raw", "unit", "standardised"])
def test_few_pairs_pin_no_direction_and_many_do_whatever_the_rows(rows):
    few, many = (
        np.mean([MeanDifference(rows).fit(one.X, one.y).direction_ @ one.direction for one in draws])
        for draws in ([plant(n_pairs, 50, shift=1.0, seed=seed) for seed in range(10)] for n_pairs in (2, 2048))
    )
    assert few < 0.4 and many > 0.95
