"""Scores turned into probabilities, and how far those can be taken at their word."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.records import Measured, Record

CalibrationMethod = Literal["platt", "isotonic", "beta"]


class Calibrator(Record):
    """A map from scores to probabilities that was fitted on calibration rows.

    ``platt``: σ(a s + c) with ``coefficients`` (a, c). ``beta``: σ(a ln u − b ln(1 − u) + c) with ``coefficients``
    (a, b, c), where u is the score itself if ``squashed`` is None, else σ((s − centre) / scale) with ``squashed``
    (centre, scale). ``isotonic``: between ``knots`` (score, probability) a straight line, beyond them constant.

    ``base_rate`` is the share of positives among the ``n`` rows: the probabilities are those of a population with as
    many.
    """

    method: CalibrationMethod
    n: int
    base_rate: float
    coefficients: tuple[float, ...] = ()
    squashed: tuple[float, float] | None = None
    knots: tuple[tuple[float, float], ...] = ()


class ReliabilityBin(Record):
    """Rows whose probability lies above ``low`` (or at it, in the first bin) and at most at ``high``.

    ``predicted`` is their mean probability, ``positive`` the share that is positive.
    """

    low: float
    high: float
    n: int
    predicted: float
    positive: Measured


class Reliability(Record):
    """How far the probabilities of a test set can be taken at their word.

    ``ece_mass`` and ``ece_width``: the expected calibration error over bins of equal mass and of equal width. ``bins``
    are those of equal mass; their intervals hold together at the level of the evidence, so each alone at a higher one.
    ``base_rate`` is the share of positives in this set.
    """

    test: str
    method: CalibrationMethod
    base_rate: float
    ece_mass: Measured
    ece_width: Measured
    bins: tuple[ReliabilityBin, ...]


class Probabilities(Record):
    """The calibrated probabilities of the chosen probe: the maps, fitted on ``population``, and how they do per set.

    ``shipped`` is the method of which the report and the verdict speak; it was fixed beforehand.
    """

    population: str
    shipped: CalibrationMethod
    calibrators: tuple[Calibrator, ...]
    sets: tuple[Reliability, ...]
