import itertools

import numpy as np
import pytest
from scipy import optimize

from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.numerics import geometric_median, tukey_median

CLOUD = np.random.default_rng(0).normal(size=(25, 4)) * [1.0, 2.0, 0.5, 3.0]


def summed_distance(center, rows, weight=None):
    total = 0.0
    for i, row in enumerate(rows):
        distance = sum((float(a) - float(b)) ** 2 for a, b in zip(row, center, strict=True)) ** 0.5
        total += distance * (1.0 if weight is None else float(weight[i]))
    return total


# ------------------------------------------------------------ the geometric median


@pytest.mark.parametrize("seed", range(5))
def test_no_point_has_a_smaller_summed_distance_than_the_geometric_median(seed):
    rng = np.random.default_rng(seed)
    rows, weight = rng.normal(size=(9, 3)), rng.uniform(0, 2, size=9)
    found = geometric_median(rows, sample_weight=weight)
    theirs = optimize.minimize(
        summed_distance, rows.mean(axis=0), (rows, weight), "Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12}
    )
    best = min([theirs.fun, *(summed_distance(row, rows, weight) for row in rows)])
    assert summed_distance(found.center, rows, weight) == pytest.approx(best, rel=1e-9)
    assert found.is_converged and found.residual <= 1e-9


def test_in_one_dimension_the_geometric_median_is_the_median():
    x = np.random.default_rng(1).normal(size=(31, 1))
    assert geometric_median(x).center[0] == pytest.approx(np.median(x), abs=1e-12)


def test_a_row_that_is_the_minimum_is_returned_itself():
    # three corners that nearly balance each other, and a row near their Fermat point
    rows = np.array([[0.0, 10.0], [-9.0, -5.0], [9.0, -5.0], [0.3, 0.2]])
    found = geometric_median(rows)
    assert found.center.tolist() == [0.3, 0.2]
    assert found.residual == 0.0


def test_the_search_leaves_a_row_that_it_meets_and_that_is_no_minimum():
    # the mean, where it starts, is exactly the last row; Weiszfeld's own step would divide by zero there
    rows = np.array([[0.0, 0.0], [0.0, 2.0], [0.0, 1.0], [8.0, 1.0], [2.0, 1.0]])
    assert (rows.mean(axis=0) == rows[-1]).all()
    # on the axis, where two unit pulls balance one and two at an angle: 2 x / √(x² + 1) = 1
    np.testing.assert_allclose(geometric_median(rows).center, [1 / np.sqrt(3), 1.0], atol=1e-8)


def test_the_geometric_median_follows_moves_scales_and_rotations():
    rotation = np.linalg.qr(np.random.default_rng(1).normal(size=(4, 4)))[0]
    center = geometric_median(CLOUD).center
    np.testing.assert_allclose(geometric_median(CLOUD + 1e3).center, center + 1e3, atol=1e-7)
    np.testing.assert_allclose(geometric_median(CLOUD @ rotation).center, center @ rotation, atol=1e-7)
    for scale in (1e-200, 1e-3, 1e3, 1e200):
        np.testing.assert_allclose(geometric_median(scale * CLOUD).center / scale, center, atol=1e-7)


def test_it_does_not_follow_a_stretch_of_one_feature():
    stretch = np.array([1.0, 50.0, 1.0, 1.0])
    moved = geometric_median(CLOUD * stretch).center / stretch
    assert np.abs(moved - geometric_median(CLOUD).center).max() > 1e-2


@pytest.mark.parametrize("n_far", [5, 10, 12])
def test_less_than_half_of_the_rows_cannot_drag_the_geometric_median_away(n_far):
    rows = CLOUD.copy()
    rows[:n_far] = 1e9
    assert np.linalg.norm(geometric_median(rows).center) < 30
    assert np.linalg.norm(rows.mean(axis=0)) > 1e8


def test_more_than_half_of_them_do_drag_it_away():
    rows = CLOUD.copy()
    rows[:13] = 1e9
    assert np.linalg.norm(geometric_median(rows).center) > 1e8


@pytest.mark.parametrize("median", [geometric_median, tukey_median], ids=["geometric", "tukey"])
@pytest.mark.parametrize("d", [1, 2, 4])
def test_a_weight_of_two_is_the_row_twice_for_a_median(median, d):
    times = np.random.default_rng(2).integers(0, 4, size=25)
    here = median(CLOUD[:, :d], sample_weight=times.astype(float))
    there = median(np.repeat(CLOUD[:, :d], times, axis=0))
    np.testing.assert_allclose(here.center, there.center, atol=1e-9)


