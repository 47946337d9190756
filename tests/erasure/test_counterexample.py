import numpy as np
import pytest
from by_hand import mean_projection, shifted

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.erasure import best_thresholds, breaking_fraction, counterexample, threshold_reader
from tiltmeter.numerics import class_means

SEEDS = range(5)


def accuracy_along(X, z, w):
    return float(best_thresholds((X @ w)[:, None], z).accuracies[0])


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize(("n", "d", "p"), [(1000, 20, 0.1), (1001, 5, 0.3), (400, 1, 0.05)])
def test_the_class_means_agree_along_the_direction_while_a_threshold_is_right_in_all_but_a_share(n, d, p, seed):
    made = counterexample(n, d, p=p, random_state=seed)
    coordinate = made.X @ made.direction
    for label in (0, 1):
        assert abs(coordinate[made.z == label].mean()) < 1e-14 * np.abs(coordinate).max() * 10
        assert ((coordinate > 0) == made.z)[made.z == label].mean() == pytest.approx(1 - p, abs=1 / (n // 2))
    assert np.linalg.norm(made.direction) == pytest.approx(1.0)


@pytest.mark.parametrize("seed", SEEDS)
def test_after_mean_projection_the_means_are_equal_and_the_threshold_is_untouched(seed):
    made = counterexample(2000, 20, random_state=seed)
    erased = mean_projection(made.X, made.z)(made.X)
    means = class_means(erased, made.z)
    assert np.abs(means.positive - means.negative).max() < 1e-14
    assert accuracy_along(erased, made.z, made.direction) == pytest.approx(0.9, abs=1e-9)


def test_across_the_direction_the_rows_say_nothing():
    made = counterexample(2000, 10, random_state=0)
    across = made.X - np.outer(made.X @ made.direction, made.direction)
    found = threshold_reader(across[:1000], made.z[:1000])
    assert ((found.score(across[1000:]) > 0) == made.z[1000:]).mean() == pytest.approx(0.5, abs=0.05)


@pytest.mark.parametrize(("n", "d", "p"), [(100, 3, 0.0), (100, 3, 0.5), (8, 3, 0.1), (100, 0, 0.1)])
def test_a_counterexample_without_outliers_or_features_is_refused(n, d, p):
    with pytest.raises(SpecError, match=r"share of|hold no outlier"):
        counterexample(n, d, p=p)


def test_two_samples_can_share_their_direction():
    first = counterexample(200, 5)
    second = counterexample(300, 5, direction=3 * first.direction, random_state=1)
    np.testing.assert_allclose(second.direction, first.direction)
    assert accuracy_along(second.X, second.z, first.direction) == pytest.approx(0.9)
    for direction in (np.zeros(5), np.ones(4), np.full(5, np.nan)):
        with pytest.raises((ArrayError, TypeError), match="direction"):
            counterexample(100, 5, direction=direction)


# ------------------------------------------------------------ the fraction that breaks the mean


def tampered(X, z, found, seed=0):
    moved = np.random.default_rng(seed).permutation(np.flatnonzero(z == found.label))[: found.n_moved]
    changed = X.copy()
    changed[moved] += found.shift
    return changed


@pytest.mark.parametrize("seed", SEEDS)
def test_moving_the_named_rows_makes_mean_projection_leave_the_threshold(seed):
    X, z = shifted(2000, 4, shift=4.0, seed=seed)
    X *= [1.0, 0.5, 2.0, 1.0]
    found = breaking_fraction(X, z, random_state=seed)
    # before, mean projection works
    assert threshold_reader(mean_projection(X, z)(X), z).accuracy < 0.6
    eraser = mean_projection(tampered(X, z, found, seed), z)
    erased = eraser(X)
    assert accuracy_along(erased, z, found.direction) >= 0.89
    assert 0 < found.fraction < 0.1
    assert found.n_moved == round(found.fraction * (z == found.label).sum())
    called = erased @ found.direction > found.threshold
    assert (called == z).mean() == pytest.approx(found.accuracy, abs=0.03)


@pytest.mark.parametrize("seed", SEEDS)
def test_no_row_is_moved_further_than_the_reach_and_one_row_less_would_have_to_be(seed):
    X, z = shifted(1000, 5, shift=4.0, seed=seed, prevalence=0.3)
    found = breaking_fraction(X, z, reach=5.0, random_state=seed)
    distance = 5.0 * np.sqrt(((X - X.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert found.label == 1
    assert np.linalg.norm(found.shift) <= distance * (1 + 1e-12)
    assert np.linalg.norm(found.shift) * found.n_moved > distance * (found.n_moved - 1)


@pytest.mark.parametrize("seed", SEEDS)
def test_in_the_plane_it_is_near_the_least_of_all_directions(seed):
    X, z = shifted(2000, 2, shift=4.0, seed=seed)
    X *= [1.0, 0.6]
    means = class_means(X, z)
    delta = means.positive - means.negative
    angles = np.linspace(0, np.pi, 500, endpoint=False)
    around = np.stack([np.cos(angles), np.sin(angles)])
    is_enough = best_thresholds(X @ around, z).accuracies >= 0.9
    least = np.abs(delta @ around)[is_enough].min()
    distance = 10.0 * np.sqrt(((X - X.mean(axis=0)) ** 2).sum(axis=1).mean())
    assert breaking_fraction(X, z, random_state=seed).fraction == pytest.approx(least / distance, rel=0.2)


def test_where_mean_projection_is_broken_already_no_row_need_move():
    made = counterexample(2000, 6, random_state=0)
    found = breaking_fraction(made.X, made.z, level=0.85)
    assert found.fraction < 0.01
    assert abs(found.direction @ made.direction) > 0.9


def test_further_reach_needs_fewer_rows():
    X, z = shifted(1000, 4, shift=4.0, seed=0)
    fractions = [breaking_fraction(X, z, reach=reach).fraction for reach in (3.0, 10.0, 100.0)]
    assert fractions[0] > fractions[1] > fractions[2] > 0


def test_rows_that_no_threshold_reads_have_no_such_fraction():
    X, z = shifted(500, 4, shift=0.0, seed=0)
    found = breaking_fraction(X, z)
    assert isinstance(found, Unavailable) and "before erasing" in found.reason


def test_a_reach_that_is_too_short_is_said_to_be():
    X, z = shifted(500, 1, shift=6.0, seed=0)
    found = breaking_fraction(X, z, reach=0.1)
    assert isinstance(found, Unavailable) and "not enough" in found.reason


def test_rows_of_a_group_stay_on_one_side_of_the_split():
    # every group has its own label and place: who saw the group can read it, who did not cannot
    rng = np.random.default_rng(0)
    centers, labels = 5 * rng.normal(size=(40, 30)), np.arange(40) % 2
    groups = np.repeat(np.arange(40), 20)
    X, z = centers[groups] + rng.normal(size=(800, 30)), labels[groups]
    assert not isinstance(breaking_fraction(X, z), Unavailable)
    assert isinstance(breaking_fraction(X, z, groups=groups), Unavailable)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"level": 0.5}, SpecError, "level is"),
        ({"reach": 0.0}, SpecError, "reach is"),
        ({"groups": np.zeros(3)}, ArrayError, "groups have 3 entries"),
        ({"groups": np.zeros(100)}, ArrayError, "one class only"),
    ],
)
def test_options_out_of_range_are_refused(options, error, message):
    X, z = shifted(100, 3, shift=5.0, seed=0)
    with pytest.raises(error, match=message):
        breaking_fraction(X, z, **options)
