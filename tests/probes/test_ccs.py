"""CCS: its loss, what it finds, and what it follows instead."""

import itertools

import numpy as np
import pytest
import torch
from scipy.optimize import minimize

from tests.contrasts import draw, pair_accuracy
from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.probes import CCS, RandomDirection, ccs, ccs_loss, seed_consistency
from tiltmeter.probes import _ccs as module
from tiltmeter.probes._halves import halves

SEEDS = range(5)
ROWS = draw(60, 8, separations=(3.0,), seed=0)


def naive_loss(p_plus, p_minus):
    """Burns et al.: the mean over pairs of (p⁺ − (1 − p⁻))² and of min(p⁺, p⁻)², in a loop."""
    total = 0.0
    for plus, minus in zip(p_plus, p_minus, strict=True):
        total += (plus - (1 - minus)) ** 2 + min(plus, minus) ** 2
    return total / len(p_plus)


def sigmoid(scores):
    return 1 / (1 + np.exp(-scores))


def test_the_loss_equals_the_naive_twin():
    p_plus, p_minus = np.random.default_rng(0).uniform(size=(2, 50))
    assert ccs_loss(p_plus, p_minus) == pytest.approx(naive_loss(p_plus, p_minus), rel=1e-14)


def test_a_constant_probe_has_a_loss_of_at_least_a_fifth_at_two_fifths():
    constants = np.linspace(0, 1, 100_001)
    losses = (2 * constants - 1) ** 2 + constants**2
    assert constants[losses.argmin()] == pytest.approx(0.4, abs=1e-12)
    assert ccs_loss(np.full(7, 0.4), np.full(7, 0.4)) == pytest.approx(0.2, abs=1e-15)
    for constant in (0.39, 0.41, 0.5):
        assert ccs_loss(np.full(7, constant), np.full(7, constant)) > 0.2


def test_the_minimum_is_squared():
    # a public helper for plots leaves the square out: 0.5 there, 0.25 here
    assert ccs_loss(np.array([0.5]), np.array([0.5])) == pytest.approx(0.25)


def test_every_sign_vector_is_a_consistent_and_confident_probe_of_one_hot_facts():
    # fact i is e_i where it is affirmed and −e_i where it is denied: 2^d truth-like directions
    d, scale = 12, 20.0
    affirmed = np.eye(d)
    worst = 0.0
    for signs in itertools.product([-1.0, 1.0], repeat=d):
        w = scale * np.array(signs)
        loss = ccs_loss(sigmoid(affirmed @ w), sigmoid(-affirmed @ w))
        worst = max(worst, loss)
    assert worst < 5e-18


@pytest.mark.parametrize("has_bias", [True, False])
@pytest.mark.parametrize("normalisation", ["halves", "concatenated", "whole", "none"])
def test_the_losses_are_those_of_the_probabilities_at_the_probe(has_bias, normalisation):
    fits = ccs(ROWS.X, ROWS.members, has_bias=has_bias, normalisation=normalisation, n_restarts=3)
    prepared = halves(ROWS.X, ROWS.members, normalisation=normalisation)
    for vector, offset, loss, objective in zip(fits.vectors, fits.offsets, fits.losses, fits.objectives, strict=True):
        # back from single rows to the halves
        theta = vector / (1 / prepared.scales).mean()
        bias = offset + theta @ (prepared.means / prepared.scales[:, None]).mean(axis=0)
        p_minus, p_plus = (sigmoid(half @ theta + bias) for half in (prepared.negative, prepared.positive))
        assert naive_loss(p_plus, p_minus) == pytest.approx(loss, abs=1e-12)
        assert objective == pytest.approx(loss + 0.0005 * theta @ theta, abs=1e-12)
        if not has_bias:
            assert bias == pytest.approx(0.0, abs=1e-12)


def test_the_gradient_is_that_of_the_objective():
    prepared = halves(ROWS.X, ROWS.members)
    rows = torch.from_numpy(np.concatenate([prepared.negative, prepared.positive]))
    objective = module.ccs_objective(rows, l2=0.1, has_bias=True)
    x = torch.from_numpy(np.random.default_rng(1).normal(size=(2, 9))).requires_grad_()
    minus, plus = torch.sigmoid(rows @ x[:, :-1].T + x[:, -1]).chunk(2)
    loss = ((plus - (1 - minus)) ** 2).mean(0) + (torch.minimum(plus, minus) ** 2).mean(0)
    (loss + 0.05 * (x[:, :-1] ** 2).sum(1)).sum().backward()
    values, gradients = objective(x.detach(), torch.arange(2))
    np.testing.assert_allclose(gradients.numpy(), x.grad.numpy(), atol=1e-12)
    np.testing.assert_allclose(values.numpy(), (loss + 0.05 * (x[:, :-1] ** 2).sum(1)).detach().numpy())


