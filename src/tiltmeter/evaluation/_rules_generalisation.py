"""The rules of what other training texts, or more of them, would do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate
from tiltmeter.evaluation._chosen import figure

# What all texts add to half of them, from which on more of them may well help.
_RISING = 0.02


def generalisation(evidence: Evidence) -> Iterable[Statement]:
    """Say how the same procedure does when fitted on the other distributions, and whether it lacks texts."""
    for cell in evidence.leave_one_out:
        reads = isinstance(cell.auroc, Estimate) and cell.auroc.low > 0.5
        inverts = isinstance(cell.auroc, Estimate) and cell.auroc.high < 0.5
        stance: Literal["note", "against"] = "against" if inverts else "note"
        does = (
            "reads the label"
            if reads
            else "reads the opposite of the label"
            if inverts
            else "cannot be told from chance"
        )
        yield Statement(
            rule="leave one out",
            condition="fitted on all distributions but one, the same site and method read the label on that one",
            test=cell.test,
            stance=stance,
            text=f"Fitted on all distributions but {cell.test}, the same method at the same site {does} there.",
            because=f"AUROC {figure(cell.auroc)}",
        )
    halves = [point for point in evidence.data_curve if isinstance(point.gain, Estimate)]
    if halves:
        last = halves[-1]
        gain = last.gain
        if isinstance(gain, Estimate):
            rises = gain.low > 0 and gain.value >= _RISING
            yield Statement(
                rule="more texts",
                condition="all training texts add less than 0.02 to what a part of them gives",
                test=evidence.train,
                stance="note",
                text="More texts like these may well help: the probe is still getting better with them."
                if rises
                else "More texts like these would hardly help.",
                because=f"all {evidence.data_curve[-1].n_units} units add {figure(gain)} to AUROC {figure(last.auroc)} "
                f"of {last.n_units}",
            )
