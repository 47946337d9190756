import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from tests.erasure.anisotropic import anisotropic, classes
from tiltmeter.core.errors import ArrayError, ConvergenceWarning, NoDirectionError, SpecError
from tiltmeter.erasure import RLACE, SGDSettings, least_log_loss, rlace, rlace_sgd

SEEDS = range(5)


def entropy(z):
    shares = np.bincount(z) / len(z)
    return float(-(shares * np.log(shares)).sum())


def independent_loss(X, z):
    """The least log loss by scikit-learn, to a tolerance of 1e-10."""
    model = LogisticRegression(C=np.inf, tol=1e-10, max_iter=100_000)
    return log_loss(z, model.fit(X, z).predict_proba(X))


def removed(X, directions):
    centred = X - X.mean(axis=0)
    return centred - centred @ directions.T @ directions


# ------------------------------------------------------------ the closed form


@pytest.mark.parametrize("seed", SEEDS)
def test_two_classes_lose_their_mean_difference_and_an_independent_fit_finds_the_entropy(seed):
    X, z = anisotropic(seed, n=800, d=12)
    z = np.where(np.arange(800) % 5 == 0, 0, z)  # unbalanced
    found = rlace(X, z, rank=1)
    difference = X[z == 1].mean(axis=0) - X[z == 0].mean(axis=0)
    assert abs(found.directions[0] @ difference) / np.linalg.norm(difference) == pytest.approx(1.0, abs=1e-12)
    assert found.bound == pytest.approx(entropy(z), abs=1e-14)
    assert found.is_certified and abs(found.gap) < 1e-9 and found.mean_gap < 1e-12
    assert "closed form" in found.certificate and found.spread == 0.0
    assert independent_loss(X, z) < found.bound - 0.01
    assert abs(independent_loss(RLACE().fit(X, z).transform(X), z) - entropy(z)) < 1e-6


@pytest.mark.parametrize("seed", SEEDS)
def test_several_classes_need_one_direction_less_than_they_are(seed):
    X, z = classes(seed)
    found = rlace(X, z, rank=3)
    assert found.is_certified and len(found.directions) == 3
    assert abs(independent_loss(removed(X, found.directions), z) - entropy(z)) < 1e-6
    # more is not taken than is needed
    more = rlace(X, z, rank=6)
    np.testing.assert_allclose(more.directions, found.directions)


def test_class_means_on_a_line_need_one_direction_however_many_they_are():
    rng = np.random.default_rng(0)
    z = np.arange(900) % 3
    noise = rng.normal(size=(300, 5))
    X = np.repeat(noise, 3, axis=0) + z[:, None] * np.array([1.0, 2.0, 0.0, 0.0, 0.0])
    found = rlace(X, z, rank=1)
    assert found.is_certified and len(found.directions) == 1


def test_another_direction_than_the_mean_difference_is_read():
    # the property that makes it the optimum: turn it a little, and the loss falls
    X, z = anisotropic(0, n=800, d=6)
    found = rlace(X, z, rank=1)
    turned = found.directions + 0.05 * np.random.default_rng(0).normal(size=(1, 6))
    assert least_log_loss(X, z, directions=turned).value < found.value - 1e-4


def test_a_rare_class_and_a_quiet_one_are_not_left_in_place():
    # 0.2 % of the rows, and a mean difference of 1e-7 of the loudest feature's spread: no absolute tolerance
    rng = np.random.default_rng(0)
    z = (np.arange(5000) < 10).astype(int)
    X = rng.normal(size=(5000, 6))
    X[:, 0] *= 1e-7
    X[z == 1, 0] += 3e-7
    found = rlace(X, z, rank=1)
    # not the sixth feature's sampling error alone: what is left differs by nothing
    assert found.mean_gap < 1e-9 and abs(found.gap) < 1e-9
    left = removed(X, found.directions)
    assert np.abs(left[z == 1].mean(axis=0) - left[z == 0].mean(axis=0)).max() < 1e-14


# ------------------------------------------------------------ below the rank of the mean differences


def naive_value(X, z, directions):
    return independent_loss(removed(X, directions), z)


@pytest.mark.parametrize("rank", [1, 2])
def test_below_the_rank_the_value_is_that_of_an_independent_fit_and_no_optimum_is_claimed(rank):
    X, z = classes(0)
    found = rlace(X, z, rank=rank)
    assert found.directions.shape == (rank, 8)
    np.testing.assert_allclose(found.directions @ found.directions.T, np.eye(rank), atol=1e-12)
    assert found.value == pytest.approx(naive_value(X, z, found.directions), abs=1e-6)
    assert not found.is_certified and found.certificate == "no optimality certificate"
    assert found.gap == found.bound - found.value > 0.01
    assert found.start_values.shape == (6,) and found.spread == pytest.approx(np.ptp(found.start_values))
    assert found.value == pytest.approx(found.start_values.max(), abs=1e-8)
    assert (found.start_values <= found.bound + 1e-12).all()
    assert found.is_converged


@pytest.mark.parametrize("seed", SEEDS)
def test_the_value_rises_with_the_rank_and_never_above_the_entropy(seed):
    X, z = classes(seed, n=300, d=5)
    values = [rlace(X, z, rank=rank, n_starts=3).value for rank in (1, 2, 3)]
    assert values == sorted(values)
    assert values[-1] <= entropy(z) + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_no_random_or_slightly_turned_subspace_does_better(seed):
    X, z = classes(seed, n=300, d=5)
    found = rlace(X, z, rank=2)
    rng = np.random.default_rng(seed)
    rivals = [rng.normal(size=(2, 5)) for _ in range(10)]
    rivals += [found.directions + 0.02 * rng.normal(size=(2, 5)) for _ in range(10)]
    assert max(least_log_loss(X, z, directions=rival).value for rival in rivals) < found.value + 1e-9


