import numpy as np
import pytest
from scipy.optimize import minimize
from sklearn.linear_model import LogisticRegression

from tests.contrasts import draw
from tests.methods import plant
from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import auroc
from tiltmeter.probes import ContrastLogistic, Logistic, contrast_logistic

SEEDS = range(5)
ROWS = plant(60, 5, shift=1.5, seed=0)
# the false row first
MEMBERS = np.array([sorted((2 * i, 2 * i + 1), key=lambda row: ROWS.y[row]) for i in range(60)])


def naive_objective(w, X, members, *, C, weights):
    """Σ weight · log(1 + exp(−w · (x_true − x_false))) + |w|² / (2C), in a loop."""
    total = sum(w * w) / (2 * C)
    for (false, true), weight in zip(members, weights, strict=True):
        total += weight * np.logaddexp(0, -sum(w * (X[true] - X[false])))
    return total


@pytest.mark.parametrize("C", [0.01, 0.1, 10.0])
@pytest.mark.parametrize("weights", [np.ones(60), np.arange(60) % 3 * 1.0], ids=["equal", "unequal"])
def test_it_minimises_the_naive_objective(C, weights):
    found = contrast_logistic(ROWS.X, MEMBERS, C=C, pair_weight=weights).vector
    options = {"C": C, "weights": weights}
    best = minimize(lambda w: naive_objective(w, ROWS.X, MEMBERS, **options), np.zeros(5), tol=1e-10)
    assert naive_objective(found, ROWS.X, MEMBERS, **options) <= best.fun + 1e-9
    np.testing.assert_allclose(found, best.x, atol=1e-4)


def test_it_is_scikit_learns_regression_without_an_intercept_in_any_order():
    order = np.where(np.arange(60)[:, None] % 2 == 0, MEMBERS, MEMBERS[:, ::-1])
    differences = ROWS.X[order[:, 1]] - ROWS.X[order[:, 0]]
    labels = np.arange(60) % 2 == 0
    theirs = LogisticRegression(C=0.1, fit_intercept=False, tol=1e-10, max_iter=1000).fit(differences, labels)
    np.testing.assert_allclose(contrast_logistic(ROWS.X, MEMBERS).vector, theirs.coef_[0], atol=1e-6)


def test_the_zero_lies_midway_between_the_mean_scores():
    probe = ContrastLogistic().fit(ROWS.X, ROWS.y, pairs=ROWS.pairs)
    scores = probe.decision_function(ROWS.X)
    assert scores[ROWS.y == 1].mean() == pytest.approx(-scores[ROWS.y == 0].mean(), abs=1e-12)


def test_sides_are_checked_and_change_nothing():
    alone = ContrastLogistic().fit(ROWS.X, ROWS.y, pairs=ROWS.pairs)
    for sides in (ROWS.sides, 1 - ROWS.sides, ROWS.y):
        other = ContrastLogistic().fit(ROWS.X, ROWS.y, pairs=ROWS.pairs, sides=sides)
        np.testing.assert_array_equal(other.direction_, alone.direction_)
    with pytest.raises(ArrayError, match="has sides"):
        ContrastLogistic().fit(ROWS.X, ROWS.y, pairs=ROWS.pairs, sides=np.zeros(120, dtype=int))


@pytest.mark.parametrize("seed", SEEDS)
def test_a_token_of_one_half_is_ignored(seed):
    data = draw(300, 16, separations=(4.0,), seed=seed, token=20.0)
    probe = ContrastLogistic().fit(data.X, data.y, pairs=data.pairs)
    assert probe.direction_ @ data.features[0] > 0.9
    assert abs(probe.direction_ @ data.token) < 0.15


@pytest.mark.parametrize("seed", SEEDS)
def test_what_a_pair_shares_cannot_mislead_it_as_it_does_single_rows(seed):
    # content ten times as loud as the noise, and few pairs: single rows are told apart by chance content
    rng = np.random.default_rng(seed)
    rows = plant(40, 60, shift=3.0, seed=seed)
    loud = rows.X + np.repeat(10 * rng.normal(size=(40, 60)), 2, axis=0)
    fresh = plant(500, 60, shift=3.0, seed=100 + seed, direction=rows.direction)
    contrast = ContrastLogistic().fit(loud, rows.y, pairs=rows.pairs)
    single = Logistic().fit(loud, rows.y)
    right, wrong = (auroc(fresh.y, probe.decision_function(fresh.X)) for probe in (contrast, single))
    assert right > wrong


def test_a_penalty_within_does_not_depend_on_the_scale():
    here, there = (
        contrast_logistic(scale * ROWS.X, MEMBERS, penalty_scale="within").vector * scale for scale in (1.0, 1e3)
    )
    np.testing.assert_allclose(here, there, rtol=1e-6)
    raw = [contrast_logistic(scale * ROWS.X, MEMBERS).vector for scale in (1.0, 1e3)]
    assert abs(raw[0] @ raw[1]) < (1 - 1e-5) * np.linalg.norm(raw[0]) * np.linalg.norm(raw[1])


def test_a_pair_of_two_true_rows_is_refused_by_name():
    y = ROWS.y.copy()
    y[6:8] = 1
    with pytest.raises(ArrayError, match=r"Pair 'pair 3' has the labels \[1, 1\]; every pair needs one row of each"):
        ContrastLogistic().fit(ROWS.X, y, pairs=ROWS.pairs)


def test_two_weights_for_one_pair_are_refused_by_name():
    weights = np.ones(120)
    weights[6] = 2
    with pytest.raises(ArrayError, match=r"pair 'pair 3' have the weights \[\d\.0, \d\.0\]; a pair has one weight"):
        ContrastLogistic().fit(ROWS.X, ROWS.y, pairs=ROWS.pairs, sample_weight=weights)


def test_identical_pairs_are_refused():
    with pytest.raises(ArrayError, match="ContrastLogistic found no direction"):
        ContrastLogistic().fit(np.repeat(ROWS.X[::2], 2, axis=0), ROWS.y, pairs=ROWS.pairs)


@pytest.mark.parametrize("C", [0.0, -1.0])
def test_a_strength_that_is_not_positive_is_refused(C):
    with pytest.raises(ArrayError, match="must be positive"):
        contrast_logistic(ROWS.X, MEMBERS, C=C)
