import numpy as np
import pytest

from benchmarks.lat_against_mean_difference import SHIFTS, draw, ordered_and_centred, table
from tests.methods import plant
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.evaluation import auroc
from tiltmeter.probes import LAT, MeanDifference, lat, lat_shuffled

ROWS = plant(50, 6, shift=3.0, seed=0)
PAIRS = np.arange(100).reshape(50, 2)


def naive_lat(X, pairs):
    """Top eigenvector of Σ (a − b)(a − b)ᵀ: the sum in loops, the eigenvector by power iteration."""
    d = X.shape[1]
    moment = np.zeros((d, d))
    for a, b in pairs:
        difference = [float(X[a, j]) - float(X[b, j]) for j in range(d)]
        for j in range(d):
            for k in range(d):
                moment[j, k] += difference[j] * difference[k]
    vector = np.ones(d)
    for _ in range(2000):
        vector = moment @ vector
        vector = vector / np.sqrt((vector**2).sum())
    return vector * np.sign(vector[np.abs(vector).argmax()])


@pytest.mark.parametrize("p", [50, 4], ids=["more pairs than features", "fewer pairs than features"])
def test_lat_equals_the_naive_twin(p):
    found = lat(ROWS.X, PAIRS[:p]).vector
    np.testing.assert_allclose(found / np.linalg.norm(found), naive_lat(ROWS.X, PAIRS[:p]), atol=1e-9)


@pytest.mark.parametrize("is_centred", [False, True])
def test_the_shuffled_version_equals_the_published_recipe(is_centred):
    # Zou et al.: shuffle the order within pairs, differences, subtract their mean, PCA, first component
    swaps = np.random.default_rng(7).choice([-1.0, 1.0], size=50)
    differences = np.array([swap * (ROWS.X[a] - ROWS.X[b]) for swap, (a, b) in zip(swaps, PAIRS, strict=True)])
    if is_centred:
        differences = differences - differences.mean(axis=0)
    component = np.linalg.svd(differences)[2][0]
    found = lat_shuffled(ROWS.X, PAIRS, is_centred=is_centred, rng=np.random.default_rng(7)).vector
    assert abs(component @ found) / np.linalg.norm(found) == pytest.approx(1.0, abs=1e-12)


def test_the_default_is_the_expectation_over_shuffles():
    # the mean over shuffles of the centred second moment is (1 − 1/p) times the uncentred one: the same eigenvectors
    rng = np.random.default_rng(0)
    differences = ROWS.X[PAIRS[:, 0]] - ROWS.X[PAIRS[:, 1]]
    total = np.zeros((6, 6))
    for _ in range(4000):
        shuffled = rng.choice([-1.0, 1.0], size=50)[:, None] * differences
        centred = shuffled - shuffled.mean(axis=0)
        total += centred.T @ centred / 4000
    np.testing.assert_allclose(total, (1 - 1 / 50) * differences.T @ differences, atol=0.02 * np.trace(total))
    found = lat(ROWS.X, PAIRS).vector
    assert abs(np.linalg.eigh(total)[1][:, -1] @ found) > 0.9999


def test_lat_does_not_depend_on_the_order_within_pairs():
    rng = np.random.default_rng(1)
    swapped = np.where(rng.integers(2, size=50)[:, None] == 1, PAIRS, PAIRS[:, ::-1])
    assert (swapped != PAIRS).any()
    np.testing.assert_allclose(lat(ROWS.X, swapped).vector, lat(ROWS.X, PAIRS).vector, atol=1e-12)
    # also where the Gram matrix of the pairs is used instead
    np.testing.assert_allclose(lat(ROWS.X, swapped[:4]).vector, lat(ROWS.X, PAIRS[:4]).vector, atol=1e-12)


def test_swapping_the_rows_of_a_pair_in_x_changes_nothing():
    swapped = np.arange(100).reshape(50, 2)[:, ::-1].ravel()
    here, there = LAT().fit(ROWS.X, pairs=ROWS.pairs), LAT().fit(ROWS.X[swapped], pairs=ROWS.pairs)
    np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-12)


def test_lat_does_not_depend_on_the_order_of_pairs():
    order = np.random.default_rng(2).permutation(50)
    np.testing.assert_allclose(lat(ROWS.X, PAIRS[order]).vector, lat(ROWS.X, PAIRS).vector, atol=1e-12)


def test_what_both_members_share_does_not_matter():
    content = np.repeat(1e3 * np.random.default_rng(3).normal(size=(50, 6)), 2, axis=0)
    np.testing.assert_allclose(lat(ROWS.X + content, PAIRS).vector, lat(ROWS.X, PAIRS).vector, atol=1e-9)


def test_tiny_activations_do_not_underflow():
    found = lat(1e-200 * ROWS.X, PAIRS).vector
    np.testing.assert_allclose(found, lat(ROWS.X, PAIRS).vector, atol=1e-9)


