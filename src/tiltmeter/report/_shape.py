"""From the record of a test of shape to its page: histograms with fitted densities, and figures beside nulls."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
from markupsafe import Markup

from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.shape import (
    ModelShape,
    NullRange,
    RowsShape,
    SampleShape,
    ShapeGroup,
    Spectrum,
    TailShape,
    family_name,
)
from tiltmeter.report._charts import chart_of, spec_of
from tiltmeter.report._format import Shown, asked, decimal, fixed, missing, p_value, reasons_of, show_figure
from tiltmeter.report._page import environment, write_page
from tiltmeter.report._svg import to_svg

# drawn in every panel; a t and a logistic lie between them, and their figures stand in the table
_DRAWN = {
    "normal": "var(--m0)",
    "laplace": "var(--m1)",
    "generalised_normal": "var(--m2)",
    "normal_mixture": "var(--m3)",
}


class _Row(NamedTuple):
    head: str
    remark: str
    cells: tuple[Shown, ...]
    is_null: bool = False


class _Panel(NamedTuple):
    heading: str
    remark: str
    picture: Markup


class _Section(NamedTuple):
    found: RowsShape
    warnings: tuple[str, ...]
    rows: tuple[_Row, ...]
    fits: tuple[_Row, ...]
    panels: tuple[_Panel, ...]
    reasons: tuple[str, ...]


def write_shape(folder: Path) -> Path:
    """Write ``shape.html`` into a folder from its ``shape.json``.

    The file is whole or not there. It opens offline, holds no script and no reference to anything outside itself.

    Parameters
    ----------
    folder
        As ``tiltmeter anatomy shape --out`` makes it.

    Returns
    -------
    Path
        ``folder / "shape.html"``; an earlier page is replaced.

    Raises
    ------
    FileError
        If the record is not there.
    FormatError
        If it is not valid JSON, or not a record of the version that this release reads.

    Examples
    --------
    >>> write_shape(Path("nowhere"))
    Traceback (most recent call last):
        ...
    tiltmeter.core.errors.FileError: nowhere holds no shape.json; tiltmeter anatomy shape --out makes one.
    """
    return write_page(folder, "shape", kind=ModelShape, render=render_shape, made_by="tiltmeter anatomy shape --out")


def render_shape(record: ModelShape) -> str:
    """Return the page of a test of shape as one HTML document; figures are rounded, never computed.

    Parameters
    ----------
    record
        What was found.

    Returns
    -------
    str
        HTML without scripts; every name is escaped.

    Examples
    --------
    >>> record = ModelShape(
    ...     model="<b>", texts="some", n_texts=1, n_tokens=9, part_kurtosis=3.0, level=0.95, seed=0, sets=(), spectra=()
    ... )
    >>> page = render_shape(record)
    >>> "&lt;b&gt;" in page, "<script" in page
    (True, False)
    """
    spectra = tuple(row for one in record.spectra for row in _spectrum_rows(one))
    sections = tuple(_section(one) for one in record.sets)
    facts = (
        ("model", record.model),
        ("texts", f"{record.texts}: {record.n_texts:,} texts, {record.n_tokens:,} tokens"),
        ("kurtosis of a part", f"{record.part_kurtosis:g}"),
        ("level", asked(record.level)),
        ("seed", str(record.seed)),
    )
    return (
        environment()
        .get_template("shape.html.j2")
        .render(
            record=record,
            facts=facts,
            sections=sections,
            is_weak=any(cell.weak for one in sections for row in one.rows for cell in row.cells),
            key=tuple((family_name(name), colour) for name, colour in _DRAWN.items()),
            spectra=spectra,
            spectra_reasons=reasons_of([cell for row in spectra for cell in row.cells]),
        )
    )


def _section(found: RowsShape) -> _Section:
    single = (*found.pools, *found.directions)
    rows: list[_Row] = []
    for one in single:
        rows += _sample_rows(one)
    for name, group in (("single coordinates", found.coordinates), ("random directions", found.random)):
        rows += _group_rows(name, group)
    said = (*found.warnings, *(text for one in single for text in (f"{one.name}: {w}" for w in one.warnings)))
    return _Section(
        found=found,
        warnings=said,
        rows=tuple(rows),
        fits=tuple(_fit_row(one) for one in single),
        panels=tuple(_Panel(one.name, one.looks, _picture(one, label=f"{found.name}, {one.name}")) for one in single),
        reasons=reasons_of([cell for row in rows for cell in row.cells]),
    )


def _fit_row(one: SampleShape) -> _Row:
    return _Row(one.name, "", tuple(show_figure(fit.lead, fixed(4)) for fit in one.fits[1:]))


def _sample_rows(one: SampleShape) -> tuple[_Row, _Row]:
    null = one.null
    parts = _marked(one.parts) if one.least_parts is None else Shown(f"{one.least_parts:.3g} or more")
    own = _Row(
        one.name,
        f"{one.looks}; best single family: {family_name(one.best or 'not known')}",
        (
            _marked(one.kurtosis),
            _marked(one.kurtosis_inside),
            show_figure(one.on_square, fixed(3)),
            show_figure(one.on_absolute, fixed(3)),
            show_figure(one.power),
            parts,
        ),
    )
    ranges = (null.kurtosis, null.kurtosis_inside, null.on_square, null.on_absolute, null.power)
    beside = _Row(_nulls(null), null.what, (*(_range(*each) for each in ranges), Shown("")), is_null=True)
    return own, beside


def _group_rows(name: str, group: ShapeGroup | Unavailable) -> tuple[_Row, ...]:
    if isinstance(group, Unavailable):
        return (_Row(name, "", (missing(group.reason),) * 6),)
    figures = (group.kurtosis, group.kurtosis_inside, group.on_square, group.on_absolute, group.power)
    cells = tuple(Shown(decimal(middle), f"{decimal(low)} to {decimal(high)}") for low, middle, high in figures)
    null = group.samples[0].null
    ranges = (null.kurtosis, null.kurtosis_inside, null.on_square, null.on_absolute, null.power)
    return (
        _Row(f"{len(group.samples)} {name}, median and range", group.said, (*cells, Shown(""))),
        _Row(_nulls(null), null.what, (*(_range(*each) for each in ranges), Shown("")), is_null=True),
    )


def _spectrum_rows(one: Spectrum) -> tuple[_Row, ...]:
    return (
        _Row(one.name, f"{one.kind}, {one.n} values", _tail_cells(one.tail)),
        *(_Row("null", one.null_what, _tail_cells(tail), is_null=True) for tail in one.nulls),
    )


def _tail_cells(tail: TailShape) -> tuple[Shown, ...]:
    rivals = (Shown(decimal(each.ratio), f"p = {p_value(each.p)}") for each in tail.rivals)
    return (show_figure(tail.alpha), Shown(str(tail.n_tail)), show_figure(tail.p), *rivals)


def _marked(measured: Measured) -> Shown:
    """Show a figure; weak where its interval is known to be an approximation."""
    is_weak = isinstance(measured, Estimate) and measured.method.endswith("approximate")
    return show_figure(measured)._replace(weak=is_weak)


def _nulls(null: NullRange) -> str:
    return "null" if null.n_draws == 1 else f"{null.n_draws} nulls"


def _range(low: float, high: float) -> Shown:
    return Shown(f"{decimal(low)} to {decimal(high)}")


def _picture(one: SampleShape, *, label: str) -> Markup:
    """Draw the log density of a sample as points and of the fits as lines, down to what one value would show."""
    if one.curve is None:
        return Markup("")
    seen = [value for value in one.curve.observed if value is not None]
    floor = min(seen) - 0.5
    rows: dict[str, list[dict[str, Any]]] = {
        "observed": [
            {"x": x, "y": y} for x, y in zip(one.curve.middles, one.curve.observed, strict=True) if y is not None
        ]
    }
    x = alt.X("x:Q", title="value", scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(grid=False, tickCount=5))
    y = alt.Y("y:Q", title="log density", scale=alt.Scale(domain=[floor, max(seen) + 0.5], nice=False))
    layers = [chart_of("observed").mark_point(size=14, filled=True, color="var(--ink)", aria=False).encode(x=x, y=y)]
    for family, colour in _DRAWN.items():
        rows[family] = [
            # a line ends where it leaves the picture
            {"x": x, "y": y if y >= floor else None}
            for x, y in zip(one.curve.middles, one.curve.fitted[family], strict=True)
        ]
        layers.append(chart_of(family).mark_line(color=colour, strokeWidth=1.5, aria=False).encode(x=x, y=y))
    return to_svg(spec_of(alt.layer(*layers).properties(width=280, height=170), rows), label)
