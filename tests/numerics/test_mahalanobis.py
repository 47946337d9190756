"""Distances from class means equal the formula with the matrix inverted, also where rows are few."""

import numpy as np
import pytest
from scipy import stats

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import fit_ellipsoids, squared_mahalanobis, within_covariance


def drawn(n, d, *, seed=0, apart=3.0):
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, d)) * rng.uniform(0.1, 5, size=d)
    X[:, 0] += apart * y
    return X, y


def by_hand(X, train, y, covariance):
    """min over classes of (x - m)' inv(S) (x - m), one row at a time."""
    inverse = np.linalg.inv(covariance)
    return [
        min((x - train[y == k].mean(0)) @ inverse @ (x - train[y == k].mean(0)) for k in set(y.tolist())) for x in X
    ]


@pytest.mark.parametrize(("n", "d"), [(200, 5), (30, 29), (30, 30), (30, 31), (20, 100)])
@pytest.mark.parametrize("shrinkage", [None, 0.2, 1.0])
def test_distances_equal_those_by_the_inverse_of_the_shrunk_covariance(n, d, shrinkage):
    train, y = drawn(n, d)
    X, _ = drawn(40, d, seed=1)
    shape = fit_ellipsoids(train, y, shrinkage=shrinkage)
    covariance = within_covariance(train, y, shrinkage=shrinkage)
    assert shape.shrinkage == pytest.approx(covariance.shrinkage)
    np.testing.assert_allclose(squared_mahalanobis(X, shape), by_hand(X, train, y, covariance.matrix), rtol=1e-6)


def test_three_classes_share_one_covariance():
    rng = np.random.default_rng(0)
    y = np.arange(300) % 3
    train = rng.normal(size=(300, 4)) + 5 * np.eye(3, 4)[y]
    centred = train - np.stack([train[y == k].mean(0) for k in range(3)])[y]
    shape = fit_ellipsoids(train, np.array(["a", "b", "c"])[y], shrinkage=0.0)
    found = squared_mahalanobis(train[:20], shape)
    np.testing.assert_allclose(found, by_hand(train[:20], train, y, centred.T @ centred / 300), rtol=1e-8)


def test_held_out_gaussian_rows_have_nearly_a_chi_square_law():
    rng = np.random.default_rng(0)
    mixing = rng.normal(size=(6, 6))
    train, fresh = rng.normal(size=(20_000, 6)) @ mixing + 100, rng.normal(size=(20_000, 6)) @ mixing + 100
    found = squared_mahalanobis(fresh, fit_ellipsoids(train))
    assert stats.kstest(found, stats.chi2(6).cdf).statistic < 0.015


def test_scale_and_offset_change_no_distance():
    train, y = drawn(60, 80)
    X, _ = drawn(10, 80, seed=1)
    once = squared_mahalanobis(X, fit_ellipsoids(train, y))
    for scale, offset in ((1e-3, 0.0), (1e3, 0.0), (1.0, 1e4)):
        again = squared_mahalanobis(scale * X + offset, fit_ellipsoids(scale * train + offset, y))
        np.testing.assert_allclose(again, once, rtol=1e-6)


def test_what_never_varied_in_training_counts_for_much_when_it_does():
    train, y = drawn(200, 4)
    train[:, 3] = 7.0
    moved = train[:5].copy()
    moved[:, 3] += 1.0
    shape = fit_ellipsoids(train, y)
    # but for shrinkage it would be infinitely much
    added = squared_mahalanobis(moved, shape) - squared_mahalanobis(train[:5], shape)
    np.testing.assert_allclose(added, 1 / shape.rest)
    assert 1 / shape.rest > 7


def test_half_precision_rows_are_taken_as_float64():
    train, y = drawn(200, 4)
    found = squared_mahalanobis(train.astype(np.float16), fit_ellipsoids(train.astype(np.float16), y))
    assert found.dtype == np.float64
    np.testing.assert_allclose(found, squared_mahalanobis(train, fit_ellipsoids(train, y)), rtol=0.05)


@pytest.mark.parametrize(
    ("X", "options", "message"),
    [
        (np.zeros((0, 3)), {}, "finite rows, one at least"),
        (np.full((4, 3), np.nan), {}, "finite rows, one at least"),
        (np.full((4, 3), 2.5), {}, "do not differ from the mean"),
        (np.eye(3), {"shrinkage": 1.5}, r"must lie in \[0, 1\]"),
        (np.eye(3, 9), {"shrinkage": 0.0}, "ask for some shrinkage"),
    ],
)
def test_what_has_no_distance_is_refused(X, options, message):
    with pytest.raises(ArrayError, match=message):
        fit_ellipsoids(X, **options)


def test_another_width_is_refused():
    with pytest.raises(ArrayError, match="rows of width 5"):
        squared_mahalanobis(np.zeros((2, 4)), fit_ellipsoids(drawn(50, 5)[0]))
