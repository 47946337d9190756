import warnings

import numpy as np
import pytest
from scipy import optimize
from sklearn.linear_model import LogisticRegression

from tests.methods import plant
from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.probes import LDA, Found, Logistic, logistic, logistic_path, mean_difference

pytestmark = pytest.mark.smoke

ROWS = plant(80, 8, shift=1.5, seed=0)
SCALES = np.geomspace(0.1, 10, 8)


def naive_objective(w, b, X, y, C, weight=None):
    """Σ log-loss + |w|² / (2C), a term at a time."""
    total = 0.0
    for i in range(len(X)):
        score = b + sum(float(X[i, j]) * float(w[j]) for j in range(len(w)))
        margin = score if y[i] == 1 else -score
        loss = np.log1p(np.exp(-margin)) if margin > -30 else -margin
        total += loss * (1.0 if weight is None else float(weight[i]))
    return total + sum(float(v) ** 2 for v in w) / (2 * C)


def minimised_by_scipy(X, y, C):
    def objective(theta):
        margin = np.where(y == 1, 1, -1) * (X @ theta[:-1] + theta[-1])
        pull = -np.where(y == 1, 1, -1) / (1 + np.exp(margin))
        gradient = np.append(X.T @ pull + theta[:-1] / C, pull.sum())
        return np.logaddexp(0, -margin).sum() + theta[:-1] @ theta[:-1] / (2 * C), gradient

    def hessian(theta):
        p = 1 / (1 + np.exp(-(X @ theta[:-1] + theta[-1])))
        one = np.hstack([X, np.ones((len(X), 1))])
        return one.T @ ((p * (1 - p))[:, None] * one) + np.diag(np.append(np.full(X.shape[1], 1 / C), 0))

    start = np.zeros(X.shape[1] + 1)
    return optimize.minimize(
        objective, start, jac=True, hess=hessian, method="trust-exact", options={"gtol": 1e-10, "maxiter": 1000}
    ).x


@pytest.mark.parametrize("C", [1e-4, 1e-2, 1.0, 1e2])
@pytest.mark.parametrize("scales", [np.ones(8), SCALES], ids=["even", "anisotropic"])
def test_logistic_minimises_its_objective_as_scipy_does(C, scales):
    X = ROWS.X * scales
    found = logistic(X, ROWS.y, C=C)
    theta = minimised_by_scipy(X, ROWS.y, C)
    ours = naive_objective(found.vector, found.offset, X, ROWS.y, C)
    theirs = naive_objective(theta[:-1], theta[-1], X, ROWS.y, C)
    assert ours == pytest.approx(theirs, rel=1e-8)
    np.testing.assert_allclose(found.vector, theta[:-1], rtol=1e-4, atol=1e-4 * np.abs(theta[:-1]).max())


@pytest.mark.parametrize("C", [1e-3, 1.0, 1e2])
def test_the_raw_penalty_is_scikit_learns(C):
    X = ROWS.X * SCALES
    theirs = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(X, ROWS.y)
    found = logistic(X, ROWS.y, C=C)
    np.testing.assert_allclose(found.vector, theirs.coef_[0], rtol=1e-5, atol=1e-7 * np.abs(found.vector).max())
    assert found.offset == pytest.approx(theirs.intercept_[0], rel=1e-5)


def test_the_within_penalty_is_the_raw_one_in_units_of_the_within_class_variance():
    X = ROWS.X * SCALES
    total = 0.0
    for label in (0, 1):
        rows = X[label == ROWS.y]
        for row in rows:
            total += sum((row[j] - rows[:, j].mean()) ** 2 for j in range(8))
    variance = total / (len(X) * 8)
    within, raw = logistic(X, ROWS.y, C=0.3, penalty_scale="within"), logistic(X, ROWS.y, C=0.3 / variance)
    np.testing.assert_allclose(within.vector, raw.vector, rtol=1e-6)


