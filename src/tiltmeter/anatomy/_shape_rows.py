"""The shape of rows: pools of all columns, coordinates, random directions and given ones."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.anatomy._shape import (
    DEFAULT_SETTINGS,
    FEWEST_VALUES,
    ShapeSettings,
    check_settings,
    has_shape,
    make_units,
    null_range,
    shape_of,
    varies,
)
from tiltmeter.anatomy._shape_figures import Units
from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.core.shape import NullRange, RowsShape, SampleKind, SampleShape, Scales, SetKind, ShapeGroup
from tiltmeter.evaluation import bootstrap_estimate
from tiltmeter.numerics import scale_kurtosis, shared_kurtosis

# values of a pool; more rows are left out at random
_MOST_POOLED = 100_000
# of the rows, in copies of another; texts that begin alike have the same activations there
_REPEATED = 0.05
# p below which columns count as of unequal spread
_UNEQUAL = 0.01
_Treatment = Callable[[NDArray[np.float64]], NDArray[np.float64]]
_FIGURES = ("kurtosis", "kurtosis_inside", "on_square", "on_absolute", "power")


def rows_shape(
    X: Float[NDArray[Any], "n d"],
    *,
    name: str = "rows",
    kind: SetKind = "rows",
    groups: Shaped[NDArray[Any], " n"] | None = None,
    directions: Mapping[str, Float[NDArray[Any], " d"]] | None = None,
    settings: ShapeSettings = DEFAULT_SETTINGS,
) -> RowsShape:
    """Test the shape of rows where it means something: by coordinate, by random direction, by given direction.

    All values pooled stand beside, as they are usually shown, three times: as they are, with columns standardised, and
    with columns and rows standardised. Each pool's null is a normal matrix that was treated alike; that of the values
    as they are has the columns' own centres and standard deviations.

    Parameters
    ----------
    X
        At least two columns.
    name, kind
        What the record calls them.
    groups
        Which rows may repeat each other; None if each is independent.
    directions
        Vectors to project on, by name, such as those of probes.
    settings
        See :class:`ShapeSettings`.

    Returns
    -------
    A warning stands with the pool where the columns' spreads differ, and with the rows where they have scales in
    common, are copies of each other, or where columns were passed over. Coordinates and random directions are
    ``Unavailable`` with fewer than 200 rows, or fewer than 8 groups.

    Raises
    ------
    ArrayError
        If there is one column only, rows have one group only, or all values, a direction or the values along it are
        the same or not finite.

    Notes
    -----
    Constant columns are left out, those that vary by roundings of their dtype too. Of the single ones those are passed
    over that hold one value only in half of the units, such as neurons that are hardly ever on. A random direction is a
    normal vector on the columns as they are, so that loud columns lead it. A row of d values that is standardised has
    an excess kurtosis of -6 / (d + 2) even if it is normal: that pool is to be read beside its null.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(1000, 4)) * np.array([1.0, 1.0, 1.0, 6.0])
    >>> found = rows_shape(X, settings=ShapeSettings(n_nulls=5, n_draws=200, n_random=2))
    >>> found.pools[0].looks, found.pools[1].looks, len(found.coordinates.samples)
    ('heavier than exponential', 'normal', 4)
    >>> found.pools[0].warnings[0].split(":")[0]
    'Columns of unequal spread are pooled (standard deviations 0.968 to 6.12)'
    """
    check_settings(settings)
    if X.ndim != 2:
        raise ArrayError(f"{name} has shape {X.shape}; give a matrix, or one sample to sample_shape.")
    if not np.isfinite(X).all():
        raise ArrayError(f"Some values of {name} are not finite.")
    wide = X.astype(np.float64)
    live = varies(X)
    if live.sum() < 2:
        raise ArrayError(f"{name} has {int(live.sum())} columns that vary; a test of rows needs two or more.")
    units = make_units(len(wide), groups, settings)
    inner = wide[:, live]
    scales = _scales(inner, units)
    shared = _shared(inner, units)
    rng = stream(settings.seed, "shape rows")
    picked, hardly_on = _picked(inner, rng.permutation(inner.shape[1]), units=units, n=settings.n_coordinates)
    coordinates = {str(np.flatnonzero(live)[j]): inner[:, j] for j in picked}
    random = {str(j + 1): inner @ rng.normal(size=inner.shape[1]) for j in range(settings.n_random)}
    return RowsShape(
        name=name,
        kind=kind,
        n_rows=len(wide),
        n_columns=wide.shape[1],
        scales=scales,
        shared=shared,
        pools=_pools(inner, groups, scales=scales, settings=settings),
        coordinates=_group(coordinates, "coordinate", units=units, settings=settings),
        random=_group(random, "random direction", units=units, settings=settings),
        directions=tuple(
            shape_of(_along(wide, vector, name=each), name=each, kind="direction", units=units, settings=settings)
            for each, vector in (directions or {}).items()
        ),
        warnings=(*_shared_warning(shared), *_copies(inner), *_hardly_on(np.flatnonzero(live)[hardly_on])),
    )


def _along(X: NDArray[np.float64], vector: NDArray[Any], *, name: str) -> NDArray[np.float64]:
    if vector.shape != (X.shape[1],):
        raise ArrayError(f"The direction {name} has shape {vector.shape}; the rows have {X.shape[1]} columns.")
    return X @ vector.astype(np.float64)


def _scales(X: NDArray[np.float64], units: Units) -> Scales:
    found = scale_kurtosis(X)
    away = np.abs(X - np.median(X, axis=0))
    counts = np.bincount(units.codes)[:, None]
    by_unit = np.stack([np.bincount(units.codes, weights=column) for column in away.T], axis=1) / counts
    p = float(stats.f_oneway(*by_unit.T).pvalue) if len(by_unit) > 1 else 1.0
    return Scales(least=found.least, most=found.most, excess=found.excess, p=p if np.isfinite(p) else 1.0)


def _shared(X: NDArray[np.float64], units: Units) -> Measured:
    by_row = shared_kurtosis(X)
    total, count = np.bincount(units.codes, weights=by_row), np.bincount(units.codes)
    return bootstrap_estimate(lambda weights: (weights @ total) / (weights @ count), by=units.by)


def _shared_warning(shared: Measured) -> tuple[str, ...]:
    # pairs of columns that are independent give 0 on average, and as often below as above
    if not isinstance(shared, Estimate) or shared.low <= 0:
        return ()
    return (
        "Columns are large in the same rows. Scales that rows have in common would alone give each column an excess "
        f"kurtosis of {shared.value:.2g} [{shared.low:.2g}, {shared.high:.2g}]; heavy parts that columns have in "
        "common would look the same.",
    )


def _copies(X: NDArray[np.float64]) -> tuple[str, ...]:
    n_different = len({row.tobytes() for row in X})
    if 1 - n_different / len(X) < _REPEATED:
        return ()
    return (
        f"Of {len(X):,} rows {n_different:,} are different and the others are exact copies of these, as tokens are of "
        "texts that begin alike: steps and narrow peaks may be theirs.",
    )


def _picked(X: NDArray[np.float64], order: NDArray[np.int64], *, units: Units, n: int) -> tuple[list[int], list[int]]:
    """Take columns in this order until there are n that have a shape; return them, and those that had none."""
    picked: list[int] = []
    without: list[int] = []
    for j in order.tolist():
        if len(picked) == n:
            break
        (picked if has_shape(X[:, j], units) else without).append(j)
    return sorted(picked), sorted(without)


def _hardly_on(columns: NDArray[np.int64]) -> tuple[str, ...]:
    if not len(columns):
        return ()
    named = ", ".join(map(str, columns[:10])) + (", …" if len(columns) > 10 else "")
    return (f"Of the columns that were drawn, these hold hardly more than one value and were passed over: {named}.",)


def _pools(
    X: NDArray[np.float64], groups: NDArray[Any] | None, *, scales: Scales, settings: ShapeSettings
) -> tuple[SampleShape, ...]:
    rng = stream(settings.seed, "shape pool")
    n_rows = max(-(-FEWEST_VALUES // X.shape[1]), _MOST_POOLED // X.shape[1])
    rows = np.sort(rng.permutation(len(X))[:n_rows])
    X, groups = X[rows], None if groups is None else groups[rows]
    if X.size < FEWEST_VALUES:
        raise ArrayError(f"{X.size} values in all are too few for a test of shape; it needs {FEWEST_VALUES}.")
    # a row's values go together
    codes = np.repeat(np.arange(len(X)) if groups is None else np.unique(groups, return_inverse=True)[1], X.shape[1])
    units = make_units(X.size, codes, settings)
    warning: tuple[str, ...] = ()
    if scales.p < _UNEQUAL:
        warning = (
            f"Columns of unequal spread are pooled (standard deviations {scales.least:.3g} to {scales.most:.3g}): "
            f"normal columns of these centres and spreads have an excess kurtosis of {scales.excess:.2g} when pooled.",
        )
    treatments: dict[str, _Treatment] = {
        "all values": np.asarray,
        "all values, columns standardised": _standardised,
        "all values, columns and rows standardised": _standardised_both_ways,
    }
    found = []
    for name, treat in treatments.items():
        null = _pool_null(X, treat, is_raw=name == "all values", settings=settings)
        given = warning if name == "all values" else ()
        sample = treat(X).ravel()
        found.append(
            shape_of(sample, name=name, kind="pool", units=units, settings=settings, null=null, warnings=given)
        )
    return tuple(found)


def _standardised(X: NDArray[np.float64]) -> NDArray[np.float64]:
    spread = X.std(axis=0)
    return np.asarray(np.divide(X - X.mean(axis=0), spread, out=np.zeros_like(X), where=spread > 0))


def _standardised_both_ways(X: NDArray[np.float64]) -> NDArray[np.float64]:
    # the columns last, for the rows then change them but little
    return _standardised(_standardised(_standardised(X).T).T)


def _pool_null(X: NDArray[np.float64], treat: _Treatment, *, is_raw: bool, settings: ShapeSettings) -> NullRange:
    rng = stream(settings.seed, "pool null", *X.shape)
    centres, spreads = (X.mean(axis=0), X.std(axis=0)) if is_raw else (0.0, 1.0)
    what = "a normal matrix with the columns' centres and spreads" if is_raw else "a normal matrix treated alike"
    drawn = (treat(centres + spreads * rng.normal(size=X.shape)).ravel() for _ in range(settings.n_nulls))
    return null_range(drawn, what=what)


def _group(
    samples: Mapping[str, NDArray[np.float64]], kind: SampleKind, *, units: Units, settings: ShapeSettings
) -> ShapeGroup | Unavailable:
    if not samples:
        return Unavailable(reason="none were asked for")
    n = len(next(iter(samples.values())))
    if n < FEWEST_VALUES:
        return Unavailable(reason=f"{n} rows are too few for a test of single columns; it needs {FEWEST_VALUES}")
    found = tuple(
        # the curves of many would fill the record and nobody would look at them
        shape_of(x, name=name, kind=kind, units=units, settings=settings).model_copy(update={"curve": None})
        for name, x in samples.items()
    )
    figures = {figure: [getattr(one, figure) for one in found] for figure in _FIGURES}
    for measured in figures.values():
        if isinstance(missing := measured[0], Unavailable) and not any(isinstance(one, Estimate) for one in measured):
            return missing
    return ShapeGroup(
        kind=kind,
        **{figure: _spread(measured) for figure, measured in figures.items()},
        looks=dict(Counter(one.looks for one in found)),
        best=dict(Counter(one.best or "not known" for one in found)),
        samples=found,
    )


def _spread(figures: Iterable[Measured]) -> tuple[float, float, float]:
    values = [one.value for one in figures if isinstance(one, Estimate)]
    return float(np.min(values)), float(np.median(values)), float(np.max(values))
