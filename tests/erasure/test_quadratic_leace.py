import numpy as np
import pytest
from scipy.linalg import sqrtm

from tests.erasers import gap
from tiltmeter.core.errors import ArrayError, ConvergenceWarning, SpecError
from tiltmeter.erasure import QuadraticLEACE, mean_translation, quadratic_leace


def unlike(seed, n_classes=2, d=4, n=600):
    """Classes of unlike means, spreads and sizes."""
    rng = np.random.default_rng(seed)
    z = np.minimum(rng.integers(0, 2 * n_classes, n), n_classes - 1)
    turns = rng.normal(size=(n_classes, d, d))
    return np.einsum("nd,nde->ne", rng.normal(size=(n, d)), turns[z]) + rng.normal(size=(n_classes, d))[z], z


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("n_classes", [2, 4])
def test_class_means_and_covariances_are_equal(seed, n_classes):
    X, z = unlike(seed, n_classes)
    out = quadratic_leace(X, z)(X, z)
    assert gap(out, z) < 1e-12
    covariances = np.stack([np.cov(out[z == label].T, bias=True) for label in range(n_classes)])
    assert np.abs(covariances - covariances[0]).max() < 1e-9 * np.abs(covariances).max()
    # mean translation alone leaves them unlike
    moved = mean_translation(X, z)(X, z)
    before = np.stack([np.cov(moved[z == label].T, bias=True) for label in range(n_classes)])
    assert np.abs(before - before[0]).max() > 0.1 * np.abs(before).max()
    np.testing.assert_allclose(out.mean(0), X.mean(0), atol=1e-12)


def test_for_two_classes_it_is_the_midpoint_of_the_transport():
    # S = M Σ₀ M with M = p₀ I + p₁ T and T the transport from class 0 to class 1, by matrix roots
    X, z = unlike(0)
    p = (z == 1).mean()
    first, second = (np.cov(X[z == label].T, bias=True) for label in (0, 1))
    root = np.real(sqrtm(first))
    inverse = np.linalg.inv(root)
    T = inverse @ np.real(sqrtm(root @ second @ root)) @ inverse
    step = (1 - p) * np.eye(4) + p * T
    maps = quadratic_leace(X, z).maps
    np.testing.assert_allclose(maps[0], step, atol=1e-8)
    np.testing.assert_allclose(maps[1], step @ np.linalg.inv(T), atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_the_common_covariance_is_where_the_change_is_least(seed):
    X, z = unlike(seed, 3)
    eraser = quadratic_leace(X, z)
    least = ((eraser(X, z) - X) ** 2).sum()
    center = np.cov(eraser(X, z).T, bias=True)
    rng = np.random.default_rng(seed)
    for _ in range(20):
        turn = np.eye(4) + 0.1 * rng.normal(size=(4, 4))
        target = turn @ center @ turn.T
        total = 0.0
        for label in range(3):
            rows = X[z == label]
            covariance = np.cov(rows.T, bias=True)
            root = np.real(sqrtm(covariance))
            inverse = np.linalg.inv(root)
            transport = inverse @ np.real(sqrtm(root @ target @ root)) @ inverse
            total += (((rows - rows.mean(0)) @ transport + X.mean(0) - rows) ** 2).sum()
        assert total > least


def test_shrinkage_serves_few_rows_and_its_bounds_are_checked():
    X, z = unlike(0, d=20, n=30)
    with pytest.raises(ArrayError, match=r"covariance of class \d is singular"):
        QuadraticLEACE().fit(X, z)
    assert gap(quadratic_leace(X, z, shrinkage=0.2)(X, z), z, like=X) < 1e-12
    with pytest.raises(SpecError, match=r"shrinkage is 2.0; it must lie in \[0, 1\]"):
        QuadraticLEACE(2.0).fit(X, z)


def test_a_search_that_stops_early_warns_and_still_makes_the_classes_equal():
    X, z = unlike(0, 3)
    with pytest.warns(ConvergenceWarning, match=r"has a residual of .* after 1 steps"):
        eraser = quadratic_leace(X, z, max_steps=1)
    out = eraser(X, z)
    covariances = np.stack([np.cov(out[z == label].T, bias=True) for label in range(3)])
    assert np.abs(covariances - covariances[0]).max() < 1e-9 * np.abs(covariances).max()
