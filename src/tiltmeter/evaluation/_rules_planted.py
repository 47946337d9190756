"""The rule of planted truth: whether the chosen probe follows what is true, or what is said or believed."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Followed, Stance, Statement
from tiltmeter.core.records import Estimate, Measured
from tiltmeter.evaluation._chosen import chosen_cells, figure
from tiltmeter.evaluation._rule import Rule

PLANTED_TRUTH = Rule(
    "planted truth",
    "the AUROC for what is true lies above that for anything else that was planted, on the same rows",
    reads=("planted", "followed[].lead", "followed[].auroc", "followed[].agreement", "transfer[].auroc"),
    speaks={
        "for": "the interval of the lead of what is read best, of all else, lies below 0, and what is true is read",
        "against": "that interval lies above 0, and what leads is read",
        "note": "neither is so (read: the interval of the AUROC lies above 0.5)",
    },
)


def planted_truth(evidence: Evidence) -> Iterable[Statement]:
    """Say of each test set where not all that was planted is the truth what the chosen probe follows."""
    if evidence.planted is None:
        return
    for cell in chosen_cells(evidence):
        one = _strongest(evidence, cell.test)
        if one is None:
            continue
        other = f"{evidence.planted.columns[one.column]} ({one.column})"
        stance: Stance
        if isinstance(one.lead, Estimate) and one.lead.low > 0 and _is_read(one.auroc):
            stance, text = "against", f"On {cell.test} it follows {other} rather than what is true."
        elif isinstance(one.lead, Estimate) and one.lead.high < 0 and _is_read(cell.auroc):
            stance, text = "for", f"On {cell.test} it follows what is true rather than {other}."
        else:
            stance, text = "note", f"On {cell.test} it cannot be said to follow what is true rather than {other}."
        yield PLANTED_TRUTH.say(
            stance,
            text,
            because=f"AUROC for the truth {figure(cell.auroc)}, for {one.column} {figure(one.auroc)}; "
            f"the two say the same of {one.agreement:.0%} of the texts",
            test=cell.test,
        )


def _strongest(evidence: Evidence, test: str) -> Followed | None:
    """Return what the chosen probe's score ranks best, of the columns that are not the truth on every row."""
    chosen = [
        one
        for one in evidence.followed
        if (one.site, one.method, one.test) == (evidence.site, evidence.method, test) and one.agreement < 1
    ]
    # of columns that are ranked alike, the first that was planted
    return max(chosen, key=lambda one: one.lead.value if isinstance(one.lead, Estimate) else -2.0, default=None)


def _is_read(auroc: Measured) -> bool:
    return isinstance(auroc, Estimate) and auroc.low > 0.5