def test_centring_pairs_in_the_given_order_is_refused():
    with pytest.raises(SpecError, match=r'would subtract the mean difference, .* use order="shuffled"'):
        LAT(is_centred=True).fit(ROWS.X, pairs=ROWS.pairs)


def test_identical_pairs_are_refused():
    with pytest.raises(ArrayError, match="LAT found no direction"):
        LAT().fit(np.repeat(ROWS.X[::2], 2, axis=0), pairs=ROWS.pairs)


def test_one_pair_is_its_difference_and_cannot_be_centred():
    difference = ROWS.X[0] - ROWS.X[1]
    found = LAT().fit(ROWS.X[:2], pairs=ROWS.pairs[:2]).direction_
    assert abs(found @ difference) == pytest.approx(np.linalg.norm(difference))
    with pytest.raises(ArrayError, match="LAT found no direction"):
        LAT(order="shuffled", is_centred=True).fit(ROWS.X[:2], pairs=ROWS.pairs[:2])


def test_another_seed_shuffles_otherwise():
    first, again, other = (
        LAT(order="shuffled", is_centred=True, random_state=seed).fit(ROWS.X, pairs=ROWS.pairs).direction_
        for seed in (0, 0, 1)
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other).any()


# ------------------------------------------------------------ against the mean difference, METHODS section 2


@pytest.fixture(scope="module")
def results():
    return table()


def of(results, name):
    return next(values for key, values in results.items() if name in key)


def test_both_find_a_strong_concept(results):
    for name in ("mean difference", "default", "order shuffled", "random unlabelled"):
        assert of(results, name)[SHIFTS.index(4.0)].min() > 0.95, name


def test_the_mean_difference_survives_where_the_nuisance_overtakes_the_concept_and_lat_does_not(results):
    # s² = 4 against a nuisance variance of 2 within pairs, then 1 and 1/4
    for name in ("default", "order shuffled"):
        values = of(results, name)
        assert values[SHIFTS.index(2.0)].mean() > 0.94
        assert values[SHIFTS.index(1.0)].mean() < 0.4
        assert values[SHIFTS.index(0.5)].mean() < 0.4
    assert of(results, "mean difference")[:3].min() > 0.9
    assert of(results, "mean difference")[SHIFTS.index(0.5)].mean() > 0.8


def test_ordered_and_centred_pairs_fail_at_every_shift(results):
    # two random directions in 50 dimensions have |cosine| 0.11 on average
    assert of(results, "ordered pairs, centred").mean(axis=1).max() < 0.3


def test_random_pairs_need_a_stronger_concept_than_true_ones(results):
    # their differences hold s²/2 of the concept, and the content as well
    assert of(results, "random unlabelled")[SHIFTS.index(2.0)].mean() < of(results, "default")[1].mean() - 0.1


def test_shuffled_and_centred_is_the_default_but_for_sampling(results):
    np.testing.assert_allclose(
        of(results, "order shuffled").mean(axis=1), of(results, "default").mean(axis=1), atol=0.05
    )


def test_the_published_order_trap_is_the_order_and_nothing_else():
    data = draw(4.0, seed=0)
    trapped = ordered_and_centred(data)
    shuffled = LAT(order="shuffled", is_centred=True).fit(data.X, pairs=data.pairs).orient(data.X, data.y)
    assert abs(trapped @ data.concept) < 0.4
    assert auroc(data.y, shuffled.decision_function(data.X)) > 0.95


# ------------------------------------------------------------ a constant difference, as steering data have it


def constant_difference(shift, *, seed, p=200, d=128):
    """Draw p pairs in d features: positive = c + e + shift u, negative = c + e', in that order.

    c ~ N(0, 1) of each pair, e and e' ~ N(0, 1/2) of each row, and u a random unit vector: differences have noise of
    one unit in each feature about shift u.
    """
    rng = np.random.default_rng([seed, int(10 * shift)])
    u = rng.normal(size=d)
    u /= np.linalg.norm(u)
    content, noise = rng.normal(size=(p, d)), rng.normal(size=(2, p, d)) / np.sqrt(2)
    X = np.stack([content + noise[0] + shift * u, content + noise[1]], axis=1).reshape(2 * p, d)
    return X, np.tile([1, 0], p), np.repeat(np.arange(p), 2), u


@pytest.mark.parametrize("shift", [2.0, 4.0, 10.0])
def test_a_constant_difference_is_found_uncentred_and_lost_by_centring(shift):
    found, uncentred, centred = [], [], []
    for seed in range(5):
        X, y, pairs, u = constant_difference(shift, seed=seed)
        found.append(abs(MeanDifference().fit(X, y).direction_ @ u))
        uncentred.append(abs(LAT().fit(X, pairs=pairs).direction_ @ u))
        differences = X[::2] - X[1::2]
        # what the best-known steering library does by default, and LAT refuses
        centred.append(abs(np.linalg.svd(differences - differences.mean(axis=0))[2][0] @ u))
    assert min(found) >= 0.9
    assert min(uncentred) >= 0.6
    assert np.mean(centred) < 0.12
    assert max(centred) < 0.3
