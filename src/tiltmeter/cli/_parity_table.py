"""How the command line shows the replay of a monitor's reference texts."""

from __future__ import annotations

from rich.table import Table
from rich.text import Text

from tiltmeter.cli._figures import interval
from tiltmeter.cli._terminal import page
from tiltmeter.core.parity import Parity, describe
from tiltmeter.core.records import Unavailable


def parity_table(found: Parity) -> None:
    """Print the verdict and why, the figures, the causes, and a row a text."""
    console = page()
    console.print(Text(f"{found.monitor} at {found.site} on {found.model}: {found.outcome}"))
    for reason in found.reasons:
        console.print(Text(f"  {reason}"))
    console.print()
    console.print(_figures(found))
    console.print()
    for number, cause in enumerate(found.causes, start=1):
        said = f": {cause.finding}" if cause.finding else ""
        console.print(Text(f"{number}. {describe(cause)}{said}"))
    if found.causes:
        console.print()
    console.print(_texts(found))


def _figures(found: Parity) -> Table:
    table, most = Table(box=None, pad_edge=False), found.tolerance
    for name in ("", "mean", "largest", "allowed"):
        table.add_column(name, justify="right" if name else "left")
    for name, mean, largest, allowed in (
        ("activation error, of the mean norm", found.activation_mean, found.activation_max, most.activation),
        ("score error, in standard deviations", found.score_mean, found.score_max, most.score),
    ):
        table.add_row(name, f"{mean:.1e}", f"{largest:.1e}", f"{allowed:.2g}")
    changed = "–" if isinstance(found.flips, Unavailable) else str(len(found.flips))
    table.add_row(f"alarms changed, of {found.n_texts}", "", changed, "0")
    table.add_row(Text(f"at risk, of {found.drawn_from}"), "", interval(found.at_risk), "")
    return table


def _texts(found: Parity) -> Table:
    table = Table(box=None, pad_edge=False)
    table.add_column("text", overflow="fold")
    for name in ("score then", "now", "error, sd", "activation error", "alarm"):
        table.add_column(name, justify="right")
    table.add_column("")
    said = {None: "–", True: "yes", False: "no"}
    for one in found.texts:
        changed = "" if one.alarm_was == one.alarm_now else f" → {said[one.alarm_now]}"
        table.add_row(
            Text(one.id),
            f"{one.score_was:.4f}",
            f"{one.score_now:.4f}",
            f"{one.score_error:.1e}",
            f"{one.activation_error:.1e}",
            said[one.alarm_was] + changed,
            "" if one.same_tokens else "other tokens",
        )
    return table
