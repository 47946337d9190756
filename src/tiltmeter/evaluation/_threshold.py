"""Thresholds that keep their false-positive rate: with a stated confidence, or on average over calibration sets."""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from jaxtyping import Bool, Float, Shaped
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.core.errors import ArrayError, SpecError, TooFewNegativesError
from tiltmeter.core.records import Estimate, Measured, Threshold
from tiltmeter.evaluation._estimates import share

# 3 thousand million negatives are needed for this one
_LEAST_RATE = 1e-9


def negatives_needed(fpr: float, confidence: float) -> int:
    """Return the smallest number of negative units from which a threshold can be certified.

    Examples
    --------
    >>> negatives_needed(0.01, 0.95), negatives_needed(0.001, 0.95)
    (299, 2995)
    """
    if not 0 < fpr < 1 or not 0 < confidence < 1:
        raise SpecError(f"fpr is {fpr} and confidence {confidence}; both must lie strictly between 0 and 1.")
    if fpr < _LEAST_RATE:
        raise SpecError(f"fpr is {fpr}; nobody has the negatives for a rate below {_LEAST_RATE:g}.")
    n = math.ceil(math.log1p(-confidence) / math.log1p(-fpr))
    # the quotient of logarithms may round to the wrong side of a whole number
    while n > 1 and _is_certified(0, n=n - 1, fpr=fpr, confidence=confidence):
        n -= 1
    while not _is_certified(0, n=n, fpr=fpr, confidence=confidence):
        n += 1
    return n


def _is_certified(allowed: int, *, n: int, fpr: float, confidence: float) -> bool:
    # the slack keeps 1 - confidence, which is rounded, from refusing an exact equality
    return bool(stats.binom.cdf(allowed, n, fpr) <= (1 - confidence) * (1 + 1e-9))


def threshold_at_fpr(
    scores: Float[NDArray[Any], " n"],
    *,
    fpr: float = 0.01,
    confidence: float = 0.95,
    groups: Shaped[NDArray[Any], " n"] | None = None,
    population: str,
) -> Threshold:
    """Choose the lowest threshold whose false-positive rate is at most ``fpr`` with the asked confidence.

    An alarm is a score strictly above the threshold. Whatever the distribution of scores, ties included: with
    probability at least ``confidence`` over the draw of these units, a fresh unit of the same population raises a
    false alarm with probability at most ``fpr``. The scores must come from negatives that neither fitted the probe
    nor chose its layer or method: see :func:`require_fresh`.

    Parameters
    ----------
    scores
        Scores of *negative* rows, shape (n,), finite.
    fpr, confidence
        Strictly between 0 and 1.
    groups
        Shape (n,), or None. Rows of a group are not independent, so a group counts as one unit with the score of its
        highest row; the guarantee is then about groups.
    population
        Where the negatives come from, in words; the guarantee holds for this population only.

    Raises
    ------
    TooFewNegativesError
        If no threshold can be certified from so few units; the message names the number needed.
    ArrayError
        If a score is not finite or lengths differ.

    See Also
    --------
    conformal_threshold : Lower, and needs fewer units, but its rate is kept on average only.

    Notes
    -----
    With n units, the (k + 1)-th largest score fails only if at most k of n independent trials of probability ``fpr``
    succeed; k is the largest number for which that has probability at most 1 − ``confidence``. The guarantee does
    not survive a change of population, nor a threshold chosen among several on the same rows.

    Examples
    --------
    >>> t = threshold_at_fpr(np.arange(299.0), population="ordinary questions")
    >>> t.value, t.allowed, t.unit
    (298.0, 0, 'row')
    """
    needed = negatives_needed(fpr, confidence)
    units = _units(scores, groups)
    n, unit = len(units), _unit(groups)
    if n < needed:
        raise TooFewNegativesError(
            f"{n} negative {unit}s cannot certify a false-positive rate of {fpr:g} at {confidence:g} confidence; "
            f"{needed} are needed: add negatives, or ask for a higher rate or a lower confidence."
        )
    allowed = int(stats.binom.ppf(1 - confidence, n, fpr))
    # ppf gives the first count whose probability reaches the level; what is allowed must stay at or below it
    while not _is_certified(allowed, n=n, fpr=fpr, confidence=confidence):
        allowed -= 1
    value = float(np.sort(units)[n - 1 - allowed])
    return Threshold(
        value=value,
        fpr=fpr,
        confidence=confidence,
        n=n,
        n_rows=len(scores),
        unit=unit,
        allowed=allowed,
        population=population,
        row_rate=_row_rate(scores > value, groups),
    )


