"""The verdict: what the rules say, and what follows from it."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import NamedTuple

from tiltmeter.core.evidence import Evidence, Outcome, Statement, Verdict
from tiltmeter.core.records import Estimate, Measured, Record, Threshold, Unavailable
from tiltmeter.evaluation._chosen import chosen_cells, fate, figure, home_auroc, listed, number, percent
from tiltmeter.evaluation._rules import RULES, RULES_VERSION
from tiltmeter.evaluation._rules_causality import chosen_causal, how_far

# Objections from these rules, on any test set, leave a probe that works at home only.
LOCAL = (
    "transfer",
    "shortcut",
    "random directions",
    "text alone",
    "text alone, unclear",
    "grouping",
    "leakage",
    "false alarms",
    "planted truth",
    "kinship",
    "counterfactual pairs",
)
# Objections from these rules at home refute.
FATAL = ("in distribution", "random directions", "shuffled", "text alone", "embedding", "untrained")
# Objections from these rules at home leave it open.
UNCLEAR = ("text alone, unclear", "rare class")
# Where more of the home test texts than this are copies of training texts, its figures say nothing.
_MOST_LEAKED = 0.01
# An interval at home that contains chance and this AUROC too refutes nothing.
_USEFUL = 0.7


class Objections(NamedTuple):
    """What a step looks at: the AUROC at home, the share of home test texts that leaked, rule and set of objections."""

    home: Measured
    leaked: float
    against: set[tuple[str, str | None]]
    train: str


class Step(NamedTuple):
    """One step on the way to the outcome: the first whose condition is met decides."""

    outcome: Outcome
    when: str
    is_met: Callable[[Objections], bool]


def _no_figure(found: Objections) -> bool:
    return isinstance(found.home, Unavailable)


def _is_leaked(found: Objections) -> bool:
    return found.leaked > _MOST_LEAKED


def _is_chance(found: Objections) -> bool:
    return isinstance(found.home, Estimate) and found.home.low <= 0.5


def _is_wide(found: Objections) -> bool:
    return _is_chance(found) and isinstance(found.home, Estimate) and found.home.high >= _USEFUL


def _is_fatal(found: Objections) -> bool:
    return any((rule, found.train) in found.against for rule in FATAL)


def _is_unclear(found: Objections) -> bool:
    return any((rule, found.train) in found.against for rule in UNCLEAR)


def _is_local(found: Objections) -> bool:
    return any(rule in LOCAL for rule, _ in found.against)


def _always(_: Objections) -> bool:
    return True


STEPS: tuple[Step, ...] = (
    Step("undecided", "there is no AUROC on held-out texts of the training distribution (at home)", _no_figure),
    Step("undecided", f"more than {_MOST_LEAKED:.0%} of the home test texts are copies of training texts", _is_leaked),
    Step("undecided", f"the interval at home reaches from 0.5 or below to {_USEFUL:g} or above", _is_wide),
    Step("refuted", "the interval at home reaches 0.5 or lies below it", _is_chance),
    Step("refuted", "a rule that is fatal at home speaks against the probe there", _is_fatal),
    Step(
        "undecided", f"the rule {' or '.join(f'*{rule}*' for rule in UNCLEAR)} speaks against it at home", _is_unclear
    ),
    Step("holds in part", "a rule that counts anywhere speaks against it on any test set", _is_local),
    Step("holds", "none of these is so", _always),
)


class Rejudged(Record):
    """A verdict beside that of the present rules: ``gone`` stands in the old one only, ``come`` in the new one."""

    old: Verdict | Unavailable
    new: Verdict
    gone: tuple[Statement, ...]
    come: tuple[Statement, ...]

    @property
    def is_changed(self) -> bool:
        """Whether anything but the version of the rules differs."""
        if isinstance(self.old, Unavailable):
            return True
        return self.old.model_copy(update={"rules_version": self.new.rules_version}) != self.new


def judge(evidence: Evidence) -> Verdict:
    """Apply every rule and sum up what they say.

    Uses the figures in ``evidence`` alone, so that the same record always gets the same verdict.

    Parameters
    ----------
    evidence
        Complete but for its verdict.

    Returns
    -------
    The outcome, a headline of two to four sentences, and one statement per finding with the rule behind it.

    Examples
    --------
    >>> from tiltmeter.core.evidence import Leakage
    >>> nothing = Evidence(
    ...     train="home", site="0.resid_post", method="lda", sites=("0.resid_post",), methods=("lda",), fpr=0.01,
    ...     level=0.95, distributions=(), candidates=(), transfer=(), random_directions=(), shuffled=(), baselines=(),
    ...     advantages=(), shortcuts=(), operating_points=(), histograms=(), mistakes=(),
    ...     threshold=Unavailable(reason="no negatives"), verdict=Unavailable(reason="not judged yet"),
    ...     leakage=Leakage(n_exact=0, n_near=0, near_threshold=0.8, examples=()),
    ... )
    >>> judge(nothing).outcome
    'undecided'
    """
    statements = tuple(statement for rule in RULES for statement in rule(evidence))
    outcome = _outcome(evidence, statements)
    return Verdict(
        rules_version=RULES_VERSION,
        outcome=outcome,
        headline=_headline(evidence, outcome),
        statements=statements,
    )


def _outcome(evidence: Evidence, statements: Iterable[Statement]) -> Outcome:
    copied = [p for p in evidence.leakage.by_set if p.test == evidence.train]
    found = Objections(
        home=home_auroc(evidence),
        leaked=max(((p.n_exact + p.n_near) / max(1, p.n_rows) for p in copied), default=0.0),
        against={(s.rule, s.test) for s in statements if s.stance == "against"},
        train=evidence.train,
    )
    return next(step.outcome for step in STEPS if step.is_met(found))


def rejudge(evidence: Evidence) -> Rejudged:
    """Judge a record of an earlier release under the present rules, and say what that changes.

    Nothing is measured again: a rule that reads figures which the old record lacks says nothing, or that they are not
    there.

    Parameters
    ----------
    evidence
        With the verdict that it was written with, or none.

    Returns
    -------
    Both verdicts, and the statements that only the one or the other has.

    Examples
    --------
    >>> from tiltmeter.core.evidence import Leakage
    >>> nothing = Evidence(
    ...     train="home", site="0.resid_post", method="lda", sites=("0.resid_post",), methods=("lda",), fpr=0.01,
    ...     level=0.95, distributions=(), candidates=(), transfer=(), random_directions=(), shuffled=(), baselines=(),
    ...     advantages=(), shortcuts=(), operating_points=(), histograms=(), mistakes=(),
    ...     threshold=Unavailable(reason="no negatives"), verdict=Unavailable(reason="not judged yet"),
    ...     leakage=Leakage(n_exact=0, n_near=0, near_threshold=0.8, examples=()),
    ... )
    >>> rejudge(nothing.model_copy(update={"verdict": judge(nothing)})).is_changed
    False
    """
    old, new = evidence.verdict, judge(evidence)
    said = old.statements if isinstance(old, Verdict) else ()
    return Rejudged(
        old=old,
        new=new,
        gone=tuple(statement for statement in said if statement not in new.statements),
        come=tuple(statement for statement in new.statements if statement not in said),
    )


def _headline(evidence: Evidence, outcome: str) -> str:
    home = home_auroc(evidence)
    opening = {
        "holds": "The probe holds on every test set of this study.",
        "holds in part": "The probe holds on texts like its own, but not everywhere it was tried.",
        "refuted": "Do not trust this probe.",
        "undecided": "These data cannot tell whether the probe works.",
    }[outcome]
    name = f"{evidence.method} at {evidence.site}, trained on {evidence.train},"
    if isinstance(home, Unavailable):
        parts = [opening, f"{name} could not be judged on held-out texts of the same kind: {home.reason}."]
    else:
        reads = (
            "reads the label"
            if home.low > 0.5
            else "reads the opposite"
            if home.high < 0.5
            else "cannot be told from chance"
        )
        parts = [opening, f"{name} {reads} on held-out texts of the same kind: AUROC {figure(home)}."]
    fates: dict[str, list[str]] = {}
    is_read = isinstance(home, Unavailable) or home.low > 0.5
    for cell in chosen_cells(evidence):
        if cell.test != evidence.train and is_read:
            value = f" ({number(cell.auroc.value)})" if isinstance(cell.auroc, Estimate) else ""
            fates.setdefault(fate(cell, home), []).append(f"{cell.test}{value}")
    verbs = {
        "carries": "It carries over to",
        "weakens": "It weakens on",
        "fails": "It fails on",
        "inverts": "It is inverted on",
        "unclear": "There are too few texts to judge it on",
        "unknown": "It could not be judged on",
    }
    parts += [f"{verbs[fate]} {listed(names)}." for fate, names in fates.items()]
    if not fates and outcome == "holds":
        parts[0] = "The probe holds on held-out texts of its own kind; no other texts were tried."
    if "unknown" in fates and outcome == "holds":
        parts[0] = "The probe holds on every test set on which it could be judged."
    if outcome == "holds" and not any(a.test == evidence.train for a in evidence.advantages):
        parts[0] += " Whether the words alone would do as well was not asked."
    point = next((p for p in evidence.operating_points if p.test == evidence.train), None)
    threshold = evidence.threshold
    broken = (
        isinstance(threshold, Threshold)
        and point is not None
        and isinstance(point.unit_fpr, Estimate)
        and (point.unit_fpr.low > threshold.fpr)
    )
    if not broken and isinstance(threshold, Threshold) and point is not None and isinstance(point.tpr, Estimate):
        kept = f"certified for {percent(threshold.fpr)} false alarms"
        if threshold.guarantee == "average":
            kept = f"that holds {percent(threshold.fpr)} false alarms on average only"
        parts.append(f"At a threshold {kept} it catches {point.tpr.value:.0%}.")
    parts += [
        f"The model's answers {how_far(one)} its direction: swap success {number(one.swap.value)}."
        for one in chosen_causal(evidence)
        if isinstance(one.swap, Estimate)
    ]
    return " ".join(parts)
