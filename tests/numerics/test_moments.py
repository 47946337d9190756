import tracemalloc
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.numpy import load, save
from sklearn.covariance import ledoit_wolf

from tests.methods import plant
from tiltmeter.core.errors import ArrayError, FormatError
from tiltmeter.numerics import Moments, class_means, within_covariance

pytestmark = pytest.mark.smoke

ROWS = plant(40, 5, shift=2.0, seed=0)
SIDES = np.random.default_rng(1).integers(2, size=40)[:, None] ^ np.array([0, 1])
SIDES = SIDES.ravel()


def gathered(X, y=None, *, batch=8, pairs=None, sides=None):
    moments = Moments(X.shape[1])
    for start in range(0, len(X), batch):
        rows = slice(start, start + batch)
        batches = [None if values is None else values[rows] for values in (y, pairs, sides)]
        moments.update(X[rows], batches[0], pairs=batches[1], sides=batches[2])
    return moments


def assert_same(found, expected, *, rtol=1e-10):
    """Compare all that can be read of two moments, relative to the largest number of each array."""
    assert found.counts == expected.counts
    for one, other in zip(read(found), read(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=rtol, atol=rtol * np.abs(other).max())


def read(moments):
    values = []
    if moments.counts.negative and moments.counts.positive:
        values += [*moments.class_means(), *moments.within_covariance()]
    if sum(moments.counts[:3]):
        values += list(moments.mean_and_covariance())
    if moments.counts.pairs:
        differences = moments.pair_differences()
        values += [differences.second_moment] + ([] if differences.mean is None else [differences.mean])
    return [np.asarray(value, dtype=np.float64) for value in values]


# ------------------------------------------------------------ against rows at hand


def naive_covariance(rows):
    """Mean and Σ (x − m)(x − m)ᵀ / n, in loops."""
    n, d = rows.shape
    mean = [sum(float(row[j]) for row in rows) / n for j in range(d)]
    matrix = [[sum((row[j] - mean[j]) * (row[k] - mean[k]) for row in rows) / n for k in range(d)] for j in range(d)]
    return np.array(mean), np.array(matrix)


def test_everything_read_equals_the_naive_twin():
    moments = gathered(ROWS.X, ROWS.y, pairs=ROWS.pairs, sides=SIDES)
    assert moments.counts == (40, 40, 0, 40)

    classes = [naive_covariance(ROWS.X[ROWS.y == label]) for label in (0, 1)]
    means = moments.class_means()
    np.testing.assert_allclose(means.negative, classes[0][0], rtol=1e-12)
    np.testing.assert_allclose(means.positive, classes[1][0], rtol=1e-12)
    assert means.prior == 0.5
    within = moments.within_covariance(shrinkage=0.0).matrix
    np.testing.assert_allclose(within, (classes[0][1] + classes[1][1]) / 2, rtol=1e-11)

    everything = moments.mean_and_covariance()
    mean, matrix = naive_covariance(ROWS.X)
    assert everything.n_rows == 80
    np.testing.assert_allclose(everything.mean, mean, rtol=1e-11)
    np.testing.assert_allclose(everything.covariance, matrix, rtol=1e-11)

    second, total = np.zeros((5, 5)), np.zeros(5)
    for i in range(40):
        a, b = ROWS.X[2 * i], ROWS.X[2 * i + 1]
        difference = b - a if SIDES[2 * i + 1] == 1 else a - b
        total += difference / 40
        for j in range(5):
            for k in range(5):
                second[j, k] += difference[j] * difference[k] / 40
    differences = moments.pair_differences()
    assert differences.n_pairs == 40
    np.testing.assert_allclose(differences.second_moment, second, rtol=1e-11)
    np.testing.assert_allclose(differences.mean, total, rtol=1e-11)


@pytest.mark.parametrize("shrinkage", [None, 0.0, 0.3, 1.0])
@pytest.mark.parametrize(("n_pairs", "d"), [(5, 40), (40, 5), (700, 5)])
def test_the_within_covariance_is_that_of_the_rows(n_pairs, d, shrinkage):
    rows = plant(n_pairs, d, shift=1.0, seed=n_pairs)
    X = rows.X * np.geomspace(0.1, 10, d)
    found, expected = gathered(X, rows.y), within_covariance(X, rows.y, shrinkage=shrinkage)
    within = found.within_covariance(shrinkage=shrinkage)
    assert within.shrinkage == pytest.approx(expected.shrinkage, rel=1e-10)
    np.testing.assert_allclose(within.matrix, expected.matrix, rtol=1e-9, atol=1e-12)


def test_the_shrinkage_is_scikit_learns():
    # skewed rows of unequal classes, so that the third and fourth moments have something to say
    rng = np.random.default_rng(0)
    y = (np.arange(900) % 9 == 0).astype(int)
    X = rng.exponential(size=(900, 6)) ** 2 * np.arange(1, 7) + 5.0 * y[:, None]
    centred = X - np.stack([X[y == 0].mean(axis=0), X[y == 1].mean(axis=0)])[y]
    _, shrinkage = ledoit_wolf(centred, assume_centered=True)
    assert 0.01 < shrinkage < 0.99
    assert gathered(X, y, batch=7).within_covariance().shrinkage == pytest.approx(shrinkage, rel=1e-10)


# ------------------------------------------------------------ batches, orders, merges


@settings(max_examples=40, deadline=None)
@given(
    cuts=st.lists(st.integers(0, 40), max_size=6), seed=st.integers(0, 2**32 - 1), offset=st.sampled_from([0.0, 1e3])
)
def test_moments_merged_over_any_partition_equal_one_pass(cuts, seed, offset):
    rng = np.random.default_rng(seed)
    X = np.sort(ROWS.X * np.geomspace(0.1, 10, 5) + offset * ROWS.y[:, None], axis=0)  # sorted: the parts differ
    one = Moments(5).update(X, ROWS.y, pairs=ROWS.pairs, sides=SIDES)
    edges = [0, *sorted(2 * cut for cut in cuts), 80]
    parts = [
        Moments(5).update(X[a:b], ROWS.y[a:b], pairs=ROWS.pairs[a:b], sides=SIDES[a:b]) for a, b in pairwise(edges)
    ]
    while len(parts) > 1:  # in any order and grouping
        i, j = rng.choice(len(parts), size=2, replace=False)
        parts[i].merge(parts[j])
        del parts[j]
    assert_same(parts[0], one)


@settings(max_examples=25, deadline=None)
@given(sizes=st.lists(st.integers(0, 300), min_size=1, max_size=12))
def test_how_rows_are_cut_into_batches_changes_no_bit(sizes):
    X = np.random.default_rng(0).normal(size=(sum(sizes), 3)).astype(np.float32)
    y = np.random.default_rng(1).integers(2, size=len(X))
    here, there, start = Moments(3), Moments(3).update(X, y), 0
    for size in sizes:
        here.update(X[start : start + size], y[start : start + size])
        start += size
    one, other = here.to_arrays(), there.to_arrays()
    assert set(one) == set(other)
    for name in one:
        np.testing.assert_array_equal(one[name], other[name])


def test_reading_in_between_changes_nothing_but_rounding():
    halting = Moments(5)
    for start in range(0, 80, 2):
        rows = slice(start, start + 2)
        halting.update(ROWS.X[rows], ROWS.y[rows], pairs=ROWS.pairs[rows], sides=SIDES[rows])
        read(halting)
    assert_same(halting, Moments(5).update(ROWS.X, ROWS.y, pairs=ROWS.pairs, sides=SIDES), rtol=1e-12)


def test_the_order_of_rows_does_not_matter():
    order = np.random.default_rng(2).permutation(80)
    moved = Moments(5).update(ROWS.X[order], ROWS.y[order], pairs=ROWS.pairs[order], sides=SIDES[order])
    assert_same(moved, gathered(ROWS.X, ROWS.y, pairs=ROWS.pairs, sides=SIDES), rtol=1e-12)


def test_rows_one_at_a_time_give_the_same():
    assert_same(gathered(ROWS.X, ROWS.y, batch=1), gathered(ROWS.X, ROWS.y, batch=80), rtol=1e-14)


def test_an_update_with_no_rows_changes_nothing():
    moments = gathered(ROWS.X, ROWS.y, pairs=ROWS.pairs)
    before = moments.to_arrays()
    none = np.array([], dtype=np.int64)
    moments.update(ROWS.X[:0]).update(ROWS.X[:0], none, pairs=none.astype(str), sides=none).merge(Moments(5))
    after = moments.to_arrays()
    assert all((after[name] == before[name]).all() for name in before)
    assert Moments(5).update(ROWS.X[:0]).counts == (0, 0, 0, 0)


def test_merging_leaves_the_other_as_it_was_and_apart():
    here, there = gathered(ROWS.X[:40], ROWS.y[:40]), gathered(ROWS.X[40:], ROWS.y[40:])
    before = there.to_arrays()
    here.merge(there)
    here.update(ROWS.X, ROWS.y)
    after = there.to_arrays()
    assert all((after[name] == before[name]).all() for name in before)
    fresh = Moments(5).merge(there)
    fresh.update(ROWS.X, ROWS.y)
    assert all((there.to_arrays()[name] == before[name]).all() for name in before)


def test_moments_merged_with_themselves_are_the_rows_twice():
    moments = gathered(ROWS.X, ROWS.y, pairs=ROWS.pairs)
    again = np.char.add(ROWS.pairs, " again")
    twice = gathered(ROWS.X, ROWS.y, pairs=ROWS.pairs).update(ROWS.X, ROWS.y, pairs=again)
    assert_same(moments.merge(moments), twice, rtol=1e-12)


def test_rows_of_other_types_mix():
    narrow = [ROWS.X[:20].astype(np.float16), ROWS.X[20:40].astype(np.float32), ROWS.X[40:]]
    mixed = Moments(5)
    for part, rows in zip(narrow, (slice(0, 20), slice(20, 40), slice(40, 80)), strict=True):
        mixed.update(part, ROWS.y[rows])
    wide = np.concatenate([part.astype(np.float64) for part in narrow])
    assert_same(mixed, gathered(wide, ROWS.y), rtol=1e-14)


# ------------------------------------------------------------ numbers that are hard on sums


@pytest.mark.parametrize("spread", [1.0, 1e-3])
@pytest.mark.parametrize("batch", [1, 32, 4000])
def test_a_large_common_offset_costs_no_digits(spread, batch):
    rng = np.random.default_rng(3)
    y = rng.integers(2, size=4000)
    X = 1e6 + spread * (rng.normal(size=(4000, 4)) + y[:, None])
    reference = X - 1e6  # exact: both are near 1e6
    halves = [gathered(part, labels, batch=batch) for part, labels in zip(np.split(X, 2), np.split(y, 2), strict=True)]
    found = halves[0].merge(halves[1])
    for shrinkage in (None, 0.0):
        within = found.within_covariance(shrinkage=shrinkage)
        expected = within_covariance(reference, y, shrinkage=shrinkage)
        np.testing.assert_allclose(within.matrix, expected.matrix, rtol=1e-9, atol=1e-9 * spread**2)
        assert within.shrinkage == pytest.approx(expected.shrinkage, rel=1e-9)
    covariance = np.cov(reference.T, bias=True)
    np.testing.assert_allclose(found.mean_and_covariance().covariance, covariance, rtol=1e-9, atol=1e-9 * spread**2)


def test_a_first_row_far_from_all_others_costs_few_digits():
    # the origin is the first row: here an attention sink
    X, y = ROWS.X.copy(), ROWS.y.copy()
    X[0, 2], X[1, 2] = 1e5, 1e5
    assert_same(gathered(X, y), gathered(X[::-1].copy(), y[::-1].copy()), rtol=1e-11)
    found = gathered(X, y).within_covariance(shrinkage=0.0).matrix
    np.testing.assert_allclose(found, within_covariance(X, y, shrinkage=0.0).matrix, rtol=1e-9, atol=1e-9)


def test_float16_rows_do_not_overflow():
    # sums, differences and squares of these lie far above 65504
    half = (6e4 * np.sign(ROWS.X)).astype(np.float16)
    found = gathered(half, ROWS.y, pairs=ROWS.pairs)
    assert_same(found, gathered(half.astype(np.float64), ROWS.y, pairs=ROWS.pairs), rtol=1e-14)
    assert np.abs(found.pair_differences().second_moment).max() > 1e9


def test_equal_rows_have_a_scatter_of_exactly_zero():
    # 0.1 has no exact sum: a mean of thirty of them is not 0.1
    y, pairs = np.arange(300) % 2, np.repeat(np.arange(150), 2)
    found = gathered(np.full((300, 3), 0.1), y, batch=6, pairs=pairs)
    means = found.class_means()
    np.testing.assert_array_equal(means.positive, means.negative)
    assert not found.within_covariance().matrix.any()
    assert not found.pair_differences().second_moment.any()


def test_the_covariance_of_all_rows_counts_rows_without_labels():
    y = ROWS.y[:40]
    mixed = Moments(5).update(ROWS.X[:40], y).update(ROWS.X[40:])
    assert mixed.counts == ((y == 0).sum(), (y == 1).sum(), 40, 0)
    found = mixed.mean_and_covariance()
    np.testing.assert_allclose(found.mean, ROWS.X.mean(axis=0), rtol=1e-12)
    np.testing.assert_allclose(found.covariance, np.cov(ROWS.X.T, bias=True), rtol=1e-12)
    # and the labelled moments are those of the labelled rows alone
    np.testing.assert_allclose(mixed.class_means().positive, class_means(ROWS.X[:40], y).positive, rtol=1e-12)


# ------------------------------------------------------------ pairs


def test_rows_without_a_pair_are_left_out_of_the_differences():
    pairs = ROWS.pairs.copy()
    pairs[10:20] = ""
    found = Moments(5).update(ROWS.X, ROWS.y, pairs=pairs)
    kept = np.r_[0:10, 20:80]
    expected = Moments(5).update(ROWS.X[kept], pairs=ROWS.pairs[kept])
    assert found.counts == (40, 40, 0, 35)
    np.testing.assert_allclose(
        found.pair_differences().second_moment, expected.pair_differences().second_moment, rtol=1e-12
    )


def test_pairs_of_whole_numbers_are_pairs_too():
    found = Moments(5).update(ROWS.X, pairs=np.repeat(np.arange(40), 2))
    np.testing.assert_allclose(
        found.pair_differences().second_moment,
        Moments(5).update(ROWS.X, pairs=ROWS.pairs).pair_differences().second_moment,
        rtol=1e-12,
    )


def test_sides_fix_the_sign_of_the_mean_and_nothing_else():
    here = Moments(5).update(ROWS.X, pairs=ROWS.pairs, sides=SIDES).pair_differences()
    there = Moments(5).update(ROWS.X, pairs=ROWS.pairs, sides=1 - SIDES).pair_differences()
    np.testing.assert_allclose(there.mean, -here.mean, rtol=1e-12)
    np.testing.assert_allclose(there.second_moment, here.second_moment, rtol=1e-12)
    by_side = [ROWS.X[SIDES == side].mean(axis=0) for side in (0, 1)]
    np.testing.assert_allclose(here.mean, by_side[1] - by_side[0], rtol=1e-11)


def test_the_mean_difference_is_unknown_once_a_pair_came_without_sides():
    sided = Moments(5).update(ROWS.X[:40], pairs=ROWS.pairs[:40], sides=SIDES[:40])
    bare = Moments(5).update(ROWS.X[40:], pairs=ROWS.pairs[40:])
    assert sided.pair_differences().mean is not None
    assert bare.pair_differences().mean is None
    assert sided.merge(bare).pair_differences().mean is None


# ------------------------------------------------------------ memory


@pytest.mark.parametrize(("n_labels", "has_pairs"), [(1, False), (2, False), (2, True), (3, True)])
def test_the_memory_stated_is_the_memory_held_and_it_does_not_grow(n_labels, has_pairs):
    d = 400
    rng = np.random.default_rng(0)
    X = rng.normal(size=(600, d))
    y = np.arange(600) % 2
    pairs = np.repeat(np.arange(300), 2) if has_pairs else None
    stated = Moments.bytes_needed(d, n_labels=n_labels, has_pairs=has_pairs)
    tracemalloc.start()
    try:
        moments = Moments(d)
        for _ in range(4):
            moments.update(X, None if n_labels == 1 else y, pairs=pairs)
            if n_labels == 3:
                moments.update(X)
            arrays = tracemalloc.DomainFilter(inclusive=True, domain=np.lib.tracemalloc_domain)
            held = tracemalloc.take_snapshot().filter_traces([arrays]).statistics("filename")
            assert sum(statistic.size for statistic in held) == stated
        tracemalloc.reset_peak()
        moments.update(X, None if n_labels == 1 else y, pairs=pairs)
        # a batch needs no second matrix and no copy of itself, only a few blocks of 256 rows
        assert tracemalloc.get_traced_memory()[1] < stated + 4 * 256 * d * 8
    finally:
        tracemalloc.stop()


# ------------------------------------------------------------ arrays


def test_arrays_and_back_is_the_same_to_the_bit_and_goes_through_safetensors():
    moments = gathered(ROWS.X, ROWS.y, pairs=ROWS.pairs, sides=SIDES).update(ROWS.X[:3])
    arrays = moments.to_arrays()
    again = Moments.from_arrays(load(save(arrays)))
    assert again.counts == moments.counts
    for one, other in zip(read(again), read(moments), strict=True):
        np.testing.assert_array_equal(one, other)
    # both go on alike
    for each in (again, moments):
        each.update(ROWS.X, ROWS.y, pairs=ROWS.pairs, sides=SIDES)
    for one, other in zip(read(again), read(moments), strict=True):
        np.testing.assert_array_equal(one, other)
    # and the arrays were copies, read-only ones too
    assert (Moments.from_arrays(arrays).counts) != moments.counts
    for array in arrays.values():
        array.setflags(write=False)
    Moments.from_arrays(arrays).update(ROWS.X, ROWS.y)


def test_empty_moments_survive_as_arrays():
    assert Moments.from_arrays(Moments(3).to_arrays()).n_features == 3


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"format": np.array(2)}, "format 2; this release reads format 1"),
        ({"format": None}, "format None"),
        ({"n_features": None}, "lack 'n_features'"),
        ({"n_features": np.array(6)}, r"'negative.origin' of the moments has shape \(5,\)"),
        ({"n_sided": np.array(-1)}, "'n_sided' of the moments is no count of at least 0"),
        ({"negative.count": np.array(0)}, "'negative.count' of the moments is no count of at least 1"),
        ({"negative.count": np.array(1.5)}, "'negative.count' of the moments is no count"),
        ({"negative.count": None}, "hold 'negative.fourth', which does not belong there"),
        ({"positive.third": None}, "lack 'positive.third'"),
        ({"positive.scatter": np.zeros((5, 4))}, r"'positive.scatter' of the moments has shape \(5, 4\)"),
        ({"positive.scatter": np.zeros((5, 5), dtype=np.float32)}, "dtype float32"),
        ({"positive.scatter": np.full((5, 5), np.nan)}, "or is not finite"),
        ({"extra": np.zeros(2)}, "hold 'extra', which does not belong there"),
    ],
)
def test_arrays_that_are_not_moments_are_refused(change, message):
    arrays = gathered(ROWS.X, ROWS.y).to_arrays() | change
    arrays = {name: array for name, array in arrays.items() if array is not None}
    with pytest.raises(FormatError, match=message):
        Moments.from_arrays(arrays)


