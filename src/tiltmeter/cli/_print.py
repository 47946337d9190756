"""How the command line shows verdicts, leagues, steering and plans."""

from __future__ import annotations

from collections.abc import Sequence

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tiltmeter.cli._terminal import page
from tiltmeter.core.evidence import Evidence, Statement, Verdict
from tiltmeter.core.league import League
from tiltmeter.core.plan import Day, Plan
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.steering import Dose, SideBySide
from tiltmeter.evaluation import Rejudged


def verdict(evidence: Evidence) -> None:
    """Print a verdict: the outcome, the headline, and what speaks against the probe."""
    console = page()
    if not isinstance(evidence.verdict, Verdict):
        return
    _outcome(console, evidence.verdict)
    against = [s for s in evidence.verdict.statements if s.stance == "against"]
    # the first of each rule; the report has them all
    first = list({statement.rule: statement for statement in reversed(against)}.values())[::-1]
    if against:
        console.print("\nAgainst it:", markup=False)
    for statement in first:
        console.print(Padding(f"- {statement.text} ({statement.because})", (0, 2)), markup=False)
    if len(first) < len(against):
        console.print(f"  and {len(against) - len(first)} more like these, in the report", markup=False)


def whole_verdict(judged: Verdict) -> None:
    """Print a verdict with every statement, what speaks against the probe first."""
    console = page()
    _outcome(console, judged)
    for heading, stance in (("Against it", "against"), ("For it", "for"), ("Notes", "note")):
        _statements(console, heading, [(s.rule, s) for s in judged.statements if s.stance == stance])
    console.print(f"\nBy version {judged.rules_version} of the rules.", markup=False)


def rejudged(change: Rejudged) -> None:
    """Print a verdict under the present rules, and what that changes of the old one."""
    console = page()
    _outcome(console, change.new)
    before = change.old
    if isinstance(before, Unavailable):
        console.print(f"\nThere was no verdict before ({before.reason}).", markup=False)
    else:
        outcome = f"{before.outcome}" + (", as now" if before.outcome == change.new.outcome else "")
        console.print(f"\nBefore, by version {before.rules_version} of the rules: {outcome}.", markup=False)
        console.print(f"The present version is {change.new.rules_version}.", markup=False)
        if before.headline != change.new.headline:
            console.print(Padding(_text(f"The headline was: {before.headline}"), (0, 2)))
    if not change.is_changed:
        console.print("Nothing else differs.", markup=False)
    for heading, statements in (("No longer said", change.gone), ("Said now", change.come)):
        _statements(console, heading, [(f"{said.stance}: {said.rule}", said) for said in statements])


def _outcome(console: Console, judged: Verdict) -> None:
    console.print(f"\nVerdict: {judged.outcome}", style="bold", markup=False)
    console.print(Padding(_text(judged.headline), (0, 2)))


def _statements(console: Console, heading: str, statements: Sequence[tuple[str, Statement]]) -> None:
    """Print statements under a heading, each with what it is marked by; nothing where there are none."""
    if statements:
        console.print(f"\n{heading}:", markup=False)
    for mark, said in statements:
        console.print(Padding(_text(f"- {said.text} ({said.because}) [{mark}]"), (0, 2)))


def league_summary(found: League) -> None:
    """Print what a sceptic should conclude from a league, and the places of the methods."""
    console = page()
    for sentence in found.conclusions:
        console.print(Padding(f"- {sentence}", (0, 2)), markup=False)
    for one in found.standings:
        table = Table(title=f"{one.field}, {one.measure} ({len(one.tasks)} tasks)", title_justify="left")
        table.add_column("method")
        table.add_column("mean rank", justify="right")
        table.add_column("mean AUROC", justify="right")
        for place in one.methods:
            rank, area = place.mean_rank, place.mean_auroc
            table.add_row(
                place.method.replace("_", " "),
                f"{rank.value:.1f} [{rank.low:.1f}, {rank.high:.1f}]",
                f"{area.value:.2f} [{area.low:.2f}, {area.high:.2f}]",
            )
        console.print()
        console.print(table)


