import numpy as np
import pytest
from by_hand import dealt, mean_projection, median_projection, shifted
from scipy import stats

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure import best_thresholds, counterexample, threshold_reader
from tiltmeter.probes import linear_svm, logistic

SEEDS = range(5)


def naive_best(scores, y):
    """The best balanced accuracy over every cut between two distinct scores, and both ways round, in loops."""
    best = 0.5
    for cut in sorted(set(scores.tolist())):
        above = [score >= cut for score in scores]
        right = [sum(a == bool(t) for a, t in zip(above, y, strict=True) if t == label) for label in (0, 1)]
        accuracy = (right[0] / (y == 0).sum() + right[1] / (y == 1).sum()) / 2
        best = max(best, accuracy, 1 - accuracy)
    return best


@pytest.mark.parametrize("seed", SEEDS)
def test_the_best_cut_equals_the_naive_twin_with_ties(seed):
    rng = np.random.default_rng(seed)
    y = (rng.random(40) < 0.3).astype(np.int64)
    y[:2] = 0, 1
    scores = rng.integers(0, 6, size=(40, 8)) + 0.3 * y[:, None] * rng.integers(0, 2, size=(40, 8))
    found = best_thresholds(scores, y)
    for k in range(8):
        assert found.accuracies[k] == pytest.approx(naive_best(scores[:, k], y), abs=1e-12)
        called = (scores[:, k] > found.thresholds[k]) == (found.signs[k] > 0)
        assert (called[y == 1].mean() + 1 - called[y == 0].mean()) / 2 == pytest.approx(found.accuracies[k], abs=1e-12)


def test_the_best_cut_is_half_of_one_and_the_distance_of_kolmogorov_and_smirnov():
    rng = np.random.default_rng(0)
    y, scores = np.arange(301) % 2, rng.normal(size=(301, 3)) + np.outer(np.arange(301) % 2, [0.0, 0.5, -2.0])
    for k in range(3):
        distance = stats.ks_2samp(scores[y == 1, k], scores[y == 0, k]).statistic
        assert best_thresholds(scores, y).accuracies[k] == pytest.approx((1 + distance) / 2, abs=1e-12)


def test_scores_that_differ_by_rounding_are_not_cut_apart():
    y = np.array([0, 1, 0, 1])
    assert best_thresholds(1e3 + 1e-13 * y[:, None], y).accuracies.tolist() == [0.5]
    assert best_thresholds(1e3 + 1e-3 * y[:, None], y).accuracies.tolist() == [1.0]


@pytest.mark.parametrize("seed", SEEDS)
def test_it_reads_what_mean_projection_leaves_and_convex_losses_do_not_see(seed):
    made = counterexample(2000, 20, random_state=seed)
    erased = mean_projection(made.X, made.z)(made.X)
    # on the fitting rows the constant is the best predictor of every convex loss
    for fit in (logistic, linear_svm):
        found = fit(erased, made.z, C=1.0)
        assert np.linalg.norm(found.vector) < 1e-5
        assert abs(found.offset) < 1e-5
    found = threshold_reader(erased, made.z, random_state=seed)
    assert found.accuracy >= 0.88
    assert found.majority == 0.5
    assert abs(found.direction @ made.direction) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_it_reads_it_in_rows_that_it_was_not_fitted_on(seed):
    made = counterexample(4000, 20, random_state=seed)
    fitting, reading, judging = dealt(made, 3)
    eraser = mean_projection(made.X[fitting], made.z[fitting])
    erased, z = eraser(made.X), made.z
    found = threshold_reader(erased[reading], z[reading], random_state=seed)
    assert ((found.score(erased[judging]) > 0) == z[judging]).mean() >= 0.88
    for fit in (logistic, linear_svm):
        linear = fit(erased[reading], z[reading])
        called = erased[judging] @ linear.vector + linear.offset > 0
        assert (called == z[judging]).mean() == pytest.approx(0.5, abs=0.06)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_projection_along_medians_leaves_it_little(seed):
    # the same rows: outliers do not move the median, so the direction that a threshold needs is found and taken
    made = counterexample(2000, 20, random_state=seed)
    erased = median_projection(made.X, made.z)(made.X)
    assert threshold_reader(erased, made.z, random_state=seed).accuracy < 0.65


