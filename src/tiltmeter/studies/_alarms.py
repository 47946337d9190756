"""The threshold that ships with the chosen probe, and what it does on each test set."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import TooFewNegativesError
from tiltmeter.core.evidence import Histogram, Leakage, Mistake, OperatingPoint
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.data import plain_texts
from tiltmeter.evaluation import share, threshold_at_fpr
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted, TestSet, test_scores

_BINS = 30
_WORST = 6
# a share of copies among the calibration texts beyond which a threshold is not certified
_MOST_COPIES = 0.01


class Alarms(NamedTuple):
    """The threshold and the pictures that go with it."""

    threshold: Threshold | Unavailable
    operating_points: tuple[OperatingPoint, ...]
    histograms: tuple[Histogram, ...]
    mistakes: tuple[Mistake, ...]


def alarms(
    spec: StudySpec, material: Material, tests: dict[str, TestSet], *, chosen: Fitted, leakage: Leakage
) -> Alarms:
    """Certify a threshold on calibration negatives and apply it to every test set."""
    threshold = certify(spec, material, chosen=chosen, leakage=leakage)
    scores = test_scores(chosen, material, tests)
    points = tuple(operate(threshold, test, scores[name], level=spec.evidence.level) for name, test in tests.items())
    everything = np.concatenate(list(scores.values()))
    edges = np.linspace(float(everything.min()), float(everything.max()), _BINS + 1)
    histograms = tuple(
        Histogram(
            test=name,
            edges=tuple(edges.tolist()),
            positive=tuple(np.histogram(scores[name][test.y == 1], edges)[0].tolist()),
            negative=tuple(np.histogram(scores[name][test.y == 0], edges)[0].tolist()),
        )
        for name, test in tests.items()
    )
    worst = tuple(m for name, test in tests.items() for m in _mistakes(material, test, scores[name]))
    return Alarms(threshold, points, histograms, worst)


def certify(spec: StudySpec, material: Material, *, chosen: Fitted, leakage: Leakage) -> Threshold | Unavailable:
    """Choose the threshold on the calibration negatives of the benign distributions, if they are fresh texts."""
    names = spec.train.benign or (chosen.train,)
    seen = next((part for part in leakage.by_set if part.test == "calibration"), None)
    if seen is not None and seen.n_exact > _MOST_COPIES * seen.n_rows:
        return Unavailable(
            reason=f"{seen.n_exact} of {seen.n_rows} calibration texts are copies of training texts; the threshold "
            "would say nothing about fresh ones"
        )
    parts = [material.part(name, "calibration", chosen.site) for name in names]
    negatives = [part.select(part.y == 0) for part in parts if part.y is not None]
    scores = np.concatenate([chosen.probe.decision_function(part.X) for part in negatives])
    units = np.concatenate([part.groups for part in negatives if part.groups is not None])
    try:
        return threshold_at_fpr(
            scores,
            fpr=spec.threshold.fpr,
            confidence=spec.threshold.confidence,
            groups=units if _has_groups(material, names) else None,
            population=_population(names, [len(part) for part in negatives]),
        )
    except TooFewNegativesError as error:
        return Unavailable(reason=str(error))


def _population(names: tuple[str, ...], counts: list[int]) -> str:
    if len(names) == 1:
        return f"texts without the concept like those of {names[0]}"
    mixed = " and ".join(f"{name} ({count})" for name, count in zip(names, counts, strict=True))
    return f"texts without the concept mixed as here from {mixed}, and no promise for each of them alone"


def _has_groups(material: Material, names: tuple[str, ...]) -> bool:
    return any(material.grouped_by[name] != "row" for name in names)


def operate(threshold: Threshold | Unavailable, test: TestSet, scores: NDArray[Any], *, level: float) -> OperatingPoint:
    """Return the shares of test rows, and of units, on which a threshold raises an alarm."""
    if isinstance(threshold, Unavailable):
        gap = Unavailable(reason="no threshold was certified")
        return OperatingPoint(test=test.name, tpr=gap, fpr=gap, unit_fpr=gap)
    alarm = scores > threshold.value
    positive, negative = test.y == 1, test.y == 0
    units = test.units[negative]
    raised = np.array([alarm[negative][units == unit].any() for unit in np.unique(units)], dtype=bool)
    return OperatingPoint(
        test=test.name,
        tpr=share(alarm[positive], groups=test.units[positive], level=level),
        fpr=share(alarm[negative], groups=units, level=level),
        unit_fpr=share(raised, level=level),
    )


def _mistakes(material: Material, test: TestSet, scores: NDArray[Any]) -> list[Mistake]:
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
