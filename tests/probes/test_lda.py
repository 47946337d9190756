import numpy as np
import pytest
from sklearn.covariance import ledoit_wolf
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis

from tests.methods import plant
from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import within_covariance
from tiltmeter.probes import LDA, MeanDifference, lda

ROWS = plant(60, 6, shift=1.5, seed=0)
SCALES = np.geomspace(0.1, 10, 6)


def naive_lda(X, y, shrinkage):
    """Σ⁻¹(μ₁ − μ₀) with Σ = (1 − a) S + a tr(S)/d I and S the mean of (x − μ_y)(x − μ_y)ᵀ, in loops."""
    n, d = X.shape
    means = {}
    for label in (0, 1):
        rows = [X[i] for i in range(n) if y[i] == label]
        means[label] = [sum(float(row[j]) for row in rows) / len(rows) for j in range(d)]
    S = [[0.0] * d for _ in range(d)]
    for i in range(n):
        centred = [float(X[i, j]) - means[int(y[i])][j] for j in range(d)]
        for j in range(d):
            for k in range(d):
                S[j][k] += centred[j] * centred[k] / n
    trace = sum(S[j][j] for j in range(d))
    for j in range(d):
        for k in range(d):
            S[j][k] = (1 - shrinkage) * S[j][k] + (shrinkage * trace / d if j == k else 0.0)
    difference = [means[1][j] - means[0][j] for j in range(d)]
    vector = np.linalg.solve(np.array(S), np.array(difference))
    offset = -sum(vector[j] * (means[0][j] + means[1][j]) / 2 for j in range(d))
    return vector, offset


@pytest.mark.parametrize("shrinkage", [0.0, 0.1, 1.0])
def test_lda_equals_the_naive_twin(shrinkage):
    vector, offset = naive_lda(ROWS.X * SCALES, ROWS.y, shrinkage)
    found = lda(ROWS.X * SCALES, ROWS.y, shrinkage=shrinkage)
    np.testing.assert_allclose(found.vector, vector, rtol=1e-9)
    assert found.offset == pytest.approx(offset)


def test_the_default_shrinkage_is_ledoit_and_wolfs_on_rows_about_their_class_mean():
    X = ROWS.X * SCALES
    centred = X - np.stack([X[ROWS.y == 0].mean(axis=0), X[ROWS.y == 1].mean(axis=0)])[ROWS.y]
    _, shrinkage = ledoit_wolf(centred, assume_centered=True)
    vector, offset = naive_lda(X, ROWS.y, shrinkage)
    found = lda(X, ROWS.y)
    assert 0.001 < shrinkage < 0.999
    np.testing.assert_allclose(found.vector, vector, rtol=1e-9)
    assert found.offset == pytest.approx(offset)


def test_without_shrinkage_it_is_scikit_learns_direction():
    theirs = LinearDiscriminantAnalysis(solver="lsqr").fit(ROWS.X * SCALES, ROWS.y).coef_[0]
    np.testing.assert_allclose(
        LDA(0.0).fit(ROWS.X * SCALES, ROWS.y).direction_, theirs / np.linalg.norm(theirs), atol=1e-10
    )


def test_with_shrinkage_one_it_is_the_mean_difference():
    found = LDA(1.0).fit(ROWS.X * SCALES, ROWS.y)
    np.testing.assert_allclose(found.direction_, MeanDifference().fit(ROWS.X * SCALES, ROWS.y).direction_, atol=1e-12)


def test_unshrunk_scores_do_not_depend_on_a_linear_change_of_coordinates():
    # the property that makes it LDA: invariant without shrinkage, not with it
    change = np.random.default_rng(1).normal(size=(6, 6))

    def ranks(shrinkage, X):
        return np.argsort(LDA(shrinkage).fit(X, ROWS.y).decision_function(X))

    np.testing.assert_array_equal(ranks(0.0, ROWS.X @ change), ranks(0.0, ROWS.X))
    assert (ranks(0.5, ROWS.X @ change) != ranks(0.5, ROWS.X)).any()


