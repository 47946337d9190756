"""The rules of likeness: of which test sets a monitor would say that its certified rate is not promised there."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation._chosen import figure
from tiltmeter.evaluation._rule import Rule

LIKENESS = Rule(
    "likeness",
    "no more of a test set's texts are flagged as unlike the calibration texts than was certified",
    reads=("likeness.flagged[].unit", "likeness.threshold"),
    speaks={"note": "the interval of the share of units flagged lies above the certified rate"},
)
UNSEEN_SHIFT = Rule(
    "unseen shift",
    "where the threshold raises too many false alarms, texts are flagged as unlike",
    reads=("likeness.flagged[].unit", "operating_points[].unit_fpr"),
    speaks={
        "against": "the interval of the false-alarm rate lies above the certified rate, and that of the share flagged "
        "does not"
    },
)


def likeness(evidence: Evidence) -> Iterable[Statement]:
    """Say which test sets are unlike the calibration texts, and where a threshold is broken that the check passes."""
    check = evidence.likeness
    if check is None or isinstance(check.threshold, Unavailable):
        return
    rates = {point.test: point.unit_fpr for point in evidence.operating_points}
    for flagged in check.flagged:
        if not isinstance(flagged.unit, Estimate):
            continue
        rate = rates.get(flagged.test, Unavailable(reason="not measured"))
        is_broken = isinstance(rate, Estimate) and rate.low > check.threshold.fpr
        figures = (
            f"{figure(flagged.unit)} of the {check.threshold.unit}s flagged, certified for {check.threshold.fpr:g}"
        )
        if flagged.unit.low > check.threshold.fpr:
            yield LIKENESS.say(
                "note",
                f"Texts of {flagged.test} are unlike the calibration texts: the certified rate is not promised there.",
                because=figures,
                test=flagged.test,
            )
        elif is_broken:
            yield UNSEEN_SHIFT.say(
                "against",
                f"On {flagged.test} the threshold is broken, and the texts do not look unlike those that it was "
                "certified on: a monitor would not notice.",
                because=f"{figures}; false alarms {figure(rate)}",
                test=flagged.test,
            )
