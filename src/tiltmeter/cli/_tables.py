"""How the command line shows runs side by side, and bounds that were kept or not."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.table import Table
from rich.text import Text

from tiltmeter.cli._figures import value
from tiltmeter.cli._terminal import page
from tiltmeter.core.comparison import Common, Compared, Comparison, Difference, Kept
from tiltmeter.core.records import Estimate, Measured


def comparison(found: Comparison, *, worse: Sequence[Difference] | None) -> None:
    """Print a table a run, and below it what was compared; ``worse`` is None where nobody asked for a check."""
    console = page()
    first, *others = found.runs
    console.print(Text(f"First: {_run(first)}"))
    for other in others:
        console.print(Text(f"Other: {_run(other)}"))
        table = Table(box=None, pad_edge=False)
        table.add_column("test set", overflow="fold")
        table.add_column("figure")
        for name in ("first", "other"):
            table.add_column(name, justify="right")
        table.add_column("other − first", justify="right", no_wrap=True)
        table.add_column("p (Holm)", justify="right", no_wrap=True)
        named = ""
        for one in (d for d in found.differences if d.run == other.run):
            table.add_row(
                Text(one.test if one.test != named else ""),
                one.figure,
                value(one.first),
                value(one.other),
                _difference(one.difference),
                _p(one, found.level),
            )
            named = one.test
        console.print()
        console.print(table)
        console.print()
        for shared in (c for c in found.common if c.run == other.run):
            console.print(Text(_common(shared)))
        for reason in dict.fromkeys(_reasons(d for d in found.differences if d.run == other.run)):
            console.print(Text(f"–: {reason}"))
    n_tests = sum(one.p is not None for one in found.differences)
    console.print(
        f"\n{found.level:.0%} intervals, {found.n_draws} draws, seed {found.seed}; p-values corrected for {n_tests} "
        f"looks (Holm); * marks those below {1 - found.level:.2g}. Equal alarms: {found.fpr:.2%} of each set's own "
        "negatives.",
        markup=False,
    )
    if worse is not None:
        said = [f"{one.run}: {one.figure} on {one.test}" for one in worse]
        console.print(Text("\nWorse: " + "; ".join(said) if said else "\nNothing is clearly worse."))


def kept(found: Sequence[Kept]) -> None:
    """Print each bound with what was found, the broken ones marked."""
    console = page()
    table = Table(box=None, pad_edge=False)
    for name in ("run", "test set", "figure", "bound", "found", ""):
        table.add_column(name, overflow="fold", justify="right" if name in ("bound", "found") else "left")
    for one in found:
        bound = one.bound
        limits = [(">=", bound.at_least), ("<=", bound.at_most)]
        table.add_row(
            Text(one.run),
            Text(bound.test),
            bound.figure,
            " and ".join(f"{sign} {limit:.3f}" for sign, limit in limits if limit is not None),
            value(one.found, digits=3),
            ("kept" if one.is_kept else "BROKEN") + ("" if one.same_texts else ", on other texts than recorded"),
        )
    console.print(table)
    broken = sum(not one.is_kept for one in found)
    console.print(f"\n{broken} of {len(found)} bounds broken." if broken else f"\nAll {len(found)} bounds kept.")


def _run(one: Compared) -> str:
    return f"{one.run}: {one.method} at {one.site}, trained on {one.train}; {one.outcome}"


def _difference(found: Measured) -> str:
    if not isinstance(found, Estimate):
        return "–"
    return f"{found.value:+.3f} [{found.low:+.3f}, {found.high:+.3f}]"


def _p(one: Difference, level: float) -> str:
    if one.p_holm is None:
        return "–"
    value = "<0.001" if one.p_holm < 0.001 else f"{one.p_holm:.3f}"
    return value + ("*" if one.p_holm < 1 - level else " ")


def _reasons(differences: Iterable[Difference]) -> list[str]:
    return [
        f"{one.figure} on {one.test}: {found.reason}"
        for one in differences
        for found in (one.first, one.other, one.difference)
        if not isinstance(found, Estimate)
    ]


def _common(shared: Common) -> str:
    changed = (
        f"; {shared.n_changed} more have a common identifier but another text or label" if shared.n_changed else ""
    )
    if not shared.paired:
        return (
            f"{shared.test}: UNPAIRED, no test text in common ({shared.n_first} and {shared.n_run}){changed}; "
            "intervals are those of independent samples"
        )
    return (
        f"{shared.test}: paired on {shared.n_rows} common test texts in {shared.n_units} units, of {shared.n_first} "
        f"and {shared.n_run}{changed}"
    )
