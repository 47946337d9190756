import numpy as np
import pytest
import torch

from tests.contrasts import draw
from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.probes import BSS, CRC, bss, bss_loss
from tiltmeter.probes import _bss as module
from tiltmeter.probes._halves import centred_differences

SEEDS = range(5)
ROWS = draw(80, 6, separations=(5.0,), seed=0)


def naive_loss(projected):
    """(var of negatives + var of positives) / total var, in loops."""

    def variance(values):
        mean = sum(values) / len(values)
        return sum((value - mean) ** 2 for value in values) / len(values)

    parts = [[x for x in projected if x < 0], [x for x in projected if x >= 0]]
    return sum(variance(part) for part in parts if part) / variance(list(projected))


def test_the_loss_equals_the_naive_twin():
    projected = np.random.default_rng(0).normal(size=50) + 0.3
    assert bss_loss(projected) == pytest.approx(naive_loss(projected), rel=1e-12)


def test_two_points_lose_nothing_and_a_normal_distribution_0_73():
    assert bss_loss(np.array([-2.0, 2.0, 2.0, -2.0])) == 0.0
    assert bss_loss(np.random.default_rng(0).normal(size=400_000)) == pytest.approx(2 * (1 - 2 / np.pi), abs=0.005)


def test_the_loss_of_equal_projections_is_refused():
    with pytest.raises(ArrayError, match="All projections are equal"):
        bss_loss(np.ones(4))


@pytest.mark.parametrize("ridge", [0.0, 1.0])
def test_the_gradient_is_that_of_the_loss_between_crossings(ridge):
    differences, _ = centred_differences(ROWS.X, ROWS.members)
    objective = module._objective(torch.from_numpy(differences), ridge=ridge)
    x, which = torch.from_numpy(np.random.default_rng(1).normal(size=(3, 6))), torch.arange(3)
    values, gradients = objective(x, which)
    for j in range(6):
        step = torch.zeros(6, dtype=torch.float64)
        step[j] = 1e-7
        slope = (objective(x + step, which)[0] - objective(x - step, which)[0]) / 2e-7
        np.testing.assert_allclose(slope.numpy(), gradients[:, j].numpy(), atol=1e-6)
    if ridge == 0:
        expected = [naive_loss(differences @ one) for one in x.numpy()]
        np.testing.assert_allclose(values.numpy(), expected, rtol=1e-10)


def published(differences, *, n_restarts=20, n_epochs=20):
    """The released procedure: AdamW at 0.1 from unit starts, normalised after each step, the lowest loss kept."""
    rows = torch.from_numpy(differences / np.sqrt((differences**2).mean()))
    generator = torch.Generator().manual_seed(0)
    lowest = 1.0
    for _ in range(n_restarts):
        start = torch.randn(rows.shape[1], generator=generator, dtype=torch.float64)
        theta = (start / start.norm()).requires_grad_()
        optimizer = torch.optim.AdamW([theta], lr=0.1)
        for _ in range(n_epochs):
            projected = rows @ theta
            low, high = projected[projected < 0], projected[projected >= 0]
            loss = (low.var() + high.var()) / projected.var()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            with torch.no_grad():
                theta /= theta.norm()
        lowest = min(lowest, bss_loss((rows @ theta.detach()).numpy()))
    return lowest


@pytest.mark.long
@pytest.mark.parametrize("seed", SEEDS)
def test_the_lowest_loss_is_not_above_that_of_the_published_procedure(seed):
    data = draw(150, 20, separations=(3.0,), seed=seed)
    fits = bss(data.X, data.members, shrinkage=0.0)
    assert fits.losses.min() <= published(centred_differences(data.X, data.members)[0])
    assert fits.losses[fits.best] == pytest.approx(fits.losses.min(), rel=1e-9)


@pytest.mark.parametrize("seed", SEEDS)
def test_it_finds_two_clusters_where_the_largest_variance_is_elsewhere(seed):
    # what sets it apart from CRC: a loud normal nuisance has more variance than truth, and no two clusters
    data = draw(400, 10, separations=(6.0,), seed=seed)
    loud = data.X + np.outer(np.random.default_rng(seed).normal(size=800) * 8.0, data.token)
    seen = {"pairs": data.pairs, "sides": data.sides}
    assert abs(BSS().fit(loud, **seen).direction_ @ data.features[0]) > 0.9
    assert abs(CRC().fit(loud, **seen).direction_ @ data.token) > 0.9


@pytest.mark.parametrize("seed", SEEDS)
def test_one_pair_far_out_is_not_followed(seed):
    # it would widen the cluster that it falls into; to CRC it is most of the variance
    data = draw(200, 10, separations=(6.0,), seed=seed)
    X = data.X.copy()
    X[0] += 200.0 * data.token
    seen = {"pairs": data.pairs, "sides": data.sides}
    assert abs(BSS().fit(X, **seen).direction_ @ data.features[0]) > 0.9
    assert abs(CRC().fit(X, **seen).direction_ @ data.token) > 0.9


def test_the_probe_keeps_what_the_function_found():
    probe = BSS(n_restarts=4).fit(ROWS.X, pairs=ROWS.pairs, sides=ROWS.sides)
    fits = bss(ROWS.X, ROWS.members, n_restarts=4)
    np.testing.assert_array_equal(probe.losses_, fits.losses)
    assert probe.loss_ == fits.losses[fits.best]
    np.testing.assert_allclose(probe.restart_directions_, fits.directions)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"n_restarts": 0}, "n_restarts is 0"), ({"shrinkage": -1.0}, r"shrinkage is -1.0; it must be 0 or more")],
)
def test_options_out_of_range_are_refused(options, message):
    with pytest.raises(ArrayError, match=message):
        bss(ROWS.X, ROWS.members, **options)


def test_a_search_that_is_cut_short_warns_with_its_residual(monkeypatch):
    monkeypatch.setattr(module, "_MAX_STEPS", 1)
    with pytest.warns(ConvergenceWarning, match=r"BSS was still going after 1 steps .* decrease of \d\.\de-\d\d"):
        bss(ROWS.X, ROWS.members)
