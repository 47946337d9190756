"""The verdict: what the rules say, and what follows from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from tiltmeter.core.evidence import Evidence, Statement, Verdict
from tiltmeter.core.records import Estimate, Threshold, Unavailable
from tiltmeter.evaluation._chosen import chosen_cells, fate, figure, home_auroc, listed, number
from tiltmeter.evaluation._rules import RULES, RULES_VERSION
from tiltmeter.evaluation._rules_causality import chosen_causal, how_far

# Objections from these rules, on any test set, leave a probe that works at home only.
_LOCAL = (
    "transfer",
    "shortcut",
    "random directions",
    "text alone",
    "text alone, unclear",
    "grouping",
    "leakage",
    "false alarms",
    "planted truth",
)
# Objections from these rules at home refute.
_FATAL = ("in distribution", "random directions", "shuffled", "text alone", "embedding")
# Where more of the home test texts than this are copies of training texts, its figures say nothing.
_MOST_LEAKED = 0.01


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


def _outcome(
    evidence: Evidence, statements: Iterable[Statement]
) -> Literal["holds", "holds in part", "refuted", "undecided"]:
    home = home_auroc(evidence)
    if isinstance(home, Unavailable):
        return "undecided"
    copied = [p for p in evidence.leakage.by_set if p.test == evidence.train]
    if any(p.n_exact + p.n_near > _MOST_LEAKED * p.n_rows for p in copied):
        return "undecided"
    if home.low <= 0.5:
        # an interval that contains chance and a useful value too refutes nothing
        return "undecided" if home.high >= 0.7 else "refuted"
    against = {(s.rule, s.test) for s in statements if s.stance == "against"}
    if any((rule, evidence.train) in against for rule in _FATAL):
        return "refuted"
    if ("text alone, unclear", evidence.train) in against:
        return "undecided"
    is_local = any(rule in _LOCAL for rule, _ in against)
    return "holds in part" if is_local else "holds"


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
        reads = "reads the label" if home.low > 0.5 else "reads the opposite" if home.high < 0.5 else "finds nothing"
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
    point = next((p for p in evidence.operating_points if p.test == evidence.train), None)
    threshold = evidence.threshold
    broken = (
        isinstance(threshold, Threshold)
        and point is not None
        and isinstance(point.unit_fpr, Estimate)
        and (point.unit_fpr.low > threshold.fpr)
    )
    if not broken and isinstance(threshold, Threshold) and point is not None and isinstance(point.tpr, Estimate):
        kept = f"certified for {threshold.fpr:.0%} false alarms"
        if threshold.guarantee == "average":
            kept = f"that holds {threshold.fpr:.0%} false alarms on average only"
        parts.append(f"At a threshold {kept} it catches {point.tpr.value:.0%}.")
    parts += [
        f"The model's answers {how_far(one)} its direction: swap success {number(one.swap.value)}."
        for one in chosen_causal(evidence)
        if isinstance(one.swap, Estimate)
    ]
    return " ".join(parts)
