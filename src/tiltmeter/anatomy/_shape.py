"""The shape of one sample: Gaussian, exponential, or between, with the same figures of a normal sample beside."""

from __future__ import annotations

import math
from collections.abc import Iterable
from functools import lru_cache
from typing import Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray

from tiltmeter.anatomy._shape_figures import Units, kurtosis_of, looks_of, parts_of, power_of, straightness_of
from tiltmeter.anatomy._shape_remarks import Mixture, remarks
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.core.shape import FamilyFit, LogCurve, NullRange, SampleKind, SampleShape
from tiltmeter.evaluation import Resampling, bootstrap_estimate, resampling
from tiltmeter.numerics import (
    Family,
    FittedFamily,
    excess_kurtosis,
    fit_family,
    log_density,
    log_histogram,
    power_sums,
    straightness,
)

FAMILIES: tuple[Family, ...] = get_args(Family)
_MIXTURE = "normal_mixture"
FEWEST_VALUES = 200
# independent units are put together to so many at most, at random: more add nothing to a bootstrap but time
_MOST_UNITS = 1000
# values of either half that fits are made and judged on; their error is far below what tells the families apart
_MOST_FITTED = 10_000
# two values of a column that differ by fewer roundings than these are the same
_ROUNDINGS = 8


class ShapeSettings(NamedTuple):
    """What a test of shape is to do.

    Parameters
    ----------
    part_kurtosis
        Excess kurtosis of one part, for the effective number of parts; 3 is a Laplace's.
    n_coordinates, n_random
        Most coordinates and random directions of a set that are looked at one by one.
    n_nulls
        Normal samples whose figures stand beside.
    n_draws
        Of each bootstrap.
    level
        Of each interval.
    seed
        Of everything that is drawn.

    Examples
    --------
    >>> ShapeSettings().part_kurtosis
    3.0
    """

    part_kurtosis: float = 3.0
    n_coordinates: int = 32
    n_random: int = 32
    n_nulls: int = 10
    n_draws: int = 1000
    level: float = 0.95
    seed: int = 0


DEFAULT_SETTINGS = ShapeSettings()


class Figures(NamedTuple):
    """The figures of a sample without their doubt."""

    kurtosis: float
    kurtosis_inside: float
    on_square: float
    on_absolute: float
    power: float


def sample_shape(
    x: Float[NDArray[Any], " n"],
    *,
    name: str = "sample",
    groups: Shaped[NDArray[Any], " n"] | None = None,
    settings: ShapeSettings = DEFAULT_SETTINGS,
) -> SampleShape:
    """Test whether a sample looks Gaussian or exponential.

    Parameters
    ----------
    x
        At least 200 finite values, not all the same.
    name
        What the record calls it.
    groups
        What values may repeat each other, such as the text of a token: groups are resampled, and never divided between
        fitting and judging. None if each value is independent.
    settings
        See :class:`ShapeSettings`.

    Returns
    -------
    Excess kurtosis, R² of the log density on x² and on ``|x|``, the power β of a generalised normal, the effective
    number of parts, each with its interval; six families with their held-out likelihoods; the range of the figures over
    normal samples of the same size; a histogram with the fitted densities. Warnings say where a mixture of normals
    would look the same, values stand in steps, one value carries the kurtosis, values are skewed, or β is at an end of
    what is searched.

    Raises
    ------
    ArrayError
        If there are too few values or they are of one group, they are all the same or all but a few are, or one is not
        finite.
    SpecError
        If the settings cannot be.

    Notes
    -----
    A sum of k independent parts of excess kurtosis κ₁ has κ₁ / k, so that k_eff = κ₁ / κ. It is a description: the same
    κ comes from fewer parts of heavier tails, or from a scale that varies. k parts take 280 k² independent values or
    more to be told within a fifth, 19 times of 20. Intervals are percentile bootstraps over groups, but for that of β,
    which is a sandwich over them. That of the kurtosis, and so of k_eff, holds less often than it says where tails are
    heavy and values few: below about 12,000 values of a normal, 70,000 of a Laplace, or as many groups, and where one
    unit has more than 2 % of the sum of fourth powers, its ``method`` says "approximate". The null knows nothing of
    groups: where values repeat each other its range is too narrow.

    Examples
    --------
    >>> settings = ShapeSettings(n_nulls=5, n_draws=200)
    >>> found = sample_shape(np.random.default_rng(0).laplace(size=4000), settings=settings)
    >>> found.looks, found.best, 0.7 < found.parts.value < 1.5
    ('exponential', 'laplace', True)
    """
    check_settings(settings)
    if x.ndim != 1:
        raise ArrayError(f"x has shape {x.shape}; give one row of values, or the columns of a matrix to rows_shape.")
    return shape_of(x, name=name, kind="sample", units=make_units(len(x), groups, settings), settings=settings)


