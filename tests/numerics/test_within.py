import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf

from tests.methods import plant
from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import class_means, within_covariance

ROWS = plant(40, 5, shift=2.0, seed=0)


def centred(X, y):
    return X - np.stack([X[y == 0].mean(axis=0), X[y == 1].mean(axis=0)])[y]


def test_class_means_equal_the_naive_twin():
    weight = np.random.default_rng(0).uniform(0, 2, size=80)
    found = class_means(ROWS.X, ROWS.y, sample_weight=weight)
    for label, mean in ((0, found.negative), (1, found.positive)):
        total, mass = np.zeros(5), 0.0
        for x, y, w in zip(ROWS.X, ROWS.y, weight, strict=True):
            if y == label:
                total, mass = total + w * x, mass + w
        np.testing.assert_allclose(mean, total / mass, rtol=1e-12)
    assert found.prior == pytest.approx(weight[ROWS.y == 1].sum() / weight.sum())


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_refused(label):
    with pytest.raises(ArrayError, match="one class only"):
        class_means(ROWS.X, np.full_like(ROWS.y, label))


def naive_covariance(X, y, shrinkage):
    rows = centred(X, y)
    n, d = rows.shape
    S = sum(np.outer(row, row) for row in rows) / n
    m = sum(S[j, j] for j in range(d)) / d
    if shrinkage is None:
        spread = sum((S[j, k] - (m if j == k else 0)) ** 2 for j in range(d) for k in range(d))
        noise = sum(((np.outer(row, row) - S) ** 2).sum() for row in rows) / n**2
        shrinkage = min(1.0, noise / spread)
    return (1 - shrinkage) * S + shrinkage * m * np.eye(d), shrinkage


@pytest.mark.parametrize("shrinkage", [None, 0.0, 0.3, 1.0])
def test_within_covariance_equals_the_naive_twin(shrinkage):
    X = ROWS.X * np.geomspace(0.1, 10, 5)
    found = within_covariance(X, ROWS.y, shrinkage=shrinkage)
    matrix, used = naive_covariance(X, ROWS.y, shrinkage)
    np.testing.assert_allclose(found.matrix, matrix, rtol=1e-10, atol=1e-12)
    assert found.shrinkage == pytest.approx(used)


@pytest.mark.parametrize(("n_pairs", "d"), [(5, 40), (40, 5), (400, 5)])
def test_the_shrinkage_is_scikit_learns(n_pairs, d):
    rows = plant(n_pairs, d, shift=1.0, seed=n_pairs)
    matrix, shrinkage = ledoit_wolf(centred(rows.X, rows.y), assume_centered=True)
    found = within_covariance(rows.X, rows.y)
    assert found.shrinkage == pytest.approx(shrinkage, rel=1e-9)
    np.testing.assert_allclose(found.matrix, matrix, rtol=1e-9, atol=1e-12)


def test_weights_count_as_repetitions():
    times = np.random.default_rng(1).integers(0, 4, size=80)
    index = np.repeat(np.arange(80), times)
    weighted = within_covariance(ROWS.X, ROWS.y, sample_weight=times.astype(float))
    repeated = within_covariance(ROWS.X[index], ROWS.y[index])
    np.testing.assert_allclose(weighted.matrix, repeated.matrix, rtol=1e-10)
    assert weighted.shrinkage == pytest.approx(repeated.shrinkage)


def test_round_rows_are_shrunk_fully_and_none_are_not_a_number():
    y = np.array([0, 0, 0, 0, 1, 1, 1, 1])
    cross = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0], [0.0, -1.0]])
    found = within_covariance(np.concatenate([cross, cross + 5.0]), y)
    assert found.shrinkage == 1.0
    np.testing.assert_allclose(found.matrix, np.eye(2) / 2)
    assert not within_covariance(np.ones((8, 2)), y).matrix.any()


def test_the_class_difference_is_no_part_of_the_covariance():
    apart = ROWS.X + 1000.0 * ROWS.y[:, None]
    np.testing.assert_allclose(
        within_covariance(apart, ROWS.y).matrix, within_covariance(ROWS.X, ROWS.y).matrix, atol=1e-8
    )


def test_rows_equal_to_their_class_mean_have_a_covariance_of_exactly_zero():
    # the sum of fifteen times 0.1 is not 1.5: a mean of equal rows must still be that row
    y = np.arange(30) % 2
    X = np.outer(y, [0.1, 0.3, 0.7]) + 0.123
    means = class_means(X, y)
    np.testing.assert_array_equal(means.positive, X[1])
    np.testing.assert_array_equal(means.negative, X[0])
    assert not within_covariance(X, y).matrix.any()


def test_a_large_common_offset_costs_no_digits_of_the_covariance():
    X = 1e6 + 1e-3 * ROWS.X
    found, expected = within_covariance(X, ROWS.y), within_covariance(X - 1e6, ROWS.y)
    np.testing.assert_allclose(found.matrix, expected.matrix, rtol=1e-6, atol=1e-15)
    assert found.shrinkage == pytest.approx(expected.shrinkage, rel=1e-6)
