import numpy as np
import pytest

from tests.erasers import gap, rows
from tiltmeter.erasure import MeanProjection, leace, mean_projection


def naive_projection(X, z):
    """x − Σ q qᵀ (x − μ) over a Gram–Schmidt basis of the differences from the first class's mean, in loops."""
    n, d = X.shape
    mean = [sum(float(x[j]) for x in X) / n for j in range(d)]
    centres = []
    for label in sorted(set(z.tolist())):
        members = [X[i] for i in range(n) if z[i] == label]
        centres.append(np.array([sum(float(x[j]) for x in members) / len(members) for j in range(d)]))
    basis = []
    for centre in centres[1:]:
        step = centre - centres[0]
        for _ in range(2):
            for q in basis:
                step = step - (q @ step) * q
        basis.append(step / np.sqrt(step @ step))
    out = X.copy()
    for i in range(n):
        for q in basis:
            out[i] -= (q @ (X[i] - mean)) * q
    return out


@pytest.mark.parametrize("n_classes", [2, 4])
def test_mean_projection_equals_the_naive_twin(n_classes):
    rng = np.random.default_rng(0)
    z = np.arange(200) % n_classes
    X = rng.normal(size=(200, 6)) * np.geomspace(0.1, 10, 6) + rng.normal(size=(n_classes, 6))[z]
    np.testing.assert_allclose(mean_projection(X, z)(X), naive_projection(X, z), atol=1e-11)


@pytest.mark.parametrize("seed", range(5))
def test_for_two_classes_it_removes_the_mean_difference_and_nothing_else(seed):
    X, z, _ = rows(300, 8, seed=seed)
    delta = X[z == 1].mean(0) - X[z == 0].mean(0)
    P = mean_projection(X, z).matrix()
    np.testing.assert_allclose(P, np.eye(8) - np.outer(delta, delta) / (delta @ delta), atol=1e-12)
    other = np.random.default_rng(seed).normal(size=8)
    other -= (other @ delta) / (delta @ delta) * delta
    np.testing.assert_allclose(P @ other, other, atol=1e-12)


@pytest.mark.parametrize("seed", range(5))
@pytest.mark.parametrize("scale", [0.01, 1e-6, 1e6])
def test_the_scale_of_the_rows_decides_nothing(seed, scale):
    # public code of the orthogonal kind truncates singular values at 0.01 absolute, so that small rows stay as they are
    X, z, _ = rows(400, 8, shift=1.0, seed=seed)
    X = scale * X
    centred = X - X.mean(0)
    one_hot = np.eye(2)[z] - 0.5
    left, sizes, _ = np.linalg.svd(centred.T @ one_hot / (len(z) - 1), full_matrices=False)
    kept = left * (sizes > 0.01)
    faulty = centred - centred @ kept @ kept.T
    ours = mean_projection(X, z)(X)
    assert gap(ours, z, like=X) < 1e-12
    if scale < 1:
        np.testing.assert_array_equal(faulty, centred)
        assert gap(faulty, z, like=X) > 0.1


def test_it_changes_more_than_leace_unless_the_rows_are_round():
    rng = np.random.default_rng(0)
    z = np.arange(4000) % 2
    X = rng.normal(size=(4000, 5))
    X[:, 0] += 4.0 * z
    ours, least = (((method(X, z)(X) - X) ** 2).sum() for method in (mean_projection, leace))
    assert ours >= least
    assert ours == pytest.approx(least, rel=0.02)


def test_classes_whose_means_lie_on_a_line_take_one_direction():
    rng = np.random.default_rng(0)
    z = np.arange(900) % 3
    noise = rng.normal(size=(300, 4)).repeat(3, axis=0)
    X = noise + np.outer(z, [1.0, 2.0, 0.0, 0.0])
    assert MeanProjection().fit(X, z).eraser_.rank == 1
    assert gap(mean_projection(X, z)(X), z, like=X) < 1e-12
