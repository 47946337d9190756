import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.metrics.pairwise import rbf_kernel

from tests.erasure.anisotropic import classes
from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.erasure import SAL, AffineMethod, KernelSAL, kernel_sal
from tiltmeter.probes import logistic

SEEDS = range(5)


def quadrants(seed, n=300):
    """Rows whose class is the sign of the product of their first two features: no linear reader can tell."""
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 4))
    return X, (X[:, 0] * X[:, 1] > 0).astype(int)


def read(features, z):
    """Accuracy of logistic regression on the rows it was fitted on."""
    found = logistic(features, z, penalty_scale="within")
    return ((features @ found.vector + found.offset > 0) == z).mean()


def naive_kernel_sal(K, Z, rank):
    """K^½ as features, the eigenvectors w of Z Zᵀ K by size, and the null space of (K^½ w)ᵀ: as published."""
    n = len(K)
    H = np.eye(n) - 1 / n
    K, Z = H @ K @ H, H @ Z
    values, vectors = np.linalg.eigh(K)
    root = vectors @ np.diag(np.sqrt(np.clip(values, 0, None))) @ vectors.T
    sizes, W = np.linalg.eig(Z @ Z.T @ K)
    leading = np.real(W[:, np.argsort(-np.abs(sizes))[:rank]])
    removed = np.linalg.qr(root @ leading)[0]
    return root - root @ removed @ removed.T


@pytest.mark.parametrize("rank", [1, 2])
def test_products_of_the_features_equal_the_naive_twins(rank):
    X, z = classes(0, n=60, d=3, c=3)
    K = rbf_kernel(X, gamma=0.05)
    naive = naive_kernel_sal(K, np.eye(3)[z], rank)
    features = KernelSAL(rank, gamma=0.05).fit_transform(X, z)
    np.testing.assert_allclose(features @ features.T, naive @ naive.T, atol=1e-8)


@pytest.mark.parametrize("c", [2, 3])
def test_with_a_linear_kernel_it_is_sal_in_other_coordinates_on_fresh_rows_too(c):
    X, z = classes(0, n=100, d=5, c=c)
    fresh = classes(1, n=20, d=5, c=c)[0]
    method, linear = KernelSAL(kernel="linear", gamma=1.0).fit(X, z), SAL().fit(X, z)
    ours = method.transform(fresh) @ method.transform(X).T
    theirs = (linear.transform(fresh) - X.mean(axis=0)) @ (linear.transform(X) - X.mean(axis=0)).T
    np.testing.assert_allclose(ours, theirs, atol=1e-9 * np.abs(theirs).max())
    assert method.transform(X).shape == (100, 5 - (c - 1)) and method.n_removed_ == c - 1


@pytest.mark.parametrize("seed", SEEDS)
@pytest.mark.parametrize("kernel", ["poly", "rbf"])
def test_what_only_the_kernel_can_read_is_gone_on_its_rows(seed, kernel):
    X, z = quadrants(seed)
    assert read(X, z) < 0.62
    method = KernelSAL(kernel=kernel, degree=2).fit(X, z)
    features = method.transform(X)
    assert np.abs(features[z == 1].mean(axis=0) - features[z == 0].mean(axis=0)).max() < 1e-9
    # the same features with the concept left in: shuffled labels remove a direction that has nothing to do with it
    # (by chance one may lie near the concept's own: five of them)
    shuffled = [np.random.default_rng([seed, draw]).permutation(z) for draw in range(5)]
    nulls = [KernelSAL(kernel=kernel, degree=2).fit(X, labels).transform(X) for labels in shuffled]
    assert np.mean([read(null, z) for null in nulls]) > 0.8
    # the best predictor is constant, and says the larger class of every row
    assert read(features, z) == pytest.approx(np.bincount(z).max() / len(z))


def test_another_kernel_still_reads_it():
    # the property for which it must fail: what is erased is erased for readers in this kernel's space only
    X, z = quadrants(0)
    features = KernelSAL(kernel="linear").fit(X, z).transform(X)
    products = np.stack([a * b for i, a in enumerate(features.T) for b in features.T[i:]], axis=1)
    assert read(products, z) > max(z.mean(), 1 - z.mean()) + 0.15


