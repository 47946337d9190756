"""How many orthogonal directions are good, in the regimes where the answer is known."""

from dataclasses import replace

import numpy as np
import pytest

from tests.methods import plant
from tests.seeds import five_seeds
from tests.truth_pairs import contrasts, three, unit
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.probes import (
    CCS,
    CRC,
    LAT,
    LDA,
    ContrastLogistic,
    Logistic,
    MeanDifference,
    RandomDirection,
    ccs_loss,
    truth_census,
)

# Generator of the two regimes: 500 pairs in 300 dimensions, each row noise of unit variance, true and false rows 20
# apart along one random direction; 500 fresh pairs to orient and 500 to judge on. Accuracies (cosines with truth) over
# seeds 0 to 4. Without a penalty: 1.00 (0.78 to 0.88), 1.00 (0.44 to 0.57), in one seed 1.00 again (0.23), then 0.45 to
# 0.91. With l2 = 1e-3: 1.00 (0.99), then 0.49 to 0.60. Random directions: 0.72 ± 0.14. Without the mean difference:
# 0.50 to 0.56.
WIDTH, SEPARATION = 300, 20.0


def census(probe, sets, **options):
    return truth_census(
        probe, sets["train"], calibration=sets["calibration"], test=sets["test"], **{"n_nulls": 1, **options}
    )


@pytest.mark.long
@five_seeds
def test_without_a_penalty_several_orthogonal_directions_are_good_and_then_none(seed):
    u = unit(WIDTH, seed=seed)
    found = census(CCS(l2=0.0, n_restarts=1), three(separation=SEPARATION, direction=u, seed=seed), n_directions=5)
    assert found.n_good >= 2
    assert (found.accuracies[:2] > 0.99).all()
    assert found.accuracies[3:].mean() < 0.9
    # they share the one direction there is, none of them being it
    assert (np.abs(found.directions[:2] @ u) > 0.25).all() and (np.abs(found.directions @ u) < 0.95).all()
    assert found.random.mean == pytest.approx(0.72, abs=0.02) and found.random.sd == pytest.approx(0.14, abs=0.02)
    assert isinstance(found.ablated, Estimate) and abs(found.ablated.value - 0.5) < 0.08
    # the pairing is needed, but no truth: noise with this covariance has as many
    assert found.shuffled.n_good.max() == 0
    assert found.gaussian.n_good.min() >= found.n_good
    assert "no more than what mean and covariance alone give" in found.summary


@pytest.mark.long
@five_seeds
def test_with_a_penalty_only_one_is_good(seed):
    u = unit(WIDTH, seed=seed)
    found = census(CCS(l2=1e-3, n_restarts=1), three(separation=SEPARATION, direction=u, seed=seed), n_directions=2)
    assert found.n_good == 1
    assert abs(found.directions[0] @ u) > 0.98
    assert found.accuracies[1] < 0.9


@five_seeds
def test_repeated_supervised_fits_find_one_however_weak_the_penalty(seed):
    sets = three(separation=SEPARATION, direction=unit(WIDTH, seed=seed), seed=seed)
    for C in (1e-3, 100.0):
        found = census(Logistic(C=C), sets, n_directions=2)
        assert found.n_good == 1
        assert found.accuracies[0] > 0.99 and found.accuracies[1:].max() < 0.9
        assert "one direction holds what this method can find" in found.summary


@pytest.mark.parametrize(("seed", "copies"), list(enumerate([4, 6, 8, 10, 12])))
def test_copies_of_truth_in_several_coordinates_are_one_direction_or_two(seed, copies):
    u = np.where(np.arange(60) < copies, 1 / np.sqrt(copies), 0.0)
    # two noise units a coordinate
    found = census(
        CCS(l2=1e-3, n_restarts=1),
        three(separation=2 * np.sqrt(copies), direction=u, seed=seed, n=300),
        n_directions=3,
    )
    assert 1 <= found.n_good <= 2


@pytest.mark.parametrize("seed", range(5))
def test_twelve_one_hot_facts_show_their_4096_labelings(seed):
    rng = np.random.default_rng(seed)
    truth = rng.integers(2, size=12)
    while len(set(truth)) < 2:
        truth = rng.integers(2, size=12)
    # fact i is true at +e_i and false at -e_i; side 1 is its "yes"
    y = np.stack([1 - truth, truth], axis=1).ravel()
    X = np.repeat(np.eye(12), 2, axis=0) * (2 * y - 1)[:, None]
    names = np.repeat(np.arange(12), 2).astype(str)
    facts = Activations(X, ids=np.arange(24).astype(str), y=y, pairs=names, sides=np.tile([0, 1], 12), groups=names)
    # there are no further facts to judge on: the same, seen again with noise
    sets = {
        "train": facts,
        **{name: replace(facts, X=X + 0.01 * rng.normal(size=X.shape)) for name in ("calibration", "test")},
    }
    found = census(CCS(l2=0.0, normalisation="none", n_restarts=1, random_state=seed), sets, n_directions=4)
    assert found.fact_groups.n_labelings == 4096
    assert "At least 4096 labelings" in found.summary
    # each direction found is perfectly consistent and as confident as one likes, and its signs are those of its start
    for direction in found.directions:
        scores = 1e3 * X @ direction
        p_minus, p_plus = (1 / (1 + np.exp(-scores[side::2].clip(-500, 500))) for side in (0, 1))
        assert ccs_loss(p_plus, p_minus) < 1e-6
    assert found.accuracies.mean() < 0.8


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_good_where_labels_say_nothing(seed):
    sets = three(separation=0.0, direction=unit(20, seed=seed), seed=seed, n=200)
    for probe in (Logistic(), CCS(n_restarts=1), LAT()):
        found = census(probe, sets, n_directions=2)
        assert found.n_good <= 1
        assert np.abs(found.accuracies - 0.5).max() < 0.1


