import numpy as np
import pytest

from tests.erasure.anisotropic import classes
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.erasure import SGDSettings, rlace_sgd
from tiltmeter.erasure._rlace_sgd import project_on_fantope

SEEDS = range(5)


def on_fantope(rng, d, rank):
    """A random matrix with eigenvalues in [0, 1] and trace k: a mean of projections of rank k."""
    weights = rng.dirichlet(np.ones(4))
    bases = [np.linalg.qr(rng.normal(size=(d, rank)))[0] for _ in range(4)]
    return sum(weight * basis @ basis.T for weight, basis in zip(weights, bases, strict=True))


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("rank", [0, 1, 3, 6])
def test_the_projection_lies_on_the_fantope_and_nothing_on_it_is_nearer(seed, rank):
    rng = np.random.default_rng(seed)
    matrix = 2 * rng.normal(size=(6, 6))
    found = project_on_fantope(matrix, rank=rank)
    np.testing.assert_allclose(found, found.T, atol=1e-14)
    values = np.linalg.eigvalsh(found)
    assert values.min() > -1e-12 and values.max() < 1 + 1e-12
    assert np.trace(found) == pytest.approx(rank, abs=1e-10)
    symmetric = (matrix + matrix.T) / 2
    if rank == 0:
        return
    for _ in range(50):
        rival = on_fantope(rng, 6, rank)
        # nearest, and so by the projection's own inequality: no feasible step leads towards the matrix
        assert ((symmetric - found) * (rival - found)).sum() < 1e-9
        assert np.linalg.norm(symmetric - found) <= np.linalg.norm(symmetric - rival) + 1e-9


def test_the_projection_meets_the_conditions_of_an_optimum():
    # clip(λ − θ, 0, 1): one θ for all eigenvalues between 0 and 1, none beyond it at 0, none short of it at 1
    rng = np.random.default_rng(0)
    matrix = rng.normal(size=(8, 8))
    matrix = matrix + matrix.T
    before, vectors = np.linalg.eigh(matrix)
    after = np.diag(vectors.T @ project_on_fantope(matrix, rank=3) @ vectors)
    inside = (after > 1e-9) & (after < 1 - 1e-9)
    thetas = (before - after)[inside]
    assert inside.any() and np.ptp(thetas) < 1e-9
    assert (before[after <= 1e-9] <= thetas[0] + 1e-9).all()
    assert (before[after >= 1 - 1e-9] >= thetas[0] + 1 - 1e-9).all()


def test_what_lies_on_the_fantope_stays():
    inside = on_fantope(np.random.default_rng(0), 5, 2)
    np.testing.assert_allclose(project_on_fantope(inside, rank=2), inside, atol=1e-12)


def test_a_matrix_that_is_not_square_or_finite_is_refused():
    with pytest.raises(ArrayError, match="must be square"):
        project_on_fantope(np.ones((2, 3)), rank=1)
    with pytest.raises(ArrayError, match="finite"):
        project_on_fantope(np.array([[np.nan]]), rank=1)
    with pytest.raises(SpecError, match="between 0 and 2"):
        project_on_fantope(np.eye(2), rank=3)


def test_the_defaults_are_those_of_the_publication():
    assert SGDSettings() == (0.005, 1e-4, 128, 1000, 3, 0.0015)


@pytest.mark.long
def test_it_converges_to_the_mean_difference_on_well_conditioned_rows():
    rng = np.random.default_rng(0)
    z = np.arange(1000) % 2
    shift = rng.normal(size=5)
    X = rng.normal(size=(1000, 5)) + (z[:, None] - 0.5) * 2 * shift / np.linalg.norm(shift)
    # larger steps than the publication's, on larger batches, so that a few hundred are enough
    settings = SGDSettings(learning_rate=0.2, batch_size=500, evaluated_every=100, n_classifiers=1, stop_margin=0.0)
    found = np.concatenate(
        [rlace_sgd(X, z, rank=1, n_steps=200, settings=settings, random_state=seed).directions for seed in SEEDS]
    )
    difference = X[z == 1].mean(axis=0) - X[z == 0].mean(axis=0)
    assert np.abs(found @ difference).min() / np.linalg.norm(difference) >= 0.997
    assert np.abs(found @ found.T).min() >= 0.997


def test_a_few_steps_leave_it_wherever_the_seed_led():
    X, z = classes(0, n=200, d=10, c=2)
    found = np.concatenate([rlace_sgd(X, z, rank=1, n_steps=5, random_state=seed).directions for seed in SEEDS])
    assert np.abs(found @ found.T).min() < 0.5


def test_the_same_seed_gives_the_same_bits_and_several_classes_work():
    X, z = classes(0, n=100, d=4, c=3)
    one, other = (rlace_sgd(X, z, rank=2, n_steps=30, random_state=3) for _ in range(2))
    np.testing.assert_array_equal(one.directions, other.directions)
    np.testing.assert_allclose(one.directions @ one.directions.T, np.eye(2), atol=1e-12)
    assert one.n_steps == 30


def test_it_stops_at_the_majority_or_when_the_time_is_up():
    X, z = classes(0, n=200, d=4, c=2)
    assert rlace_sgd(X, z, rank=4, n_steps=500).is_stopped
    assert rlace_sgd(X, z, rank=1, n_steps=10_000, max_seconds=0.0).n_steps <= 3


def test_ranks_and_steps_that_cannot_be_are_refused():
    X, z = classes(0, n=50, d=3)
    with pytest.raises(SpecError, match="rank is 0"):
        rlace_sgd(X, z, rank=0)
    with pytest.raises(SpecError, match="rank is 4"):
        rlace_sgd(X, z, rank=4)
    with pytest.raises(SpecError, match="n_steps is 0"):
        rlace_sgd(X, z, rank=1, n_steps=0)
