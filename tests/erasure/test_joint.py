import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure._joint import JointScatter, check_rows, joint_moments, joint_of_moments
from tiltmeter.numerics import Moments

RNG = np.random.default_rng(0)
X = RNG.normal(size=(700, 5)) * np.geomspace(0.1, 10, 5) + 3.0
Z = np.column_stack([X[:, 0] + RNG.normal(size=700), RNG.normal(size=700)])


@pytest.mark.parametrize("has_matrix", [True, False])
@pytest.mark.parametrize("weights", [None, RNG.integers(0, 4, 700).astype(float)], ids=["equal", "weighted"])
def test_joint_moments_equal_the_sums_over_rows(has_matrix, weights):
    found = joint_moments(X, Z, weights=weights, has_matrix=has_matrix)
    w = np.ones(700) if weights is None else weights
    total = w.sum()
    mean, z_mean = w @ X / total, w @ Z / total
    covariance = (X - mean).T @ (w[:, None] * (X - mean)) / total
    np.testing.assert_allclose(found.mean, mean)
    np.testing.assert_allclose(found.z_mean, z_mean, atol=1e-12)
    np.testing.assert_allclose(found.variance, np.diag(covariance))
    np.testing.assert_allclose(found.cross, (X - mean).T @ (w[:, None] * (Z - z_mean)) / total, atol=1e-12)
    np.testing.assert_allclose(found.z_covariance, (Z - z_mean).T @ (w[:, None] * (Z - z_mean)) / total, atol=1e-12)
    if has_matrix:
        np.testing.assert_allclose(found.scatter / total, np.tril(covariance), atol=1e-12)
    else:
        assert found.scatter is None


@pytest.mark.parametrize("precision", ["float64", "float32"])
def test_blocks_do_not_show_in_the_result(precision, monkeypatch):
    whole = joint_moments(X, Z, precision=precision)
    monkeypatch.setattr("tiltmeter.erasure._joint._MOST_BYTES", 0)
    monkeypatch.setattr("tiltmeter.erasure._joint._LEAST_ROWS", 64)
    small = joint_moments(X, Z, precision=precision)
    np.testing.assert_allclose(small.cross, whole.cross, rtol=1e-10, atol=1e-12)
    np.testing.assert_allclose(small.scatter, whole.scatter, rtol=1e-5 if precision == "float32" else 1e-10, atol=7e-3)


def test_an_offset_of_a_million_costs_nothing_and_equal_values_have_no_variance_at_all():
    far = joint_moments(np.column_stack([X + 1e6, np.full(700, 0.1)]), Z, precision="float32")
    np.testing.assert_allclose(far.cross[:5], joint_moments(X, Z).cross, atol=1e-8)
    np.testing.assert_allclose(far.scatter[:5, :5], joint_moments(X, Z).scatter, rtol=1e-5, atol=7e-2)
    assert far.variance[5] == 0.0 and not far.cross[5].any()


def test_a_first_row_far_from_all_others_costs_few_digits():
    rows = np.concatenate([np.full((1, 5), 1e6), X])
    z = np.concatenate([np.full((1, 2), 1e2), Z])
    found = joint_moments(rows, z, weights=np.array([0.0, *np.ones(700)]))
    np.testing.assert_allclose(found.cross, joint_moments(X, Z).cross, atol=1e-6)
    np.testing.assert_allclose(found.scatter, joint_moments(X, Z).scatter, rtol=1e-6, atol=1e-5)


def test_what_is_not_finite_is_refused_by_the_row_and_what_is_too_large_in_words():
    bad = X.copy()
    bad[123, 4] = np.inf
    with pytest.raises(ArrayError, match="Row 123 of X contains NaN or infinity"):
        joint_moments(bad, Z)
    with pytest.raises(ArrayError, match="too large for double precision"):
        joint_moments(X * 1e200, Z)


def test_moments_by_label_hold_the_same():
    z = (np.arange(700) % 3 == 0).astype(int)
    here, there = joint_moments(X, z[:, None].astype(float)), joint_of_moments(Moments(5).update(X, z))
    for name in ("total", "mean", "variance", "scatter", "cross", "z_mean", "z_covariance"):
        np.testing.assert_allclose(getattr(there, name), getattr(here, name), rtol=1e-11, atol=1e-11, err_msg=name)


def test_rows_are_checked_by_the_row_and_large_ones_are_no_fault():
    check_rows(np.full((10, 3), 3e38, dtype=np.float32))
    check_rows(np.full((3, 3), 6e4, dtype=np.float16))
    bad = np.ones((9000, 2))
    bad[8000, 1] = -np.inf
    with pytest.raises(ArrayError, match="Row 8000 of X contains NaN or infinity"):
        check_rows(bad)
    with pytest.raises(ArrayError, match="it must have two axes"):
        check_rows(np.ones(3))


def test_nothing_seen_gives_no_moments():
    with pytest.raises(ArrayError, match="No row has a weight above 0"):
        JointScatter(2, 1).finish()
