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


# of sums of 30 a fifth is 1.3 standard errors with 200,000 values, and 3 with 1,000,000 (benchmarks/shape.py)
@pytest.mark.parametrize(("k", "n"), [(1, 50_000), (5, 100_000), pytest.param(30, 1_000_000, marks=pytest.mark.slow)])
@pytest.mark.parametrize("seed", [0, pytest.param(1, marks=pytest.mark.slow), pytest.param(2, marks=pytest.mark.slow)])
def test_the_effective_number_of_parts_is_the_number_of_parts_within_a_fifth(k, n, seed):
    found = sample_shape(laplaces(k, n=n, seed=seed), settings=QUICK)
    assert value(found.parts) == pytest.approx(k, rel=0.2) and found.least_parts is None
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


def test_the_family_is_named_by_held_out_values_and_not_where_too_few_groups_are_held_out():
    x, of = laplaces(1, n=1200, seed=9), np.repeat(np.arange(12), 100)
    few, many = (sample_shape(x, groups=groups, settings=QUICK) for groups in (of, np.arange(1200) // 10))
    # of twelve groups six are held out, and an interval needs eight
    assert few.best is None and isinstance(few.mixture_lead, Unavailable) and isinstance(few.kurtosis, Estimate)
    assert many.best in ("laplace", "generalised_normal")


@pytest.mark.long
def test_an_interval_that_rests_on_few_values_or_groups_says_that_it_is_approximate():
    rng = np.random.default_rng(10)

    def is_rough(x, groups=None):
        found = sample_shape(x, groups=groups, settings=QUICK).kurtosis
        assert isinstance(found, Estimate)
        return found.method.endswith(", approximate")

    # an eleventh of a normal's values carry its fourth powers, a seventieth of a Laplace's
    assert not is_rough(rng.normal(size=15_000)) and is_rough(rng.laplace(size=15_000))
    assert is_rough(rng.normal(size=9000)) and is_rough(rng.normal(size=15_000), groups=np.repeat(np.arange(100), 150))
    # a tail that no generalised normal has
    assert is_rough(rng.standard_t(3, size=50_000))


def said_of(x: np.ndarray) -> str:
    return " ".join(sample_shape(x, settings=QUICK).warnings)


def test_what_would_mislead_is_said_and_nothing_is_said_of_what_would_not():
    rng = np.random.default_rng(11)
    assert said_of(rng.normal(size=3000)) == "" and "skewed" not in said_of(rng.laplace(size=3000))
    # a kurtosis that does not exist
    assert "One value makes up 9" in said_of(rng.standard_cauchy(size=3000))
    rectified = said_of(np.maximum(rng.normal(size=3000), 0))
    assert "% of all values are exactly 0" in rectified and "skewed" in rectified
    assert "β lies at an end" in said_of(rng.choice([-1.0, 1.0], size=400))
    assert "skewed (2" in said_of(rng.exponential(size=3000))


def test_values_that_hardly_vary_or_leave_double_precision_have_no_shape():
    spike = np.zeros(4000)
    spike[7] = 1.0
    with pytest.raises(ArrayError, match="no shape"):
        sample_shape(spike, settings=QUICK)
    for scale in (1e-170, 1e160):
        with pytest.raises(ArrayError, match="double precision"):
            sample_shape(scale * np.arange(500.0), settings=QUICK)
    # roundings of single precision are not a spread
    with pytest.raises(ArrayError, match="same"):
        sample_shape((3 + 1e-7 * np.random.default_rng(0).normal(size=500)).astype(np.float32), settings=QUICK)


@pytest.mark.parametrize(
    ("x", "words"),
    [
        (np.arange(50.0), "50 values"),
        (np.ones(500), "same"),
        (np.append(np.arange(500.0), np.inf), "not finite"),
        (np.ones((300, 2)), r"shape \(300, 2\)"),
    ],
)
def test_what_has_no_shape_is_refused(x, words):
    with pytest.raises(ArrayError, match=words):
        sample_shape(x, settings=QUICK)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"n_draws": 10}, "draws"),
        ({"n_nulls": 0}, "null"),
        ({"part_kurtosis": 0.0}, "kurtosis"),
        ({"part_kurtosis": float("nan")}, "kurtosis"),
        ({"part_kurtosis": float("inf")}, "kurtosis"),
        ({"level": float("nan")}, "level"),
        ({"seed": -1}, "seed"),
    ],
)
def test_settings_that_cannot_be_are_refused(wrong, words):
    with pytest.raises(SpecError, match=words):
        sample_shape(np.arange(500.0), settings=QUICK._replace(**wrong))
    with pytest.raises(ArrayError, match="3 groups"):
        sample_shape(np.arange(500.0), groups=np.arange(3), settings=QUICK)
    with pytest.raises(ArrayError, match="one group"):
        sample_shape(np.arange(500.0), groups=np.zeros(500), settings=QUICK)
