"""Recursive CCS: orthogonal directions, and what their number does and does not say."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression

from tests.contrasts import draw, pair_accuracy
from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.probes import _ccs as search
from tiltmeter.probes import ccs_loss, recursive_ccs
from tiltmeter.probes._halves import halves

SEEDS = range(5)
ROWS = draw(60, 8, separations=(3.0,), seed=0)


def test_directions_are_orthonormal_to_rounding():
    for l2 in (0.0, 1e-3):
        found = recursive_ccs(ROWS.X, ROWS.members, n_directions=8, l2=l2)
        np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(8), atol=1e-12)


def test_fewer_rows_than_features_work_until_their_space_is_used_up():
    data = draw(6, 30, separations=(8.0,), seed=1)
    # two halves of six rows, each without its mean
    found = recursive_ccs(data.X, data.members, n_directions=10, l2=1e-3)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(10), atol=1e-12)
    with pytest.raises(ArrayError, match="n_directions is 11; the normalised rows span 10 dimensions"):
        recursive_ccs(data.X, data.members, n_directions=11)


def test_losses_are_those_of_bias_free_probes_along_the_directions():
    # along its own direction no other length of θ has a lower loss and penalty
    l2 = 0.01
    found = recursive_ccs(ROWS.X, ROWS.members, n_directions=3, l2=l2)
    prepared = halves(ROWS.X, ROWS.members)
    for direction, loss in zip(found.directions, found.losses, strict=True):
        lengths = np.linspace(0, 30, 30_001)
        losses = np.array(
            [
                ccs_loss(*(1 / (1 + np.exp(-r * half @ direction)) for half in (prepared.positive, prepared.negative)))
                for r in lengths[::100]
            ]
        )
        nearest = (losses + l2 / 2 * lengths[::100] ** 2).argmin()
        assert losses[nearest] == pytest.approx(loss, abs=5e-3)


def test_the_first_directions_do_not_depend_on_how_many_are_asked_for():
    few, many = (recursive_ccs(ROWS.X, ROWS.members, n_directions=k, l2=1e-3) for k in (2, 5))
    np.testing.assert_allclose(many.directions[:2], few.directions, atol=1e-9)
    assert many.constant_loss == 0.2
    assert many.all_losses.shape == (5, 5)


def test_the_offsets_put_zero_between_the_halves_means():
    data = draw(60, 8, separations=(3.0,), seed=0, token=9.0)
    found = recursive_ccs(data.X, data.members, n_directions=3)
    scores = data.X @ found.directions.T + found.offsets
    middle = (scores[::2].mean(axis=0) + scores[1::2].mean(axis=0)) / 2
    spread = scores.std(axis=0)
    assert (np.abs(middle) < 0.2 * spread).all()


# ------------------------------------------------------------ two regimes: 300 features, 500 pairs, 20 noise units


def found_at(seed, l2, *, n_directions):
    data, fresh = (draw(500, 300, separations=(20.0,), seed=seed, fresh=fresh) for fresh in (0, 1))
    found = recursive_ccs(data.X, data.members, n_directions=n_directions, l2=l2, n_restarts=2)
    return np.abs(found.directions @ data.features[0]), pair_accuracy(found.directions, fresh)


@pytest.mark.long
def test_without_a_penalty_several_orthogonal_directions_share_the_one_feature():
    # how many depends on how far the search goes: the less the first is minimised, the less of the feature it takes
    cosines, accuracies = map(np.array, zip(*[found_at(seed, 0.0, n_directions=6) for seed in SEEDS], strict=True))
    assert cosines[:, 0].max() < 0.95 and cosines[:, 1].min() > 0.25
    assert accuracies[:, :2].min() > 0.99
    assert accuracies[:, 2].mean() > 0.85
    assert accuracies[:, -1].mean() < 0.85
    # orthonormal directions share what there is of one feature
    assert (cosines**2).sum(axis=1).max() <= 1 + 1e-12


@pytest.mark.parametrize("seed", SEEDS)
def test_with_a_penalty_the_first_direction_is_the_feature_and_the_second_is_at_chance(seed):
    cosines, accuracies = found_at(seed, 1e-3, n_directions=2)
    assert cosines[0] > 0.985
    assert accuracies[0] == 1.0
    assert accuracies[1] < 0.72  # the mean of random directions there


def test_random_directions_are_at_three_quarters_there():
    drawn = []
    for seed in SEEDS:
        rng = np.random.default_rng(seed)
        directions = rng.normal(size=(100, 300))
        drawn.append(pair_accuracy(directions, draw(500, 300, separations=(20.0,), seed=seed)))
    assert np.mean(drawn) == pytest.approx(0.72, abs=0.03)
    assert np.std(drawn, ddof=1) == pytest.approx(0.14, abs=0.03)


def test_without_the_mean_difference_nothing_is_left_there():
    # METHODS: a single direction holds all that is linearly available. The mean is taken from one half of the pairs,
    # and judged on the other: on its own rows nothing could be left by construction.
    left = []
    for seed in SEEDS:
        data, fresh = (draw(500, 300, separations=(20.0,), seed=seed, fresh=fresh) for fresh in (0, 1))
        delta = data.X[data.y == 1].mean(axis=0) - data.X[data.y == 0].mean(axis=0)
        delta /= np.linalg.norm(delta)
        ablated = data._replace(X=data.X - np.outer(data.X @ delta, delta))
        differences = ablated.X[1::2] - ablated.X[::2]
        probe = LogisticRegression(C=0.1).fit(differences, ablated.y[1::2]).coef_[0]
        left.append(pair_accuracy(probe - (probe @ delta) * delta, fresh)[0])
    assert np.mean(left) < 0.65


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("k", [2, 5, 10])
def test_copies_of_truth_in_many_coordinates_are_one_or_two_directions(seed, k):
    # identical copies are a signal of rank one, along (1, …, 1) of the k coordinates
    d, p = 40, 200
    rng = np.random.default_rng([seed, k])
    truth = rng.choice([-1.0, 1.0], size=p)
    X = rng.normal(size=(2 * p, d))
    X[::2, :k] -= 4.0 * truth[:, None]
    X[1::2, :k] += 4.0 * truth[:, None]
    data = ROWS._replace(X=X, y=np.stack([truth < 0, truth > 0], axis=1).ravel().astype(int))
    found = recursive_ccs(X, np.arange(2 * p).reshape(p, 2), n_directions=3, l2=1e-3, n_restarts=2)
    good = pair_accuracy(found.directions, data) > 0.95
    assert good[0] and good.sum() <= 2


def test_a_search_that_is_cut_short_warns(monkeypatch):
    monkeypatch.setattr(search, "_MAX_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match="2 of 2 directions of recursive CCS did not converge"):
        recursive_ccs(ROWS.X, ROWS.members, n_directions=2)


@pytest.mark.parametrize("n_directions", [0, 9])
def test_a_number_of_directions_out_of_range_is_refused(n_directions):
    with pytest.raises(ArrayError, match=f"n_directions is {n_directions}; .* span 8 dimensions"):
        recursive_ccs(ROWS.X, ROWS.members, n_directions=n_directions)
