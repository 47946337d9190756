"""How the command line shows progress and verdicts."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.padding import Padding

from tiltmeter.core.evidence import Evidence, Verdict


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
