"""How the command line shows weights beside their nulls."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from tiltmeter.anatomy import Located
from tiltmeter.cli._terminal import page
from tiltmeter.core.records import Estimate
from tiltmeter.core.weights import AgainstNull, WeightAnatomy


def weights(found: WeightAnatomy) -> None:
    """Print how coherent the directions of each kind are beside each null, and what may be said of that."""
    console = page()
    table = Table(box=None, pad_edge=False)
    for name in ("matrix", "judge"):
        table.add_column(name, overflow="fold")
    for name in ("coherence", "− random", "− rotated", "− raw rows"):
        table.add_column(name, justify="right")
    by_kind: dict[tuple[str, str], list[AgainstNull]] = {}
    for one in found.comparisons:
        by_kind.setdefault((f"{one.matrix} {one.side}", one.judge), []).append(one)
    for (kind, judge), group in by_kind.items():
        cells = (_beside(one, found.level) for one in group)
        table.add_row(kind, Text(judge), f"{group[0].coherence:.3f}", *cells)
    console.print(table)
    console.print()
    for sentence in found.conclusions:
        console.print(Text(f"- {sentence}"))
    console.print(f"\n{found.level:.0%} intervals; * above the null, p-values corrected for all of these looks (Holm).")
    counted = "; ".join(f"{n} by {judge}" for judge, n in found.n_found.items())
    console.print(
        Text(
            f"\nOf {found.n_listed} directions, more coherent than random ones, with {found.false_share:.0%} of those "
            f"named expected to be false: {counted}."
        )
    )


def located(found: Sequence[Located]) -> None:
    """Print the directions nearest to some words, and how near chance comes."""
    table = Table(box=None, pad_edge=False)
    table.add_column("matrix")
    for name in ("block", "head or expert", "direction", "cosine", "p"):
        table.add_column(name, justify="right")
    for one in found:
        place = (str(one.layer), str(one.part), str(one.number), f"{one.cosine:+.2f}", f"{one.p:.3f}")
        table.add_row(f"{one.matrix} {one.side}", *place)
    console = page()
    console.print(table)
    console.print("\np: the share of as many random tokens that come as near to any direction that was looked at.")


def _beside(one: AgainstNull, level: float) -> Text:
    if not isinstance(one.difference, Estimate):
        return Text("–")
    mark = "*" if one.p_holm <= 1 - level else " "
    found = one.difference
    return Text(f"{found.value:+.3f}{mark}\n[{found.low:+.3f}, {found.high:+.3f}]")