@pytest.mark.parametrize("seed", SEEDS)
def test_the_ascent_does_at_least_as_well_as_its_starts_and_as_the_covariance_in_either_metric(seed):
    X, z = classes(seed, n=300, d=5)
    found = rlace(X, z, rank=1)
    centred = X - X.mean(axis=0)
    cross = centred.T @ np.eye(4)[z] / 300
    covariance = centred.T @ centred / 300
    raw = np.linalg.svd(cross)[0][:, :1].T
    roots, vectors = np.linalg.eigh(covariance)
    half = vectors * np.sqrt(roots) @ vectors.T
    whitened = (half @ np.linalg.svd(np.linalg.solve(half, cross))[0][:, :1]).T
    assert found.value >= max(least_log_loss(X, z, directions=one).value for one in (raw, whitened)) - 1e-9


@pytest.mark.long
def test_it_does_at_least_as_well_as_five_runs_as_published():
    X, z = classes(0, n=400, d=6)
    found = rlace(X, z, rank=1)
    settings = SGDSettings(learning_rate=0.02, evaluated_every=50, n_classifiers=1)
    runs = [
        rlace_sgd(X / X.std(), z, rank=1, n_steps=100, settings=settings, random_state=seed).directions
        for seed in SEEDS
    ]
    values = [least_log_loss(X, z, directions=run).value for run in runs]
    assert found.value >= max(values)
    # and these differ among themselves, where two of ours are the same bits
    assert np.ptp(values) > 1e-3
    np.testing.assert_array_equal(found.directions, rlace(X, z, rank=1).directions)


def test_an_invertible_change_of_coordinates_changes_no_value():
    X, z = classes(0, n=300, d=5)
    change = np.random.default_rng(1).normal(size=(5, 5)) * np.geomspace(1e-3, 1e3, 5)
    # the best subspace turns along; random starts and the raw covariance's do not
    ours, theirs = (rlace(rows, z, rank=2, n_starts=1) for rows in (X, X @ change))
    assert theirs.value == pytest.approx(ours.value, abs=1e-8)


def test_too_few_steps_are_said_to_be_too_few():
    X, z = classes(0, n=300, d=5)
    with pytest.warns(ConvergenceWarning, match="allow more steps"):
        found = rlace(X, z, rank=1, n_starts=2, max_steps=1)
    assert not found.is_converged


# ------------------------------------------------------------ controls and edges


@pytest.mark.parametrize("seed", SEEDS)
def test_on_shuffled_labels_there_is_next_to_nothing_to_erase(seed):
    X, z = classes(seed)
    null = np.random.default_rng(seed).permutation(z)
    assert least_log_loss(X, null).value > 0.97 * entropy(z)
    assert least_log_loss(X, z).value < 0.9 * entropy(z)


def test_the_rank_must_lie_between_one_and_the_width():
    X, z = classes(0, n=100, d=3)
    for rank in (0, -1, 4):
        with pytest.raises(SpecError, match=rf"rank is {rank}; give a whole number from 1 to 3"):
            RLACE(rank).fit(X, z)
    with pytest.raises(SpecError, match="n_starts is 0"):
        rlace(X, z, rank=1, n_starts=0)


def test_fewer_rows_than_features_still_have_equal_means():
    rng = np.random.default_rng(0)
    X, z = rng.normal(size=(30, 80)), np.arange(30) % 3
    found = rlace(X, z, rank=2)
    assert found.is_certified and found.mean_gap < 1e-12
    # below the rank any other direction leaves rows that are told apart
    below = rlace(X, z, rank=1, n_starts=2)
    assert below.value > 0.1 and below.mean_gap > 0.1
    assert least_log_loss(X, z, directions=rng.normal(size=(1, 80))).value < 1e-6


def test_copied_and_constant_columns_change_nothing():
    X, z = classes(0)
    wide = np.hstack([X, X[:, :3], np.full((600, 1), 7.0)])
    for rank in (1, 3):
        found = RLACE(rank, n_starts=2).fit(wide, z)
        assert np.isfinite(found.directions_).all()
        assert found.value_ == pytest.approx(rlace(X, z, rank=rank, n_starts=2).value, abs=1e-3 if rank == 1 else 1e-9)
        np.testing.assert_allclose(found.transform(wide)[:, 11], 7.0)


def test_one_feature_leaves_nothing_and_that_is_the_entropy():
    rng = np.random.default_rng(0)
    z = np.arange(50) % 2
    found = rlace(rng.normal(size=(50, 1)) + z[:, None], z, rank=1)
    assert found.is_certified and found.value == pytest.approx(entropy(z))


def test_class_means_that_coincide_are_refused():
    X = np.random.default_rng(0).normal(size=(50, 4))
    with pytest.raises(NoDirectionError, match="erases nothing"):
        RLACE().fit(np.vstack([X, X]), np.repeat([0, 1], 50))
    with pytest.raises(NoDirectionError, match="erases nothing"):
        RLACE().fit(np.full((10, 3), 0.1), np.arange(10) % 2)


def test_codes_must_be_numbered_from_zero():
    X, z = classes(0, n=100, d=3)
    with pytest.raises(ArrayError, match="with none left out"):
        rlace(X, z + 1, rank=1)
    with pytest.raises(ArrayError, match="99 labels for 100 rows"):
        rlace(X, z[1:], rank=1)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_the_value_does_not_depend_on_the_scale_of_the_rows(scale, dtype):
    X, z = classes(0)
    found = rlace((scale * X).astype(dtype), z, rank=3)
    assert found.is_certified and found.mean_gap < 1e-10