@pytest.mark.parametrize("l2", [0.01, 0.1])
def test_scipy_finds_no_lower_minimum_from_the_same_starts(l2):
    fits = ccs(ROWS.X, ROWS.members, n_restarts=4, l2=l2)
    prepared = halves(ROWS.X, ROWS.members)

    def objective(x):
        p_minus, p_plus = (sigmoid(half @ x[:-1] + x[-1]) for half in (prepared.negative, prepared.positive))
        return naive_loss(p_plus, p_minus) + l2 / 2 * x[:-1] @ x[:-1]

    starts = module.unit_starts(4, 8, random_state=0)
    theirs = [minimize(objective, np.append(start, 0.0), method="BFGS").fun for start in starts]
    assert min(fits.objectives) <= min(theirs) + 1e-6
    assert fits.is_converged.all()


def test_no_point_near_a_fit_is_lower_although_the_loss_has_kinks():
    fits = ccs(ROWS.X, ROWS.members, n_restarts=1, has_bias=False)
    prepared = halves(ROWS.X, ROWS.members)
    theta = fits.vectors[0] / (1 / prepared.scales).mean()
    rng = np.random.default_rng(0)
    for size in (1e-1, 1e-2, 1e-3):
        for _ in range(50):
            near = theta + size * rng.normal(size=8)
            p_minus, p_plus = sigmoid(prepared.negative @ near), sigmoid(prepared.positive @ near)
            assert ccs_loss(p_plus, p_minus) + 0.005 * near @ near > fits.objectives[0] - 1e-9


def test_the_kept_start_has_the_lowest_objective_and_more_starts_are_never_worse():
    few, many = (ccs(ROWS.X, ROWS.members, n_restarts=r, l2=0.0) for r in (2, 8))
    assert many.objectives[many.best] == many.objectives.min()
    # the first starts are the same, and each is solved for itself
    np.testing.assert_allclose(many.losses[:2], few.losses, atol=1e-8)
    # a start ends within the solver's tolerance of its minimum, and where within hangs on the shape of the batch
    assert many.losses.min() <= few.losses.min() + 1e-10


def test_the_probe_keeps_what_the_function_found():
    probe = CCS(n_restarts=3).fit(ROWS.X, pairs=ROWS.pairs, sides=ROWS.sides)
    fits = ccs(ROWS.X, ROWS.members, n_restarts=3)
    np.testing.assert_array_equal(probe.losses_, fits.losses)
    assert probe.loss_ == fits.losses[fits.best]
    np.testing.assert_allclose(probe.restart_directions_, fits.directions)
    np.testing.assert_allclose(probe.direction_, fits.directions[fits.best])
    assert probe.is_converged_.all()


def test_a_single_row_scores_the_mean_of_its_scores_as_either_half():
    found = ccs(ROWS.X, ROWS.members).found
    prepared = halves(ROWS.X, ROWS.members)
    theta = found.vector / (1 / prepared.scales).mean()
    bias = found.offset + theta @ (prepared.means / prepared.scales[:, None]).mean(axis=0)
    as_either = [(ROWS.X - mean) / scale @ theta + bias for mean, scale in zip(*prepared[2:], strict=True)]
    np.testing.assert_allclose(ROWS.X @ found.vector + found.offset, np.mean(as_either, axis=0), atol=1e-12)


def test_swapping_all_sides_changes_no_loss_and_no_direction():
    here, there = (ccs(ROWS.X, members, l2=0.01) for members in (ROWS.members, ROWS.members[:, ::-1]))
    np.testing.assert_allclose(there.losses, here.losses, atol=1e-9)
    np.testing.assert_allclose(there.directions, here.directions, atol=1e-6)