def test_a_lower_rank_takes_the_largest_covariance_and_says_how_much_there_was():
    X, z = classes(0, n=100, d=5, c=4)
    method = KernelSAL(1, kernel="linear").fit(X, z)
    assert method.n_removed_ == 1 and (np.diff(method.singular_values_) <= 0).all()
    with pytest.raises(ArrayError, match=r"rank is 4, and the covariance .* has rank 3"):
        KernelSAL(4, kernel="linear").fit(X, z)
    with pytest.raises(SpecError, match="rank is 0"):
        KernelSAL(0).fit(X, z)


def test_real_numbers_are_decorrelated():
    X, _ = quadrants(0)
    z = X[:, 0] ** 2 + 0.1 * np.random.default_rng(1).normal(size=300)
    features = KernelSAL(kernel="poly", degree=2).fit_transform(X, z)
    assert np.abs((z - z.mean()) @ features).max() < 1e-7


def test_it_is_no_eraser_of_rows():
    X, z = quadrants(0)
    method = KernelSAL().fit(X, z)
    assert not hasattr(method, "eraser_") and not isinstance(method, AffineMethod)
    assert method.get_feature_names_out()[0] == "kernelsal0"
    assert len(method.get_feature_names_out()) == method.transform(X[:1]).shape[1]


def test_a_fresh_row_does_not_change_anothers_features():
    X, z = quadrants(0)
    method = KernelSAL().fit(X, z)
    fresh = quadrants(1)[0]
    np.testing.assert_allclose(method.transform(fresh)[:3], method.transform(fresh[:3]), atol=1e-10)


def test_rescaled_and_shifted_rows_give_the_same_features():
    X, z = quadrants(0)
    plain = KernelSAL().fit_transform(X, z)
    for moved in (1e3 * X + 1e5, 1e-3 * X):
        other = KernelSAL().fit_transform(moved, z)
        np.testing.assert_allclose(other @ other.T, plain @ plain.T, atol=1e-6)


def test_odd_rows_work_or_are_refused():
    X, z = quadrants(0)
    twice = np.hstack([X, X, np.ones((300, 1))])
    assert np.isfinite(KernelSAL().fit_transform(twice, z)).all()
    rng = np.random.default_rng(0)
    assert np.isfinite(KernelSAL().fit_transform(rng.normal(size=(20, 50)), np.arange(20) % 2)).all()
    with pytest.raises(ArrayError, match="one class only"):
        KernelSAL().fit(X, np.zeros(300, dtype=int))
    with pytest.raises(NoDirectionError, match="constant"):
        KernelSAL().fit(np.ones((20, 3)), np.arange(20) % 2)
    with pytest.raises(NoDirectionError, match="nothing to erase"):
        KernelSAL().fit(np.vstack([X, X]), np.repeat([0, 1], 300))
    with pytest.raises(ArrayError, match="all of them would go"):
        KernelSAL(kernel="linear").fit(X[:, :1], z)
    with pytest.raises(ArrayError, match=r"z has shape \(299,\) for 300 rows"):
        KernelSAL().fit(X, z[1:])
    with pytest.raises(SpecError, match="gamma is -1"):
        KernelSAL(gamma=-1.0).fit(X, z)
    X[0, 0] = np.nan
    with pytest.raises(ValueError, match="contains NaN"):
        KernelSAL().fit(X, z)


def test_a_clone_is_not_fitted():
    copy = clone(KernelSAL(gamma=2.0).fit(*quadrants(0)))
    with pytest.raises(NotFittedError):
        copy.transform(np.ones((1, 4)))
    assert copy.gamma == 2.0


def test_the_function_takes_the_kernel_as_it_is():
    X, z = quadrants(0, n=50)
    centred = X - X.mean(axis=0)
    found = kernel_sal(centred @ centred.T, z[:, None].astype(float))
    assert found.n_removed == 1 and found.coefficients.shape == (50, 3)
