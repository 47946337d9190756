"""The top of the page: the verdict, every test set at a glance, and the card of the chosen probe."""

from __future__ import annotations

from typing import NamedTuple

from tiltmeter.core.evidence import Advantage, Baseline, Evidence, RandomDirections, Statement
from tiltmeter.core.records import Estimate, Measured, Threshold, Unavailable
from tiltmeter.core.rivals import CLAIMS
from tiltmeter.report._format import (
    Shown,
    asked,
    decimal,
    missing,
    reasons_of,
    score,
    show_auroc,
    show_difference,
    show_rate,
)
from tiltmeter.report._lookup import Lookup, describe_site

# statements of one rule that are shown before the rest is folded away
_SHOWN = 3


class Badge(NamedTuple):
    """The outcome as it is shown: the word, a sign beside it (never colour alone), and a class for its colour."""

    word: str
    sign: str
    tone: str


class Ruled(NamedTuple):
    """The statements of one rule: those that are shown at once, and those in a fold."""

    rule: str
    condition: str
    first: tuple[Statement, ...]
    rest: tuple[Statement, ...]


class Group(NamedTuple):
    """The statements of one stance, under their heading, rule by rule."""

    heading: str
    tone: str
    total: int
    rules: tuple[Ruled, ...]
    empty: str


class Glance(NamedTuple):
    """One test set in one line: the probe, its strongest rival in the text alone, luck, and the shipped threshold."""

    test: str
    trained_on: bool
    auroc: Shown
    rival: str
    rival_auroc: Shown
    advantage: Shown
    luck: Shown
    tpr: Shown
    fpr: Shown


class Operating(NamedTuple):
    """One row of the operating points table."""

    test: str
    tpr: Shown
    fpr: Shown
    unit_fpr: Shown
    own_tpr: Shown


class Verdict(NamedTuple):
    """The first section; ``rules_version`` is None where no verdict could be written."""

    badge: Badge
    headline: str
    groups: tuple[Group, ...]
    rules_version: int | None
    glance: tuple[Glance, ...]
    reasons: tuple[str, ...]


class Card(NamedTuple):
    """The chosen probe: facts as pairs of name and value, its threshold in words, and what that does per test set."""

    facts: tuple[tuple[str, str], ...]
    threshold: str | None
    no_threshold: str | None
    guarantee: tuple[str, ...]
    daily: tuple[str, ...]
    operating: tuple[Operating, ...]
    reasons: tuple[str, ...]


def verdict_section(look: Lookup) -> Verdict:
    """Lay out the verdict and the glance table."""
    verdict = look.evidence.verdict
    statements = () if isinstance(verdict, Unavailable) else verdict.statements
    headings = (
        ("For", "for", "for", "No rule found anything that speaks for this probe."),
        ("Against", "against", "against", "No rule found anything that speaks against this probe."),
        ("Notes", "note", "note", ""),
    )
    groups = tuple(
        Group(heading, tone, len(said), _by_rule(said), empty)
        for heading, stance, tone, empty in headings
        for said in [[s for s in statements if s.stance == stance]]
    )
    glance = tuple(_glance(look, test) for test in look.tests)
    shown = [cell for row in glance for cell in row if isinstance(cell, Shown)]
    return Verdict(
        badge=_badge("no verdict" if isinstance(verdict, Unavailable) else verdict.outcome),
        headline=verdict.reason if isinstance(verdict, Unavailable) else verdict.headline,
        groups=() if isinstance(verdict, Unavailable) else groups,
        rules_version=None if isinstance(verdict, Unavailable) else verdict.rules_version,
        glance=glance,
        reasons=reasons_of(shown),
    )


def _by_rule(statements: list[Statement]) -> tuple[Ruled, ...]:
    rules: dict[tuple[str, str], list[Statement]] = {}
    for statement in statements:
        rules.setdefault((statement.rule, statement.condition), []).append(statement)
    return tuple(
        Ruled(rule, condition, tuple(said[:_SHOWN]), tuple(said[_SHOWN:])) for (rule, condition), said in rules.items()
    )


def probe_card(look: Lookup) -> Card:
    """Lay out the chosen probe, its threshold and its operating points."""
    evidence = look.evidence
    threshold = evidence.threshold
    chosen = next((c for c in evidence.candidates if (c.site, c.method) == (evidence.site, evidence.method)), None)
    validation = show_auroc(chosen.auroc if chosen else None)
    by = "validation AUROC" if evidence.chosen_by == "auroc" else "what they cause, on a fold of the training texts"
    facts = (
        ("Method", evidence.method),
        ("Site", f"{evidence.site}: {describe_site(evidence.site)}"),
        ("Trained on", evidence.train),
        ("Chosen among", f"{len(evidence.sites)} sites × {len(evidence.methods)} methods, by {by}"),
        (
            "Validation AUROC",
            f"{validation.text} {validation.interval}{validation.reason and f' ({validation.reason})'}",
        ),
    )
    operating = tuple(_operating(look, test) for test in look.tests)
    return Card(
        facts=facts,
        threshold=score(threshold.value) if isinstance(threshold, Threshold) else None,
        no_threshold=None if isinstance(threshold, Threshold) else threshold.reason,
        guarantee=_guarantee(threshold) if isinstance(threshold, Threshold) else (),
        daily=_daily(evidence),
        operating=operating,
        reasons=reasons_of([cell for row in operating for cell in row if isinstance(cell, Shown)]),
    )


