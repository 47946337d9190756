import numpy as np
import pytest

from tests.methods import plant
from tiltmeter.evaluation import auroc
from tiltmeter.probes import RandomDirection


def test_the_direction_is_the_normalised_gaussian_of_its_seed():
    drawn = np.random.default_rng(3).normal(size=5)
    length = sum(float(value) ** 2 for value in drawn) ** 0.5
    found = RandomDirection(3).fit(np.zeros((2, 5))).direction_
    np.testing.assert_allclose(found, [float(value) / length for value in drawn], rtol=1e-14)


def test_the_rows_have_no_say():
    rng = np.random.default_rng(0)
    first, second = (RandomDirection(1).fit(rng.normal(size=(9, 4))).direction_ for _ in range(2))
    np.testing.assert_array_equal(first, second)


def test_directions_are_uniform_on_the_sphere():
    # mean 0 and second moment I/d; 2,000 draws leave a standard error of 0.5/√2000 = 0.011 in each
    drawn = np.stack([RandomDirection(seed).fit(np.zeros((1, 4))).direction_ for seed in range(2000)])
    np.testing.assert_allclose(drawn.mean(axis=0), 0.0, atol=0.05)
    np.testing.assert_allclose(drawn.T @ drawn / 2000, np.eye(4) / 4, atol=0.03)


def test_in_two_features_a_random_direction_can_read_a_concept_by_luck():
    # why the best of many must stand beside every figure: oriented, its mean AUROC lies well above 0.5
    train = plant(200, 2, shift=4.0, seed=0)
    fresh = plant(200, 2, shift=4.0, seed=1, direction=train.direction)
    areas = [
        auroc(fresh.y, RandomDirection(seed).fit(train.X).orient(train.X, train.y).decision_function(fresh.X))
        for seed in range(50)
    ]
    assert np.mean(areas) > 0.7
    assert max(areas) > 0.95


def test_in_many_features_it_reads_next_to_nothing():
    train = plant(200, 500, shift=2.0, seed=0)
    fresh = plant(400, 500, shift=2.0, seed=1, direction=train.direction)
    areas = [
        auroc(fresh.y, RandomDirection(seed).fit(train.X).orient(train.X, train.y).decision_function(fresh.X))
        for seed in range(50)
    ]
    assert np.mean(areas) == pytest.approx(0.5, abs=0.05)