def test_the_gradient_of_the_weighted_objective_vanishes():
    weight = np.random.default_rng(1).uniform(0, 3, size=len(ROWS.y))
    found = logistic(ROWS.X, ROWS.y, C=0.5, sample_weight=weight)
    here = naive_objective(found.vector, found.offset, ROWS.X, ROWS.y, 0.5, weight)
    for j in range(8):
        step = np.eye(8)[j] * 1e-4
        ahead = naive_objective(found.vector + step, found.offset, ROWS.X, ROWS.y, 0.5, weight)
        behind = naive_objective(found.vector - step, found.offset, ROWS.X, ROWS.y, 0.5, weight)
        assert min(ahead, behind) > here
        assert (ahead - behind) / 2e-4 == pytest.approx(0.0, abs=1e-5)


def test_two_copies_of_every_row_are_half_the_penalty():
    here = Logistic(C=1.0).fit(ROWS.X, ROWS.y)
    there = Logistic(C=0.5).fit(np.tile(ROWS.X, (2, 1)), np.tile(ROWS.y, 2))
    np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-7)


@pytest.mark.parametrize("d", [1024, 1025])
def test_both_solvers_reach_the_optimum(d):
    # Newton up to 1,024 features, L-BFGS above
    wide = plant(60, d, shift=6.0, seed=1)
    found = logistic(wide.X, wide.y, C=0.1)
    p = 1 / (1 + np.exp(-(wide.X @ found.vector + found.offset)))
    gradient = wide.X.T @ (p - wide.y) + found.vector / 0.1
    assert np.abs(gradient).max() < 1e-5 * np.abs(wide.X.T @ (0.5 - wide.y)).max()
    assert (p - wide.y).sum() == pytest.approx(0.0, abs=1e-4)


@pytest.mark.parametrize("C", [0.0, -1.0, float("nan")])
def test_a_penalty_that_is_none_is_refused(C):
    with pytest.raises(ArrayError, match=r"C is .*; the inverse strength of the penalty must be positive"):
        Logistic(C).fit(ROWS.X, ROWS.y)


def test_stopping_early_is_said_once_with_what_is_left(monkeypatch):
    monkeypatch.setattr("tiltmeter.probes._logistic._MOST_STEPS", 2)
    with pytest.warns(ConvergenceWarning, match="stopped where a relative gain of .* was still promised") as caught:
        Logistic(C=100.0).fit(ROWS.X, ROWS.y)
    assert len(caught) == 1


def naive(X, y, found, C):
    return float(
        np.logaddexp(0, -(2 * y - 1) * (X @ found.vector + found.offset)).sum() + found.vector @ found.vector / 2 / C
    )


@pytest.mark.parametrize("C", [1e-4, 1.0, 1e4])
@pytest.mark.parametrize(("n", "d"), [(200, 20), (60, 90)])
@pytest.mark.parametrize("offset", [1e2, 1e4])
def test_rows_far_from_the_origin_have_the_same_optimum(n, d, C, offset):
    rng = np.random.default_rng(0)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, d)) + 2 * y[:, None] * np.eye(d)[0]
    here, there = logistic(X, y, C=C), logistic(X + offset, y, C=C)
    np.testing.assert_allclose(there.vector, here.vector, atol=1e-7 * np.abs(here.vector).max())
    assert naive(X + offset, y, there, C) == pytest.approx(naive(X, y, here, C), rel=1e-9)


def test_wide_rows_of_features_of_unlike_scale_are_solved_too():
    # as many rows and features as Newton's method is not used for
    rng = np.random.default_rng(0)
    y = np.arange(60) % 2
    X = (rng.normal(size=(60, 1100)) + 0.5 * y[:, None]) * np.logspace(-2, 2, 1100)
    ours = logistic(X, y, C=1e-3)
    # the optimum lies in the span of the centred rows, where the problem is small and SciPy solves it
    basis = np.linalg.svd(X - X.mean(0), full_matrices=False)[2][:59].T
    start = np.append(ours.vector @ basis, ours.offset)

    def at(x):
        return naive(X, y, Found(basis @ x[:-1], x[-1]), 1e-3)

    best = optimize.minimize(at, start + 1e-3 * np.abs(start).max(), method="BFGS", options={"gtol": 1e-7})
    assert naive(X, y, ours, 1e-3) <= best.fun * (1 + 1e-9)