def baselines_on(evidence: Evidence, test: str) -> list[tuple[Baseline, Advantage | None]]:
    """List the rivals on a test set, each with the probe's advantage over it."""
    advantages = {(a.baseline, a.test): a for a in evidence.advantages}
    rivals = [b for b in evidence.baselines if b.test == test and b.train == evidence.train]
    return [(b, advantages.get((b.name, test))) for b in rivals]


def _badge(outcome: str) -> Badge:
    signs = {
        "holds": Badge("Holds", "✓", "good"),
        "holds in part": Badge("Holds in part", "◐", "mixed"),
        "refuted": Badge("Refuted", "✗", "bad"),
    }
    return signs.get(outcome, Badge(outcome.capitalize(), "?", "open"))


def _glance(look: Lookup, test: str) -> Glance:
    evidence = look.evidence
    cell = look.cell(evidence.site, evidence.method, test=test)
    rivals = [
        (b, a)
        for b, a in baselines_on(evidence, test)
        if CLAIMS[b.kind] == "text alone" and isinstance(b.auroc, Estimate)
    ]
    rival, advantage = max(
        rivals,
        key=lambda pair: pair[0].auroc.value if isinstance(pair[0].auroc, Estimate) else 0.0,
        default=(None, None),
    )
    luck = look.random.get((evidence.site, test))
    point = next((o for o in evidence.operating_points if o.test == test), None)
    return Glance(
        test=test,
        trained_on=test == evidence.train,
        auroc=show_auroc(cell.auroc if cell else None),
        rival=rival.name if rival else "",
        rival_auroc=show_auroc(rival.auroc)._replace(weak=False) if rival else missing("no text baseline here"),
        advantage=show_difference(advantage.difference if advantage else None),
        luck=_luck(luck, cell.auroc if cell else None),
        tpr=_at_threshold(look, point.tpr if point else None),
        fpr=_at_threshold(look, point.unit_fpr if point else None, limit=evidence.fpr),
    )


def _luck(record: RandomDirections | None, auroc: Measured | None) -> Shown:
    """Show the best random direction; weak (for the probe) where it does as well as the probe."""
    if record is None:
        return missing("not measured")
    as_well = isinstance(auroc, Estimate) and record.best >= auroc.value
    return Shown(decimal(record.best), note=f"best of {record.count} random directions", weak=as_well)


def _operating(look: Lookup, test: str) -> Operating:
    evidence = look.evidence
    point = next((o for o in evidence.operating_points if o.test == test), None)
    cell = look.cell(evidence.site, evidence.method, test=test)
    return Operating(
        test=test,
        tpr=_at_threshold(look, point.tpr if point else None),
        fpr=_at_threshold(look, point.fpr if point else None, limit=evidence.fpr),
        unit_fpr=_at_threshold(look, point.unit_fpr if point else None, limit=evidence.fpr),
        own_tpr=show_rate(cell.tpr if cell else None),
    )


def _at_threshold(look: Lookup, measured: Measured | None, limit: float | None = None) -> Shown:
    threshold = look.evidence.threshold
    if measured is None and not isinstance(threshold, Threshold):
        return missing(f"no threshold: {threshold.reason}")
    return show_rate(measured, limit)


def _guarantee(threshold: Threshold) -> tuple[str, ...]:
    unit = threshold.unit
    units = f"{threshold.n:,} calibration {unit}s" + ("" if unit == "row" else f" ({threshold.n_rows:,} rows)")
    any_row = "" if unit == "row" else " A group raises an alarm when any of its rows does."
    if threshold.confidence is None:
        promise = (
            f"Guarantee on average only: over all draws of {units}, a fresh {unit} of the same population raises a "
            f"false alarm with probability at most {asked(threshold.fpr)} in the mean. Of this one threshold nothing "
            f"is promised; in about half of the draws it lets more through.{any_row}"
        )
    else:
        promise = (
            f"Guarantee with confidence: with probability at least {asked(threshold.confidence)} over the draw of the "
            f"{units}, a fresh {unit} of the same population raises a false alarm with probability at most "
            f"{asked(threshold.fpr)}.{any_row}"
        )
    sentences = [
        promise,
        f"Population: {threshold.population}. Method: {threshold.method}; {threshold.allowed:,} of the calibration "
        f"{unit}s may lie above the threshold.",
        "It says nothing about texts from another population, and nothing about how many positives are caught.",
    ]
    if threshold.row_rate is not None:
        shown = show_rate(threshold.row_rate)
        sentences.append(
            f"No guarantee is given for single rows: {shown.text} {shown.interval} of the calibration rows lie above."
        )
    return tuple(sentences)


def _daily(evidence: Evidence) -> tuple[str, ...]:
    """Say how many false alarms a day there will be, were the traffic like each test set."""
    if not evidence.daily_alarms:
        return ()
    first = evidence.daily_alarms[0]
    kept = "on average over calibration sets" if first.guarantee == "average" else "by the guarantee"
    traffic = f"At {_count(first.per_day)} {first.unit}s a day, all taken for negatives"
    sentences = [f"{traffic}: at most {_count(first.most_false)} false alarms a day {kept}, in the mean over days."]
    for one in evidence.daily_alarms:
        expected = one.false_alarms
        if isinstance(expected, Estimate):
            sentences.append(
                f"Were they like {one.measured_on}: {_count(expected.value)} a day, with an interval from "
                f"{_count(expected.low)} to {_count(expected.high)}."
            )
        else:
            sentences.append(f"Were they like {one.measured_on}: not known ({expected.reason}).")
    return tuple(sentences)


def _count(value: float) -> str:
    """Write a mean number a day: whole where it is 10 or more, else with two digits."""
    return f"{value:,.0f}" if value >= 10 or value == 0 else f"{value:.2g}"
