import numpy as np
import pytest

from tests.erasure.anisotropic import anisotropic, classes, leace_change
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.erasure import INLP, inlp
from tiltmeter.erasure._inlp import row_space
from tiltmeter.probes import logistic

SEEDS = range(5)


def naive_inlp(X, z, n_iterations):
    """Fit, add the classifier's projector to a sum, project onto what that sum maps to 0, and so on."""
    centred = X - X.mean(axis=0)
    d = X.shape[1]
    means = np.stack([centred[z == code].mean(axis=0) for code in (0, 1)])
    within = ((centred - means[z]) ** 2).mean()
    total = np.zeros((d, d))
    kept = centred
    for _ in range(n_iterations):
        w = logistic(kept, z, C=1 / within).vector
        total += np.outer(w, w) / (w @ w)
        values, vectors = np.linalg.eigh(total)
        intersection = vectors[:, values < 1e-10]
        kept = centred @ intersection @ intersection.T
    return intersection @ intersection.T


def naive_product(directions):
    """The faulty way: each null-space projection multiplied onto those before."""
    product = np.eye(directions.shape[1])
    for w in directions:
        product = product @ (np.eye(len(w)) - np.outer(w, w) / (w @ w))
    return product


def test_inlp_equals_the_naive_twin():
    X, z = anisotropic(0, n=500, d=8)
    found = inlp(X, z, n_iterations=4, stop_margin=0.0)
    np.testing.assert_allclose(np.eye(8) - found.directions.T @ found.directions, naive_inlp(X, z, 4), atol=1e-8)


@pytest.mark.parametrize("seed", SEEDS)
def test_it_leaks_for_many_iterations_and_destroys_many_times_what_leace_does(seed):
    X, z = anisotropic(seed)
    found = inlp(X, z, n_iterations=20)
    # it falls slowly, as where published on rows whose scales and shift are not known: 1.00, 0.97, 0.86, 0.83, 0.67,
    # 0.62, 0.56, at 29 times LEACE's change; ours is over these seeds
    expected = [0.99, 0.84, 0.78, 0.72, 0.67, 0.63, 0.60]
    np.testing.assert_allclose(found.accuracies[: len(expected)], expected, atol=0.035)
    assert (np.diff(found.accuracies) < 0.015).all()
    assert found.is_exhausted and len(found.accuracies) > 10
    assert found.accuracies[-1] <= found.majority + 0.01
    assert (np.diff(found.squared_changes) > 0).all()
    assert 21 < found.squared_changes[-1] / leace_change(X, z) < 35


@pytest.mark.parametrize("seed", SEEDS)
def test_the_intersection_of_null_spaces_holds_no_direction_where_the_product_brings_them_back(seed):
    # classifiers that stop early, or start from random weights, leave something along directions that are gone
    directions = np.random.default_rng(seed).normal(size=(4, 10))
    basis = row_space(directions)
    ours = np.eye(10) - basis.T @ basis
    np.testing.assert_allclose(ours @ directions.T, 0.0, atol=1e-12)
    np.testing.assert_allclose(ours @ ours, ours, atol=1e-12)
    faulty = naive_product(directions)
    assert np.abs(faulty @ faulty - faulty).max() > 0.01
    assert np.linalg.norm(directions @ faulty, axis=1).max() > 0.1


def test_where_directions_are_at_right_angles_the_product_is_the_intersection():
    # the property for which the faulty way goes unnoticed
    basis = np.linalg.qr(np.random.default_rng(0).normal(size=(10, 4)))[0].T
    found = row_space(basis)
    np.testing.assert_allclose(naive_product(basis), np.eye(10) - found.T @ found, atol=1e-12)


def test_directions_that_repeat_or_vanish_add_no_rank():
    w = np.array([[1.0, 0.0, 0.0], [1e3, 0.0, 0.0], [0.0, 0.0, 0.0], [1.0, 1e-3, 0.0]])
    assert row_space(w).shape == (2, 3)
    assert row_space(np.zeros((2, 3))).shape == (0, 3)


def test_several_classes_lose_a_direction_each_against_the_rest():
    X, z = classes(0, separation=2.0)
    found = inlp(X, z, n_iterations=1)
    assert found.ranks.tolist() == [0, 4] and found.accuracies[0] > 0.8
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(4), atol=1e-12)


def test_the_last_accuracy_is_that_of_a_classifier_of_the_erased_rows():
    X, z = anisotropic(1, n=600)
    method = INLP(3).fit(X, z)
    left = method.transform(X)
    again = logistic(left, z, penalty_scale="within")
    assert ((left @ again.vector + again.offset > 0) == z).mean() == pytest.approx(method.accuracies_[-1], abs=0.01)
    assert ((left - X) ** 2).sum(axis=1).mean() == pytest.approx(method.squared_changes_[-1])


def test_on_shuffled_labels_it_stops_after_one_classifier():
    X, _ = anisotropic(0)
    stops = [
        len(inlp(X, np.random.default_rng(seed).permutation(4000) % 2, stop_margin=0.05).accuracies) for seed in SEEDS
    ]
    assert stops == [2] * 5


def test_with_fewer_rows_than_features_noise_is_told_apart_and_fresh_rows_are_not():
    # the accuracy by which it stops is that of its own rows, as its words say
    rng = np.random.default_rng(0)
    X, z = rng.normal(size=(20, 60)), np.arange(20) % 2
    found = inlp(X, z, n_iterations=5)
    assert found.accuracies[0] == 1.0 and np.isfinite(found.directions).all()
    probe = logistic(X, z, penalty_scale="within")
    fresh = rng.normal(size=(1000, 60))
    assert abs(((fresh @ probe.vector + probe.offset > 0) == np.arange(1000) % 2).mean() - 0.5) < 0.06


def test_when_no_dimension_is_left_it_stops_at_the_majority():
    X, z = anisotropic(0, n=300, d=2)
    found = inlp(X, z, n_iterations=10, stop_margin=0.0)
    assert len(found.directions) == 2 and found.is_exhausted
    assert found.accuracies[-1] == found.majority == 0.5


def test_the_options_are_refused_with_what_is_needed():
    X, z = anisotropic(0, n=100, d=3)
    with pytest.raises(SpecError, match="n_iterations is 0"):
        inlp(X, z, n_iterations=0)
    with pytest.raises(SpecError, match="stop_margin is -1"):
        inlp(X, z, stop_margin=-1.0)
    with pytest.raises(ArrayError, match="C is 0"):
        inlp(X, z, C=0.0)
