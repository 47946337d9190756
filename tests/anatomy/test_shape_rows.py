"""Pools, coordinates and directions: where scales differ, the pool says so and single columns do not follow it."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.anatomy import ShapeSettings, rows_shape
from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.shape import ShapeGroup

QUICK = ShapeSettings(n_nulls=2, n_draws=200, n_coordinates=3, n_random=3)
BARE = QUICK._replace(n_coordinates=0, n_random=0)


def value(measured: object) -> float:
    assert isinstance(measured, Estimate)
    return measured.value


@pytest.mark.parametrize("seed", range(2))
def test_columns_of_unequal_variance_are_warned_of_and_of_equal_variance_are_not(seed):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(800, 12))
    equal, unequal = rows_shape(X, settings=BARE), rows_shape(X * np.geomspace(0.5, 3, 12), settings=BARE)
    assert unequal.scales.p < 1e-6 and "unequal spread" in unequal.pools[0].warnings[0]
    assert not any("unequal spread" in said for said in equal.pools[0].warnings)


@pytest.mark.long
def test_a_pool_of_normal_columns_is_as_its_null_and_normal_once_standardised():
    rng = np.random.default_rng(1)
    X = rng.normal(size=(2000, 10)) * np.geomspace(0.3, 3, 10)
    found = rows_shape(X, settings=BARE._replace(n_nulls=8, n_coordinates=3))
    raw, standardised, _ = found.pools
    assert value(raw.kurtosis) == pytest.approx(found.scales.excess, rel=0.1) and found.scales.excess > 2
    low, high = raw.null.kurtosis
    assert low - (high - low) < value(raw.kurtosis) < high + (high - low)
    assert raw.looks in ("exponential", "heavier than exponential", "between") and value(raw.power) < 1.3
    assert abs(value(standardised.kurtosis)) < 0.15
    assert isinstance(found.coordinates, ShapeGroup) and max(map(abs, found.coordinates.kurtosis)) < 0.4


@pytest.mark.long
def test_random_directions_average_independent_heavy_columns_and_a_given_one_is_seen_as_it_is():
    X = np.random.default_rng(2).laplace(size=(2000, 30))
    found = rows_shape(X, directions={"first": np.eye(30)[0]}, settings=QUICK)
    assert isinstance(found.coordinates, ShapeGroup) and isinstance(found.random, ShapeGroup)
    assert found.coordinates.kurtosis[1] > 1.5 > 0.6 > found.random.kurtosis[1]
    assert found.directions[0].looks == "exponential" and found.directions[0].name == "first"
    assert found.warnings == ()


@pytest.mark.long
def test_a_scale_of_whole_rows_is_warned_of_and_gone_once_rows_are_standardised():
    rng = np.random.default_rng(3)
    X = rng.normal(size=(2000, 40)) * np.sqrt(rng.exponential(size=(2000, 1)))
    found = rows_shape(X, settings=QUICK)
    assert value(found.shared) == pytest.approx(3, abs=0.6)
    assert "same rows" in found.warnings[0]
    assert isinstance(found.random, ShapeGroup) and found.random.kurtosis[1] > 2
    assert found.pools[1].looks in ("exponential", "heavier than exponential")
    assert abs(value(found.pools[2].kurtosis)) < 0.3


def test_constant_columns_are_left_out_and_few_rows_have_pools_alone():
    X = np.random.default_rng(4).normal(size=(60, 8))
    X[:, 2] = 5.0
    found = rows_shape(X, settings=QUICK)
    assert isinstance(found.coordinates, Unavailable) and "60 rows" in found.coordinates.reason
    assert found.n_columns == 8 and found.pools[0].n == 60 * 7


def test_a_column_that_is_hardly_ever_on_is_passed_over_and_the_rest_is_looked_at():
    X = np.random.default_rng(6).normal(size=(300, 4))
    X[:, 2] = 0.0
    X[7, 2] = 1.0
    found = rows_shape(X, settings=QUICK._replace(n_coordinates=4, n_random=0))
    assert isinstance(found.coordinates, ShapeGroup)
    assert [one.name for one in found.coordinates.samples] == ["0", "1", "3"]
    assert any("passed over: 2." in said for said in found.warnings)


def test_with_too_few_groups_every_figure_says_so_and_nothing_is_refused():
    X = np.random.default_rng(7).normal(size=(300, 4))
    found = rows_shape(X, groups=np.repeat(np.arange(5), 60), settings=QUICK)
    assert isinstance(found.coordinates, Unavailable) and "5 groups" in found.coordinates.reason
    assert found.pools[0].looks == "not known" and isinstance(found.pools[0].kurtosis, Unavailable)
    with pytest.raises(ArrayError, match="one group"):
        rows_shape(X, groups=np.zeros(300), settings=QUICK)
    with pytest.raises(ArrayError, match="4 groups for 300"):
        rows_shape(X, groups=np.arange(4), settings=QUICK)


def test_copies_of_rows_are_said():
    X = np.random.default_rng(9).normal(size=(300, 4))
    X[200:] = X[:100]
    (said,) = (text for text in rows_shape(X, settings=BARE).warnings if "copies" in text)
    assert said.startswith("Of 300 rows 200 are different")


def test_a_column_that_varies_by_roundings_is_constant():
    X = np.random.default_rng(8).normal(size=(300, 4)).astype(np.float32)
    X[:, 1] = 3 + 1e-7 * X[:, 1]
    found = rows_shape(X, settings=QUICK)
    assert isinstance(found.coordinates, ShapeGroup)
    assert [one.name for one in found.coordinates.samples] == ["0", "2", "3"]


@pytest.mark.parametrize(
    ("X", "words"),
    [
        (np.ones((300, 3)), "0 columns that vary"),
        (np.arange(300.0), "give a matrix"),
        (np.full((300, 3), np.nan), "not finite"),
        (np.random.default_rng(0).normal(size=(9, 3)), "27 values"),
    ],
)
def test_rows_without_a_shape_are_refused(X, words):
    with pytest.raises(ArrayError, match=words):
        rows_shape(X, settings=QUICK)


def test_a_direction_of_another_width_is_refused():
    with pytest.raises(ArrayError, match="3 columns"):
        rows_shape(np.random.default_rng(0).normal(size=(300, 3)), directions={"a": np.ones(4)}, settings=BARE)
