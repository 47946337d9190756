"""Figures with their intervals: AUROC, TPR at a fixed FPR, differences between two scores, and plain shares."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import NDArray
from scipy import special

from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation._delong import area_variance, logit_bounds
from tiltmeter.evaluation._ranking import auroc, auroc_and_tpr, auroc_draws, check_labelled_scores, tpr_draws
from tiltmeter.evaluation._together import taken_together
from tiltmeter.numerics import bootstrap_weights, clopper_pearson

# fewer independent units than this cover at 0.53 to 0.88 where 0.95 is asked for
FEWEST_UNITS = 8
# with fewer, intervals over groups were seen to cover at 0.87 to 0.98 (benchmarks/coverage.py), and say so
ENOUGH_UNITS = 50
# of either class; with 30, differences between AUROCs near 1 cover at 0.92
_ENOUGH_ROWS = 100
# negatives above the point at which TPR is read; with one of them its interval covers at 0.79 to 0.85
_ENOUGH_ABOVE = 3

# a variance of an AUROC that is rounding
_ALIKE = 1e-12

# labels and scores of the same rows
_Labelled = tuple[NDArray[np.int64], NDArray[Any]]


class Resampling(NamedTuple):
    """How intervals are made: the draws' weights (b, n), shared by all scores on the same rows, and what they mean.

    ``groups`` is None where every row is its own.
    """

    weights: Float[NDArray[Any], "b n"]
    n_units: int
    unit: str
    level: float
    seed: int
    groups: Shaped[NDArray[Any], " n"] | None = None


class RankingEstimates(NamedTuple):
    """AUROC and TPR at the asked FPR, each with its interval or the reason why there is none."""

    auroc: Measured
    tpr: Measured


def resampling(
    n: int, *, groups: Shaped[NDArray[Any], " n"] | None, n_draws: int = 1000, level: float = 0.95, seed: int = 0
) -> Resampling:
    """Draw bootstrap weights for ``n`` rows once, so that every score on these rows is resampled alike.

    Groups are resampled where they exist. Figures that share a resampling can be compared pairwise.

    Examples
    --------
    >>> by = resampling(6, groups=np.array(["a", "a", "b", "b", "c", "c"]), n_draws=100)
    >>> by.weights.shape, by.n_units, by.unit
    ((100, 6), 3, 'groups')
    """
    weights = bootstrap_weights(n, n_draws, groups=groups, rng=stream(seed, "bootstrap"))
    n_units = n if groups is None else len(np.unique(groups))
    return Resampling(weights, n_units, "rows" if groups is None else "groups", level, seed, groups)


def ranking_estimates(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, fpr: float, by: Resampling
) -> RankingEstimates:
    """Estimate AUROC and TPR at ``fpr``, each with its interval.

    That of AUROC is DeLong's on the scale of log-odds, summed over groups where groups exist; where no row is out of
    order (AUROC 0 or 1) it would have no width, and there the exact binomial interval on disjoint (positive, negative)
    pairs is given instead. That of TPR is the percentile bootstrap's. TPR needs at least 1/``fpr`` negatives, else it
    is ``Unavailable``; with one class only both are. Where an interval is known to cover less often than it says, its
    ``method`` says "approximate".

    Raises
    ------
    ArrayError
        If lengths differ, a label is not 0 or 1, or a score is not finite.

    Examples
    --------
    >>> y = np.array([0, 1] * 50)
    >>> by = resampling(100, groups=None)
    >>> ranking_estimates(y, y + np.linspace(0, 1.5, 100), fpr=0.1, by=by).auroc.value > 0.8
    True
    """
    check_labelled_scores(y, scores)
    n_positive, n_negative = int(y.sum()), int((1 - y).sum())
    if not n_positive or not n_negative:
        gap = Unavailable(reason=f"one class only: {n_positive} positive and {n_negative} negative texts")
        return RankingEstimates(gap, gap)
    area, caught = auroc_and_tpr(y, scores, fpr=fpr)
    measured = area_interval(y, scores, area=area, by=by, level=by.level)
    rate: Measured
    if n_negative * fpr < 1 - 1e-9:  # 49 * (1 / 49) is less than 1 in floating point
        needed = int(np.ceil(1 / fpr - 1e-9))
        rate = Unavailable(
            reason=f"{n_negative} negatives cannot resolve a false-positive rate of {fpr:g}; {needed} can"
        )
    else:
        draws = tpr_draws(y, scores, weights=by.weights, fpr=fpr)
        rate = _share(caught, draws, y == 1, by)
        if isinstance(rate, Estimate) and n_negative * fpr < _ENOUGH_ABOVE - 1e-9:
            rate = rate.model_copy(update={"method": _approximate(rate.method)})
    return RankingEstimates(measured, rate)


def auroc_difference(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, rival: Float[NDArray[Any], " n"], by: Resampling
) -> Measured:
    """Estimate AUROC of ``scores`` minus AUROC of ``rival`` on the same rows, by the paired bootstrap.

    Where one of them has no row out of order (AUROC 0 or 1) the bootstrap would know nothing of its doubt; there the
    interval is that of the two taken together, each at half the doubt, which is wider than need be.

    Examples
    --------
    >>> y = np.array([0, 1] * 50)
    >>> auroc_difference(y, y * 1.0, rival=-y * 1.0, by=resampling(100, groups=None)).value
    1.0
    """
    return _difference((y, scores), (y, rival), by=by)


def label_lead(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, other: Int[NDArray[Any], " n"], by: Resampling
) -> Measured:
    """Estimate AUROC of the scores for the labels ``other`` minus their AUROC for ``y``, by the paired bootstrap.

    Above 0 where the scores follow ``other`` rather than ``y``. Intervals are as in :func:`auroc_difference`.

    Examples
    --------
    >>> truth, said = np.array([0, 1] * 50), np.array([0, 0, 1, 1] * 25)
    >>> label_lead(truth, said + 0.1 * truth, other=said, by=resampling(100, groups=None)).value
    0.25
    """
    return _difference((other, scores), (y, scores), by=by)


def _difference(one: _Labelled, two: _Labelled, *, by: Resampling) -> Measured:
    """Estimate the AUROC of one labelling and scores minus that of the other, on the same rows."""
    if min(len(np.unique(y)) for y, _ in (one, two)) < 2:
        return Unavailable(reason="one class only")
    own, other = (auroc(y, scores) for y, scores in (one, two))
    own_draws, other_draws = (auroc_draws(y, scores, weights=by.weights) for y, scores in (one, two))
    if not {own, other} & {0.0, 1.0} or all(np.array_equal(a, b) for a, b in zip(one, two, strict=True)):
        found = percentile_interval(own - other, own_draws - other_draws, by=by, level=by.level, bounds=(-1.0, 1.0))
        fewest = min(int((y == label).sum()) for y, _ in (one, two) for label in (0, 1))
        if isinstance(found, Unavailable) or fewest >= _ENOUGH_ROWS:
            return found
        return found.model_copy(update={"method": _approximate(found.method)})
    first = area_interval(*one, area=own, by=by, level=(1 + by.level) / 2)
    second = area_interval(*two, area=other, by=by, level=(1 + by.level) / 2)
    return taken_together(first, second, level=by.level, seed=by.seed)


def share(
    hits: Bool[NDArray[Any], " n"], *, groups: Shaped[NDArray[Any], " n"] | None = None, level: float = 0.95
) -> Measured:
    """Estimate the share of true entries with an exact binomial interval; Unavailable if there are none to count.

    With ``groups``, rows of a group may repeat each other, so the interval is that of the effective number of groups,
    (Σ m)² / Σ m² for groups of m rows: their number where all are of one size, fewer where a few large ones dominate.
    It is then approximate.

    Examples
    --------
    >>> found = share(np.array([True, True, False, False]))
    >>> found.value, round(found.low, 2), round(found.high, 2)
    (0.5, 0.07, 0.93)
    """
    if not len(hits):
        return Unavailable(reason="no such texts")
    value = float(hits.mean())
    n = len(hits)
    if groups is not None:
        sizes = np.unique(groups, return_counts=True)[1].astype(np.float64)
        n = max(1, int(sizes.sum() ** 2 / (sizes**2).sum()))
    low, high = clopper_pearson(round(value * n), n, level=level)
    return Estimate(
        value=value,
        low=min(low, value),
        high=max(high, value),
        level=level,
        n=n,
        method="exact binomial over rows" if groups is None else "binomial over the effective number of groups",
    )


def boundary_interval(
    area: float, *, sides: Iterable[Bool[NDArray[Any], " n"]], by: Resampling, level: float
) -> Estimate:
    """Bound an AUROC of 0 or 1: each disjoint pair is an independent trial of "the positive scores higher".

    ``sides``: the rows of either kind that a pair is made of. There are as many disjoint pairs as units that hold rows
    of the rarer kind, and never more than half of all units.
    """
    n_pairs = max(1, min(by.n_units // 2, *(units_holding(rows, by) for rows in sides)))
    low, high = clopper_pearson(round(area) * n_pairs, n_pairs, level=level)
    method = f"exact binomial on {n_pairs} disjoint pairs"
    return Estimate(value=area, low=low, high=high, level=level, n=by.n_units, method=method)


def units_holding(rows: Bool[NDArray[Any], " n"], by: Resampling) -> int:
    """Count the units that hold some of these rows."""
    return int(rows.sum()) if by.groups is None else len(np.unique(by.groups[rows]))


def percentile_interval(
    value: float,
    draws: Float[NDArray[Any], " b"],
    *,
    by: Resampling,
    level: float,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Measured:
    """Bound a figure by the percentiles of its bootstrap draws; NaN draws are those that held one class only.

    The interval cannot leave ``bounds``. It is stretched by the ratio of Student's to the normal quantile, for the
    percentile bootstrap is too narrow where units are few; below ``FEWEST_UNITS`` nothing honest can be said, and below
    ``ENOUGH_UNITS`` it is still too narrow, and says that it is approximate.
    """
    if by.n_units < FEWEST_UNITS:
        return Unavailable(reason=f"{by.n_units} {by.unit} are too few to resample; {FEWEST_UNITS} are needed")
    usable = draws[np.isfinite(draws)]
    # with few groups some draws hold one class only; too many of them and the interval describes other data
    if len(usable) < 0.9 * len(draws):
        return Unavailable(reason=f"{by.n_units} {by.unit} are too few to resample: many draws hold one class only")
    tail = (1 - level) / 2
    low, high = np.quantile(usable, [tail, 1 - tail])
    stretch = float(special.stdtrit(by.n_units - 1, 1 - tail) / special.ndtri(1 - tail))
    return Estimate(
        value=value,
        low=max(bounds[0], min(value - stretch * (value - float(low)), value)),
        high=min(bounds[1], max(value + stretch * (float(high) - value), value)),
        level=level,
        n=by.n_units,
        method=named("percentile bootstrap", by),
        seed=by.seed,
    )


def area_interval(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, area: float, by: Resampling, level: float
) -> Measured:
    """Bound the AUROC of some scores by :func:`logit_bounds`; where that has no width, by an exact binomial one."""
    if by.n_units < FEWEST_UNITS:
        return Unavailable(reason=f"{by.n_units} {by.unit} are too few to resample; {FEWEST_UNITS} are needed")
    if area in (0.0, 1.0):
        return boundary_interval(area, sides=(y == 1, y == 0), by=by, level=level)
    found = area_variance(y, scores, groups=by.groups)
    if np.isnan(found.variance):
        return Unavailable(reason=f"{by.n_units} {by.unit} are too few: only one of them holds one of the classes")
    if found.variance <= _ALIKE:
        return _alike_interval(area, by=by, level=level)
    low, high = logit_bounds(area, found, level=level)
    return Estimate(
        value=area,
        # rounding on the way to log-odds and back must not push the figure out of its interval
        low=min(low, area),
        high=max(high, area),
        level=level,
        n=by.n_units,
        method=named("logit DeLong", by),
    )


def _alike_interval(area: float, *, by: Resampling, level: float) -> Estimate:
    """Bound an AUROC to which every unit adds the same: some share of other units may do otherwise, none was seen."""
    others = clopper_pearson(0, by.n_units, level=level)[1]
    # of a pair of fresh units, one of either class, both are like those that were seen
    alike = (1 - others) ** 2
    method = f"exact binomial on {by.n_units} units that are all alike"
    return Estimate(value=area, low=alike * area, high=1 - alike * (1 - area), level=level, n=by.n_units, method=method)


def named(method: str, by: Resampling) -> str:
    """Name how an interval was made, over what, and whether it is known to cover less often than it says."""
    name = f"{method} over {by.unit}"
    return name if by.n_units >= ENOUGH_UNITS else _approximate(name)


def _approximate(method: str) -> str:
    return method if method.endswith("approximate") else f"{method}, approximate"


def _share(
    value: float, draws: Float[NDArray[Any], " b"], positive: Bool[NDArray[Any], " n"], by: Resampling
) -> Measured:
    if value not in (0.0, 1.0):
        return percentile_interval(value, draws, by=by, level=by.level)
    # all caught, or none: of which the bootstrap would know no doubt
    hits = np.full(int(positive.sum()), value == 1.0)
    return share(hits, groups=None if by.groups is None else by.groups[positive], level=by.level)