# ------------------------------------------------------------ bad input

NAN, INF = ROWS.X.copy(), ROWS.X.copy()
NAN[7, 3], INF[70, 0] = np.nan, -np.inf
ALONE, THRICE = ROWS.pairs.copy(), ROWS.pairs.copy()
ALONE[5], THRICE[5] = "", "pair 0"


@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"X": NAN}, "Row 7 of X contains NaN or infinity"),
        ({"X": INF}, "Row 70 of X contains NaN or infinity"),
        ({"X": ROWS.X[:, :4]}, r"X has shape \(80, 4\); it must have two axes, rows and 5 features"),
        ({"X": ROWS.X[0]}, r"X has shape \(5,\)"),
        ({"X": ROWS.X.astype(int)}, "X has dtype int64; give rows of a floating type"),
        ({"y": ROWS.y[:79]}, r"y has shape \(79,\) for 80 rows"),
        ({"y": 2 * ROWS.y - 1}, r"y holds \[-1, 1\]; labels must be 0 and 1"),
        ({"pairs": ROWS.pairs[:78]}, r"pairs has shape \(78,\) for 80 rows"),
        ({"pairs": ALONE}, "Pair 'pair 2' has 1 rows.* Both members must be in the same update"),
        ({"pairs": THRICE}, "Pair 'pair (0|2)' has (1|3) rows.* Both members must be in the same update"),
        ({"sides": SIDES}, "sides came without pairs"),
        ({"pairs": ROWS.pairs, "sides": SIDES[:78]}, r"sides has shape \(78,\) for 80 rows"),
        ({"pairs": ROWS.pairs, "sides": np.zeros(80, dtype=int)}, r"Pair 'pair 0' has sides \[0, 0\]"),
        ({"pairs": ROWS.pairs, "sides": SIDES + 1}, r"Pair 'pair 0' has sides \[(1, 2|2, 1)\]; one member"),
    ],
    ids=str,
)
def test_a_bad_batch_is_refused_and_leaves_no_trace(given, message):
    moments = gathered(ROWS.X, ROWS.y, pairs=ROWS.pairs, sides=SIDES)
    before = moments.to_arrays()
    with pytest.raises(ArrayError, match=message):
        moments.update(**({"X": ROWS.X, "y": ROWS.y} | given))
    after = moments.to_arrays()
    assert all((after[name] == before[name]).all() for name in before)


