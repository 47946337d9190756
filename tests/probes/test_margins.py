"""The batched margin classifiers, against the formula in loops under SciPy's minimiser, one problem at a time."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from tests.methods import plant
from tiltmeter.probes._margins import fit_margins

STRENGTHS = (1e-3, 0.1, 10.0)


def naive_objective(parameters, X, y, row_weights, C, loss):
    w, b = parameters[:-1], parameters[-1]
    total = float(w @ w) / (2 * C)
    for row, label, weight in zip(X, y, row_weights, strict=True):
        margin = (2 * label - 1) * (row @ w + b)
        total += weight * (np.logaddexp(0.0, -margin) if loss == "logistic" else max(0.0, 1.0 - margin) ** 2)
    return total


def fitted(X, y, row_weights, loss, **options):
    return fit_margins(
        torch.from_numpy(X),
        torch.from_numpy(y[:, None]),
        row_weights=torch.from_numpy(row_weights),
        C=torch.tensor(STRENGTHS, dtype=torch.float64),
        loss=loss,
        **options,
    )


@pytest.mark.parametrize("loss", ["logistic", "squared_hinge"])
@pytest.mark.parametrize(("n", "d"), [(40, 3), (12, 20)])
def test_each_problem_is_solved_as_scipy_solves_it_alone(loss, n, d):
    planted = plant(n // 2, d, shift=1.5, seed=0)
    row_weights = np.random.default_rng(0).integers(1, 4, size=(n, 3)).astype(float)
    found = fitted(planted.X, planted.y, row_weights, loss, tol=1e-14)
    for j, C in enumerate(STRENGTHS):
        arguments = (planted.X, planted.y, row_weights[:, j], C, loss)
        best = minimize(naive_objective, np.zeros(d + 1), args=arguments, method="BFGS", options={"gtol": 1e-7})
        ours = np.append(found.weights[j].numpy(), float(found.intercepts[j]))
        assert naive_objective(ours, *arguments) <= best.fun * (1 + 1e-9)
        assert float(found.objectives[j]) == pytest.approx(naive_objective(ours, *arguments), rel=1e-9)
        np.testing.assert_allclose(ours, best.x, atol=2e-4 * np.abs(best.x).max())


def test_single_precision_is_finished_in_double_where_rounding_hides_the_rest():
    # separable rows and a weak penalty: the loss is small beside its terms
    planted = plant(30, 100, shift=3.0, seed=0)
    weights = np.ones((60, 1))
    exact = fitted(planted.X, planted.y, weights, "logistic", tol=1e-14)
    single = fitted(planted.X, planted.y, weights, "logistic", dtype=torch.float32)
    assert single.is_converged.all()
    np.testing.assert_allclose(single.objectives.numpy(), exact.objectives.numpy(), rtol=1e-6)


def test_a_weight_of_zero_leaves_the_row_out():
    planted = plant(30, 4, shift=1.5, seed=0)
    kept = np.arange(60) < 40
    row_weights = np.tile(kept.astype(float)[:, None], (1, 3))
    some = fitted(planted.X, planted.y, row_weights, "squared_hinge", tol=1e-14)
    only = fitted(planted.X[kept], planted.y[kept], np.ones((40, 3)), "squared_hinge", tol=1e-14)
    np.testing.assert_allclose(some.weights.numpy(), only.weights.numpy(), atol=1e-6)
