"""The rules of the threshold that ships."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate, Threshold, Unavailable
from tiltmeter.evaluation._chosen import figure, percent
from tiltmeter.evaluation._rule import Rule

# A monitor that misses more than this share of the positives is said to catch little.
_CATCHES = 0.5

THRESHOLD = Rule(
    "threshold",
    "certified from calibration negatives",
    reads=("threshold", "fpr"),
    speaks={
        "for": "a threshold was certified with a confidence",
        "note": "it holds on average over calibration sets only",
        "against": "there is none, for the reason given",
    },
)
FALSE_ALARMS = Rule(
    "false alarms",
    "the interval of the false-alarm rate does not lie above the rate of the threshold",
    reads=("operating_points[].unit_fpr", "threshold.fpr"),
    speaks={"against": "the whole interval, over units, lies above the rate that it was set for"},
)
CAUGHT = Rule(
    "caught",
    f"at the threshold at least {_CATCHES:.0%} of the positives raise an alarm",
    reads=("operating_points[].tpr",),
    speaks={
        "for": f"the interval at home lies at or above {_CATCHES:g}",
        "against": f"the interval at home reaches below {_CATCHES:g}",
    },
)


def alarms(evidence: Evidence) -> Iterable[Statement]:
    """Say what the threshold promises, where it breaks its promise, and what it catches."""
    threshold = evidence.threshold
    if isinstance(threshold, Unavailable):
        yield THRESHOLD.say(
            "against",
            f"No threshold can be certified at {percent(evidence.fpr)} false alarms.",
            because=threshold.reason,
        )
        return
    yield _promise(threshold)
    for point in evidence.operating_points:
        if isinstance(point.unit_fpr, Estimate) and point.unit_fpr.low > threshold.fpr:
            yield FALSE_ALARMS.say(
                "against",
                f"On {point.test} the threshold raises more false alarms than it was set for.",
                because=f"{figure(point.unit_fpr)} against {threshold.fpr:g}",
                test=point.test,
            )
        if point.test == evidence.train and isinstance(point.tpr, Estimate):
            yield CAUGHT.say(
                "for" if point.tpr.low >= _CATCHES else "against",
                f"At that threshold it catches {point.tpr.value:.0%} of the positives on held-out {point.test}.",
                because=figure(point.tpr),
                test=point.test,
            )


def _promise(threshold: Threshold) -> Statement:
    """Say what the threshold promises; a promise that holds on average only speaks for nothing."""
    holds = f"Its threshold holds false alarms at or below {percent(threshold.fpr)} per {threshold.unit}"
    where = f"on {threshold.population} and nowhere else"
    because = f"{threshold.n} calibration {threshold.unit}s, {threshold.allowed} of them above the threshold"
    if threshold.confidence is None:
        text = f"{holds} on average over calibration sets only, {where}: this one may well let more through."
        return THRESHOLD.say("note", text, because=because)
    return THRESHOLD.say("for", f"{holds} with {threshold.confidence:.0%} confidence, {where}.", because=because)
