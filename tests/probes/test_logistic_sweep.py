"""Many logistic regressions at once are the same ones as one at a time."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.methods import plant
from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.probes import Logistic, logistic, logistic_sweep

STRENGTHS = (1e-4, 1e-2, 1.0, 10.0)


def rows_of(n, d, *, seed=0, shift=2.0):
    planted = plant(n // 2, d, shift=shift, seed=seed)
    return planted.X * np.logspace(-1, 1, d), planted.y


def folds_of(n, *, count=3):
    return np.array([np.arange(n) % count != fold for fold in range(count)])


def objective(X, y, w, b, C):
    """The formula of the docstring, row by row."""
    total = float(w @ w) / (2 * C)
    for row, label in zip(X, y, strict=True):
        total += np.logaddexp(0.0, -(2 * label - 1) * (row @ w + b))
    return total


@pytest.mark.parametrize(("n", "d"), [(300, 12), (60, 150)])
def test_every_objective_is_scikit_learns(n, d):
    X, y = rows_of(n, d)
    folds = folds_of(n)
    fits = logistic_sweep({"s": X}, y, C=STRENGTHS, train=folds)["s"]
    assert fits.is_converged.all()
    for i, fold in enumerate(folds):
        for j, C in enumerate(STRENGTHS):
            model = LogisticRegression(C=C, solver="newton-cholesky", tol=1e-10, max_iter=1000).fit(X[fold], y[fold])
            best = objective(X[fold], y[fold], model.coef_[0], model.intercept_[0], C)
            ours = objective(X[fold], y[fold], fits.weights[i, j], fits.intercepts[i, j], C)
            assert ours == pytest.approx(best, rel=1e-6)
            assert fits.objectives[i, j] == pytest.approx(ours, rel=1e-5)


def test_every_direction_is_that_of_the_probe():
    X, y = rows_of(300, 12)
    fits = logistic_sweep({"s": X}, y, C=STRENGTHS)["s"]
    for weights, intercept, C in zip(fits.weights[0], fits.intercepts[0], STRENGTHS, strict=True):
        probe = Logistic(C=C).fit(X, y)
        norm = np.linalg.norm(weights)
        np.testing.assert_allclose(weights / norm, probe.direction_, atol=2e-4)
        assert intercept / norm == pytest.approx(probe.intercept_, abs=2e-3)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_penalties_relative_to_the_within_class_variance_do_not_depend_on_the_scale(scale):
    X, y = rows_of(200, 10)
    here, there = (
        logistic_sweep({"s": factor * X}, y, C=STRENGTHS, train=folds_of(200), penalty_scale="within")["s"]
        for factor in (1.0, scale)
    )
    np.testing.assert_allclose(there.weights * scale, here.weights, rtol=1e-4, atol=1e-6)
    # the control: the raw penalty is in the units of X
    raw = [logistic_sweep({"s": factor * X}, y, C=[0.01])["s"].weights[0, 0] for factor in (1.0, scale)]
    turned = raw[0] @ raw[1] / np.linalg.norm(raw[0]) / np.linalg.norm(raw[1])
    assert turned < 0.999


def test_a_relative_strength_is_that_of_the_probe():
    X, y = rows_of(200, 10)
    fits = logistic_sweep({"s": X}, y, C=[0.1], penalty_scale="within")["s"]
    probe = Logistic(C=0.1, penalty_scale="within").fit(X, y)
    np.testing.assert_allclose(fits.weights[0, 0] / np.linalg.norm(fits.weights), probe.direction_, atol=2e-4)


def test_sites_are_fitted_apart_and_named():
    (X, y), (Z, _) = rows_of(200, 10), rows_of(200, 6, seed=1)
    together = logistic_sweep({"0.resid_post": X, "1.resid_post": Z}, y, C=STRENGTHS)
    assert list(together) == ["0.resid_post", "1.resid_post"]
    np.testing.assert_array_equal(
        together["1.resid_post"].weights, logistic_sweep({"x": Z}, y, C=STRENGTHS)["x"].weights
    )


def test_rows_outside_a_fold_do_not_matter():
    X, y = rows_of(200, 10)
    fold = folds_of(200)[:1]
    changed = X.copy()
    changed[~fold[0]] += np.random.default_rng(0).normal(size=(int((~fold[0]).sum()), 10))
    labels = np.where(fold[0], y, 1 - y)
    here = logistic_sweep({"s": X}, y, C=STRENGTHS, train=fold)["s"]
    there = logistic_sweep({"s": changed}, labels, C=STRENGTHS, train=fold)["s"]
    np.testing.assert_allclose(there.weights, here.weights, rtol=1e-3, atol=1e-5)


def test_scores_are_those_of_each_fit():
    X, y = rows_of(100, 5)
    fits = logistic_sweep({"s": X}, y, C=STRENGTHS, train=folds_of(100))["s"]
    assert fits.scores(X).shape == (3, 4, 100)
    np.testing.assert_allclose(fits.scores(X)[1, 2], X @ fits.weights[1, 2] + fits.intercepts[1, 2])


def test_shuffled_labels_find_nothing():
    X, y = rows_of(400, 10)
    fresh, truth = rows_of(400, 10, seed=0)
    shuffled = np.random.default_rng(0).permutation(y)
    found, null = (logistic_sweep({"s": X}, labels, C=[0.01])["s"].scores(fresh)[0, 0] for labels in (y, shuffled))
    assert np.corrcoef(found, truth)[0, 1] > 0.3
    assert abs(np.corrcoef(null, truth)[0, 1]) < 0.25


@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_rows_are_fitted(dtype):
    X, y = rows_of(200, 10)
    wide = logistic_sweep({"s": X.astype(dtype).astype(np.float64)}, y, C=[0.1])["s"]
    np.testing.assert_allclose(logistic_sweep({"s": X.astype(dtype)}, y, C=[0.1])["s"].weights, wide.weights, rtol=1e-3)


def test_a_constant_feature_has_no_weight_and_constant_rows_none_at_all():
    X, y = rows_of(100, 5)
    X[:, 2] = 7.0
    fits = logistic_sweep({"s": X, "flat": np.ones((100, 3))}, y, C=STRENGTHS)
    assert np.abs(fits["s"].weights[..., 2]).max() < 1e-5
    assert np.abs(fits["flat"].weights).max() < 1e-5


def test_a_rare_class_is_fitted():
    rng = np.random.default_rng(0)
    y = (np.arange(2000) % 200 == 0).astype(int)
    X = rng.normal(size=(2000, 6))
    X[y == 1, 0] += 6.0
    fits = logistic_sweep({"s": X}, y, C=STRENGTHS)["s"]
    weights = fits.weights[0] / np.linalg.norm(fits.weights[0], axis=1, keepdims=True)
    assert (weights[:, 0] > 0.9).all()


def test_what_did_not_converge_is_told():
    X, y = rows_of(100, 40)
    with pytest.warns(ConvergenceWarning, match=r"2 of 2 logistic regressions at s did not converge"):
        fits = logistic_sweep({"s": X}, y, C=[0.01, 1.0], tol=0.0)["s"]  # rounding leaves something to gain
    assert fits.is_converged.tolist() == [[False, False]]


@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"C": []}, "C is"),
        ({"C": [1.0, 0.0]}, "positive, finite inverse strengths"),
        ({"C": [np.inf]}, "positive, finite inverse strengths"),
        ({"train": np.ones((2, 100), int)}, "train has dtype int64; it must be boolean"),
        ({"y": np.arange(100)}, "labels must be 0 and 1"),
        ({"train": np.ones((2, 99), bool)}, r"train has shape \(2, 99\) for 100 labels"),
        ({"train": np.arange(100)[None] % 2 == 0}, "Fold 0 is fitted on one class only"),
        ({"sites": {"s": np.ones((99, 5))}}, r"The rows of s have shape \(99, 5\) for 100 labels"),
        ({"sites": {"s": np.full((100, 5), np.nan)}}, "The rows of s hold NaN"),
    ],
)
def test_bad_input_is_told_in_one_sentence(change, message):
    X, _ = rows_of(100, 5)
    given = {"sites": {"s": X}, "y": np.arange(100) % 2, "C": [1.0], "train": None} | change
    with pytest.raises(ArrayError, match=message):
        logistic_sweep(given.pop("sites"), given.pop("y"), **given)


WIDE = (1e-6, 1e-3, 1.0, 1e3, 1e6)


@pytest.mark.parametrize("kind", ["separable", "fewer rows than features", "one positive row", "unlike scales"])
def test_every_objective_is_the_least_however_small(kind):
    n, d, shift = {"separable": (200, 20, 10.0), "fewer rows than features": (30, 100, 2.0)}.get(kind, (200, 20, 2.0))
    X, y = rows_of(n, d, shift=shift)
    if kind == "one positive row":
        y = (np.arange(n) == 0).astype(int)
    if kind == "unlike scales":
        X = X * np.logspace(-2, 2, d)
    fits = logistic_sweep({"s": X}, y, C=WIDE)["s"]
    assert fits.is_converged.all()
    for j, C in enumerate(WIDE):
        best = logistic(X, y, C=C)
        least = objective(X, y, best.vector, best.offset, C)
        # margins are products in single precision: the log-loss of a row far on its side, exp(-margin), is known to
        # that share of itself to which its margin is known in nats
        margins = np.abs(X) @ np.abs(best.vector) + abs(best.offset)
        room = 1e-6 + np.finfo(np.float32).eps * margins.max()
        assert objective(X, y, fits.weights[0, j], fits.intercepts[0, j], C) <= least * (1 + room)
        assert fits.objectives[0, j] == pytest.approx(least, rel=1e-5)


@pytest.mark.parametrize("offset", [1e4, 1e6])
def test_an_offset_that_rows_share_costs_no_digits(offset):
    X, y = rows_of(200, 10)
    here, there = (logistic_sweep({"s": rows}, y, C=STRENGTHS)["s"] for rows in (X, X + offset))
    np.testing.assert_allclose(there.objectives, here.objectives, rtol=1e-6)
    np.testing.assert_allclose(there.weights, here.weights, rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("C", [1.0, 1e4, 1e6])
def test_features_that_stand_twice_share_their_weight(C):
    X, y = rows_of(200, 10)
    twice = logistic_sweep({"s": np.hstack([X, X])}, y, C=[C])["s"].weights[0, 0]
    np.testing.assert_allclose(twice[:10], twice[10:], atol=1e-4 * np.abs(twice).max())
    exact = logistic(np.hstack([X, X]), y, C=C).vector
    assert twice @ exact / np.linalg.norm(twice) / np.linalg.norm(exact) > 0.99999
