"""How many alarms a day a threshold will raise."""

from __future__ import annotations

from tiltmeter.core.errors import SpecError
from tiltmeter.core.operating import DailyAlarms
from tiltmeter.core.records import Estimate, Measured, Threshold, Unavailable


def alarms_per_day(
    threshold: Threshold,
    *,
    per_day: float,
    measured_on: str,
    false_alarm_rate: Measured,
    base_rate: float | None = None,
    caught: Measured | None = None,
) -> DailyAlarms:
    """Return how many alarms a day a threshold will raise: what it promises, and what fresh units let one expect.

    Parameters
    ----------
    threshold
        With its guarantee.
    per_day
        Units a day: groups where the threshold's units are groups (a conversation counts once), else rows.
    measured_on
        Where the two rates were measured, in words.
    false_alarm_rate
        The share of fresh negative units that raise an alarm, such as :func:`share` gives, with an exact interval.
    base_rate
        The share of units that are positive, between 0 and 1; None where it is not known: all are then taken for
        negatives, which overstates the false alarms by that share and no more.
    caught
        The share of fresh positive units that raise an alarm.

    Returns
    -------
    Means a day. What happens on one day scatters about them.

    Raises
    ------
    SpecError
        If ``per_day`` is negative or ``base_rate`` is no share.

    Examples
    --------
    >>> from tiltmeter.evaluation import share, threshold_at_fpr
    >>> scores = np.random.default_rng(0).normal(size=2000)
    >>> threshold = threshold_at_fpr(scores[:1000], population="ordinary questions")
    >>> rate = share(scores[1000:] > threshold.value)
    >>> found = alarms_per_day(threshold, per_day=5000.0, measured_on="fresh questions", false_alarm_rate=rate)
    >>> found.most_false, found.false_alarms.value, round(found.false_alarms.high, 1)
    (50.0, 30.0, 65.1)
    """
    if not per_day >= 0:
        raise SpecError(f"per_day is {per_day}; give the number of {threshold.unit}s a day, 0 or more.")
    if base_rate is not None and not 0 <= base_rate <= 1:
        raise SpecError(f"base_rate is {base_rate}; give the share of positives, between 0 and 1.")
    n_negative = per_day * (1 - (base_rate or 0.0))
    true_alarms: Measured
    if base_rate is None:
        true_alarms = Unavailable(reason="the base rate is not known")
    elif caught is None:
        true_alarms = Unavailable(reason="the share that is caught is not known")
    else:
        true_alarms = _times(caught, per_day * base_rate)
    return DailyAlarms(
        measured_on=measured_on,
        per_day=per_day,
        unit=threshold.unit,
        base_rate=base_rate,
        guarantee=threshold.guarantee,
        most_false=threshold.fpr * n_negative,
        false_alarms=_times(false_alarm_rate, n_negative),
        true_alarms=true_alarms,
    )


def _times(rate: Measured, n: float) -> Measured:
    if isinstance(rate, Unavailable):
        return rate
    scaled = {"value": n * rate.value, "low": n * rate.low, "high": n * rate.high}
    return Estimate(**(rate.model_dump() | scaled | {"method": f"{rate.method}, times the units a day"}))
