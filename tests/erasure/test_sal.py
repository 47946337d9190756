import numpy as np
import pytest

from tests.erasers import gap, rows
from tiltmeter.core.errors import ArrayError, DataWarning, SpecError
from tiltmeter.erasure import SAL, mean_projection, sal


def many(seed):
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 4, 500)
    return rng.normal(size=(500, 7)) * np.geomspace(0.2, 5, 7) + 2 * rng.normal(size=(4, 7))[z], z


@pytest.mark.parametrize("seed", range(5))
def test_for_two_classes_and_one_direction_it_is_mean_projection(seed):
    X, z, _ = rows(300, 8, seed=seed)
    delta = X[z == 1].mean(0) - X[z == 0].mean(0)
    eraser = sal(X, z, rank=1)
    assert abs(eraser.right[0] @ delta) / np.linalg.norm(delta) == pytest.approx(1.0, abs=1e-10)
    np.testing.assert_allclose(eraser.matrix(), mean_projection(X, z).matrix(), atol=1e-10)


@pytest.mark.parametrize("rank", [1, 2, 3])
def test_sal_equals_the_naive_twin(rank):
    # Σ_xz in loops, labels one-hot; its first left singular vectors by the power method with deflation
    X, z = many(0)
    n, d = X.shape
    one_hot = np.eye(4)[z]
    cross = np.zeros((d, 4))
    for x, row in zip(X - sum(X) / n, one_hot - sum(one_hot) / n, strict=True):
        cross += np.outer(x, row) / n
    found, left = cross @ cross.T, []
    for _ in range(rank):
        v = np.ones(d)
        for _ in range(3000):
            v = found @ v
            v /= np.linalg.norm(v)
        left.append(v)
        found = found - (v @ found @ v) * np.outer(v, v)
    P = np.eye(d) - sum(np.outer(v, v) for v in left)
    if rank < 3:
        with pytest.warns(DataWarning, match=f"rank {rank} is below the 3 of the cross-covariance"):
            eraser = sal(X, z, rank=rank)
        assert "still correlate with z" in eraser.guarantee
    else:
        eraser = sal(X, z, rank=rank)
        assert gap(eraser(X), z, like=X) < 1e-12
    np.testing.assert_allclose(eraser.matrix(), P, atol=1e-8)


@pytest.mark.parametrize("seed", range(5))
def test_all_directions_are_those_of_mean_projection(seed):
    X, z = many(seed)
    np.testing.assert_allclose(sal(X, z).matrix(), mean_projection(X, z).matrix(), atol=1e-10)


def test_the_first_direction_holds_most_of_the_covariance_with_z():
    X, z = many(1)
    cross = (X - X.mean(0)).T @ (np.eye(4)[z] - np.eye(4)[z].mean(0))
    left = []
    for rank in (1, 2):
        with pytest.warns(DataWarning):
            left.append(np.linalg.norm(sal(X, z, rank=rank).matrix() @ cross))
    assert np.linalg.norm(cross) > left[0] > left[1] > 0


def test_a_rank_of_zero_or_beyond_the_data_is_refused():
    X, z = many(0)
    with pytest.raises(SpecError, match="rank is 0; give a whole number of at least 1"):
        SAL(0).fit(X, z)
    with pytest.raises(ArrayError, match="rank is 4, but the cross-covariance of these rows and z has rank 3"):
        SAL(4).fit(X, z)