def test_another_seed_starts_elsewhere():
    one, other = (ccs(ROWS.X, ROWS.members, l2=0.0, random_state=seed) for seed in (0, 1))
    assert (one.vectors != other.vectors).any()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_token_of_one_half_is_removed_by_the_halves_means_and_not_by_the_mean_of_all(seed):
    data = draw(200, 32, separations=(6.0,), seed=seed, token=30.0)
    for normalisation in ("halves", "concatenated"):
        fits = ccs(data.X, data.members, normalisation=normalisation)
        assert abs(fits.directions[fits.best] @ data.features[0]) > 0.9
        assert abs(fits.directions[fits.best] @ data.token) < 0.1
    fits = ccs(data.X, data.members, normalisation="whole")
    assert abs(fits.directions[fits.best] @ data.token) > 0.9
    assert abs(fits.directions[fits.best] @ data.features[0]) < 0.3


@pytest.mark.parametrize("seed", SEEDS)
def test_it_beats_random_directions_which_stand_beside_it_with_their_spread(seed):
    data, fresh = (draw(200, 32, separations=(4.0,), seed=seed, fresh=fresh) for fresh in (0, 1))
    found = pair_accuracy(CCS().fit(data.X, pairs=data.pairs, sides=data.sides).direction_, fresh)[0]
    drawn = np.stack([RandomDirection(random_state=r).fit(data.X).direction_ for r in range(100)])
    chance = pair_accuracy(drawn, fresh)
    assert found > chance.mean() + 2 * chance.std(ddof=1)
    assert found > 0.98
    # untrained starts are far from chance wherever classes stand apart: 0.5 is no baseline
    assert 0.55 < chance.mean() < 0.8


def followed(separations):
    """For each seed, on data of its own: starts that found truth, whether the kept one did, how well starts agree."""
    made = []
    for seed in SEEDS:
        data = draw(300, 64, separations=separations, seed=seed)
        fits = ccs(data.X, data.members, n_restarts=6)
        is_truth = np.abs(fits.directions @ data.features[0]) > 0.9
        made.append((is_truth.mean(), is_truth[fits.best], seed_consistency(fits.directions).mean))
    return [np.array(column) for column in zip(*made, strict=True)]


def test_without_a_distractor_every_start_finds_truth_and_all_agree():
    starts, kept, consistency = followed((6.0,))
    assert starts.min() == 1.0 and kept.all()
    assert consistency.min() > 0.99


def test_an_equal_distractor_takes_about_half_of_the_starts_and_the_consistency_shows_it():
    starts, _, consistency = followed((6.0, 6.0))
    assert 0.3 < starts.mean() < 0.7
    assert consistency.max() < 0.8


def test_a_distractor_of_double_strength_is_followed_by_every_kept_start():
    starts, kept, consistency = followed((6.0, 12.0))
    assert not kept.any()
    assert starts.mean() < 0.25
    # starts may well agree, on the wrong feature: that takes a look at the rival, as ccs_stability has it
    assert consistency.max() > 0.99


def test_pairs_on_a_plateau_are_avoided_by_the_falling_penalty():
    # 0.2 is the loss of a constant; a pair whose halves both say "yes" for certain adds 1 + 1, and has no gradient
    data = draw(100, 60, separations=(0.5,), seed=0)
    prepared = halves(data.X, data.members)
    space = module.RowSpace.of(prepared, dtype=torch.float64, device="cpu")
    starts = torch.from_numpy(module.unit_starts(10, 60, random_state=0)) @ space.components
    direct, falling = (
        module.solve(space, starts, has_bias=True, l2=0.0, path=path).values for path in ((), module.FALLING)
    )
    assert falling.min() < 1e-6
    assert falling.mean() < 0.5 * direct.mean()


def test_rows_that_differ_only_by_the_half_are_refused():
    X = np.repeat(np.random.default_rng(0).normal(size=(20, 5)), 2, axis=0)
    X[1::2] += 0.1 * np.ones(5)
    with pytest.raises(ArrayError, match="CCS found no direction"):
        CCS().fit(X, pairs=np.repeat(np.arange(20), 2), sides=np.tile([0, 1], 20))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"n_restarts": 0}, "n_restarts is 0; at least one start"),
        ({"l2": -1.0}, r"l2 is -1.0; the strength of the penalty must be 0 or more"),
    ],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ArrayError, match=message):
        ccs(ROWS.X, ROWS.members, **options)


def test_a_search_that_is_cut_short_warns_with_its_residual(monkeypatch):
    monkeypatch.setattr(module, "_MAX_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match=r"CCS stopped at 1 steps .* at best with a decrease of \d\.\de-\d\d"):
        ccs(ROWS.X, ROWS.members)
