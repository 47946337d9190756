import numpy as np
import pytest

from tests.erasers import gap, rows
from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure import leace, mean_translation, oracle_leace


@pytest.mark.parametrize("n_classes", [2, 5])
def test_mean_translation_equals_the_naive_twin(n_classes):
    rng = np.random.default_rng(0)
    z = rng.integers(0, n_classes, 300)
    X = rng.normal(size=(300, 4)) + rng.normal(size=(n_classes, 4))[z]
    expected = np.array([x - X[z == label].mean(0) + X.mean(0) for x, label in zip(X, z, strict=True)])
    np.testing.assert_allclose(mean_translation(X, z)(X, z), expected, atol=1e-12)
    # on labels, oracle LEACE is the same map
    np.testing.assert_allclose(oracle_leace(X, z)(X, z), expected, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
def test_on_numbers_it_leaves_the_residual_of_least_squares(seed):
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(200, 3))
    z[:, 2] = z[:, 0] - 2 * z[:, 1]  # columns that depend on each other
    X = z @ rng.normal(size=(3, 5)) + rng.normal(size=(200, 5))
    design = np.column_stack([np.ones(200), z[:, :2]])
    expected = X - design @ np.linalg.lstsq(design, X, rcond=None)[0] + X.mean(0)
    np.testing.assert_allclose(oracle_leace(X, z)(X, z), expected, atol=1e-10)


@pytest.mark.parametrize("seed", range(5))
def test_it_changes_less_than_leace_which_has_to_guess_z(seed):
    X, z, _ = rows(600, 8, shift=1.5, seed=seed)
    told, blind = oracle_leace(X, z)(X, z), leace(X, z)(X)
    assert gap(told, z, like=X) < 1e-12 > gap(blind, z, like=X)
    assert ((told - X) ** 2).sum() < 0.9 * ((blind - X) ** 2).sum()
    # within a class nothing moves
    for label in (0, 1):
        np.testing.assert_allclose(np.ptp((told - X)[z == label], axis=0), 0.0, atol=1e-12)


def test_a_z_that_does_not_fit_is_refused():
    X, z, _ = rows(50, 3)
    eraser = oracle_leace(X, X[:, :2] + 0.1)
    with pytest.raises(ArrayError, match=r"rows of shape \(50,\) need 2 numbers each"):
        eraser(X, z)
    with pytest.raises(ArrayError, match="z contains NaN"):
        eraser(X, np.full((50, 2), np.nan))
    with pytest.raises(ArrayError, match="its classes are"):
        mean_translation(X, z)(X, z.astype(str))
