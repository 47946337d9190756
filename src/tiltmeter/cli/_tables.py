"""How the command line shows runs side by side, bounds that were kept or not, and weights beside their nulls."""
"""How the command line shows runs side by side, bounds that were kept or not, and a contest of experts."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from rich.console import Console
from rich.table import Table
from rich.text import Text

from tiltmeter.core.comparison import Common, Compared, Comparison, Difference, Kept
from tiltmeter.core.experts import Experts
from tiltmeter.core.records import Estimate, Measured
from tiltmeter.core.shape import ModelShape, NullRange, RowsShape, SampleShape, ShapeGroup, Spectrum, TailShape
from tiltmeter.core.weights import AgainstNull, WeightAnatomy


def comparison(found: Comparison, *, worse: Sequence[Difference] | None) -> None:
    """Print a table a run, and below it what was compared; ``worse`` is None where nobody asked for a check."""
    console = Console(highlight=False)
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
                _value(one.first),
                _value(one.other),
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
    console = Console(highlight=False)
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
            _value(one.found, digits=3),
            ("kept" if one.is_kept else "BROKEN") + ("" if one.same_texts else ", on other texts than recorded"),
        )
    console.print(table)
    broken = sum(not one.is_kept for one in found)
    console.print(f"\n{broken} of {len(found)} bounds broken." if broken else f"\nAll {len(found)} bounds kept.")


def weights(found: WeightAnatomy) -> None:
    """Print how coherent the directions of each kind are beside each null, and what may be said of that."""
    console = Console(highlight=False)
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
def experts(found: Experts) -> None:
    """Print the accuracy of each contestant on each suite, and where the student overtakes."""
    console = Console(highlight=False)
    console.print(Text(f"{found.about}; taught by {found.teacher}; accuracy over {len(found.seeds)} seeds"))
    table = Table(box=None, pad_edge=False)
    table.add_column("suite", overflow="fold")
    for one in found.contestants:
        table.add_column(one.name, justify="right")
    for suite in found.suites:
        figures = (_interval(one.suites[suite.name].accuracy) for one in found.contestants)
        table.add_row(Text(suite.name), *(Text(figure) for figure in figures))
    console.print(table)
    for crossing in found.crossovers:
        size = crossing.size
        said = (
            f"{size.value:,.0f} [{size.low:,.0f}, {size.high:,.0f}] demonstrations"
            if isinstance(size, Estimate)
            else f"– ({size.reason})"
        )
        console.print(Text(f"As good as {crossing.rival} from {said}"))


def _interval(found: Measured) -> str:
    return f"{found.value:.2f} [{found.low:.2f}, {found.high:.2f}]" if isinstance(found, Estimate) else "–"


def _run(one: Compared) -> str:
    return f"{one.run}: {one.method} at {one.site}, trained on {one.train}; {one.outcome}"


def _beside(one: AgainstNull, level: float) -> Text:
    if not isinstance(one.difference, Estimate):
        return Text("–")
    mark = "*" if one.p_holm <= 1 - level else " "
    found = one.difference
    return Text(f"{found.value:+.3f}{mark}\n[{found.low:+.3f}, {found.high:+.3f}]")


def _value(found: Measured, digits: int = 2) -> str:
    return f"{found.value:.{digits}f}" if isinstance(found, Estimate) else "–"


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


def shapes(found: ModelShape) -> None:
    """Print a table a set, each figure above its null, then the spectra, and what the figures do not mean."""
    console = Console(highlight=False)
    for one in found.sets:
        console.print(_shape_table(one))
        for said in (*one.warnings, *(text for pool in one.pools for text in pool.warnings)):
            console.print(Text(f"- {said}"))
        console.print()
    if found.spectra:
        console.print(_spectra_table(found.spectra))
        console.print()
    console.print(Text(found.caveat))


def _shape_table(one: RowsShape) -> Table:
    table = Table(title=Text(f"{one.kind}: {one.name}"), title_justify="left", box=None, pad_edge=False)
    table.add_column("sample", overflow="fold")
    for column in ("kurtosis", "R² on x²", "R² on |x|", "β", "parts", "looks"):
        table.add_column(column, justify="right")
    for sample in (*one.pools, *one.directions):
        _add_sample(table, sample)
    for group in (one.coordinates, one.random):
        if isinstance(group, ShapeGroup):
            figures = (group.kurtosis, group.on_square, group.on_absolute, group.power)
            looks = ", ".join(f"{count} {name}" for name, count in group.looks.items())
            middles = (f"{middle:.2f}\n{low:.2f} to {high:.2f}" for low, middle, high in figures)
            table.add_row(f"{len(group.samples)} {group.kind}s", *middles, "", looks)
            _add_null(table, group.samples[0].null)
    return table


def _add_sample(table: Table, one: SampleShape) -> None:
    parts = _interval(one.parts) if one.least_parts is None else f"{one.least_parts:.3g} or more"
    figures = (_interval(figure) for figure in (one.kurtosis, one.on_square, one.on_absolute, one.power))
    table.add_row(Text(one.name), *map(Text, figures), Text(parts), one.looks)
    _add_null(table, one.null)


def _add_null(table: Table, null: NullRange) -> None:
    ranges = (null.kurtosis, null.on_square, null.on_absolute, null.power)
    table.add_row(Text(f"  null: {null.what}"), *(f"{low:.2f} to {high:.2f}" for low, high in ranges), "", "")


def _spectra_table(spectra: Sequence[Spectrum]) -> Table:
    table = Table(title="Power laws in the spectra", title_justify="left", box=None, pad_edge=False)
    table.add_column("matrix", overflow="fold")
    for column in ("exponent", "tail", "p of the fit"):
        table.add_column(column, justify="right")
    for one in spectra:
        rows = [(f"{one.kind}: {one.name}", one.tail), *((f"  null: {one.null_what}", null) for null in one.nulls)]
        for name, tail in rows:
            _add_tail(table, name, tail, n=one.n)
    return table


def _add_tail(table: Table, name: str, tail: TailShape, *, n: int) -> None:
    table.add_row(Text(name), Text(_interval(tail.alpha)), f"{tail.n_tail} of {n}", Text(_interval(tail.p)))


def _interval(measured: Measured) -> str:
    if not isinstance(measured, Estimate):
        return "–"
    return f"{measured.value:.2f}\n[{measured.low:.2f}, {measured.high:.2f}]"
