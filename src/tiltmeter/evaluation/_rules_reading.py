"""The rules of what a probe reads: at home, elsewhere, and beside the others."""

from __future__ import annotations

from collections.abc import Iterable

from tiltmeter.core.evidence import Evidence, Stance, Statement
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation._chosen import KEEPS, WIDE, chosen_cells, fate, figure, home_auroc
from tiltmeter.evaluation._rule import Rule

# A probe below this AUROC at home is of no use, however certain it is that it is not chance.
_FAINT = 0.6

IN_DISTRIBUTION = Rule(
    "in distribution",
    f"the AUROC interval on held-out texts lies above 0.5, and the AUROC is at least {_FAINT:g}",
    reads=("transfer[].auroc",),
    speaks={
        "for": "both are so",
        "against": f"the interval reaches 0.5 or lies below it, or the AUROC is below {_FAINT:g}",
        "note": "there is no figure",
    },
)
CHOICE = Rule(
    "choice",
    "site and method are chosen by AUROC on the training folds, and one is the best there",
    reads=("chosen_by", "candidates[].auroc", "causal_candidates[].swap"),
    speaks={"note": "they were chosen by cause, or two or more tie to 1e-9"},
)
TRANSFER = Rule(
    "transfer",
    f"the AUROC interval lies above 0.5 and at least {KEEPS:.0%} of the lead over chance is kept",
    reads=("transfer[].auroc",),
    speaks={
        "for": "both are so",
        "against": f"the interval reaches 0.5 (too few texts to tell, where it is wider than {WIDE:g}) or lies below "
        f"it (the opposite is read), or less than {KEEPS:.0%} of AUROC - 0.5 at home is left",
        "note": "there is no figure; nothing is said where nothing is read at home",
    },
)
OTHERS = Rule(
    "others",
    "where the chosen probe fails, no other that was fitted on the same texts does well",
    reads=("transfer[].auroc",),
    speaks={"note": "one does: its interval lies above 0.5 and above that of the chosen probe"},
)


def in_distribution(evidence: Evidence) -> Iterable[Statement]:
    """Say whether the label is read on held-out texts of the same kind."""
    home = home_auroc(evidence)
    if isinstance(home, Unavailable):
        stance: Stance = "note"
        text = f"It could not be judged on held-out {evidence.train} texts."
    elif home.low > 0.5 and home.value < _FAINT:
        stance, text = "against", f"It reads the label on held-out {evidence.train} texts only faintly."
    elif home.low > 0.5:
        stance, text = "for", f"It reads the label on held-out {evidence.train} texts."
    elif home.high < 0.5:
        stance, text = "against", f"It reads the opposite of the label on held-out {evidence.train} texts."
    else:
        stance, text = "against", f"On held-out {evidence.train} texts it cannot be told from chance."
    yield IN_DISTRIBUTION.say(stance, text, because=figure(home), test=evidence.train)


def choice(evidence: Evidence) -> Iterable[Statement]:
    """Say how site and method were chosen, where there is something to say."""
    if evidence.chosen_by == "cause":
        best = evidence.causal_candidates[0]
        yield CHOICE.say(
            "note",
            "Site and method were chosen by what they cause, not by how well they read the label.",
            because=f"swap success {figure(best.swap)} on a fold of the training texts, the highest of "
            f"{len(evidence.causal_candidates)}",
        )
        return
    values = [c.auroc.value for c in evidence.candidates if isinstance(c.auroc, Estimate)]
    tied = sum(value >= max(values) - 1e-9 for value in values)
    if tied > 1:
        yield CHOICE.say(
            "note",
            f"{tied} of the {len(values)} pairs of site and method that could be judged tie on the training folds; "
            "of these, the earliest site and the simplest method was taken.",
            because=f"validation AUROC {max(values):.3f} each",
        )


def elsewhere(evidence: Evidence) -> Iterable[Statement]:
    """Say what becomes of the probe on each other test set."""
    home = home_auroc(evidence)
    if isinstance(home, Estimate) and home.low <= 0.5:
        return  # nothing was read at home that could carry over
    words: dict[str, tuple[Stance, str]] = {
        "carries": ("for", "It carries over to {}."),
        "weakens": ("against", "It still reads the label on {}, but lost more than a fifth of its lead over chance."),
        "fails": ("against", "On {} it cannot be told from chance."),
        "inverts": ("against", "On {} it reads the opposite of the label."),
        "unclear": ("against", "The texts of {} are too few to tell it from chance."),
        "unknown": ("note", "It could not be judged on {}."),
    }
    for cell in chosen_cells(evidence):
        if cell.test != evidence.train:
            stance, text = words[fate(cell, home)]
            yield TRANSFER.say(
                stance,
                text.format(cell.test),
                because=f"AUROC {figure(cell.auroc)} against {figure(home)} at home",
                test=cell.test,
            )


def others(evidence: Evidence) -> Iterable[Statement]:
    """Name a probe that does hold where the chosen one does not."""
    home = home_auroc(evidence)
    for cell in chosen_cells(evidence):
        if cell.test == evidence.train or fate(cell, home) in ("carries", "unknown"):
            continue
        others = [
            (other.auroc.low, other.auroc.value, other)
            for other in evidence.transfer
            if (other.train, other.test) == (evidence.train, cell.test) and isinstance(other.auroc, Estimate)
        ]
        best = max(others, key=lambda found: found[:2], default=None)
        if best is not None and isinstance(cell.auroc, Estimate) and best[0] > max(0.5, cell.auroc.high):
            other = best[2]
            yield OTHERS.say(
                "note",
                f"{other.method} at {other.site}, fitted on the same texts, does read {cell.test}; it was found "
                "by looking at that test set, so try it on fresh texts.",
                because=f"AUROC {figure(other.auroc)}",
                test=cell.test,
            )
