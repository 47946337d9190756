"""Tables of figures, coloured by value."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

from tiltmeter.report._charts import SYMBOLS, mark_of
from tiltmeter.report._format import Shown, reasons_of
from tiltmeter.report._lookup import Lookup


class Row(NamedTuple):
    """A row of a grid; ``marked`` is the chosen probe, ``symbol`` and ``colour`` a method's sign in the pictures."""

    label: str
    cells: tuple[Shown, ...]
    marked: bool = False
    symbol: str = ""
    colour: int = 0
    remark: str = ""


class Grid(NamedTuple):
    """A table of figures coloured by value."""

    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[Row, ...]
    reasons: tuple[str, ...]


def method_row(look: Lookup, method: str, cells: tuple[Shown, ...], remark: str = "") -> Row:
    methods = look.evidence.methods
    place = methods.index(method) if method in methods else 0
    look_of = mark_of(place)
    return Row(method, cells, method == look.evidence.method, SYMBOLS[look_of.shape], look_of.colour, remark)


def grid(caption: str, corner: str, columns: Iterable[str], rows: Sequence[Row]) -> Grid:
    return Grid(caption, corner, tuple(columns), tuple(rows), reasons_of([cell for row in rows for cell in row.cells]))
