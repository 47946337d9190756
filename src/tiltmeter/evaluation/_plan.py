"""From a base rate, a review budget and held-out scores to a threshold, and to what is caught, missed and paid."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError, TooFewNegativesError
from tiltmeter.core.plan import Day, Plan, Terms
from tiltmeter.core.records import Estimate, Measured, Threshold, Unavailable
from tiltmeter.evaluation._estimates import share
from tiltmeter.evaluation._ranking import check_labelled_scores
from tiltmeter.evaluation._threshold import negatives_needed, threshold_at_fpr, unit_scores


class LabelledScores(NamedTuple):
    """Scores (n,) with labels 0 and 1, and groups, or None where every row is a unit of its own."""

    scores: Float[NDArray[Any], " n"]
    y: Int[NDArray[Any], " n"]
    groups: Shaped[NDArray[Any], " n"] | None = None


def plan_reviews(
    terms: Terms,
    calibration: LabelledScores,
    *,
    tests: Mapping[str, LabelledScores],
    confidence: float = 0.95,
    level: float = 0.95,
    population: str,
) -> Plan:
    """Set the threshold so that a review budget is kept, and estimate what a day brings.

    The probe reads everything; what lies above the threshold goes to a reviewer. The threshold is certified on the
    calibration negatives, so that with ``confidence`` the mean number of reviews a day is at most ``terms.reviews``,
    whatever the probe catches; what it does is estimated on test rows, which had no say in it.

    Parameters
    ----------
    terms
        Traffic, base rate, budget, costs, and what the reviewer is worth.
    calibration
        Scores that set the threshold; positives among them are not looked at.
    tests
        Held-out scores by name; a set may lack one label.
    confidence
        Of the threshold.
    level
        Of the intervals.
    population
        Where the calibration negatives come from, in words.

    Returns
    -------
    The plan; what a test set cannot tell, for want of one label, is ``Unavailable`` there.

    Raises
    ------
    SpecError
        If a term is out of range, or the budget is too small for the positives alone or large enough for everything.
    TooFewNegativesError
        If the calibration negatives are too few for the rate that the budget leaves; the message names how many are
        needed, and the least budget that these allow.
    ArrayError
        If a score is not finite, a label not 0 or 1, or lengths differ.

    Notes
    -----
    With N units a day, base rate π and budget R the rate is f = (R/N − π) / (1 − π), so that N (π TPR + (1 − π) FPR)
    ≤ R for any TPR wherever FPR ≤ f. Rates are shares of units, each with the score of its highest row of that label,
    with exact binomial intervals; those of reviews and cost, which need both rates, take each at half the doubt, which
    holds however they depend on each other and is wider than need be. The bootstrap would give no width where no unit
    raises an alarm. The base rate and the reviewer are taken as given.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(4000) % 2
    >>> scores = rng.normal(3.0 * y)
    >>> plan = plan_reviews(
    ...     Terms(per_day=10_000, base_rate=0.001, reviews=200), LabelledScores(scores[:2000], y[:2000]),
    ...     tests={"like it": LabelledScores(scores[2000:], y[2000:])}, population="made up",
    ... )
    >>> day = plan.days[0]
    >>> round(day.reviews.value), round(day.caught.value, 1), plan.caught_at_random
    (118, 7.8, 0.2)
    """
    fpr = rate_left(terms)
    if not 0 < confidence < 1:
        raise SpecError(f"confidence is {confidence:g}; it must lie strictly between 0 and 1.")
    for part in (calibration, *tests.values()):
        check_labelled_scores(part.y, part.scores)
    is_negative = calibration.y == 0
    groups = None if calibration.groups is None else calibration.groups[is_negative]
    try:
        threshold = threshold_at_fpr(
            calibration.scores[is_negative], fpr=fpr, confidence=confidence, groups=groups, population=population
        )
    except TooFewNegativesError:
        n = int(is_negative.sum()) if groups is None else len(np.unique(groups))
        unit = "negatives" if groups is None else "groups of negatives"
        raise TooFewNegativesError(_too_few(terms, n, unit=unit, fpr=fpr, confidence=confidence)) from None
    n_positive = terms.per_day * terms.base_rate
    return Plan(
        terms=terms,
        threshold=threshold,
        days=tuple(_day(name, test, terms=terms, threshold=threshold, level=level) for name, test in tests.items()),
        caught_at_random=terms.reviews * terms.base_rate * terms.reviewer_tpr,
        caught_of_all=n_positive * terms.reviewer_tpr,
        cost_of_all=terms.per_day * terms.review_cost,
    )


def rate_left(terms: Terms) -> float:
    """Return the false-positive rate that a budget leaves if all positives are reviewed; SpecError if there is none.

    Examples
    --------
    >>> rate_left(Terms(per_day=1000, base_rate=0.01, reviews=109))
    0.1
    """
    for name, low, high in (("base_rate", 0.0, 1.0), ("reviewer_tpr", 0.0, 1.0), ("reviewer_fpr", 0.0, 1.0)):
        if not low <= getattr(terms, name) <= high:
            raise SpecError(f"{name} is {getattr(terms, name):g}; it must lie between 0 and 1.")
    if terms.per_day <= 0 or terms.reviews <= 0 or min(terms.probe_cost, terms.review_cost) < 0:
        raise SpecError(
            f"per_day is {terms.per_day:g}, reviews {terms.reviews:g} and the costs {terms.probe_cost:g} and "
            f"{terms.review_cost:g}; the first two must be above 0 and no cost below."
        )
    n_positive = terms.per_day * terms.base_rate
    if terms.reviews <= n_positive:
        raise SpecError(
            f"{terms.reviews:g} reviews a day do not cover the {n_positive:g} positives that are expected of "
            f"{terms.per_day:g}; ask for more than {n_positive:g}."
        )
    if terms.reviews >= terms.per_day:
        raise SpecError(
            f"{terms.reviews:g} reviews a day cover all of {terms.per_day:g}; review everything, without a probe."
        )
    return (terms.reviews - n_positive) / (terms.per_day - n_positive)


def _too_few(terms: Terms, n: int, *, unit: str, fpr: float, confidence: float) -> str:
    needed = negatives_needed(fpr, confidence)
    said = (
        f"{terms.reviews:g} reviews a day of {terms.per_day:g} leave {fpr:.3g} false positives a unit, which takes "
        f"{needed} {unit} among the calibration texts to certify at {confidence:g} confidence, and there are {n}"
    )
    # the rate at which the highest of n scores is a certified threshold
    least = 1 - (1 - confidence) ** (1 / n) if n else 1.0
    reviews = int(np.ceil(terms.per_day * (terms.base_rate + (1 - terms.base_rate) * least)))
    if reviews >= terms.per_day:
        return f"{said}: add negatives, for no smaller number of reviews than all can be kept to with these."
    return f"{said}: plan with at least {reviews} reviews, or add negatives, or ask for less confidence."


def _day(name: str, test: LabelledScores, *, terms: Terms, threshold: Threshold, level: float) -> Day:
    positive, negative = (_raised(test, label, threshold.value) for label in (1, 0))
    n_positive = terms.per_day * terms.base_rate
    n_negative = terms.per_day - n_positive
    tpr, fpr = share(positive, level=level), share(negative, level=level)
    # where a figure needs both rates each is taken at half the doubt
    both = tuple(share(alarms, level=(1 + level) / 2) for alarms in (positive, negative))
    caught = terms.reviewer_tpr * n_positive
    return Day(
        test=name,
        n_positive=len(positive),
        n_negative=len(negative),
        tpr=tpr,
        fpr=fpr,
        reviews=_mixed(both, (n_positive, n_negative), level=level),
        caught=_scaled(tpr, caught),
        missed=_scaled(tpr, -caught, plus=n_positive),
        wrongly_reported=_scaled(fpr, terms.reviewer_fpr * n_negative),
        cost=_mixed(
            both,
            (n_positive * terms.review_cost, n_negative * terms.review_cost),
            plus=terms.per_day * terms.probe_cost,
            level=level,
        ),
    )


def _raised(test: LabelledScores, label: int, limit: float) -> NDArray[np.bool_]:
    """Return whether each unit of a label raises an alarm: a group where any of its rows of that label does."""
    is_of = test.y == label
    scores = test.scores[is_of]
    return (scores if test.groups is None else unit_scores(scores, test.groups[is_of])) > limit


def _scaled(rate: Measured, factor: float, *, plus: float = 0.0) -> Measured:
    if isinstance(rate, Unavailable):
        return rate
    ends = sorted(plus + factor * end for end in (rate.low, rate.high))
    return rate.model_copy(update={"value": plus + factor * rate.value, "low": ends[0], "high": ends[1]})


def _mixed(rates: tuple[Measured, ...], factors: tuple[float, float], *, plus: float = 0.0, level: float) -> Measured:
    """Add two rates, each times a factor that is not negative; their intervals are at half the doubt."""
    one, two = rates
    if isinstance(one, Unavailable):
        return one
    if isinstance(two, Unavailable):
        return two
    ends = {
        end: plus + factors[0] * getattr(one, end) + factors[1] * getattr(two, end) for end in ("value", "low", "high")
    }
    method = f"{one.method} of each label, each at half the doubt"
    return Estimate(**ends, level=level, n=min(one.n, two.n), method=method)