def test_it_beats_the_mean_difference_where_one_feature_is_loud():
    rng = np.random.default_rng(2)
    y = np.arange(400) % 2
    X = rng.normal(size=(400, 2)) * [1.0, 30.0] + y[:, None] * [2.0, 2.0]
    fitted = LDA().fit(X, y), MeanDifference().fit(X, y)
    right, wrong = ((probe.predict(X) == y).mean() for probe in fitted)
    assert right > 0.8 > 0.65 > wrong


def test_two_copies_of_every_row_change_nothing_at_fixed_shrinkage():
    here = LDA(0.2).fit(ROWS.X, ROWS.y)
    there = LDA(0.2).fit(np.tile(ROWS.X, (2, 1)), np.tile(ROWS.y, 2))
    np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-12)


@pytest.mark.parametrize(
    "X",
    [
        np.random.default_rng(0).normal(size=(20, 50)),
        np.repeat(np.random.default_rng(0).normal(size=(20, 2)), 2, axis=1),
        np.random.default_rng(0).normal(size=(20, 3)) * [1.0, 0.0, 1.0],
    ],
    ids=["fewer rows than features", "a feature twice", "a constant feature"],
)
def test_a_singular_covariance_needs_shrinkage(X):
    y = np.arange(20) % 2
    with pytest.raises(ArrayError, match="covariance is singular; use shrinkage above 0"):
        LDA(0.0).fit(X, y)
    assert np.isfinite(LDA().fit(X, y).direction_).all()


def test_rows_equally_far_from_their_mean_are_shrunk_although_the_formula_says_zero():
    # Σ |x|⁴ / N = |S|² there, so that Ledoit and Wolf's value is exactly 0, with a singular S
    X = np.array([[1.0, 3.0], [2.0, 1.0], [3.0, 3.0], [4.0, 1.0]] * 4)
    y = np.array([0, 1, 0, 1] * 4)
    assert within_covariance(X, y).shrinkage == pytest.approx(1e-8)
    # the second feature tells the classes apart without error
    assert LDA().fit(X, y).direction_ == pytest.approx([0.0, -1.0], abs=1e-6)


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, float("nan")])
def test_shrinkage_outside_the_unit_interval_is_refused(shrinkage):
    with pytest.raises(ArrayError, match=r"shrinkage is .*; it must lie in \[0, 1\]"):
        LDA(shrinkage).fit(ROWS.X, ROWS.y)


@pytest.mark.parametrize("n", [4, 30, 31])
@pytest.mark.parametrize("vector", [[3.0, 4.0], [0.1, 0.3]])
def test_rows_equal_to_their_class_mean_give_the_mean_difference(n, vector):
    # 0.1 and 0.3 are no sums of powers of two: the rounding of a mean must not be taken for a covariance
    y = np.arange(n) % 2
    expected = np.array(vector) / np.linalg.norm(vector)
    assert LDA().fit(np.outer(y, vector) + 0.123, y).direction_ == pytest.approx(expected)


@pytest.mark.parametrize("seed", range(5))
def test_unshrunk_it_is_the_mean_difference_tilted_by_the_inverse_covariance(seed):
    # 2,000 rows of 30 features with scales 0.1 to 10, a fifth positive, shifted by scale_j · g_j / 2 with g ~ N(0, 1):
    # the generator of the λ path (METHODS section 1), where the tilt is large and both directions read well
    rng = np.random.default_rng(seed)
    scales = np.geomspace(0.1, 10, 30)
    y = (np.arange(2000) < 400).astype(int)
    X = rng.normal(size=(2000, 30)) * scales + y[:, None] * scales * rng.normal(size=30) / 2
    delta = X[y == 1].mean(axis=0) - X[y == 0].mean(axis=0)
    within = sum(np.cov(X[y == label].T, bias=True) * (y == label).mean() for label in (0, 1))
    tilted = np.linalg.inv(within) @ delta
    found = LDA(0.0).fit(X, y).direction_
    np.testing.assert_allclose(found, tilted / np.linalg.norm(tilted), atol=1e-10)
    # the tilt turns the direction far from the difference itself, which the λ path's strong end reaches
    assert found @ delta / np.linalg.norm(delta) < 0.7
    assert MeanDifference().fit(X, y).direction_ @ delta / np.linalg.norm(delta) == pytest.approx(1.0, abs=1e-12)
