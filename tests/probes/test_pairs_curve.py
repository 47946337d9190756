"""Quality against the number of training pairs."""

import numpy as np
import pytest

from tests.methods import PROBES, plant
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.evaluation import auroc
from tiltmeter.probes import LAT, LDA, MLP, Logistic, MeanDifference, pairs_curve


def activations(planted, *, side=True):
    n = len(planted.y)
    return Activations(
        planted.X,
        ids=np.arange(n).astype(str),
        y=planted.y,
        pairs=planted.pairs,
        sides=np.tile([0, 1], n // 2) if side else None,
    )


TRAIN = plant(256, 20, shift=2.0, seed=0)
FRESH = plant(400, 20, shift=2.0, seed=1, direction=TRAIN.direction)
GIVEN = {"test": activations(FRESH), "reference": TRAIN.direction}


@pytest.mark.parametrize("probe", [MeanDifference(), Logistic(C=0.1), LDA(), LAT()], ids=str)
def test_quality_rises_with_pairs_and_so_does_the_cosine(probe):
    found = pairs_curve(probe, activations(TRAIN), counts=(2, 16, 128), n_draws=6, **GIVEN)
    assert found.aurocs.shape == found.cosines.shape == (3, 6)
    assert (np.diff(found.mean) > 0).all()
    assert (np.diff(found.cosines.mean(axis=1)) > 0).all()
    assert found.sd[2] < found.sd[0]
    # two classes of variance 2 whose means lie 2 apart: no direction has more than Φ(1) = 0.841
    assert 0.8 < found.mean[2] < 0.86


@pytest.mark.parametrize("method", [m for m in PROBES if not m.needs_polarity], ids=str)
def test_every_probe_of_the_table_has_a_curve_from_one_pair_on(method):
    given = GIVEN if method.is_linear else {"test": GIVEN["test"]}
    found = pairs_curve(method.make(), activations(TRAIN), counts=(1, 16), n_draws=2, **given)
    # methods that centre what they compare hold no difference in a single pair
    assert found.is_valid[1].all()
    assert np.isfinite(found.mean[1])


@pytest.mark.parametrize("seed", range(5))
def test_on_labels_that_say_nothing_more_pairs_do_not_help(seed):
    null = TRAIN._replace(y=np.where(np.random.default_rng(seed).integers(2, size=256).repeat(2), TRAIN.y, 1 - TRAIN.y))
    found = pairs_curve(MeanDifference(), activations(null), counts=(4, 128), n_draws=10, **GIVEN)
    assert abs(found.cosines.mean()) < 0.35
    assert found.mean[1] < 0.8


def test_the_full_number_is_one_fit_of_all_pairs_whatever_the_draw():
    found = pairs_curve(MeanDifference(), activations(TRAIN), counts=(256,), n_draws=3, **GIVEN)
    probe = MeanDifference().fit(TRAIN.X, TRAIN.y)
    expected = auroc(FRESH.y, probe.decision_function(FRESH.X))
    np.testing.assert_array_equal(found.aurocs, [[expected] * 3])
    assert found.cosines[0, 0] == pytest.approx(probe.direction_ @ TRAIN.direction, abs=1e-12)


def test_counts_above_the_number_of_pairs_are_left_out_and_named():
    found = pairs_curve(MeanDifference(), activations(TRAIN), n_draws=1, **GIVEN)
    assert found.counts.tolist() == [1, 2, 4, 8, 16, 32, 64, 128, 256]
    assert found.left_out == (512, 1024, 2048)
    assert found.n_pairs == 256
    assert np.isnan(found.sd).all()
    with pytest.raises(SpecError, match="All counts are above the 256 pairs"):
        pairs_curve(MeanDifference(), activations(TRAIN), counts=(512,), **GIVEN)


def test_a_smaller_number_of_a_draw_is_part_of_its_larger_one():
    X = np.repeat(np.eye(8), 2, axis=0) * np.tile([1.0, -1.0], 8)[:, None]
    y, pairs = np.tile([1, 0], 8), np.repeat(np.arange(8), 2).astype(str)
    rows = Activations(X, ids=np.arange(16).astype(str), y=y, pairs=pairs)
    found = pairs_curve(MeanDifference(), rows, test=rows, counts=(1, 2, 4), n_draws=5, reference=np.ones(8))
    # the mean difference of c pairs is 1 on c axes: its cosine with (1, ..., 1) is √(c / 8), without replacement
    np.testing.assert_allclose(found.cosines, np.sqrt(np.array([1, 2, 4]) / 8)[:, None] * np.ones((1, 5)))


def test_draws_without_a_direction_are_marked_and_do_not_count():
    X = TRAIN.X.copy()
    X[:504] = 1.0  # all but the last four pairs hold no difference
    found = pairs_curve(MeanDifference(), activations(TRAIN._replace(X=X)), counts=(1, 256), n_draws=20, **GIVEN)
    assert not found.is_valid[0].all() and found.is_valid[1].all()
    np.testing.assert_array_equal(np.isnan(found.aurocs), ~found.is_valid)
    if found.is_valid[0].any():
        assert found.mean[0] == pytest.approx(np.nanmean(found.aurocs[0]))


def test_the_same_seed_gives_the_same_curve_and_another_seed_another():
    one, again, other = (
        pairs_curve(MeanDifference(), activations(TRAIN), counts=(4,), random_state=seed, **GIVEN) for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(one.aurocs, again.aurocs)
    assert (one.aurocs != other.aurocs).any()


def test_what_is_missing_or_of_another_form_is_refused():
    rows = activations(TRAIN)
    with pytest.raises(ArrayError, match="have no pairs"):
        pairs_curve(MeanDifference(), Activations(rows.X, ids=rows.ids, y=rows.y), **GIVEN)
    with pytest.raises(ArrayError, match=r"two rows of one label"):
        pairs_curve(MeanDifference(), activations(TRAIN._replace(y=np.arange(512) // 256)), **GIVEN)
    with pytest.raises(ArrayError, match="reference has 3 entries"):
        pairs_curve(MeanDifference(), rows, test=rows, reference=np.ones(3))
    with pytest.raises(SpecError, match="all must be 1 or more"):
        pairs_curve(MeanDifference(), rows, counts=(0, 1), **GIVEN)


def test_a_probe_without_a_direction_has_none_to_compare():
    with pytest.raises(SpecError, match="MLP names no direction that could agree with reference"):
        pairs_curve(MLP(width=2), activations(TRAIN), counts=(4,), **GIVEN)
