"""Two probes on the same test texts, or on different ones: what differs, how surely, and corrected for many looks."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.core.comparison import Figure
from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.evaluation._estimates import (
    Resampling,
    auroc_difference,
    percentile_interval,
    ranking_estimates,
    resampling,
    share,
)
from tiltmeter.evaluation._ranking import auroc_draws, check_labelled_scores, tpr_draws
from tiltmeter.numerics import clopper_pearson

_STEPS = 30  # of the search for the level at which an interval meets 0: to 1e-9

# an interval at the level that is asked for; a figure of the one probe and of the other; one under each draw
_AtLevel = Callable[[float], Measured]
_Both = tuple[Measured, Measured]
_Draws = NDArray[np.float64]


class Scored(NamedTuple):
    """The test rows of one set as one probe scores them. ``threshold`` is None where none was certified."""

    y: Int[NDArray[Any], " n"]
    scores: Float[NDArray[Any], " n"]
    units: Shaped[NDArray[Any], " n"]
    threshold: float | None


class Looks(NamedTuple):
    """How two probes are compared: the rate of false alarms that is asked for, and how intervals are made."""

    fpr: float = 0.01
    level: float = 0.95
    n_draws: int = 2000
    seed: int = 0


_USUAL = Looks()


class Contrast(NamedTuple):
    """A figure of one probe, of another, the other minus the one, and the p-value of no difference."""

    one: Measured
    two: Measured
    difference: Measured
    p: float | None


def compare_scores(one: Scored, two: Scored, *, paired: bool, looks: Looks = _USUAL) -> dict[Figure, Contrast]:
    """Compare two probes on one test set: AUROC, what their thresholds catch, their false alarms, TPR at equal alarms.

    Differences are ``two`` minus ``one``. Paired, both probes are resampled on the same units, so that what makes a
    text hard for both does not count as doubt; unpaired, the two intervals are combined.

    Parameters
    ----------
    one, two
        Paired: the same rows in the same order, with the same labels and units.
    paired
        Whether they are.
    looks
        The rate of false alarms, the level, draws and seed.

    Returns
    -------
    By figure. ``Unavailable`` where a class is missing, units are too few, or there is no threshold.

    Raises
    ------
    ArrayError
        If rows that are said to be paired are not, or labels or scores are not as they must be.

    Notes
    -----
    Paired shares (caught, false alarms) are bounded by the percentile bootstrap *and* by the exact binomial interval of
    which probe wins where the two disagree (the exact form of McNemar's test), whichever is wider: where few units
    disagree the bootstrap alone is too sure. Unpaired, the distances from either figure to its bounds are squared and
    added (MOVER). The p-value is 1 minus the highest level at which the interval does not contain 0; beyond what the
    draws resolve, and where the interval is not of draws, it is that of a normal tail of the interval's width. Either
    way it is below 1 - level just where the interval leaves out 0.

    References
    ----------
    McNemar (1947), "Note on the sampling error of the difference between correlated proportions or percentages".
    Zou and Donner (2008), "Construction of confidence limits about effect measures: a general approach".

    Examples
    --------
    >>> y, units = np.array([0, 1] * 100), np.arange(200)
    >>> rng = np.random.default_rng(0)
    >>> good = Scored(y, 3 * y + rng.normal(size=200), units, 2.0)
    >>> poor = Scored(y, 1 * y + rng.normal(size=200), units, 2.0)
    >>> found = compare_scores(poor, good, paired=True)
    >>> found["auroc"].difference.low > 0, found["auroc"].p < 0.01, found["caught"].difference.value > 0
    (True, True, True)
    """
    for side in (one, two):
        check_labelled_scores(side.y, side.scores)
    if paired and not (np.array_equal(one.y, two.y) and np.array_equal(one.units, two.units)):
        raise ArrayError("The rows are not paired: labels or units differ; give the same rows, or paired=False.")
    if min(len(np.unique(side.y)) for side in (one, two)) < 2:
        gap = Unavailable(reason="one class only")
        return dict.fromkeys(get_args(Figure), Contrast(gap, gap, gap, None))
    by = _resampling(one.units, looks)
    other_by = by if paired else _resampling(two.units, looks)
    first = ranking_estimates(one.y, one.scores, fpr=looks.fpr, by=by)
    second = ranking_estimates(two.y, two.scores, fpr=looks.fpr, by=other_by)
    auroc, tpr = (first.auroc, second.auroc), (first.tpr, second.tpr)
    if not paired:
        return {
            "auroc": _apart(*auroc),
            "caught": _apart(*(_above(side, on=1, looks=looks) for side in (one, two))),
            "false alarms": _apart(*(_above(side, on=0, looks=looks) for side in (one, two))),
            "caught at equal alarms": _apart(*tpr),
        }
    areas = [auroc_draws(side.y, side.scores, weights=by.weights) for side in (one, two)]
    rates = [tpr_draws(side.y, side.scores, weights=by.weights, fpr=looks.fpr) for side in (one, two)]
    return {
        "auroc": _auroc(one, two, auroc, gain=areas[1] - areas[0], by=by),
        "caught": _thresholds(one, two, on=1, looks=looks),
        "false alarms": _thresholds(one, two, on=0, looks=looks),
        "caught at equal alarms": _equal_alarms(one, two, tpr, gain=rates[1] - rates[0], by=by, fpr=looks.fpr),
    }


def holm(p_values: Sequence[float | None]) -> tuple[float | None, ...]:
    """Correct p-values for their number by Holm's method; None, a figure without one, does not count.

    Where all hypotheses are true, the chance that any corrected value is at most a is at most a.

    References
    ----------
    Holm (1979), "A simple sequentially rejective multiple test procedure".

    Examples
    --------
    >>> holm([0.01, None, 0.04, 0.03])
    (0.03, None, 0.06, 0.06)
    """
    known = sorted((p, i) for i, p in enumerate(p_values) if p is not None)
    corrected: list[float | None] = [None] * len(p_values)
    highest = 0.0
    for rank, (p, i) in enumerate(known):
        highest = max(highest, min(1.0, (len(known) - rank) * p))
        corrected[i] = highest
    return tuple(corrected)


def _resampling(units: NDArray[Any], looks: Looks) -> Resampling:
    return resampling(len(units), groups=_groups(units), n_draws=looks.n_draws, level=looks.level, seed=looks.seed)


def _groups(units: NDArray[Any]) -> NDArray[Any] | None:
    """Return units that hold more than one row somewhere; rows that stand alone need no grouping, and say so."""
    return units if len(np.unique(units)) < len(units) else None


def _auroc(one: Scored, two: Scored, found: _Both, *, gain: _Draws, by: Resampling) -> Contrast:
    first, second = found
    if isinstance(first, Unavailable) or isinstance(second, Unavailable):
        return Contrast(*found, first if isinstance(first, Unavailable) else second, None)
    if {first.value, second.value} & {0.0, 1.0}:
        # the draws know nothing of the doubt of a score without a row out of order
        difference = auroc_difference(two.y, two.scores, rival=one.scores, by=by)
        return Contrast(*found, difference, _tail(difference))

    def interval(level: float) -> Measured:
        value = second.value - first.value
        return percentile_interval(value, gain, by=by, level=level, bounds=(-1.0, 1.0))

    return Contrast(*found, interval(by.level), _p_value(interval, len(gain)))


def _above(side: Scored, *, on: int, looks: Looks) -> Measured:
    """Estimate the share of positives (``on`` 1) or of units of negatives (``on`` 0) above the shipped threshold."""
    if side.threshold is None:
        return Unavailable(reason="no threshold was certified")
    hits, units = _hits(side, side.threshold, on)
    return share(hits, groups=_groups(units), level=looks.level)


def _thresholds(one: Scored, two: Scored, *, on: int, looks: Looks) -> Contrast:
    """Compare the same on the same rows."""
    found = _above(one, on=on, looks=looks), _above(two, on=on, looks=looks)
    if one.threshold is None or two.threshold is None:
        return Contrast(*found, Unavailable(reason="no threshold was certified"), None)
    (hits, units), (others, _) = _hits(one, one.threshold, on), _hits(two, two.threshold, on)
    by = _resampling(units, looks)
    gain = others.astype(np.float64) - hits
    draws = (by.weights @ gain) / by.weights.sum(axis=1)
    interval = _of_shares(gain, units, float(gain.mean()), draws=draws, by=by)
    return Contrast(*found, interval(looks.level), _p_value(interval, looks.n_draws))


def _equal_alarms(one: Scored, two: Scored, found: _Both, *, gain: _Draws, by: Resampling, fpr: float) -> Contrast:
    """Compare the share of positives above the threshold that the asked share of this set's own negatives exceeds."""
    first, second = found
    if isinstance(first, Unavailable) or isinstance(second, Unavailable):
        return Contrast(*found, first if isinstance(first, Unavailable) else second, None)
    (hits, units), (others, _) = (_hits(side, _own_threshold(side, fpr), 1) for side in (one, two))
    won = others.astype(np.float64) - hits
    interval = _of_shares(won, units, second.value - first.value, draws=gain, by=by)
    return Contrast(*found, interval(by.level), _p_value(interval, len(gain)))


def _own_threshold(rows: Scored, fpr: float) -> float:
    negatives = np.sort(rows.scores[rows.y == 0])[::-1]
    # counts are whole numbers: the slack keeps 0.01 * 300 from being read as 2.9999999
    return float(negatives[int(fpr * len(negatives) + 1e-9)])


def _hits(rows: Scored, threshold: float, on: int) -> tuple[NDArray[np.bool_], NDArray[Any]]:
    """Return which positives, or which units with negatives, raise an alarm, and the unit of each."""
    chosen = rows.y == on
    alarms, units = rows.scores[chosen] > threshold, rows.units[chosen]
    if on == 1:
        return alarms, units
    names, codes = np.unique(units, return_inverse=True)
    # a unit raises an alarm when any of its rows does
    return np.bincount(codes, weights=alarms) > 0, names


def _of_shares(
    gain: NDArray[np.float64], units: NDArray[Any], value: float, *, draws: _Draws, by: Resampling
) -> _AtLevel:
    """Bound a paired difference of shares by its draws and by the units that disagree, whichever is wider.

    ``gain`` is 1 where only the second probe raises an alarm, -1 where only the first does.
    """
    names, codes = np.unique(units, return_inverse=True)
    net = np.bincount(codes, weights=gain)
    mass, n_up, n_apart = float(np.abs(net).sum() / len(gain)), int((net > 0).sum()), int((net != 0).sum())

    def interval(level: float) -> Measured:
        found = percentile_interval(value, draws, by=by, level=level, bounds=(-1.0, 1.0))
        if isinstance(found, Unavailable):
            return found
        if n_apart:
            low, high = (mass * (2 * end - 1) for end in clopper_pearson(n_up, n_apart, level=level))
        else:
            # no unit disagrees: as many may as none of so many can hide
            high = clopper_pearson(0, len(names), level=level)[1]
            low = -high
        return found.model_copy(
            update={
                "low": max(-1.0, min(found.low, low)),
                "high": min(1.0, max(found.high, high)),
                "method": f"{found.method}, or exact binomial over units that disagree",
            }
        )

    return interval


def _apart(first: Measured, second: Measured) -> Contrast:
    """Compare figures of different texts by their own intervals."""
    if isinstance(first, Unavailable) or isinstance(second, Unavailable):
        return Contrast(first, second, first if isinstance(first, Unavailable) else second, None)
    value = second.value - first.value
    difference = Estimate(
        value=value,
        low=max(-1.0, value - float(np.hypot(second.value - second.low, first.high - first.value))),
        high=min(1.0, value + float(np.hypot(second.high - second.value, first.value - first.low))),
        level=second.level,
        n=min(first.n, second.n),
        method=f"unpaired, from {first.method} and {second.method}",
        seed=second.seed,
    )
    return Contrast(first, second, difference, _tail(difference))


def _p_value(interval: _AtLevel, n_draws: int) -> float | None:
    """Return 1 minus the highest level at which the interval leaves out 0; None where there is no interval."""
    finest = 1 - 2 / (n_draws + 1)  # beyond it the draws say nothing new
    at_finest = interval(finest)
    if isinstance(at_finest, Unavailable) or not _leaves_out_none(at_finest):
        return _tail(at_finest)
    low, high = 0.0, finest
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _leaves_out_none(interval(middle)):
            high = middle
        else:
            low = middle
    return 1 - low


def _leaves_out_none(found: Measured) -> bool:
    return isinstance(found, Estimate) and found.low <= 0 <= found.high


def _tail(found: Measured) -> float | None:
    """Return the p-value of a normal tail as wide as the interval is towards 0: below 1 - level where it ends before 0.

    None where there is no figure.
    """
    if isinstance(found, Unavailable):
        return None
    reach = found.value - (found.low if found.value > 0 else found.high)
    if found.value == 0 or reach == 0:
        return 1.0 if found.value == 0 else 0.0
    return float(2 * stats.norm.sf(stats.norm.isf((1 - found.level) / 2) * abs(found.value / reach)))