def check_settings(settings: ShapeSettings) -> None:
    """Refuse settings that cannot be."""
    if settings.n_draws < 100:
        raise SpecError(f"{settings.n_draws} draws are too few for an interval; give 100 or more.")
    if settings.n_nulls < 1 or settings.n_coordinates < 0 or settings.n_random < 0:
        raise SpecError("Give one null sample or more, and no negative number of coordinates or random directions.")
    if not 0 < settings.level < 1:
        raise SpecError(f"The level is {settings.level:g}; it must lie between 0 and 1.")
    if not 0 < settings.part_kurtosis < math.inf:
        raise SpecError(f"The kurtosis of a part is {settings.part_kurtosis:g}; give a number above 0.")
    if settings.seed < 0:
        raise SpecError(f"The seed is {settings.seed}; seeds are whole numbers from 0.")


def make_units(n: int, groups: Shaped[NDArray[Any], " n"] | None, settings: ShapeSettings) -> Units:
    """Make the units, put together at random where they are many, and divide them between fitting and judging."""
    if groups is not None and len(groups) != n:
        raise ArrayError(f"There are {len(groups)} groups for {n} values or rows; give one to each.")
    rng = stream(settings.seed, "shape units")
    codes = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(codes.max(initial=-1)) + 1
    if n_units < 2:
        raise ArrayError("All values are of one group (as texts of the same tokens are); there is nothing to judge on.")
    n_free = n_units
    if n_units > _MOST_UNITS:
        codes, n_units = (rng.permutation(n_units) % _MOST_UNITS)[codes], _MOST_UNITS
    order = rng.permutation(n_units)
    fitted = np.isin(codes, order[: n_units // 2])

    def draws(count: int) -> Resampling:
        made = resampling(count, groups=None, n_draws=settings.n_draws, level=settings.level, seed=settings.seed)
        return made._replace(unit="blocks of values" if groups is None else "groups")

    return Units(codes.astype(np.int64), fitted, draws(n_units), draws(n_units - n_units // 2), n_free)


def shape_of(
    x: Float[NDArray[Any], " n"],
    *,
    name: str,
    kind: SampleKind,
    units: Units,
    settings: ShapeSettings,
    null: NullRange | None = None,
    warnings: Iterable[str] = (),
) -> SampleShape:
    """Test one sample whose units are known; ``null`` where another than independent normal values is due."""
    if len(x) < FEWEST_VALUES or not np.isfinite(x).all():
        raise ArrayError(
            f"{name} has {len(x)} values{'' if np.isfinite(x).all() else ', some of them not finite'}; "
            f"a test of shape needs {FEWEST_VALUES} finite ones."
        )
    wide = x.astype(np.float64)
    if not varies(x[:, None])[0]:
        raise ArrayError(f"All values of {name} are the same; a constant has no shape.")
    with np.errstate(over="ignore", under="ignore"):
        if not 0 < float(np.var(wide)) < math.inf:
            raise ArrayError(f"The variance of {name} leaves double precision; scale its values.")
    if not has_shape(wide, units):
        raise ArrayError(
            f"{name} holds one value only in half of its units, or without the 0.1 % outermost; that has no shape."
        )
    histogram = log_histogram(wide, units=units.codes)
    power = power_of(wide, units, level=settings.level)
    kurtosis = kurtosis_of(wide, units, power=power)
    inside = kurtosis_of(wide, units, kept=histogram.kept, power=power)
    on_square, on_absolute = (
        straightness_of(histogram, "square", units.by),
        straightness_of(histogram, "absolute", units.by),
    )
    fits, densities = _fit_all(wide, units)
    best = _best(fits)
    mixture_lead = _lead(densities[_MIXTURE] - densities[best or "normal"], units)
    mixture = Mixture(fits[-1].lead, mixture_lead, best)
    parts, least = parts_of(kurtosis, settings.part_kurtosis)
    middles = (histogram.edges[:-1] + histogram.edges[1:]) / 2
    density = histogram.counts.sum(axis=0) / (len(wide) * np.diff(histogram.edges))
    return SampleShape(
        name=name,
        kind=kind,
        n=len(wide),
        n_units=units.by.n_units,
        kurtosis=kurtosis,
        kurtosis_inside=inside,
        on_square=on_square,
        on_absolute=on_absolute,
        power=power,
        looks=looks_of(power),
        fits=fits,
        best=best,
        mixture_lead=mixture_lead,
        parts=parts,
        least_parts=least,
        null=null or normal_null(len(wide), settings),
        warnings=(*warnings, *remarks(wide, codes=units.codes, by=units.by, power=power, mixture=mixture)),
        curve=LogCurve(
            middles=tuple(middles.tolist()),
            observed=tuple(float(np.log(value)) if value > 0 else None for value in density),
            fitted={
                fit.family: tuple(log_density(FittedFamily(family, fit.params), middles).tolist())
                for fit, family in zip(fits, FAMILIES, strict=True)
            },
        ),
    )


def figures_of(x: Float[NDArray[Any], " n"]) -> Figures:
    """Compute the figures of a sample without their doubt, as the nulls need them."""
    one = np.zeros(len(x), dtype=np.int64)
    histogram = log_histogram(x, units=one)
    kept = x[histogram.kept]
    straight = straightness(histogram)
    return Figures(
        float(excess_kurtosis(power_sums(x, units=one))[0]),
        float(excess_kurtosis(power_sums(kept, units=one[: len(kept)]))[0]),
        float(straight.square[0]),
        float(straight.absolute[0]),
        fit_family(x, "generalised_normal").params[0],
    )


def null_range(drawn: Iterable[Float[NDArray[Any], " n"]], *, what: str) -> NullRange:
    """Summarise the figures of samples that are normal by making."""
    figures = np.array([figures_of(x) for x in drawn])
    ends = [(float(low), float(high)) for low, high in zip(figures.min(axis=0), figures.max(axis=0), strict=True)]
    return NullRange(what=what, n_draws=len(figures), **dict(zip(Figures._fields, ends, strict=True)))


@lru_cache(maxsize=64)
def normal_null(n: int, settings: ShapeSettings) -> NullRange:
    """Return the range of the figures over normal samples of ``n`` independent values."""
    rng = stream(settings.seed, "normal null", n)
    return null_range((rng.normal(size=n) for _ in range(settings.n_nulls)), what=f"{n:,} independent normal values")


def _fit_all(x: NDArray[np.float64], units: Units) -> tuple[tuple[FamilyFit, ...], dict[str, NDArray[np.float64]]]:
    """Fit each family to one half and judge it on the other; held-out log densities are NaN where not looked at."""
    rows = _thinned(units.fitted)
    found = {family: fit_family(x[rows], family) for family in FAMILIES}
    densities: dict[str, NDArray[np.float64]] = {family: np.full(len(x), np.nan) for family in FAMILIES}
    judged = _thinned(~units.fitted)
    for family, fitted in found.items():
        densities[family][judged] = log_density(fitted, x[judged])
    return tuple(
        FamilyFit(family=family, params=fitted.params, lead=_lead(densities[family] - densities["normal"], units))
        for family, fitted in found.items()
    ), densities


def _best(fits: tuple[FamilyFit, ...]) -> str | None:
    """Name the family of one piece with the greatest held-out likelihood; None where leads cannot be told."""
    leads = {fit.family: fit.lead.value for fit in fits if fit.family != _MIXTURE and isinstance(fit.lead, Estimate)}
    return max(leads, key=leads.__getitem__) if leads else None


def varies(X: Float[NDArray[Any], "n d"]) -> Bool[NDArray[Any], " d"]:
    """Say which columns hold more than one value, roundings of their own dtype apart."""
    rounding = np.finfo(X.dtype).eps if np.issubdtype(X.dtype, np.floating) else 0.0
    wide = X.astype(np.float64)
    return np.asarray(np.ptp(wide, axis=0) > max(1e-12, _ROUNDINGS * rounding) * np.abs(wide).max(axis=0, initial=0.0))


def has_shape(x: NDArray[np.float64], units: Units) -> bool:
    """Say whether the values that fits are made on differ, and those that the histogram counts."""
    fitted = x[_thinned(units.fitted)]
    n_middle = int((x == np.median(x)).sum())
    return bool(np.ptp(fitted) > 1e-12 * np.abs(fitted).max()) and n_middle < len(x) - math.ceil(0.001 * len(x))


def _thinned(rows: NDArray[np.bool_]) -> NDArray[np.int64]:
    """Return at most so many of these rows, evenly spread."""
    index = np.flatnonzero(rows)
    return index[:: -(-len(index) // _MOST_FITTED)]


def _lead(difference: NDArray[np.float64], units: Units) -> Measured:
    """Estimate the mean of a difference of log densities over the values that were judged, resampling their units."""
    judged = np.isfinite(difference)
    if not judged.any():
        return Unavailable(reason="no held-out value has a density under both families")
    codes = np.unique(units.codes[judged], return_inverse=True)[1]
    n_units = units.held_by.weights.shape[1]
    total = np.bincount(codes, weights=difference[judged], minlength=n_units)
    count = np.bincount(codes, minlength=n_units)
    return bootstrap_estimate(lambda weights: (weights @ total) / (weights @ count), by=units.held_by)
