"""The patterns of the test of shape on samples whose parts are known, over seeds."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.anatomy import ShapeSettings, sample_shape
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.shape import SampleShape

QUICK = ShapeSettings(n_nulls=2, n_draws=200)


def laplaces(k: int, *, n: int, seed: int) -> np.ndarray:
    rng = np.random.default_rng(seed)
    return np.sum([rng.laplace(size=n) for _ in range(k)], axis=0)


def value(measured: object) -> float:
    assert isinstance(measured, Estimate)
    return measured.value


def lead(found: SampleShape, family: str) -> float:
    return value(next(fit.lead for fit in found.fits if fit.family == family))


@pytest.mark.parametrize(("k", "n"), [(1, 200_000), (5, 200_000), (30, 500_000)])
def test_the_effective_number_of_parts_is_the_number_of_parts_within_a_fifth(k, n):
    found = sample_shape(laplaces(k, n=n, seed=k), settings=QUICK)
    assert value(found.parts) == pytest.approx(k, rel=0.2)
    assert found.null.kurtosis[1] < 0.1


@pytest.mark.parametrize("seed", range(2))
def test_normal_and_exponential_are_told_apart_by_every_figure(seed):
    normal = sample_shape(np.random.default_rng(seed).normal(size=20_000), settings=QUICK)
    exponential = sample_shape(laplaces(1, n=20_000, seed=seed), settings=QUICK)
    # a generalised normal of power 1 is a Laplace
    assert exponential.looks == "exponential" and exponential.best in ("laplace", "generalised_normal")
    assert value(normal.power) == pytest.approx(2, abs=0.1) and value(exponential.power) == pytest.approx(1, abs=0.05)
    assert value(normal.on_square) > 0.97 > value(normal.on_absolute)
    assert value(exponential.on_absolute) > 0.96 > value(exponential.on_square)
    assert value(exponential.kurtosis) > 2 > 0.2 > abs(value(normal.kurtosis))
    assert lead(exponential, "laplace") > 0.05 > 0.01 > -lead(normal, "normal") >= 0 > lead(normal, "laplace")


def test_the_null_is_the_same_procedure_on_normal_values():
    found = sample_shape(np.random.default_rng(3).normal(size=20_000), settings=QUICK._replace(n_nulls=10))
    for name in ("kurtosis", "kurtosis_inside", "on_square", "on_absolute", "power"):
        low, high = getattr(found.null, name)
        assert low - 2 * (high - low) < value(getattr(found, name)) < high + 2 * (high - low)
    # what is left without the outermost values is lighter than a normal, in the null too
    assert -0.2 < found.null.kurtosis_inside[0] < found.null.kurtosis_inside[1] < 0


def test_a_normal_has_no_number_of_parts_and_a_box_none_at_all():
    rng = np.random.default_rng(4)
    normal, box = (sample_shape(x, settings=QUICK) for x in (rng.normal(size=5000), rng.uniform(size=5000)))
    assert isinstance(normal.parts, Unavailable) and "or more" in normal.parts.reason
    assert normal.least_parts is not None and normal.least_parts > 5
    assert isinstance(box.parts, Unavailable) and "lighter" in box.parts.reason
    assert box.looks == "lighter than a normal" and box.least_parts is None


def test_a_mixture_of_scales_looks_exponential_and_says_so():
    rng = np.random.default_rng(5)
    found = sample_shape(rng.normal(size=20_000) * np.exp(0.7 * rng.integers(-1, 2, size=20_000)), settings=QUICK)
    assert value(found.power) < 1.5
    assert any("mixture of normals" in said for said in found.warnings)
    assert sample_shape(rng.normal(size=20_000), settings=QUICK).warnings == ()


def test_values_that_repeat_within_groups_widen_every_interval():
    x = np.repeat(laplaces(1, n=1000, seed=6), 10)
    alone = sample_shape(x, settings=QUICK)
    grouped = sample_shape(x, groups=np.repeat(np.arange(1000), 10), settings=QUICK)
    for name in ("kurtosis", "power", "on_square"):
        one, other = getattr(alone, name), getattr(grouped, name)
        assert other.value == pytest.approx(one.value)
        assert other.high - other.low > 1.5 * (one.high - one.low)


def test_the_same_seed_gives_the_same_record_and_scale_changes_no_figure():
    x = laplaces(5, n=3000, seed=7)
    one, again = sample_shape(x, settings=QUICK), sample_shape(x, settings=QUICK)
    assert one == again
    for scale in (1e-3, 1e3):
        other = sample_shape(scale * x, settings=QUICK)
        assert value(other.kurtosis) == pytest.approx(value(one.kurtosis))
        assert value(other.power) == pytest.approx(value(one.power), rel=1e-3)
        assert other.best == one.best


def test_half_precision_and_outliers_are_borne():
    x = laplaces(1, n=4000, seed=8)
    whole, half = sample_shape(x, settings=QUICK), sample_shape(x.astype(np.float16), settings=QUICK)
    assert value(half.power) == pytest.approx(value(whole.power), rel=0.02)
    x[0] = 1e4
    found = sample_shape(x, settings=QUICK)
    assert value(found.kurtosis) > 1000 and value(found.kurtosis_inside) < 4


@pytest.mark.parametrize(
    ("x", "words"),
    [(np.arange(50.0), "50 values"), (np.ones(500), "same"), (np.append(np.arange(500.0), np.inf), "not finite")],
)
def test_what_has_no_shape_is_refused(x, words):
    with pytest.raises(ArrayError, match=words):
        sample_shape(x, settings=QUICK)


@pytest.mark.parametrize(
    ("wrong", "words"), [({"n_draws": 10}, "draws"), ({"n_nulls": 0}, "null"), ({"part_kurtosis": 0.0}, "kurtosis")]
)
def test_settings_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(SpecError, match=words):
        sample_shape(np.arange(500.0), settings=QUICK._replace(**wrong))
    with pytest.raises(ArrayError, match="3 groups"):
        sample_shape(np.arange(500.0), groups=np.arange(3), settings=QUICK)