def test_a_pair_divided_between_updates_is_refused_by_name():
    with pytest.raises(ArrayError, match=r"Pair 'pair 3' has 1 rows; .* Both members must be in the same update"):
        gathered(ROWS.X, ROWS.y, batch=7, pairs=ROWS.pairs)


def test_what_is_absent_is_refused_only_when_it_is_asked_for():
    empty = Moments(5)
    with pytest.raises(ArrayError, match="hold no rows; update them first"):
        empty.mean_and_covariance()
    with pytest.raises(ArrayError, match="hold no pairs; give pairs to update"):
        empty.pair_differences()
    for label in (0, 1):
        one = Moments(5).update(ROWS.X, np.full(80, label))
        one.mean_and_covariance()
        for ask in (one.class_means, one.within_covariance):
            with pytest.raises(ArrayError, match=f"hold no row of label {1 - label}; both labels are needed"):
                ask()


@pytest.mark.parametrize("shrinkage", [-0.1, 1.1, float("nan")])
def test_shrinkage_outside_the_unit_interval_is_refused(shrinkage):
    with pytest.raises(ArrayError, match=r"it must lie in \[0, 1\]"):
        gathered(ROWS.X, ROWS.y).within_covariance(shrinkage=shrinkage)


def test_moments_of_another_width_are_not_merged():
    with pytest.raises(ArrayError, match="Moments of 4 features cannot be merged into moments of 5 features"):
        Moments(5).merge(Moments(4))


def test_no_features_are_refused():
    with pytest.raises(ArrayError, match="n_features is 0"):
        Moments(0)