@pytest.mark.parametrize("probe", [CRC(), LAT(), ContrastLogistic(), LDA()], ids=str)
def test_every_kind_of_probe_can_be_counted(probe):
    sets = three(separation=6.0, direction=unit(30, seed=0), seed=0, n=200)
    found = census(probe, sets, n_directions=3)
    assert found.method == type(probe).__name__
    assert found.accuracies[0] > 0.99
    # LDA shrunk to the mean difference has no second direction
    k = 1 if isinstance(probe, LDA) else 3
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(k), atol=1e-10)


def test_test_labels_choose_nothing():
    sets = three(separation=4.0, direction=unit(20, seed=0), seed=0, n=200)
    turned = sets["test"]
    turned = replace(turned, y=1 - turned.y)
    real = census(MeanDifference(), sets, n_directions=2)
    other = census(MeanDifference(), {**sets, "test": turned}, n_directions=2)
    np.testing.assert_array_equal(real.directions, other.directions)
    np.testing.assert_allclose(other.accuracies, 1 - real.accuracies)
    np.testing.assert_allclose(other.aurocs, 1 - real.aurocs)


def test_single_rows_are_judged_where_a_set_has_no_sides():
    rows = plant(300, 10, shift=4.0, seed=0)
    fresh = [plant(300, 10, shift=4.0, seed=seed, direction=rows.direction) for seed in (1, 2)]
    train, calibration, test = (
        Activations(one.X, ids=np.arange(600).astype(str), y=one.y, pairs=one.pairs) for one in (rows, *fresh)
    )
    for probe in (LAT(), Logistic()):
        found = truth_census(probe, train, calibration=calibration, test=test, n_directions=3, n_nulls=2)
        assert (found.unit, found.n_test) == ("rows", 600)
        assert found.n_good == 1
        assert found.random.n_good.shape == (200,) and found.shuffled.n_good.shape == (2,)
        assert isinstance(found.fact_groups, Unavailable)


def test_an_unsupervised_census_needs_no_train_labels():
    sets = three(separation=8.0, direction=unit(20, seed=0), seed=0, n=200)
    found = census(CCS(n_restarts=1), {**sets, "train": replace(sets["train"], y=None)}, n_directions=2)
    assert found.accuracies[0] > 0.95
    assert isinstance(found.ablated, Unavailable)


def test_many_groups_of_facts_are_not_counted():
    rows = contrasts(80, separation=4.0, direction=unit(5, seed=0), seed=0)
    rows = replace(rows, groups=rows.pairs)
    found = truth_census(MeanDifference(), rows, calibration=rows, test=rows, n_directions=1, n_nulls=1)
    assert found.fact_groups == Unavailable(reason="80 groups of facts are too many to count; 64 are the most")


def test_the_same_seed_gives_the_same_census():
    sets = three(separation=2.0, direction=unit(8, seed=0), seed=0, n=100)
    one, again = (census(Logistic(), sets, n_directions=2, random_state=5) for _ in range(2))
    assert (one.threshold, one.random.mean, one.shuffled.mean) == (
        again.threshold,
        again.random.mean,
        again.shuffled.mean,
    )


def test_what_no_census_can_be_made_of_is_refused():
    rows = contrasts(20, separation=4.0, direction=unit(5, seed=0), seed=0)
    given = {"calibration": rows, "test": rows, "n_nulls": 1}
    with pytest.raises(SpecError, match="RandomDirection is told nothing"):
        truth_census(RandomDirection(), rows, **given)
    with pytest.raises(SpecError, match="n_nulls is 0"):
        truth_census(LAT(), rows, **{**given, "n_nulls": 0})
    with pytest.raises(ArrayError, match="two rows of one label"):
        truth_census(LAT(), rows, **{**given, "test": replace(rows, y=np.arange(40) // 20)})
    with pytest.raises(ArrayError, match="The same side is true in every pair"):
        truth_census(LAT(), rows, **{**given, "test": replace(rows, y=rows.sides)})
    with pytest.raises(ArrayError, match="have no labels"):
        truth_census(LAT(), rows, **{**given, "test": replace(rows, y=None)})
