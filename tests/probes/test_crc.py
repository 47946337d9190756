import numpy as np
import pytest

from tests.contrasts import draw
from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import auroc
from tiltmeter.probes import CRC, LAT, crc

SEEDS = range(5)
ROWS = draw(50, 6, separations=(3.0,), seed=0, token=10.0)


def naive_crc(X, members):
    """Burns et al.: each half minus its mean, differences, first principal component by power iteration."""
    means = [sum(X[pair[side]] for pair in members) / len(members) for side in (0, 1)]
    moment = np.zeros((X.shape[1], X.shape[1]))
    for a, b in members:
        difference = (X[b] - means[1]) - (X[a] - means[0])
        moment += np.outer(difference, difference)
    vector = np.ones(X.shape[1])
    for _ in range(3000):
        vector = moment @ vector
        vector = vector / np.linalg.norm(vector)
    return vector * np.sign(vector[np.abs(vector).argmax()])


@pytest.mark.parametrize("p", [50, 5], ids=["more pairs than features", "fewer pairs than features"])
def test_crc_equals_the_naive_twin(p):
    found = crc(ROWS.X, ROWS.members[:p]).vector
    np.testing.assert_allclose(found / np.linalg.norm(found), naive_crc(ROWS.X, ROWS.members[:p]), atol=1e-9)


def test_the_zero_lies_between_the_means_of_the_halves():
    probe = CRC().fit(ROWS.X, pairs=ROWS.pairs, sides=ROWS.sides)
    scores = probe.decision_function(ROWS.X)
    assert scores[::2].mean() == pytest.approx(-scores[1::2].mean(), abs=1e-12)


def test_new_rows_are_not_recentred():
    # the published code scores new rows as they are: the score of a row depends on no other
    probe = CRC().fit(ROWS.X, pairs=ROWS.pairs, sides=ROWS.sides)
    fresh = ROWS.X + 100.0
    np.testing.assert_allclose(probe.decision_function(fresh)[:3], probe.decision_function(fresh[:3]))
    assert abs(probe.decision_function(fresh).mean()) > 10


@pytest.mark.parametrize("seed", SEEDS)
def test_a_token_of_one_half_is_removed_here_and_is_all_that_lat_finds(seed):
    data = draw(200, 32, separations=(8.0,), seed=seed, token=30.0)
    found = CRC().fit(data.X, pairs=data.pairs, sides=data.sides).direction_
    assert abs(found @ data.features[0]) > 0.95
    assert abs(LAT().fit(data.X, pairs=data.pairs).direction_ @ data.token) > 0.95


@pytest.mark.parametrize("seed", SEEDS)
def test_sides_that_are_the_labels_remove_the_concept_itself(seed):
    # the trap that LAT refuses: here it cannot be refused, since sides may not be known to be labels
    data = draw(200, 128, separations=(8.0,), seed=seed)
    blind = CRC().fit(data.X, pairs=data.pairs, sides=data.y)
    assert abs(blind.direction_ @ data.features[0]) < 0.3


def test_the_order_of_the_sides_only_turns_it_round():
    here, there = (
        CRC().fit(ROWS.X, pairs=ROWS.pairs, sides=sides).orient(ROWS.X, ROWS.y)
        for sides in (ROWS.sides, 1 - ROWS.sides)
    )
    np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-12)
    assert auroc(ROWS.y, here.decision_function(ROWS.X)) > 0.5


def test_a_difference_that_is_the_same_in_every_pair_is_refused():
    X = np.repeat(np.random.default_rng(0).normal(size=(20, 5)), 2, axis=0)
    X[1::2] += 0.1
    with pytest.raises(ArrayError, match="CRC found no direction"):
        CRC().fit(X, pairs=np.repeat(np.arange(20), 2), sides=np.tile([0, 1], 20))
