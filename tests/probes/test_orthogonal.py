"""Repeated fits, each orthogonal to those before."""

import numpy as np
import pytest

from tests.methods import plant
from tests.truth_pairs import contrasts, unit
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.numerics import pair_rows
from tiltmeter.probes import CCS, LAT, Logistic, MeanDifference, recursive_ccs
from tiltmeter.probes._orthogonal import orthogonal_directions, without

PLANTED = plant(100, 6, shift=3.0, seed=0)
ROWS = Activations(PLANTED.X, ids=np.arange(200).astype(str), y=PLANTED.y, pairs=PLANTED.pairs)


@pytest.mark.parametrize("probe", [Logistic(), LAT()], ids=str)
def test_directions_are_orthonormal_and_the_first_is_the_probes_own(probe):
    found = orthogonal_directions(probe, ROWS, n_directions=6)
    np.testing.assert_allclose(found @ found.T, np.eye(6), atol=1e-12)
    own = probe.fit(ROWS.X, ROWS.y) if isinstance(probe, Logistic) else probe.fit(ROWS.X, pairs=ROWS.pairs)
    assert abs(found[0] @ own.direction_) == pytest.approx(1.0, abs=1e-9)


def test_the_second_direction_is_the_constrained_minimum_of_the_loss():
    # naive twin: w orthogonal to the first direction, by a general solver on all coordinates
    from scipy.optimize import minimize

    found = orthogonal_directions(Logistic(), ROWS, n_directions=2)
    away = np.eye(6) - np.outer(found[0], found[0])

    def loss(parameters):
        w = away @ parameters[:6]
        margins = (2 * ROWS.y - 1) * (ROWS.X @ w + parameters[6])
        return np.logaddexp(0, -margins).sum() + w @ w / 2

    w = away @ minimize(loss, np.zeros(7), method="BFGS", options={"gtol": 1e-6}).x[:6]
    assert w @ found[1] / np.linalg.norm(w) == pytest.approx(1.0, abs=1e-6)


def test_lat_again_and_again_gives_the_principal_directions():
    members = pair_rows(ROWS.pairs, n=200)
    differences = ROWS.X[members[:, 0]] - ROWS.X[members[:, 1]]
    principal = np.linalg.eigh(differences.T @ differences)[1][:, ::-1].T
    found = orthogonal_directions(LAT(), ROWS, n_directions=4)
    np.testing.assert_allclose(np.abs(found @ principal.T), np.eye(4, 6), atol=1e-9)


def test_ccs_is_recursive_ccs_with_the_probes_own_options():
    rows = contrasts(60, separation=4.0, direction=unit(5, seed=0), seed=1)
    found = orthogonal_directions(CCS(l2=1e-2, n_restarts=2, random_state=3), rows, n_directions=2)
    expected = recursive_ccs(
        rows.X,
        pair_rows(rows.pairs, n=120, sides=rows.sides),
        n_directions=2,
        l2=1e-2,
        n_restarts=2,
        random_state=3,
    )
    np.testing.assert_array_equal(found, expected.directions)


@pytest.mark.parametrize("seed", range(5))
def test_what_is_left_has_the_lengths_of_the_projected_rows(seed):
    rng = np.random.default_rng(seed)
    X, u = rng.normal(size=(7, 4)), unit(4, seed=seed)
    left = without(X, u)
    assert left.shape == (7, 3)
    projected = X - np.outer(X @ u, u)
    np.testing.assert_allclose(left @ left.T, projected @ projected.T, atol=1e-12)


@pytest.mark.parametrize("axis", [1.0, -1.0])
def test_a_direction_along_the_first_axis_is_left_out_too(axis):
    X = np.arange(6.0).reshape(2, 3)
    np.testing.assert_allclose(np.abs(without(X, axis * np.eye(3)[0])), X[:, 1:])


def test_it_stops_where_no_further_direction_is_found():
    X = np.outer(np.where(PLANTED.y == 1, 1.0, -1.0), np.eye(6)[2])
    found = orthogonal_directions(MeanDifference(), Activations(X, ids=ROWS.ids, y=ROWS.y), n_directions=3)
    np.testing.assert_allclose(found, np.eye(6)[2:3], atol=1e-12)
    with pytest.raises(NoDirectionError):
        orthogonal_directions(MeanDifference(), Activations(0 * X, ids=ROWS.ids, y=ROWS.y), n_directions=3)


def test_more_directions_than_features_and_ccs_without_sides_are_refused():
    with pytest.raises(SpecError, match="room for 1 to 6"):
        orthogonal_directions(Logistic(), ROWS, n_directions=7)
    with pytest.raises(ArrayError, match="CCS needs pairs and sides"):
        orthogonal_directions(CCS(), ROWS, n_directions=2)
