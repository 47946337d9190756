"""Agreement of starts, and the rival feature that it cannot see."""

import numpy as np
import pytest

from tests.contrasts import draw
from tiltmeter.core.errors import ArrayError
from tiltmeter.probes import ccs_stability, seed_consistency

SEEDS = range(5)


def test_the_consistency_equals_the_naive_twin():
    directions = np.random.default_rng(0).normal(size=(5, 4))
    cosines = [
        abs(sum(a * b)) / np.sqrt(sum(a * a) * sum(b * b))
        for i, a in enumerate(directions)
        for j, b in enumerate(directions)
        if i < j
    ]
    found = seed_consistency(directions)
    assert found.mean == pytest.approx(np.mean(cosines))
    assert found.lowest == pytest.approx(min(cosines))
    assert found.cosines[1, 3] == pytest.approx(abs(cosines[5]))
    np.testing.assert_allclose(found.cosines, found.cosines.T)


def test_signs_and_lengths_do_not_matter():
    directions = np.random.default_rng(0).normal(size=(5, 4))
    changed = directions * np.array([-1.0, 2.0, -3.0, 0.1, 1.0])[:, None]
    np.testing.assert_allclose(seed_consistency(changed).cosines, seed_consistency(directions).cosines)


@pytest.mark.parametrize(
    ("directions", "message"),
    [(np.ones((1, 3)), "at least two directions; 1 came"), (np.eye(3)[:, :2] * 1.0, "A direction is zero")],
)
def test_one_direction_or_none_at_all_agree_with_nothing(directions, message):
    with pytest.raises(ArrayError, match=message):
        seed_consistency(directions)


def stability(separations, seed):
    data = draw(300, 64, separations=separations, seed=seed)
    return ccs_stability(data.X, data.members, n_restarts=6)


@pytest.mark.parametrize("seed", SEEDS)
def test_one_feature_is_stable_and_without_a_rival(seed):
    found = stability((6.0,), seed)
    assert not found.is_unstable and not found.has_rival
    assert found.loss < 0.02
    # orthogonal to the feature is no more than what strangers have
    assert found.rival_loss == pytest.approx(found.null_loss, abs=0.03)


@pytest.mark.parametrize("seed", SEEDS)
def test_an_equal_distractor_is_flagged_by_both(seed):
    found = stability((6.0, 6.0), seed)
    assert found.is_unstable and found.has_rival
    assert found.consistency < 0.8


@pytest.mark.parametrize("seed", SEEDS)
def test_a_distractor_of_double_strength_is_flagged_by_the_rival_that_truth_then_is(seed):
    found = stability((6.0, 12.0), seed)
    assert found.has_rival
    assert found.rival_loss < 0.02


def test_noise_has_no_rival_and_no_loss_below_its_null():
    for seed in SEEDS:
        data = draw(100, 8, separations=(0.0,), seed=seed)
        found = ccs_stability(data.X, data.members, n_restarts=3)
        assert not found.has_rival
        assert found.loss > 0.8 * found.null_loss
