"""Rows on which nothing was told, or of which nothing but mean and covariance is left."""

import numpy as np
import pytest

from tests.truth_pairs import contrasts, unit
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import pair_rows
from tiltmeter.probes import CCS, LAT, Logistic
from tiltmeter.probes._census_nulls import gaussian_like, shuffled_supervision

ROWS = contrasts(2000, separation=6.0, direction=unit(3, seed=0), seed=1)


def test_a_supervised_probe_gets_other_labels_and_the_same_rows():
    bare = Activations(ROWS.X, ids=ROWS.ids, y=ROWS.y)
    null = shuffled_supervision(Logistic(), bare, rng=np.random.default_rng(0))
    assert null.X is bare.X
    assert null.y.sum() == bare.y.sum()
    assert abs((null.y == bare.y).mean() - 0.5) < 0.05


@pytest.mark.parametrize("probe", [LAT(), CCS()], ids=str)
def test_a_paired_probe_gets_other_partners_of_the_other_side(probe):
    null = shuffled_supervision(probe, ROWS, rng=np.random.default_rng(0))
    members = pair_rows(null.pairs, n=4000, sides=null.sides)
    old = pair_rows(ROWS.pairs, n=4000, sides=ROWS.sides)
    assert null.X is ROWS.X
    np.testing.assert_array_equal(null.sides[members], np.tile([0, 1], (2000, 1)))
    np.testing.assert_array_equal(members[:, 0], old[:, 0])
    assert (members[:, 1] != old[:, 1]).mean() > 0.99
    # half of the new pairs hold two rows of one label
    assert abs((ROWS.y[members].sum(axis=1) == 1).mean() - 0.5) < 0.05


def test_noise_has_mean_and_covariance_of_whole_pairs_and_no_clusters():
    null = gaussian_like(ROWS, rng=np.random.default_rng(0))
    members = pair_rows(ROWS.pairs, n=4000, sides=ROWS.sides)
    real, drawn = ROWS.X[members].reshape(2000, 6), null.X[members].reshape(2000, 6)
    np.testing.assert_allclose(drawn.mean(axis=0), real.mean(axis=0), atol=0.15)
    np.testing.assert_allclose(np.cov(drawn.T), np.cov(real.T), atol=0.6)
    # along the direction of truth the two classes lie apart, and a Gaussian has its mode between them
    along = unit(3, seed=0)
    assert (np.abs(ROWS.X @ along) < 1).mean() < 0.05
    assert (np.abs(null.X @ along) < 1).mean() > 0.2


def test_noise_lies_in_the_span_of_rows_that_are_fewer_than_features():
    rng = np.random.default_rng(0)
    few = Activations(rng.normal(size=(10, 50)), ids=np.arange(10).astype(str))
    null = gaussian_like(few, rng=rng)
    assert np.linalg.matrix_rank(np.concatenate([few.X, null.X])) <= 10
    many = [gaussian_like(few, rng=np.random.default_rng(seed)).X for seed in range(400)]
    np.testing.assert_allclose(np.cov(np.concatenate(many).T), np.cov(few.X.T, ddof=0), atol=0.25)


def test_without_pairs_there_is_nothing_to_shuffle():
    with pytest.raises(ArrayError, match="have no pairs"):
        shuffled_supervision(LAT(), Activations(ROWS.X, ids=ROWS.ids), rng=np.random.default_rng(0))
