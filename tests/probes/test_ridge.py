import numpy as np
import pytest
from sklearn.linear_model import Ridge as TheirRidge

from tests.methods import plant
from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import Moments
from tiltmeter.probes import LDA, Ridge, ridge

ROWS = plant(60, 6, shift=1.5, seed=0)
X, y = ROWS.X * np.geomspace(0.1, 10, 6) + 2.0, ROWS.y
UNEVEN = np.arange(120) < 100
UNEVEN &= (y == 1) | (np.arange(120) % 4 == 0)


def within_variance(X, y):
    """Return the mean over features of the mean squared distance from the class mean, in loops."""
    total = 0.0
    for label in (0, 1):
        rows = X[y == label]
        for j in range(X.shape[1]):
            mean = sum(float(v) for v in rows[:, j]) / len(rows)
            total += sum((float(v) - mean) ** 2 for v in rows[:, j])
    return total / X.size


@pytest.mark.parametrize("alpha", [0.0, 1e-3, 1.0, 100.0])
@pytest.mark.parametrize("rows", [slice(None), UNEVEN], ids=["balanced", "uneven"])
def test_ridge_solves_the_normal_equations(alpha, rows):
    here, labels = X[rows], y[rows]
    n, d = here.shape
    # with a column of ones for the intercept, which has no penalty
    wide = np.hstack([here, np.ones((n, 1))])
    left, right = np.zeros((d + 1, d + 1)), np.zeros(d + 1)
    for row, label in zip(wide, labels, strict=True):
        for j in range(d + 1):
            right[j] += row[j] * (2 * label - 1) / n
            for k in range(d + 1):
                left[j, k] += row[j] * row[k] / n
    for j in range(d):
        left[j, j] += alpha * within_variance(here, labels)
    expected = np.linalg.solve(left, right)
    found = ridge(here, labels, alpha=alpha)
    np.testing.assert_allclose(found.vector, expected[:-1], rtol=1e-8)
    assert found.offset == pytest.approx(expected[-1])


@pytest.mark.parametrize("alpha", [1e-3, 1.0, 100.0])
@pytest.mark.parametrize("is_weighted", [False, True])
def test_ridge_is_scikit_learns_with_the_penalty_in_units_of_the_rows(alpha, is_weighted):
    times = np.random.default_rng(0).integers(1, 4, size=len(y))
    index = np.repeat(np.arange(len(y)), times) if is_weighted else np.arange(len(y))
    found = ridge(X, y, alpha=alpha, sample_weight=times.astype(float) if is_weighted else None)
    theirs = TheirRidge(alpha=alpha * len(index) * within_variance(X[index], y[index]))
    theirs.fit(X, 2 * y - 1, sample_weight=times if is_weighted else None)
    np.testing.assert_allclose(found.vector, theirs.coef_, rtol=1e-8)
    assert found.offset == pytest.approx(theirs.intercept_)


@pytest.mark.parametrize("alpha", [0.0, 0.1, 1.0, 30.0])
@pytest.mark.parametrize("rows", [slice(None), UNEVEN], ids=["balanced", "uneven"])
def test_its_direction_is_ldas_with_the_corresponding_shrinkage_for_any_class_balance(alpha, rows):
    here, there = Ridge(alpha).fit(X[rows], y[rows]), LDA(alpha / (1 + alpha)).fit(X[rows], y[rows])
    np.testing.assert_allclose(here.direction_, there.direction_, atol=1e-10)


def test_its_zero_is_not_midway_where_the_classes_are_uneven():
    here, there = Ridge().fit(X[UNEVEN], y[UNEVEN]), LDA(0.5).fit(X[UNEVEN], y[UNEVEN])
    assert abs(here.intercept_ - there.intercept_) > 0.1
    assert Ridge().fit(X, y).intercept_ == pytest.approx(LDA(0.5).fit(X, y).intercept_)


def test_a_rare_class_gets_no_score_above_zero_but_is_ranked():
    rng = np.random.default_rng(0)
    labels = (np.arange(2000) % 200 == 0).astype(int)
    rows = rng.normal(size=(2000, 5)) + 3.0 * labels[:, None] * np.eye(5)[0]
    scores = Ridge().fit(rows, labels).decision_function(rows)
    assert (scores > 0).sum() == 0
    assert scores[labels == 1].min() > np.median(scores[labels == 0])


@pytest.mark.parametrize("alpha", [0.0, 1.0])
def test_moments_give_the_same_ridge(alpha):
    here, there = Ridge(alpha).fit_moments(Moments(6).update(X, y)), Ridge(alpha).fit(X, y)
    np.testing.assert_allclose(here.direction_, there.direction_, atol=1e-10)
    assert here.intercept_ == pytest.approx(there.intercept_)


def test_a_singular_covariance_needs_a_penalty():
    few = plant(5, 30, shift=4.0, seed=3)
    with pytest.raises(ArrayError, match="covariance is singular; use alpha above 0"):
        Ridge(0.0).fit(few.X, few.y)
    assert np.isfinite(Ridge(1e-6).fit(few.X, few.y).direction_).all()


@pytest.mark.parametrize("alpha", [-1.0, float("nan"), float("inf")])
def test_a_penalty_that_is_negative_or_endless_is_refused(alpha):
    for fit in (lambda: Ridge(alpha).fit(X, y), lambda: Ridge(alpha).fit_moments(Moments(6).update(X, y))):
        with pytest.raises(ArrayError, match=r"alpha is .*; the strength of the penalty must be finite"):
            fit()


def test_rows_equal_to_their_class_mean_are_fitted_without_error():
    labels = np.arange(30) % 2
    rows = np.outer(labels, [0.1, 0.3]) + 0.123
    found = ridge(rows, labels, alpha=1.0)
    np.testing.assert_allclose(rows @ found.vector + found.offset, 2 * labels - 1, atol=1e-9)
