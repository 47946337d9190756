import numpy as np
import pytest
import torch

from tests.erasure.anisotropic import classes
from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure import _rlace_predictors as predictors
from tiltmeter.erasure import least_log_loss
from tiltmeter.erasure._rlace_game import game_of

SEEDS = range(5)


def naive_loss(X, z, W, b):
    """Mean over rows of −log of the softmax of W x + b at the row's class, in loops."""
    total = 0.0
    for x, code in zip(X, z, strict=True):
        scores = [float(W[:, k] @ x + b[k]) for k in range(len(b))]
        total -= scores[code] - np.log(sum(np.exp(s) for s in scores))
    return total / len(X)


def test_the_loss_and_its_gradient_equal_the_naive_twin():
    X, z = classes(0, n=40, d=3)
    game = game_of(X, z)
    rng = np.random.default_rng(0)
    point = rng.normal(size=(1, 4, 4))
    value, slope = predictors.log_loss(game, torch.from_numpy(point))

    def twin(flat):
        own = flat.reshape(4, 4)
        return naive_loss(game.rows.numpy(), z, own[:-1], own[-1])

    assert float(value) == pytest.approx(twin(point[0]), rel=1e-12)
    steps = np.eye(16) * 1e-6
    numeric = [(twin(point[0].ravel() + step) - twin(point[0].ravel() - step)) / 2e-6 for step in steps]
    np.testing.assert_allclose(slope[0].numpy().ravel(), numeric, atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("c", [2, 4])
def test_the_envelope_gradient_equals_finite_differences(seed, c):
    X, z = classes(seed, n=200, d=5, c=c)
    directions = np.random.default_rng(seed).normal(size=(2, 5))
    found = least_log_loss(X, z, directions=directions)
    numeric = np.zeros((2, 5))
    for place in np.ndindex(2, 5):
        step = np.zeros((2, 5))
        step[place] = 1e-4
        up, down = (least_log_loss(X, z, directions=directions + sign * step).value for sign in (1, -1))
        numeric[place] = (up - down) / 2e-4
    assert np.abs(numeric).max() > 1e-3
    np.testing.assert_allclose(found.gradient, numeric, atol=1e-6 * np.abs(numeric).max() + 1e-8)


def test_the_gradient_stands_at_right_angles_to_the_subspace_in_the_metric_of_the_rows():
    # along the subspace the value cannot change: it depends on the span alone
    X, z = classes(0, n=200, d=5)
    directions = np.random.default_rng(0).normal(size=(2, 5))
    gradient = least_log_loss(X, z, directions=directions).gradient
    np.testing.assert_allclose(gradient @ directions.T, 0.0, atol=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_removing_directions_equals_fitting_on_projected_rows(seed):
    X, z = classes(seed, n=200, d=5)
    directions = np.random.default_rng(seed).normal(size=(2, 5))
    basis = np.linalg.qr(directions.T)[0]
    projected = X - X @ basis @ basis.T
    one, other = least_log_loss(X, z, directions=directions), least_log_loss(projected, z)
    assert one.is_converged and other.is_converged
    assert one.value == pytest.approx(other.value, abs=1e-11)


def test_both_solvers_reach_the_same_loss(monkeypatch):
    X, z = classes(0, n=200, d=5)
    directions = np.random.default_rng(0).normal(size=(2, 5))
    by_newton = least_log_loss(X, z, directions=directions)
    monkeypatch.setattr(predictors, "_NEWTON_SIZE", 0)
    by_lbfgs = least_log_loss(X, z, directions=directions)
    assert by_lbfgs.value == pytest.approx(by_newton.value, abs=1e-11)
    np.testing.assert_allclose(by_lbfgs.gradient, by_newton.gradient, atol=1e-5)


def test_whitened_rows_have_unit_covariance_however_quiet_a_direction_is():
    X, z = classes(0, n=300, d=5)
    game = game_of(X * np.geomspace(1e-7, 1, 5), z)
    np.testing.assert_allclose(game.rows.T @ game.rows / 300, np.eye(5), atol=1e-6)
    np.testing.assert_allclose(game.there @ game.back, np.eye(5), atol=1e-6)


def test_classes_that_can_be_told_apart_have_a_loss_of_next_to_nothing():
    X, z = classes(0, n=20, d=30)
    assert 0 <= least_log_loss(X, z).value < 1e-9


def test_rows_without_variance_have_the_entropy_of_the_labels():
    found = least_log_loss(np.ones((10, 3)), np.arange(10) % 2)
    assert found.value == pytest.approx(np.log(2)) and found.is_converged


def test_directions_that_depend_on_each_other_are_refused():
    X, z = classes(0, n=100, d=4)
    with pytest.raises(ArrayError, match="depend on each other"):
        least_log_loss(X, z, directions=np.ones((2, 4)))
