"""What a threshold means in use: alarms a day, and thresholds that hold precision or recall."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.records import Guarantee, Measured, Record


class DailyAlarms(Record):
    """How many alarms a day are to be expected of a threshold: means over many days, not the most on a bad one.

    ``per_day`` counts the ``unit`` of the threshold (groups where its units are groups). ``most_false`` is what the
    threshold promises: with its confidence, or on average over calibration sets (``guarantee``), no more false alarms a
    day than that, on its own population. ``false_alarms`` is what fresh negative units of ``measured_on`` let one
    expect, and ``true_alarms`` what its positives do. ``base_rate`` is the share of positives; where it is None all
    units are taken for negatives, which can only overstate the false alarms.
    """

    measured_on: str
    per_day: float
    unit: Literal["group", "row"]
    base_rate: float | None
    guarantee: Guarantee
    most_false: float
    false_alarms: Measured
    true_alarms: Measured


class RiskThreshold(Record):
    """A score above which an alarm is raised (strictly), such that precision or recall is at least ``target``.

    That holds with probability at least ``confidence`` over the draw of the ``n`` calibration rows (``n_positive`` of
    them positive), for rows of the same ``population``: for precision, of the same share of positives too.
    ``measured`` is the precision or recall of the calibration rows themselves, on which the threshold was chosen.
    """

    value: float
    metric: Literal["precision", "recall"]
    target: float
    confidence: float
    n: int
    n_positive: int
    measured: Measured
    method: str
    population: str
