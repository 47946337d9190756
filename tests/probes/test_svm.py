import numpy as np
import pytest
from scipy import optimize
from sklearn.svm import LinearSVC

from tests.methods import plant
from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.probes import LinearSVM, Ridge, linear_svm

ROWS = plant(60, 6, shift=2.0, seed=0)
SCALES = np.geomspace(0.1, 10, 6)


def naive_objective(parameters, X, y, C, weight=None):
    """Σ max(0, 1 − margin)² + |w|² / (2C), a term at a time."""
    w, b = parameters[:-1], parameters[-1]
    total = sum(float(v) ** 2 for v in w) / (2 * C)
    for i in range(len(X)):
        score = b + sum(float(X[i, j]) * float(w[j]) for j in range(len(w)))
        short = max(0.0, 1.0 - (score if y[i] == 1 else -score))
        total += short**2 * (1.0 if weight is None else float(weight[i]))
    return total


@pytest.mark.parametrize("C", [1e-3, 0.1, 10.0])
@pytest.mark.parametrize(("n", "d"), [(60, 3), (14, 20)])
def test_it_minimises_its_objective_as_scipy_does(C, n, d):
    rows = plant(n // 2, d, shift=1.5, seed=1)
    weight = np.random.default_rng(0).integers(1, 4, size=n).astype(float)
    found = linear_svm(rows.X, rows.y, C=C, sample_weight=weight)
    sign = 2.0 * rows.y - 1

    def objective(theta):
        short = np.maximum(0, 1 - sign * (rows.X @ theta[:-1] + theta[-1]))
        pull = -2 * weight * short * sign
        return weight @ short**2 + theta[:-1] @ theta[:-1] / (2 * C), np.append(
            rows.X.T @ pull + theta[:-1] / C, pull.sum()
        )

    theirs = optimize.minimize(
        objective, np.zeros(d + 1), jac=True, method="BFGS", options={"gtol": 1e-7, "maxiter": 5000}
    )
    ours = naive_objective(np.append(found.vector, found.offset), rows.X, rows.y, C, weight)
    assert ours <= naive_objective(theirs.x, rows.X, rows.y, C, weight) * (1 + 1e-9)
    # and no step along a feature lowers it
    slopes = objective(np.append(found.vector, found.offset))[1]
    assert np.abs(slopes).max() < 1e-9 * max(1.0, np.abs(objective(np.zeros(d + 1))[1]).max())


@pytest.mark.parametrize("C", [1e-2, 1.0])
def test_it_is_scikit_learns_linear_svc_but_for_the_penalty_on_the_intercept(C):
    X = ROWS.X * SCALES
    # a large scaling makes their intercept nearly free
    theirs = LinearSVC(C=C, intercept_scaling=1e3, dual=False, tol=1e-12, max_iter=100_000).fit(X, ROWS.y)
    found = linear_svm(X, ROWS.y, C=C)
    np.testing.assert_allclose(found.vector, theirs.coef_[0], rtol=1e-4, atol=1e-6)
    assert found.offset == pytest.approx(theirs.intercept_[0], abs=1e-4)


def test_the_penalty_within_is_the_raw_one_in_units_of_the_within_class_variance():
    X = ROWS.X * SCALES
    centred = X - np.stack([X[ROWS.y == 0].mean(axis=0), X[ROWS.y == 1].mean(axis=0)])[ROWS.y]
    within = linear_svm(X, ROWS.y, C=0.3, penalty_scale="within")
    raw = linear_svm(X, ROWS.y, C=0.3 / (centred**2).mean())
    np.testing.assert_allclose(within.vector, raw.vector, rtol=1e-9)


def test_rows_far_beyond_the_margin_do_not_move_it_but_move_least_squares():
    rng = np.random.default_rng(0)
    y = np.arange(200) % 2
    X = rng.normal(size=(200, 2)) + 3.0 * y[:, None] * [1.0, 0.0]
    far = X.copy()
    beyond = (2 * y - 1) * (LinearSVM().fit(X, y).decision_function(X)) > 3
    far[beyond] += 30.0 * (2 * y[beyond] - 1)[:, None] * [1.0, 1.0]
    assert beyond.sum() > 5
    found = [probe.fit(rows, y).direction_ for probe in (LinearSVM(), Ridge(1e-3)) for rows in (X, far)]
    assert found[0] @ found[1] > 1 - 1e-12
    assert found[2] @ found[3] < 0.9


@pytest.mark.parametrize("seed", range(5))
def test_much_penalty_leads_to_the_mean_difference_of_balanced_rows(seed):
    rows = plant(100, 10, shift=2.0, seed=seed)
    delta = rows.X[rows.y == 1].mean(axis=0) - rows.X[rows.y == 0].mean(axis=0)
    found = LinearSVM(1e-7).fit(rows.X, rows.y).direction_
    assert found @ delta / np.linalg.norm(delta) > 0.99999


@pytest.mark.parametrize("C", [0.0, -1.0, float("nan")])
def test_a_penalty_that_is_none_is_refused(C):
    with pytest.raises(ArrayError, match=r"C is .*; the inverse strength of the penalty must be positive"):
        LinearSVM(C).fit(ROWS.X, ROWS.y)


def test_stopping_early_is_said_with_the_gradient_that_is_left(monkeypatch):
    monkeypatch.setattr("tiltmeter.probes._svm._MOST_NEWTON_STEPS", 0)
    monkeypatch.setattr("tiltmeter.probes._margins._MOST_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match=r"stopped after 1 steps with a gradient of .*; use a smaller C"):
        linear_svm(ROWS.X, ROWS.y, C=10.0)


def test_separable_rows_are_split_halfway_between_the_nearest():
    found = linear_svm(np.array([[-9.0], [-1.0], [3.0], [7.0]]), np.array([0, 0, 1, 1]), C=1e6)
    assert -found.offset / found.vector[0] == pytest.approx(1.0, abs=1e-9)
