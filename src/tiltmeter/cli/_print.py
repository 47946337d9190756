"""How the command line shows progress and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.core.league import League
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.steering import Dose, SideBySide


@contextmanager
def steps(name: str) -> Iterator[Callable[[str], None]]:
    """Show the current step on standard error: a spinner in a terminal, one line a step in a log."""
    console = Console(stderr=True, highlight=False)
    if not console.is_terminal:
        yield lambda step: console.print(f"{name}: {step} …", markup=False)
        return
    with console.status(name) as status:
        yield lambda step: status.update(f"{name}: {step} …")


def verdict(evidence: Evidence) -> None:
    """Print a verdict: the outcome, the headline, and what speaks against the probe."""
    console = Console(highlight=False)
    if not isinstance(evidence.verdict, Verdict):
        return
    console.print(f"\nVerdict: {evidence.verdict.outcome}", style="bold", markup=False)
    console.print(Padding(evidence.verdict.headline, (0, 2)), markup=False)
    against = [s for s in evidence.verdict.statements if s.stance == "against"]
    # the first of each rule; the report has them all
    first = list({statement.rule: statement for statement in reversed(against)}.values())[::-1]
    if against:
        console.print("\nAgainst it:", markup=False)
    for statement in first:
        console.print(Padding(f"- {statement.text} ({statement.because})", (0, 2)), markup=False)
    if len(first) < len(against):
        console.print(f"  and {len(against) - len(first)} more like these, in the report", markup=False)


def league_summary(found: League) -> None:
    """Print what a sceptic should conclude from a league, and the places of the methods."""
    console = Console(highlight=False)
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
    console = Console(highlight=False)
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


def _text(said: str) -> Text:
    """Return what a model said, without what a terminal would take for a command."""
    return Text("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in said))


def _dose(dose: Dose) -> str:
    """Write a strength, with what it costs beneath, where that is known."""
    said = f"{dose.asked:+g}"
    if dose.fluency is not None and isinstance(dose.fluency.kl, Estimate):
        said += f"\nKL {dose.fluency.kl.value:.2g}"
    return said
