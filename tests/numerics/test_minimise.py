"""The batched minimiser, against SciPy's one problem at a time."""

import numpy as np
import pytest
import torch
from scipy.optimize import minimize, rosen, rosen_der

from tiltmeter.numerics import minimise


def quadratics(n_problems, n_unknowns, *, seed=0, condition=1e4):
    """Problems ½ (x − t)ᵀ H (x − t) with eigenvalues from 1 to ``condition``, as an objective, and their targets t."""
    generator = torch.Generator().manual_seed(seed)
    turns = torch.linalg.qr(torch.randn(n_problems, n_unknowns, n_unknowns, generator=generator).double())[0]
    scales = torch.logspace(0, float(np.log10(condition)), n_unknowns).double()
    hessians = turns * scales @ turns.mT
    targets = torch.randn(n_problems, n_unknowns, generator=generator).double()

    def objective(x, which):
        error = x.double() - targets[which]
        slope = (hessians[which] @ error[:, :, None])[:, :, 0]
        return (error * slope).sum(1) / 2, slope.to(x.dtype)

    return objective, targets, hessians


def test_every_problem_reaches_its_own_minimum():
    objective, targets, _ = quadratics(7, 12)
    found = minimise(objective, torch.zeros(7, 12).double(), tol=1e-16)
    np.testing.assert_allclose(found.x.numpy(), targets.numpy(), atol=1e-6)
    assert found.is_converged.all()
    assert (found.values < 1e-10).all()


def test_a_problem_takes_the_same_way_alone_as_among_others():
    objective, _, _ = quadratics(5, 8)
    together = minimise(objective, torch.zeros(5, 8).double())
    for i in range(5):
        alone = minimise(lambda x, which, i=i: objective(x, which + i), torch.zeros(1, 8).double())
        np.testing.assert_allclose(alone.x[0].numpy(), together.x[i].numpy(), atol=1e-8)
        assert alone.n_steps[0] == together.n_steps[i]


def test_scipy_finds_no_lower_value_of_rosenbrocks_valley():
    starts = np.random.default_rng(0).normal(size=(6, 5))

    def objective(x, which):
        values = [rosen(row) for row in x.numpy()]
        return torch.tensor(values), torch.from_numpy(np.array([rosen_der(row) for row in x.numpy()]))

    found = minimise(objective, torch.from_numpy(starts), tol=1e-14, max_steps=1000)
    for start, value in zip(starts, found.values.numpy(), strict=True):
        other = minimize(rosen, start, jac=rosen_der, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
        assert value <= other.fun + 1e-8


def test_the_right_curvature_takes_fewer_steps():
    scales = torch.logspace(0, 5, 30).double().expand(3, 30)

    def objective(x, which):
        error = x - 1
        return (scales[which] * error**2).sum(1) / 2, scales[which] * error

    start = torch.zeros(3, 30).double()
    told, untold = minimise(objective, start, curvature=scales), minimise(objective, start)
    assert (told.n_steps <= 2).all()
    assert (untold.n_steps > 10).all()


def test_single_precision_goes_as_far_as_it_can_and_never_back():
    objective, targets, _ = quadratics(4, 6, condition=100)
    found = minimise(objective, torch.zeros(4, 6), tol=0.0, max_steps=200)
    assert found.x.dtype == torch.float32
    np.testing.assert_allclose(found.x.numpy(), targets.numpy(), atol=1e-4)
    assert (found.values <= objective(torch.zeros(4, 6), torch.arange(4))[0]).all()
    assert (found.n_steps < 200).all()


def test_a_converged_problem_is_evaluated_no_more():
    asked = []
    objective, targets, _ = quadratics(2, 6)

    def counted(x, which):
        asked.append(which.tolist())
        return objective(x, which)

    start = torch.stack([targets[0], torch.zeros(6).double()])
    minimise(counted, start)
    assert asked[0] == [0, 1]
    assert all(which == [1] for which in asked[1:])


@pytest.mark.parametrize("start", [0.0, 5.0])
def test_a_problem_without_convexity_ends_at_a_minimum_nearby(start):
    def objective(x, which):
        return (torch.cos(x) + 0.01 * x**2).sum(1), -torch.sin(x) + 0.02 * x

    found = minimise(objective, torch.full((1, 1), start + 0.1).double(), tol=1e-14)
    x = float(found.x[0, 0])
    assert -np.sin(x) + 0.02 * x == pytest.approx(0.0, abs=1e-5)
    assert -np.cos(x) + 0.02 > 0


def test_too_few_steps_are_told():
    objective, _, _ = quadratics(2, 20)
    found = minimise(objective, torch.zeros(2, 20).double(), max_steps=3)
    assert not found.is_converged.any()
    assert (found.decrement > 1e-9).all()
    assert found.n_steps.tolist() == [3, 3]
