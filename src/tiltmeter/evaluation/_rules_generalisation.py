"""The rules of what other training texts, or more of them, would do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.evaluation._chosen import figure

# What all texts add to half of them, from which on more of them may well help.
_RISING = 0.02


def generalisation(evidence: Evidence) -> Iterable[Statement]:
    """Say how the same procedure does when fitted on the other distributions, and whether it lacks texts."""
    for cell in evidence.leave_one_out:
        stance, does = _does(cell.auroc)
        yield Statement(
            rule="leave one out",
            condition="fitted on all distributions but one, the same site and method do not read the opposite there",
            test=cell.test,
            stance=stance,
            text=f"Fitted on all distributions but {cell.test}, the same method at the same site {does} there.",
            because=f"AUROC {figure(cell.auroc)}",
        )
    parts = [(point, point.gain) for point in evidence.data_curve if isinstance(point.gain, Estimate)]
    for point, gain in parts[-1:]:
        rises = gain.low > 0 and gain.value >= _RISING
        yield Statement(
            rule="more texts",
            condition="all training texts add less than 0.02 to what a part of them gives",
            test=evidence.train,
            stance="note",
            text="More texts like these may well help: the probe is still getting better with them."
            if rises
            else "More texts like these would hardly help.",
            because=f"all {evidence.data_curve[-1].n_units} units add {figure(gain)} to AUROC {figure(point.auroc)} "
            f"of {point.n_units}",
        )


def _does(auroc: Measured) -> tuple[Literal["note", "against"], str]:
    if isinstance(auroc, Unavailable):
        return "note", "could not be judged"
    if auroc.high < 0.5:
        return "against", "reads the opposite of the label"
    return "note", "reads the label" if auroc.low > 0.5 else "cannot be told from chance"
