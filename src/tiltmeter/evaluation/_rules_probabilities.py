"""The rule of the calibrated probabilities: where they mislead."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.calibration import Reliability, ReliabilityBin
from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation._chosen import figure, number
from tiltmeter.evaluation._rule import Rule

# how far outside of its interval the mean probability of a bin must lie to be called misleading
_FAR = 0.1

PROBABILITIES = Rule(
    "probabilities",
    f"no bin's mean probability lies more than {_FAR:g} outside the interval of its share of positives",
    reads=("probabilities.shipped", "probabilities.sets[].bins", "probabilities.sets[].ece_mass"),
    speaks={
        "for": f"at home, none does, and the interval of the calibration error lies at or below {_FAR:g}",
        "against": "on any test set, one does",
        "note": f"at home, none does, but that interval reaches above {_FAR:g}",
    },
)


def probabilities(evidence: Evidence) -> Iterable[Statement]:
    """Say on which test sets the shipped probabilities are not what happens."""
    found = evidence.probabilities
    if found is None or isinstance(found, Unavailable):
        return
    fitted = next(one for one in found.calibrators if one.method == found.shipped)
    for one in found.sets:
        if one.method != found.shipped or not one.bins:
            continue
        worst = max(one.bins, key=_outside)
        if _outside(worst) > _FAR:
            yield PROBABILITIES.say(
                "against",
                f"On {one.test} its probabilities mislead: {_says(worst)}.{_rates(one, fitted.base_rate)}",
                because=f"the worst of {len(one.bins)} bins, {worst.n} texts: {figure(worst.positive)}; "
                f"expected calibration error {figure(one.ece_mass)}",
                test=one.test,
            )
        elif one.test == evidence.train and isinstance(one.ece_mass, Estimate):
            near = one.ece_mass.high <= _FAR
            yield PROBABILITIES.say(
                "for" if near else "note",
                f"On held-out {one.test} its probabilities ({found.shipped}) are near to what happens, where "
                f"{fitted.base_rate:.0%} of the texts are positive."
                if near
                else f"The texts of {one.test} are too few to tell whether its probabilities are near to what happens.",
                because=f"expected calibration error {figure(one.ece_mass)}",
                test=one.test,
            )


def _outside(one: ReliabilityBin) -> float:
    if isinstance(one.positive, Unavailable):
        return 0.0
    return max(one.predicted - one.positive.high, one.positive.low - one.predicted)


def _says(worst: ReliabilityBin) -> str:
    happens = number(worst.positive.value) if isinstance(worst.positive, Estimate) else "unknown"
    return f"where they say {number(worst.predicted)}, {happens} are positive"


def _rates(one: Reliability, calibrated: float) -> str:
    """Name the base rates where they alone may explain it."""
    if abs(one.base_rate - calibrated) <= _FAR:
        return ""
    return f" {one.base_rate:.0%} of its texts are positive, and {calibrated:.0%} of the calibration texts."