@pytest.mark.parametrize("seed", SEEDS)
def test_it_reads_a_shift_as_well_as_theory_allows_and_nothing_of_shuffled_labels(seed):
    X, z = shifted(2000, 10, shift=2.0, seed=seed)
    found = threshold_reader(X[:1000], z[:1000])
    accuracy = ((found.score(X[1000:]) > 0) == z[1000:]).mean()
    # Φ(shift / 2) is the best there is
    assert accuracy == pytest.approx(stats.norm.cdf(1.0), abs=0.04)
    shuffled = np.random.default_rng(100 + seed).permutation(z)
    found = threshold_reader(X[:1000], shuffled[:1000])
    assert ((found.score(X[1000:]) > 0) == shuffled[1000:]).mean() == pytest.approx(0.5, abs=0.05)


def test_the_accuracy_is_that_of_the_direction_and_the_threshold_that_it_names():
    X, z = shifted(500, 6, shift=1.0, seed=0, prevalence=0.2)
    found = threshold_reader(X, z)
    called = found.score(X) > 0
    assert (called[z == 1].mean() + 1 - called[z == 0].mean()) / 2 == pytest.approx(found.accuracy, abs=1e-9)
    assert np.linalg.norm(found.direction) == pytest.approx(1.0)
    assert found.majority == pytest.approx(0.8)
    assert found.n_tried > 64


@pytest.mark.parametrize("change", [lambda X: 1e-3 * X, lambda X: 1e3 * X, lambda X: X + 1e4, lambda X: -X])
def test_it_reads_as_well_in_other_units_and_about_another_origin(change):
    made = counterexample(1000, 8, random_state=1)
    assert threshold_reader(change(made.X), made.z).accuracy == pytest.approx(0.9, abs=0.01)


@pytest.mark.parametrize("dtype", [np.float32, np.float16])
def test_it_reads_single_and_half_precision(dtype):
    made = counterexample(1000, 8, random_state=1)
    assert threshold_reader(made.X.astype(dtype), made.z).accuracy >= 0.88


def test_the_same_seed_finds_the_same_direction():
    X, z = shifted(300, 12, shift=0.7, seed=3)
    first, again = (threshold_reader(X, z, random_state=4) for _ in range(2))
    np.testing.assert_array_equal(first.direction, again.direction)
    assert first.threshold == again.threshold


def test_a_search_on_part_of_many_rows_sets_its_threshold_on_all_of_them():
    X, z = shifted(9000, 3, shift=2.0, seed=0, prevalence=0.005)
    found = threshold_reader(X, z)
    called = found.score(X) > 0
    assert (called[z == 1].mean() + 1 - called[z == 0].mean()) / 2 == pytest.approx(found.accuracy, abs=1e-9)
    assert found.accuracy > 0.8


def test_constant_features_duplicate_rows_and_more_features_than_rows_are_no_hindrance():
    X, z = shifted(60, 6, shift=3.0, seed=0)
    X[:, 3] = 7.0
    assert threshold_reader(np.vstack([X, X]), np.tile(z, 2)).accuracy > 0.9
    wide, labels = shifted(20, 50, shift=0.0, seed=0)
    # any labels can be read in these rows, which is why a reader is judged on others
    assert threshold_reader(wide, labels).accuracy == 1.0


def test_what_only_rounding_left_is_not_read():
    z = np.arange(400) % 2
    erased = np.column_stack([np.full(400, 5.0) + 1e-16 * z, np.random.default_rng(0).normal(size=400)])
    assert threshold_reader(erased, z).accuracy < 0.6


@pytest.mark.parametrize(
    ("X", "y", "message"),
    [
        (np.eye(4), np.zeros(4, dtype=int), "one class only"),
        (np.ones((4, 2)), np.array([0, 1, 0, 1]), "All rows are equal"),
    ],
)
def test_rows_without_two_classes_or_without_differences_are_refused(X, y, message):
    with pytest.raises(ArrayError, match=message):
        threshold_reader(X, y)


def test_scores_and_labels_of_different_length_are_refused():
    with pytest.raises(ArrayError, match="one label a row"):
        best_thresholds(np.zeros((3, 1)), np.array([0, 1]))