def conformal_threshold(
    scores: Float[NDArray[Any], " n"],
    *,
    fpr: float = 0.01,
    groups: Shaped[NDArray[Any], " n"] | None = None,
    population: str,
) -> Threshold:
    """Choose the lowest threshold whose false-positive rate is at most ``fpr`` on average over calibration sets.

    That average, over the draw of these units, is all that is promised: the rate of the one threshold that is returned
    lies above ``fpr`` in about half of the draws. Where an alarm budget must hold, take :func:`threshold_at_fpr`.

    Parameters
    ----------
    scores
        Scores of *negative* rows, shape (n,), finite.
    fpr
        Strictly between 0 and 1.
    groups, population
        As for :func:`threshold_at_fpr`.

    Raises
    ------
    TooFewNegativesError
        If there are fewer than 1/``fpr`` − 1 units, of which no score is high enough; the message names the number.
    ArrayError
        If a score is not finite or lengths differ.

    Notes
    -----
    The threshold is the ⌈(n + 1)(1 − ``fpr``)⌉-th smallest of n unit scores. A fresh unit is as likely to stand at any
    place among the n + 1, so that it lies above with probability at most ``fpr``, ties included.

    References
    ----------
    Vovk, Gammerman and Shafer (2005), Algorithmic Learning in a Random World, chapter 2; Papadopoulos et al.
    (2002), Inductive Confidence Machines for Regression.

    Examples
    --------
    >>> t = conformal_threshold(np.arange(299.0), population="ordinary questions")
    >>> t.value, t.allowed, t.guarantee, t.confidence
    (296.0, 2, 'average', None)
    """
    if not 0 < fpr < 1:
        raise SpecError(f"fpr is {fpr}; it must lie strictly between 0 and 1.")
    units = _units(scores, groups)
    n, unit = len(units), _unit(groups)
    # n + 1 − ⌈(n + 1)(1 − fpr)⌉ places lie above; the slack keeps 100 · 0.01, or 50 · (1/50), from falling below 1
    allowed = math.floor((n + 1) * fpr * (1 + 1e-12)) - 1
    if allowed < 0:
        raise TooFewNegativesError(
            f"{n} negative {unit}s cannot set a false-positive rate of {fpr:g} even on average; "
            f"{math.ceil(1 / fpr * (1 - 1e-12)) - 1} are needed: add negatives, or ask for a higher rate."
        )
    value = float(np.sort(units)[n - 1 - allowed])
    return Threshold(
        value=value,
        fpr=fpr,
        confidence=None,
        n=n,
        n_rows=len(scores),
        unit=unit,
        allowed=allowed,
        method="conformal order statistic",
        population=population,
        guarantee="average",
        row_rate=_row_rate(scores > value, groups),
    )


def _unit(groups: object) -> Literal["group", "row"]:
    return "row" if groups is None else "group"


def unit_scores(scores: Float[NDArray[Any], " n"], groups: Shaped[NDArray[Any], " n"]) -> Float[NDArray[Any], " u"]:
    """Return the highest score of each group, in the order of their sorted names.

    A group raises an alarm when any of its rows does, so it counts as one unit with this score.

    Raises
    ------
    ArrayError
        If lengths differ.

    Examples
    --------
    >>> unit_scores(np.array([1.0, 5.0, 2.0]), np.array(["a", "b", "a"])).tolist()
    [2.0, 5.0]
    """
    if groups.shape != scores.shape:
        raise ArrayError(f"groups have shape {groups.shape} for {len(scores)} scores.")
    names, codes = np.unique(groups, return_inverse=True)
    units = np.full(len(names), -np.inf)
    np.maximum.at(units, codes, scores)
    return units


def _units(
    scores: Float[NDArray[Any], " n"], groups: Shaped[NDArray[Any], " n"] | None
) -> Float[NDArray[Any], " units"]:
    if scores.ndim != 1 or not np.isfinite(scores).all():
        raise ArrayError("scores must be one finite number per negative row.")
    return scores if groups is None else unit_scores(scores, groups)


def _row_rate(alarm: Bool[NDArray[Any], " n"], groups: Shaped[NDArray[Any], " n"] | None) -> Measured | None:
    """Return the share of rows above a threshold that was set on the groups of these very rows."""
    if groups is None:
        return None
    rate = share(alarm, groups=groups)
    if isinstance(rate, Estimate):
        return rate.model_copy(update={"method": f"{rate.method}; no guarantee: the threshold was set on these rows"})
    return rate
