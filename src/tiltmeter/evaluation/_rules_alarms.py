"""The rules of the threshold that ships."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate, Threshold, Unavailable
from tiltmeter.evaluation._chosen import figure


def alarms(evidence: Evidence) -> Iterable[Statement]:
    """Say what the threshold promises, where it breaks its promise, and what it catches."""
    threshold = evidence.threshold
    if isinstance(threshold, Unavailable):
        yield Statement(
            rule="threshold",
            condition="certified from calibration negatives",
            test=None,
            stance="against",
            text=f"No threshold can be certified at {evidence.fpr:.2%} false alarms.",
            because=threshold.reason,
        )
        return
    yield _promise(threshold)
    for point in evidence.operating_points:
        if isinstance(point.unit_fpr, Estimate) and point.unit_fpr.low > threshold.fpr:
            yield Statement(
                rule="false alarms",
                condition="the interval of the false-alarm rate does not lie above the rate of the threshold",
                test=point.test,
                stance="against",
                text=f"On {point.test} the threshold raises more false alarms than it was set for.",
                because=f"{figure(point.unit_fpr)} against {threshold.fpr:g}",
            )
        if point.test == evidence.train and isinstance(point.tpr, Estimate):
            yield Statement(
                rule="caught",
                condition="at the threshold at least half of the positives raise an alarm",
                test=point.test,
                stance="for" if point.tpr.low >= 0.5 else "against",
                text=f"At that threshold it catches {point.tpr.value:.0%} of the positives on held-out {point.test}.",
                because=figure(point.tpr),
            )


def _promise(threshold: Threshold) -> Statement:
    """Say what the threshold promises; a promise that holds on average only speaks for nothing."""
    because = f"{threshold.n} calibration {threshold.unit}s, {threshold.allowed} of them above the threshold"
    where = f"on {threshold.population} and nowhere else"
    if threshold.confidence is None:
        return Statement(
            rule="threshold",
            condition="certified from calibration negatives with a confidence",
            test=None,
            stance="note",
            text=(
                f"Its threshold holds false alarms at or below {threshold.fpr:.2%} per {threshold.unit} on average "
                f"over calibration sets only, {where}: this one may well let more through."
            ),
            because=because,
        )
    return Statement(
        rule="threshold",
        condition="certified from calibration negatives",
        test=None,
        stance="for",
        text=(
            f"Its threshold holds false alarms at or below {threshold.fpr:.2%} per {threshold.unit} with "
            f"{threshold.confidence:.0%} confidence, {where}."
        ),
        because=because,
    )