def side_by_side(found: SideBySide) -> None:
    """Print what a model says with and without steering: a table a prompt, a row a strength."""
    console = page()
    where = ", ".join(found.sites)
    console.print(f"{found.short_name}, steered along {found.vectors} at {where}. {found.evidence}", markup=False)
    for one in found.prompts:
        table = Table(title=_text(one.prompt), title_justify="left", show_lines=True, expand=True)
        table.add_column("strength", justify="right", no_wrap=True)
        table.add_column("steered", ratio=1, overflow="fold")
        table.add_column("along a random direction", ratio=1, overflow="fold")
        table.add_row("none", _text(one.bare), "")
        for dose, steered, random in zip(found.doses, one.steered, one.random, strict=True):
            table.add_row(_dose(dose), _text(steered), _text(random))
        console.print()
        console.print(table)
    costs = [dose.fluency.kl for dose in found.doses if dose.fluency is not None]
    if reasons := {kl.reason for kl in costs if isinstance(kl, Unavailable)}:
        console.print(f"\nKL on neutral texts: unavailable ({'; '.join(sorted(reasons))}).", markup=False)


def plan(found: Plan) -> None:
    """Print a plan: the threshold, a table of days by test set, and one of other budgets."""
    console = page()
    terms, threshold = found.terms, found.threshold
    console.print(
        f"Review what scores above {threshold.value:.6g}. On {threshold.population}, that keeps the budget of "
        f"{terms.reviews:g} reviews a day with {threshold.confidence:.0%} confidence: false-positive rate at most "
        f"{threshold.fpr:.3g} a {threshold.unit} ({threshold.n} calibration {threshold.unit}s, {threshold.allowed} "
        "of them above it).",
        markup=False,
    )
    everything, positives = f"{terms.per_day:g}", f"{terms.per_day * terms.base_rate:g}"
    console.print(
        f"Without a probe: {terms.reviews:g} reviews at random catch {found.caught_at_random:.3g} of {positives} "
        f"positives a day; reviewing all {everything} catches {found.caught_of_all:.3g} and costs "
        f"{found.cost_of_all:g}.\n",
        markup=False,
    )
    console.print(_days("if its texts are like", [(day.test, day) for day in found.days]))
    others = [(f"{one.reviews:g} reviews", one.day) for one in found.alternatives if isinstance(one.day, Day)]
    if others:
        console.print()
        console.print(_days("with another budget", others))
    for one in found.alternatives:
        if isinstance(one.day, Unavailable):
            console.print(f"\nNot {one.reviews:g} reviews: {one.day.reason}", markup=False)


def _days(heading: str, days: list[tuple[str, Day]]) -> Table:
    table = Table(title="A day, on average", title_justify="left")
    table.add_column(heading, overflow="fold", min_width=12)
    for column in ("reviews", "caught", "missed", "wrongly reported", "cost"):
        table.add_column(column, justify="right")
    for name, day in days:
        figures = (day.reviews, day.caught, day.missed, day.wrongly_reported, day.cost)
        table.add_row(_text(name), *(_text(_amount(figure)) for figure in figures))
    return table


def _amount(figure: Estimate | Unavailable) -> str:
    if isinstance(figure, Unavailable):
        return f"– ({figure.reason})"
    return "\n".join((_digits(figure.value), f"[{_digits(figure.low)}, {_digits(figure.high)}]"))


def _digits(value: float) -> str:
    """Write three significant digits, and whole numbers in full."""
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.3g}"


def _text(said: str) -> Text:
    """Return what a model said, without what a terminal would take for a command."""
    return Text("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in said))


def _dose(dose: Dose) -> str:
    """Write a strength, with what it costs beneath, where that is known."""
    said = f"{dose.asked:+g}"
    if dose.fluency is not None and isinstance(dose.fluency.kl, Estimate):
        said += f"\nKL {dose.fluency.kl.value:.2g}"
    return said