def test_stopping_early_is_said_with_the_residual():
    with pytest.warns(ConvergenceWarning, match="stopped after 1 steps with a residual of .*; raise max_steps"):
        found = geometric_median(CLOUD, max_steps=1)
    assert not found.is_converged and found.residual > 1e-9


@pytest.mark.parametrize("median", [geometric_median, tukey_median], ids=["geometric", "tukey"])
def test_one_row_or_equal_rows_are_their_own_median(median):
    for n in (1, 6):
        assert median(np.full((n, 3), 0.1)).center.tolist() == [0.1, 0.1, 0.1]


@pytest.mark.parametrize("median", [geometric_median, tukey_median], ids=["geometric", "tukey"])
def test_a_constant_feature_stays_what_it_is_to_the_bit(median):
    rows = np.column_stack([CLOUD, np.full(25, 0.1)])
    assert median(rows).center[-1] == pytest.approx(0.1, abs=1e-15)


@pytest.mark.parametrize("median", [geometric_median, tukey_median], ids=["geometric", "tukey"])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_narrow_rows_are_read_in_float64(median, dtype):
    rows = (300 * CLOUD).astype(dtype)
    np.testing.assert_array_equal(median(rows).center, median(rows.astype(np.float64)).center)


@pytest.mark.parametrize("median", [geometric_median, tukey_median], ids=["geometric", "tukey"])
@pytest.mark.parametrize("weight", [np.zeros(25), -np.ones(25)], ids=["none", "negative"])
def test_a_median_needs_some_weight(median, weight):
    with pytest.raises(ArrayError, match="a median needs some weight"):
        median(CLOUD, sample_weight=weight)


@pytest.mark.parametrize("median", [geometric_median, tukey_median], ids=["geometric", "tukey"])
def test_no_rows_have_no_median(median):
    with pytest.raises(ArrayError, match="a median needs some weight"):
        median(np.empty((0, 3)))


# ------------------------------------------------------------ Tukey's


def naive_depth(rows, center, weight):
    """Return the least weight of a closed half-plane through the centre: one direction within each sector."""
    turns = []
    for row in rows:
        if np.linalg.norm(row - center) > 1e-8:
            angle = np.arctan2(row[1] - center[1], row[0] - center[0])
            turns += [(angle + np.pi / 2) % (2 * np.pi), (angle - np.pi / 2) % (2 * np.pi)]
    turns = sorted(turns)
    least = sum(weight)
    for here, there in itertools.pairwise([*turns, turns[0] + 2 * np.pi]):
        if there - here < 1e-7:
            continue
        u = np.array([np.cos((here + there) / 2), np.sin((here + there) / 2)])
        least = min(least, sum(w for row, w in zip(rows, weight, strict=True) if (row - center) @ u >= -1e-8))
    return least


def greatest_depth(rows, weight):
    """Try every row and every crossing of two lines through two rows: a deepest point is among them."""
    tried = list(rows)
    lines = list(itertools.combinations(range(len(rows)), 2))
    for (i, j), (k, m) in itertools.combinations(lines, 2):
        sides = np.stack([rows[j] - rows[i], rows[k] - rows[m]], axis=1)
        if abs(np.linalg.det(sides)) > 1e-9:
            tried.append(rows[i] + np.linalg.solve(sides, rows[k] - rows[i])[0] * (rows[j] - rows[i]))
    return max(naive_depth(rows, center, weight) for center in tried)


@pytest.mark.parametrize(("seed", "n"), [(0, 4), (1, 5), (2, 6), (3, 7), (4, 8)])
@pytest.mark.parametrize("kind", ["generic", "on a grid", "weighted"])
def test_in_the_plane_no_point_is_deeper_than_tukeys_median(seed, n, kind):
    rng = np.random.default_rng(seed)
    rows = rng.integers(0, 4, size=(n, 2)).astype(float) if kind == "on a grid" else rng.normal(size=(n, 2))
    weight = rng.uniform(0.5, 2, size=n) if kind == "weighted" else np.ones(n)
    found = tukey_median(rows, sample_weight=weight)
    assert found.is_exact
    best = greatest_depth(rows, weight) / weight.sum()
    assert found.depth == pytest.approx(best, abs=1e-9)
    assert naive_depth(rows, found.center, weight) / weight.sum() == pytest.approx(best, abs=1e-9)


