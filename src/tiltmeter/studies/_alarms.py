"""The threshold that ships with the chosen probe, and what it does on each test set."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, TooFewNegativesError
from tiltmeter.core.evidence import Histogram, Leakage, Mistake, OperatingPoint
from tiltmeter.core.operating import DailyAlarms
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.data import plain_texts
from tiltmeter.evaluation import (
    HeldOut,
    alarms_per_day,
    conformal_threshold,
    operating_point,
    require_fresh,
    score_histograms,
    threshold_at_fpr,
)
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted, test_scores

_WORST = 6
# a share of copies among the calibration texts beyond which a threshold is not certified
_MOST_COPIES = 0.01
_MENDED_BY = "Give a text and its copies one group, as tiltmeter init does, or drop the copies; the report names them"


class Alarms(NamedTuple):
    """The threshold and what goes with it; fields are named as those of the evidence."""

    threshold: Threshold | Unavailable
    operating_points: tuple[OperatingPoint, ...]
    histograms: tuple[Histogram, ...]
    mistakes: tuple[Mistake, ...]
    daily_alarms: tuple[DailyAlarms, ...]


def alarms(
    spec: StudySpec, material: Material, tests: dict[str, HeldOut], *, chosen: Fitted, leakage: Leakage
) -> Alarms:
    """Certify a threshold on calibration negatives and apply it to every test set."""
    threshold = certify(spec, material, chosen=chosen, leakage=leakage)
    scores = test_scores(chosen, material, tests)
    points = tuple(operating_point(threshold, scores[name], test=test) for name, test in tests.items())
    histograms = score_histograms(scores, tests=tests)
    worst = tuple(m for name, test in tests.items() for m in _mistakes(material, test, scores[name]))
    return Alarms(threshold, points, histograms, worst, _daily(spec, threshold, points))


def certify(spec: StudySpec, material: Material, *, chosen: Fitted, leakage: Leakage) -> Threshold | Unavailable:
    """Choose the threshold on the calibration negatives of the benign distributions, if they are fresh texts."""
    if copied := copies_among_calibration(leakage):
        return Unavailable(reason=f"{copied}; the threshold would say nothing about fresh ones. {_MENDED_BY}")
    names = watched(spec)
    rows = calibration_negatives(material, names, chosen.site)
    scores, population = chosen.probe.decision_function(rows.X), _population(names, rows.counts)
    asked = spec.threshold
    try:
        # what fitted the probe also chose its site and method
        require_fresh(rows.units, fitted=material.units[chosen.train][material.splits[chosen.train] == "train"])
        if asked.guarantee == "average":
            return conformal_threshold(scores, fpr=asked.fpr, groups=rows.groups, population=population)
        return threshold_at_fpr(
            scores, fpr=asked.fpr, confidence=asked.confidence, groups=rows.groups, population=population
        )
    except (TooFewNegativesError, DataError) as error:
        return Unavailable(reason=str(error))


class Negatives(NamedTuple):
    """Rows of label 0, how many of each distribution, their units, and these once more where they are groups."""

    X: NDArray[Any]
    counts: tuple[int, ...]
    units: NDArray[np.str_]
    groups: NDArray[np.str_] | None


def watched(spec: StudySpec) -> tuple[str, ...]:
    """Name the distributions whose calibration negatives set the threshold."""
    return spec.train.benign or (spec.train.distribution,)


def calibration_negatives(material: Material, names: tuple[str, ...], site: str) -> Negatives:
    """Return the calibration rows without the concept of some distributions."""
    parts = [material.part(name, "calibration", site) for name in names]
    negatives = [part.select(part.y == 0) for part in parts if part.y is not None]
    units = np.concatenate([part.groups for part in negatives if part.groups is not None])
    X = np.concatenate([part.X for part in negatives])
    is_grouped = any(material.grouped_by[name] != "row" for name in names)
    return Negatives(X, tuple(len(part) for part in negatives), units, units if is_grouped else None)


def copies_among_calibration(leakage: Leakage) -> str | None:
    """Say how many calibration texts are copies of training texts, where they are too many to certify anything."""
    seen = next((part for part in leakage.by_set if part.test == "calibration"), None)
    if seen is None or seen.n_exact + seen.n_near <= _MOST_COPIES * seen.n_rows:
        return None
    counts = {"copies": seen.n_exact, "near copies": seen.n_near}
    found = " and ".join(f"{count} {kind}" for kind, count in counts.items() if count)
    return f"{seen.n_rows} calibration texts hold {found} of training texts"


def _daily(
    spec: StudySpec, threshold: Threshold | Unavailable, points: tuple[OperatingPoint, ...]
) -> tuple[DailyAlarms, ...]:
    """Say how many false alarms a day the threshold raises, were the traffic like each test set."""
    per_day = spec.threshold.per_day
    if per_day is None or isinstance(threshold, Unavailable):
        return ()
    return tuple(
        alarms_per_day(
            threshold,
            per_day=per_day,
            measured_on=point.test,
            false_alarm_rate=point.unit_fpr if threshold.unit == "group" else point.fpr,
        )
        for point in points
    )


def _population(names: tuple[str, ...], counts: tuple[int, ...]) -> str:
    if len(names) == 1:
        return f"texts without the concept like those of {names[0]}"
    mixed = " and ".join(f"{name} ({count})" for name, count in zip(names, counts, strict=True))
    return f"texts without the concept mixed as here from {mixed}, and no promise for each of them alone"


def _mistakes(material: Material, test: HeldOut, scores: NDArray[Any]) -> list[Mistake]:
    rows = material.rows(test.name, "test")
    strings = plain_texts(rows)
    order = np.argsort(np.argsort(scores, kind="stable"), kind="stable")
    rank = order / max(1, len(scores) - 1)
    # a positive in the lower half or a negative in the upper half is on the wrong side of the middle
    wrongness = np.where(test.y == 1, 1 - rank, rank)
    worst = [int(i) for i in np.argsort(-wrongness, kind="stable")[:_WORST] if wrongness[i] > 0.5]
    return [
        Mistake(
            test=test.name,
            id=str(rows.ids[i]),
            text=strings[i],
            label=int(test.y[i]),
            score=float(scores[i]),
            rank=float(rank[i]),
        )
        for i in worst
    ]
