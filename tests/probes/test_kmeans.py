import numpy as np
import pytest

from tests.contrasts import draw
from tests.methods import plant
from tiltmeter.core.errors import ArrayError
from tiltmeter.probes import KMeansDifferences, kmeans_differences

SEEDS = range(5)
ROWS = plant(50, 6, shift=5.0, seed=0)
PAIRS = np.arange(100).reshape(50, 2)


def naive_kmeans(X, pairs):
    """Lloyd's iteration on differences in both orders, in loops, from each pair in turn; the tightest clusters win."""
    both = [sign * (X[a] - X[b]) for a, b in pairs for sign in (1, -1)]
    best = None
    for k in range(0, len(both), 10):
        centres = [both[k], -both[k]]
        for _ in range(100):
            nearest = [min((0, 1), key=lambda c: ((row - centres[c]) ** 2).sum()) for row in both]
            new = [np.mean([row for row, own in zip(both, nearest, strict=True) if own == c], axis=0) for c in (0, 1)]
            if np.allclose(new, centres):
                break
            centres = new
        inertia = sum(((row - centres[own]) ** 2).sum() for row, own in zip(both, nearest, strict=True))
        if best is None or inertia < best[0]:
            best = inertia, centres[0] - centres[1]
    return best[1]


def test_it_equals_the_naive_twin():
    found, expected = kmeans_differences(ROWS.X, PAIRS).vector, naive_kmeans(ROWS.X, PAIRS)
    np.testing.assert_allclose(np.abs(found), np.abs(expected), rtol=1e-9)


def test_it_does_not_depend_on_the_order_within_pairs():
    swapped = np.where(np.random.default_rng(1).integers(2, size=50)[:, None] == 1, PAIRS, PAIRS[:, ::-1])
    here, there = (kmeans_differences(ROWS.X, pairs).vector for pairs in (PAIRS, swapped))
    assert abs(here @ there) == pytest.approx(np.linalg.norm(here) * np.linalg.norm(there), rel=1e-12)


def test_the_two_clusters_mirror_each_other():
    # their centroids are ± half of the vector, so that 0 is the threshold
    found = kmeans_differences(ROWS.X, PAIRS).vector
    differences = ROWS.X[PAIRS[:, 0]] - ROWS.X[PAIRS[:, 1]]
    signs = np.sign(differences @ found)
    np.testing.assert_allclose((signs[:, None] * differences).mean(axis=0), found / 2, rtol=1e-9)


def test_what_both_members_share_does_not_matter():
    content = np.repeat(100 * np.random.default_rng(3).normal(size=(50, 6)), 2, axis=0)
    here, there = (KMeansDifferences().fit(X, pairs=ROWS.pairs).direction_ for X in (ROWS.X, ROWS.X + content))
    assert abs(here @ there) == pytest.approx(1.0, abs=1e-12)


@pytest.mark.parametrize("seed", SEEDS)
def test_sides_are_not_needed_and_a_token_of_one_half_is_followed(seed):
    data = draw(200, 32, separations=(8.0,), seed=seed)
    assert abs(KMeansDifferences().fit(data.X, pairs=data.pairs).direction_ @ data.features[0]) > 0.95
    spoiled = draw(200, 32, separations=(8.0,), seed=seed, token=30.0)
    with_sides = KMeansDifferences().fit(spoiled.X, pairs=spoiled.pairs, sides=spoiled.sides)
    assert abs(with_sides.direction_ @ spoiled.token) > 0.95


def test_another_seed_finds_the_same_clusters_where_they_are_clear():
    one, other = (KMeansDifferences(random_state=seed).fit(ROWS.X, pairs=ROWS.pairs).direction_ for seed in (0, 1))
    assert abs(one @ other) == pytest.approx(1.0, abs=1e-9)


def test_identical_pairs_are_refused():
    with pytest.raises(ArrayError, match="KMeansDifferences found no direction"):
        KMeansDifferences().fit(np.repeat(ROWS.X[::2], 2, axis=0), pairs=ROWS.pairs)
