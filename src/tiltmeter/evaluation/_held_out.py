"""What a probe does on rows that it never saw: alarms, flags and the spread of its scores."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from tiltmeter.core.evidence import Cell, Histogram, OperatingPoint
from tiltmeter.core.likeness import Flagged, Likeness
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.evaluation._detector import MahalanobisDetector
from tiltmeter.evaluation._estimates import RankingEstimates, Resampling, resampling, share
from tiltmeter.evaluation._threshold import unit_scores

_BINS = 30
_NO_THRESHOLD = Unavailable(reason="no threshold was certified")


class HeldOut(NamedTuple):
    """Test rows: labels, the unit of each, and one resampling that all scores on them share."""

    name: str
    y: Int[NDArray[Any], " n"]
    units: Shaped[NDArray[Any], " n"]
    by: Resampling


def held_out(
    name: str,
    y: Int[NDArray[Any], " n"],
    *,
    units: Shaped[NDArray[Any], " n"],
    n_draws: int = 1000,
    level: float = 0.95,
    seed: int = 0,
) -> HeldOut:
    """Make test rows ready to be judged; those that are their own units are resampled as rows, and say so.

    Examples
    --------
    >>> held_out("home", np.array([0, 1, 0, 1]), units=np.array(["a", "a", "b", "b"]), n_draws=100).by.unit
    'groups'
    """
    groups = units if len(np.unique(units)) < len(units) else None
    return HeldOut(name, y, units, resampling(len(y), groups=groups, n_draws=n_draws, level=level, seed=seed))


def transfer_cell(test: HeldOut, figures: RankingEstimates, *, site: str, method: str, train: str) -> Cell:
    """Say on which rows the figures of a probe of ``train`` were found.

    Examples
    --------
    >>> test, gap = held_out("away", np.array([0, 1, 1]), units=np.arange(3), n_draws=100), Unavailable(reason="none")
    >>> cell = transfer_cell(test, RankingEstimates(gap, gap), site="0.resid_post", method="lda", train="home")
    >>> cell.test, cell.n_positive, cell.n_negative
    ('away', 2, 1)
    """
    n_positive = int(test.y.sum())
    return Cell(
        site=site,
        method=method,
        train=train,
        test=test.name,
        auroc=figures.auroc,
        tpr=figures.tpr,
        n_positive=n_positive,
        n_negative=len(test.y) - n_positive,
    )


def operating_point(
    threshold: Threshold | Unavailable, scores: Float[NDArray[Any], " n"], *, test: HeldOut
) -> OperatingPoint:
    """Measure the shares of test rows, and of units without the concept, on which a threshold raises an alarm.

    Examples
    --------
    >>> test = held_out("home", np.array([0, 0, 1, 1]), units=np.arange(4), n_draws=100)
    >>> kept = Threshold(value=0.5, fpr=0.01, confidence=0.95, n=299, n_rows=299, unit="row", allowed=0, population="x")
    >>> operating_point(kept, np.array([0.0, 0.1, 0.4, 0.9]), test=test).tpr.value
    0.5
    """
    if isinstance(threshold, Unavailable):
        return OperatingPoint(test=test.name, tpr=_NO_THRESHOLD, fpr=_NO_THRESHOLD, unit_fpr=_NO_THRESHOLD)
    alarm, (positive, negative) = scores > threshold.value, (test.y == 1, test.y == 0)
    units, level = test.units[negative], test.by.level
    raised = unit_scores(scores[negative], units) > threshold.value
    return OperatingPoint(
        test=test.name,
        tpr=share(alarm[positive], groups=test.units[positive], level=level),
        fpr=share(alarm[negative], groups=units, level=level),
        unit_fpr=share(raised, level=level),
    )


def flagged(threshold: Threshold | Unavailable, distances: Float[NDArray[Any], " n"], *, test: HeldOut) -> Flagged:
    """Measure the shares of test rows that lie further from the train rows than a certified distance.

    Examples
    --------
    >>> test = held_out("home", np.array([0, 0, 1, 1]), units=np.arange(4), n_draws=100)
    >>> kept = Threshold(value=3.0, fpr=0.01, confidence=0.95, n=299, n_rows=299, unit="row", allowed=0, population="x")
    >>> flagged(kept, np.array([1.0, 2.0, 2.0, 9.0]), test=test).positive.value
    0.5
    """
    point = operating_point(threshold, distances, test=test)
    return Flagged(test=test.name, negative=point.fpr, positive=point.tpr, unit=point.unit_fpr)


def likeness(
    detector: MahalanobisDetector,
    distances: Mapping[str, Float[NDArray[Any], " n"]],
    *,
    classes: Shaped[NDArray[Any], " m"],
    tests: Mapping[str, HeldOut],
    site: str,
) -> Likeness:
    """Sum up what a detector with its threshold, fitted on rows of these ``classes``, flags of each test set.

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(50, 2))
    >>> classes = np.array(["label 0", "label 1"] * 25)
    >>> detector = MahalanobisDetector.fit(rows, classes)
    >>> tests = {"home": held_out("home", np.array([0, 1]), units=np.arange(2), n_draws=100)}
    >>> likeness(detector, {"home": np.ones(2)}, classes=classes, tests=tests, site="0.resid_post").n_train
    50
    """
    return Likeness(
        site=site,
        n_train=len(classes),
        classes=tuple(np.unique(classes).tolist()),
        shrinkage=detector.inside.shrinkage,
        threshold=detector.threshold,
        flagged=tuple(flagged(detector.threshold, distances[name], test=test) for name, test in tests.items()),
    )


def score_histograms(
    scores: Mapping[str, Float[NDArray[Any], " n"]], *, tests: Mapping[str, HeldOut]
) -> tuple[Histogram, ...]:
    """Count scores of either label in bins that all test sets share.

    Examples
    --------
    >>> tests = {"home": held_out("home", np.array([0, 1]), units=np.arange(2), n_draws=100)}
    >>> score_histograms({"home": np.array([0.0, 3.0])}, tests=tests)[0].positive[-1]
    1
    """
    everything = np.concatenate(list(scores.values()))
    edges = np.linspace(float(everything.min()), float(everything.max()), _BINS + 1)
    return tuple(
        Histogram(
            test=name,
            edges=tuple(edges.tolist()),
            positive=tuple(np.histogram(scores[name][test.y == 1], edges)[0].tolist()),
            negative=tuple(np.histogram(scores[name][test.y == 0], edges)[0].tolist()),
        )
        for name, test in tests.items()
    )