def test_of_a_triangle_the_centroid_is_tukeys_median():
    rows = np.array([[0.0, 0.0], [6.0, 0.0], [0.0, 3.0]])
    found = tukey_median(rows)
    np.testing.assert_allclose(found.center, [2.0, 1.0], atol=1e-9)
    assert found.depth == pytest.approx(1 / 3)


def test_of_a_square_with_its_middle_that_middle_is_tukeys_median():
    found = tukey_median(np.array([[0.0, 0.0], [2.0, 0.0], [0.0, 2.0], [2.0, 2.0], [1.0, 1.0]]))
    np.testing.assert_allclose(found.center, [1.0, 1.0], atol=1e-9)
    assert found.depth == pytest.approx(3 / 5)


@pytest.mark.parametrize("n", [7, 8])
def test_on_a_line_tukeys_median_is_the_median(n):
    x = np.random.default_rng(n).normal(size=n)
    assert tukey_median(x[:, None]).center[0] == pytest.approx(np.median(x), abs=1e-12)
    # on a line in the plane, too
    found = tukey_median(np.outer(x, [3.0, 4.0]) + 1.0)
    np.testing.assert_allclose(found.center, np.median(x) * np.array([3.0, 4.0]) + 1.0, atol=1e-9)
    assert found.is_exact


def test_in_the_plane_tukeys_median_follows_any_affine_map():
    change = np.random.default_rng(1).normal(size=(2, 2))
    rows = CLOUD[:, :2]
    here, there = tukey_median(rows), tukey_median(rows @ change + 5.0)
    np.testing.assert_allclose(there.center, here.center @ change + 5.0, atol=1e-7)
    assert there.depth == pytest.approx(here.depth)


def test_a_third_of_the_rows_far_away_cannot_drag_tukeys_median_along():
    for d in (2, 4):
        rows = np.random.default_rng(3).normal(size=(60, d))
        rows[:15] += 1e6
        found = tukey_median(rows)
        assert np.linalg.norm(found.center) < 10
        assert np.linalg.norm(rows.mean(axis=0)) > 1e5


def test_beyond_the_plane_it_is_named_approximate_and_its_depth_is_an_upper_bound():
    rows = np.random.default_rng(4).normal(size=(200, 5))
    found = tukey_median(rows, n_directions=200)
    assert not found.is_exact
    directions = np.random.default_rng(99).normal(size=(20_000, 5))
    above = ((rows - found.center) @ directions.T >= 0).mean(axis=0)
    assert np.minimum(above, 1 - above).min() <= found.depth + 1e-9
    assert found.depth > 0.35


@pytest.mark.parametrize("seed", range(5))
def test_the_ascent_comes_near_the_exact_depth_where_that_is_known(seed, monkeypatch):
    rows = np.random.default_rng(seed).exponential(size=(80, 2))
    exact = tukey_median(rows)
    monkeypatch.setattr("tiltmeter.numerics._medians._MOST_EXACT_ROWS", 0)
    near = tukey_median(rows)
    assert exact.is_exact and not near.is_exact
    weight = np.ones(80)
    assert naive_depth(rows, near.center, weight) / 80 >= 0.9 * exact.depth
    # not by chance: the mean of such skewed rows lies less deep
    assert naive_depth(rows, rows.mean(axis=0), weight) < naive_depth(rows, near.center, weight)


def test_the_same_seed_gives_the_same_bits_and_another_does_not():
    assert (tukey_median(CLOUD).center == tukey_median(CLOUD).center).all()
    assert (tukey_median(CLOUD).center != tukey_median(CLOUD, random_state=1).center).any()


def test_no_direction_to_look_along_is_refused():
    with pytest.raises(ArrayError, match="n_directions is 0; at least one"):
        tukey_median(CLOUD, n_directions=0)


def test_fewer_rows_than_features_have_a_median_in_their_span():
    rows = np.random.default_rng(5).normal(size=(6, 40))
    for center in (geometric_median(rows).center, tukey_median(rows).center):
        shares = np.linalg.lstsq((rows[1:] - rows[0]).T, center - rows[0], rcond=None)
        np.testing.assert_allclose((rows[1:] - rows[0]).T @ shares[0], center - rows[0], atol=1e-9)