@pytest.mark.parametrize("width", [10, 5000])
def test_both_searches_find_the_same(monkeypatch, width):
    monkeypatch.setattr("tiltmeter.probes._logistic._NEWTON_WIDTH", width)
    exact = LogisticRegression(C=1.0, solver="newton-cg", tol=1e-12, max_iter=10000).fit(ROWS.X, ROWS.y)
    np.testing.assert_allclose(logistic(ROWS.X, ROWS.y).vector, exact.coef_[0], atol=1e-5)


def test_penalties_of_a_path_are_positive():
    with pytest.raises(ArrayError, match="penalties are"):
        logistic_path(ROWS.X, ROWS.y, penalties=(0.0,))


def test_separable_rows_converge_without_a_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        probe = Logistic(C=1e4).fit(np.array([[-2.0], [-1.0], [1.0], [2.0]]), np.array([0, 0, 1, 1]))
    assert probe.predict([[-0.5], [0.5]]).tolist() == [0, 1]


# ------------------------------------------------------------ the λ path

PENALTIES = (1e-4, 1e-2, 1.0, 1e2, 1e4)


def anisotropic(seed, *, share=0.2):
    """Draw 2,000 rows of 30 features with scales geomspaced 0.1 to 10 (METHODS section 1).

    A share of them is positive, shifted in feature j by scale_j · g_j / 2 with g_j ~ N(0, 1).
    """
    rng = np.random.default_rng(seed)
    scales = np.geomspace(0.1, 10, 30)
    y = (np.arange(2000) < share * 2000).astype(int)
    shift = scales * rng.normal(size=30) / 2
    return rng.normal(size=(2000, 30)) * scales + y[:, None] * shift, y


@pytest.mark.parametrize("seed", range(5))
def test_the_path_runs_monotonically_into_the_mean_difference(seed):
    X, y = anisotropic(seed)
    path = logistic_path(X, y, penalties=PENALTIES)
    assert (np.diff(path.cosines) > 0).all(), path.cosines
    assert path.cosines[-1] > 0.999
    discriminant = LDA().fit(X, y).direction_
    goal = mean_difference(X, y).vector
    # weak penalties are nearer to LDA's end than to the mean difference's
    assert discriminant @ goal / np.linalg.norm(goal) < path.cosines[2] < 0.99


def test_the_path_ends_at_the_mean_difference_for_any_class_balance():
    for share in (0.05, 0.5, 0.9):
        assert logistic_path(*anisotropic(0, share=share), penalties=(1e4,)).cosines[0] > 0.999


def test_the_limit_has_the_predicted_length():
    # w → π (1 − π) (μ₁ − μ₀) / λ
    X, y = anisotropic(0)
    found = logistic(X, y, C=1 / (len(X) * 1e5)).vector
    np.testing.assert_allclose(found * 1e5, 0.2 * 0.8 * mean_difference(X, y).vector, rtol=0.01, atol=1e-4)


def test_the_path_lists_unit_directions():
    X, y = anisotropic(0)
    path = logistic_path(X, y, penalties=PENALTIES)
    np.testing.assert_allclose(np.linalg.norm(path.directions, axis=1), 1.0)
    fitted = Logistic(C=1 / (len(X) * 1e-2)).fit(X, y)
    np.testing.assert_allclose(path.directions[1], fitted.direction_, atol=1e-7)


def test_much_penalty_collapses_the_labels_but_not_the_ranking():
    # the trap of METHODS section 1: re-threshold such a probe
    X, y = anisotropic(0)
    probe = Logistic(C=1 / (len(X) * 1e4)).fit(X, y)
    assert probe.predict(X).sum() == 0
    scores = probe.decision_function(X)
    assert scores[y == 1].mean() > scores[y == 0].mean()


def test_a_large_offset_does_not_swallow_the_ranking_in_single_precision():
    rng = np.random.default_rng(0)
    y = (np.arange(400) % 10 == 0).astype(int)
    X = (rng.normal(size=(400, 20)) + 2.0 * y[:, None] * np.eye(20)[0]).astype(np.float32)
    scores = Logistic(C=1e-9).fit(X, y).decision_function(X)
    assert len(np.unique(scores)) > 390
