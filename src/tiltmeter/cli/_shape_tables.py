"""How the command line shows the shapes of values."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table
from rich.text import Text

from tiltmeter.cli._figures import interval
from tiltmeter.cli._terminal import page
from tiltmeter.core.shape import ModelShape, NullRange, RowsShape, SampleShape, ShapeGroup, Spectrum, TailShape


def shapes(found: ModelShape) -> None:
    """Print a table a set, each figure above its null, then the spectra, and what the figures do not mean."""
    console = page()
    for one in found.sets:
        console.print(_shape_table(one))
        single = (*one.pools, *one.directions)
        for said in (*one.warnings, *(f"{each.name}: {text}" for each in single for text in each.warnings)):
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
            looks = group.said
            middles = (f"{middle:.2f}\n{low:.2f} to {high:.2f}" for low, middle, high in figures)
            table.add_row(f"{len(group.samples)} {group.kind}s", *middles, "", looks)
            _add_null(table, group.samples[0].null)
    return table


def _add_sample(table: Table, one: SampleShape) -> None:
    parts = interval(one.parts, between="\n") if one.least_parts is None else f"{one.least_parts:.3g} or more"
    figures = (interval(figure, between="\n") for figure in (one.kurtosis, one.on_square, one.on_absolute, one.power))
    table.add_row(Text(one.name), *map(Text, figures), Text(parts), one.looks)
    _add_null(table, one.null)


def _add_null(table: Table, null: NullRange) -> None:
    ranges = (null.kurtosis, null.on_square, null.on_absolute, null.power)
    table.add_row(
        Text(f"  {null.n_draws} nulls: {null.what}"), *(f"{low:.2f} to {high:.2f}" for low, high in ranges), "", ""
    )


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
    table.add_row(
        Text(name),
        Text(interval(tail.alpha, between="\n")),
        f"{tail.n_tail} of {n}",
        Text(interval(tail.p, between="\n")),
    )
