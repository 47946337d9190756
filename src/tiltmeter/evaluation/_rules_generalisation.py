"""The rules of what other training texts, or more of them, would do."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.evaluation._chosen import figure
from tiltmeter.evaluation._rule import Rule

# What all texts add to half of them, from which on more of them may well help.
_RISING = 0.02

LEAVE_ONE_OUT = Rule(
    "leave one out",
    "fitted on all distributions but one, the same site and method do not read the opposite there",
    reads=("leave_one_out[].auroc",),
    speaks={"against": "the interval there lies below 0.5", "note": "otherwise: what they read there"},
)
MORE_TEXTS = Rule(
    "more texts",
    f"all training texts add less than {_RISING:g} to the AUROC of the largest part of at most half of them",
    reads=("data_curve[].gain", "data_curve[].auroc"),
    speaks={
        "note": "always: more may help where they add that much and the interval lies above 0, and hardly where it "
        "lies below that"
    },
)


def generalisation(evidence: Evidence) -> Iterable[Statement]:
    """Say how the same procedure does when fitted on the other distributions, and whether it lacks texts."""
    for cell in evidence.leave_one_out:
        stance, does = _does(cell.auroc)
        yield LEAVE_ONE_OUT.say(
            stance,
            f"Fitted on all distributions but {cell.test}, the same method at the same site {does} there.",
            because=f"AUROC {figure(cell.auroc)}",
            test=cell.test,
        )
    n_all = evidence.data_curve[-1].n_units if evidence.data_curve else 0
    halves = [
        (point, point.gain)
        for point in evidence.data_curve
        if isinstance(point.gain, Estimate) and point.n_units <= n_all / 2
    ]
    for point, gain in halves[-1:]:
        yield MORE_TEXTS.say(
            "note",
            _may_help(gain),
            because=f"all {n_all} units add {figure(gain)} to AUROC {figure(point.auroc)} of {point.n_units}",
            test=evidence.train,
        )


def _may_help(gain: Estimate) -> str:
    if gain.low > 0 and gain.value >= _RISING:
        return "More texts like these may well help: the probe is still getting better with them."
    if gain.high < _RISING:
        return "More texts like these would hardly help."
    return "Whether more texts like these would help cannot be told."


def _does(auroc: Measured) -> tuple[Literal["note", "against"], str]:
    if isinstance(auroc, Unavailable):
        return "note", "could not be judged"
    if auroc.high < 0.5:
        return "against", "reads the opposite of the label"
    return "note", "reads the label" if auroc.low > 0.5 else "cannot be told from chance"
