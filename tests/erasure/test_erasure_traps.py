"""Known ways to erase nothing, or to believe that all is erased: ours beside a transcribed faulty twin."""

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.preprocessing import StandardScaler

from tests.erasers import ERASERS, gap
from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure import leace, mean_projection
from tiltmeter.evaluation import auroc
from tiltmeter.probes import MeanDifference

SEEDS = pytest.mark.parametrize("seed", range(5))
equalising = pytest.mark.parametrize("method", [m for m in ERASERS if m.equalises], ids=str)


def absolute_cut(X, z, *, tol=0.01):
    """Public LEACE without shrinkage: singular values of W Σ_xz of 0.01 or less are dropped, whatever the data."""
    n, d = X.shape
    centred, one_hot = X - X.mean(0), np.eye(2)[z] - np.eye(2)[z].mean(0)
    values, vectors = np.linalg.eigh(centred.T @ centred / (n - 1))
    seen = values > values[-1] * d * np.finfo(X.dtype).eps
    whiten = vectors * np.where(seen, 1 / np.sqrt(np.where(seen, values, 1)), 0) @ vectors.T
    colour = vectors * np.where(seen, np.sqrt(np.where(seen, values, 0)), 0) @ vectors.T
    left, sizes, _ = np.linalg.svd(whiten @ centred.T @ one_hot / (n - 1), full_matrices=False)
    left = left * (sizes > tol)
    return X - centred @ (colour @ left @ left.T @ whiten).T


def rare(seed, share, n=20000, d=16):
    """Standard normal rows of which a share is shifted by 3 along the first feature."""
    rng = np.random.default_rng(seed)
    z = (np.arange(n) < share * n).astype(int)
    X = rng.normal(size=(n, d))
    X[z == 1, 0] += 3.0
    return X, z


@SEEDS
@pytest.mark.parametrize("share", [0.001, 0.002])
def test_a_rare_concept_is_erased_where_an_absolute_cut_leaves_it_whole(seed, share):
    X, z = rare(seed, share)
    before = gap(X, z)
    assert gap(absolute_cut(X, z), z, like=X) == pytest.approx(before, rel=1e-9)
    for method in (leace, mean_projection):
        assert gap(method(X, z)(X), z, like=X) < 1e-6 * before
    # what a probe still reads on fresh rows is another matter, and no promise
    fresh, again = rare(100 + seed, share), rare(200 + seed, share)
    eraser = leace(X, z)
    probe = MeanDifference().fit(eraser(fresh[0]), fresh[1])
    assert 0.4 < auroc(again[1], probe.decision_function(eraser(again[0]))) < 0.9


@equalising
@pytest.mark.parametrize("share", [0.001, 0.005])
def test_a_rare_concept_is_erased_by_every_method_that_equalises_means(method, share):
    X, z = rare(0, share)
    fitted = method.make().fit(X, z)
    if "Quadratic" not in str(method) or method.works_with_few_rows or share > 0.002:
        assert gap(method.erase(fitted, X, z), z, like=X) < 1e-6 * gap(X, z)


@SEEDS
@pytest.mark.parametrize("loudness", [1e-5, 1e-8, 1e-11])
def test_a_scaler_after_erasure_does_not_bring_the_concept_back_from_an_almost_constant_feature(seed, loudness):
    # one feature hardly varies and holds the concept; a cut by the size of eigenvalues takes it for rounding, leaves it
    # as it is, and a scaler that is fitted after erasure makes it as loud as the others
    rng = np.random.default_rng(seed)
    z = np.arange(2000) % 2
    X = rng.normal(size=(2000, 12)) * 3.0
    X[:, 0] = loudness * (rng.normal(size=2000) + 3.0 * z)
    X[:, 1] += 3.0 * z
    scaled = {
        name: StandardScaler().fit_transform(erased)
        for name, erased in {
            "ours": leace(X, z)(X),
            "theirs": absolute_cut(X, z),
            "mp": mean_projection(X, z)(X),
        }.items()
    }
    if loudness < 1e-7:
        assert gap(scaled["theirs"], z) > 0.5
        assert auroc(z, MeanDifference().fit(scaled["theirs"], z).decision_function(scaled["theirs"])) > 0.9
    # mean projection keeps a feature that holds almost nothing but the concept, and rescales what rounding left
    for name in ("ours", "mp"):
        assert gap(scaled[name], z) < 1e-6, name
    read = LogisticRegression(tol=1e-8, max_iter=1000).fit(scaled["ours"], z)
    assert read.score(scaled["ours"], z) < 0.55


@pytest.mark.parametrize("constant", [0.1, 1 / 3, 1e6 + 0.1])
def test_nothing_of_the_concept_is_written_into_a_constant_feature(constant):
    # rounding in a constant feature that follows the concept would be all that a scaler after erasure sees there
    rng = np.random.default_rng(0)
    z = np.arange(1000) % 2
    X = np.column_stack([rng.normal(size=(1000, 4)) + z[:, None], np.full(1000, constant)])
    for method in (leace, mean_projection):
        np.testing.assert_array_equal(method(X, z)(X)[:, 4], constant)


@SEEDS
def test_a_projection_that_is_fitted_on_test_labels_shows_chance_by_construction(seed):
    # the twin projects out the test rows' own mean difference before it scores them, so that a mean-difference probe
    # finds nothing there whatever the eraser is worth; ours was fitted on other rows and says what is left
    rng = np.random.default_rng(seed)
    d = 60
    u = rng.normal(size=d)

    def draw(n):
        z = np.arange(n) % 2
        return rng.normal(size=(n, d)) + np.outer(z - 0.5, u), z

    (X, z), (fresh, labels) = draw(120), draw(400)
    own = mean_projection(fresh, labels)(fresh)
    assert gap(own, labels, like=fresh) < 1e-12
    honest = mean_projection(X, z)(fresh)
    assert gap(honest, labels, like=fresh) > 0.05
    again, names = draw(2000)
    left = MeanDifference().fit(honest, labels)
    assert auroc(names, left.decision_function(mean_projection(X, z)(again))) > 0.6


@SEEDS
def test_a_tolerance_so_large_that_a_class_stays_is_noticed_in_the_fit(seed):
    # three classes, of which one hardly differs: its direction falls below the cut, while the others go
    rng = np.random.default_rng(seed)
    z = np.arange(3000) % 3
    X = rng.normal(size=(3000, 6))
    X[:, 0] += 4.0 * (z == 1)
    X[z == 2, 1] += 0.2
    assert leace(X, z).rank == mean_projection(X, z).rank == 2
    assert gap(leace(X, z)(X), z, like=X) < 1e-12
    for method in (leace, mean_projection):
        with pytest.raises(ArrayError, match=r"leaves .* of the class-mean gap on the rows it was fitted on"):
            method(X, z, tol=0.2)
