"""The tables of a summary and of a replay."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.table import Table
from rich.text import Text

from tiltmeter.cli._figures import interval
from tiltmeter.cli._terminal import page
from tiltmeter.core.records import Estimate, Measured

if TYPE_CHECKING:
    from tiltmeter.core.operations import MonitorSummary, ReplayTotals

_NAMED = 10


def summary_tables(found: MonitorSummary) -> None:
    """Print days, and what the tests for a change say."""
    console = page()
    days = Table(box=None, pad_edge=False)
    for name in ("day", "monitor", "texts", "alarms", "share", "promised", "unlike", "median, 99 %, highest score"):
        # a date that is cut tells no day
        days.add_column(name, no_wrap=name in ("day", "promised"), overflow="fold")
    for day in found.days:
        own = day.quantiles
        days.add_row(
            str(day.day),
            Text(day.monitor),
            f"{day.n:,}",
            f"{day.n_alarms:,}" + (f"\n{day.n_undecided:,} undecided" if day.n_undecided else ""),
            _percent(day.rate),
            "–" if day.promised is None else f"{100 * day.promised:.2g} %",
            f"{day.n_unlike:,}",
            f"{own['0.5']:.3g}, {own['0.99']:.3g}, {own['1']:.3g}",
        )
    console.print(days)
    for change in found.changes:
        what = "alarms come more often than certified" if change.what == "alarms" else "scores left the reference"
        if change.at is None:
            console.print(
                f"{change.monitor}: not found that {what} ({change.n:,} texts; evidence {change.evidence:.3g} of the "
                f"{1 / change.alpha:,.3g} that it takes).",
                markup=False,
            )
        else:
            console.print(
                f"{change.monitor}: {what}, found at text {change.at:,} of {change.n:,}, {change.since} "
                f"(alpha {change.alpha:.2g}).",
                markup=False,
            )
    if not found.changes:
        console.print("No test for a change: name the monitors, or give --reference-until.")


def _percent(rate: Measured) -> str:
    if not isinstance(rate, Estimate):
        return "–"
    return f"{100 * rate.value:.2g} % [{100 * rate.low:.2g}, {100 * rate.high:.2g}]"


def replay_table(found: ReplayTotals) -> None:
    """Print where two monitors agree."""
    console = page()
    table = Table()
    for name in ("", f"{found.monitor}: alarm", "none"):
        table.add_column(Text(name))
    table.add_row(Text(f"{found.beside}: alarm"), f"{found.both:,}", f"{found.only_then:,}")
    table.add_row("none", f"{found.only_now:,}", f"{found.neither:,}")
    console.print(table)
    console.print(f"{found.n:,} texts; rank correlation of scores {interval(found.rank_correlation)}.")
    if found.n_left:
        console.print(f"{found.n_left:,} texts could not be replayed: not kept, or written by the model itself.")
    if found.n_undecided:
        console.print(f"{found.n_undecided:,} of them are not in the table: one of the two had no threshold for them.")
    if found.unreadable:
        named = ", ".join(found.unreadable[:_NAMED]) + (", …" if len(found.unreadable) > _NAMED else "")
        console.print(
            f"{len(found.unreadable):,} texts cannot be read by {found.monitor} (--out says why): {named}", markup=False
        )
