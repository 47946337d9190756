"""From the record of a contest of rules against a student to its page."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

import altair as alt
from markupsafe import Markup

from tiltmeter.core.experts import Contestant, Experts, Judged
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.report._charts import SHAPES, SYMBOLS, chart_of, spec_of
from tiltmeter.report._format import Shown, asked, decimal, missing, reasons_of, show_rate
from tiltmeter.report._page import environment, write_page
from tiltmeter.report._svg import to_svg

# accuracy below chance is worth seeing
_FLOOR = 0.0
# contestants that do alike stand on one another; so each has a dash of its own, and stands so many pixels aside
_DASHES = ((1, 0), (7, 3), (2, 3), (9, 3, 2, 3), (14, 4))
_ASIDE = 5
# what stands aside of the first and the last size has its place within the frame
_MARGIN = 1.2


class _Row(NamedTuple):
    """One line of a table."""

    head: str
    remark: str
    cells: tuple[Shown, ...]


class _Table(NamedTuple):
    """A table of figures, and why some are missing."""

    caption: str
    corner: str
    columns: tuple[str, ...]
    rows: tuple[_Row, ...]
    reasons: tuple[str, ...]


def write_experts(folder: Path) -> Path:
    """Write ``experts.html`` into a folder from its ``experts.json``.

    The file is whole or not there. It opens offline, and holds no script and no reference to anything outside itself.

    Parameters
    ----------
    folder
        As ``tiltmeter study`` makes it.

    Returns
    -------
    Path
        ``folder / "experts.html"``; an earlier page is replaced.

    Raises
    ------
    FileError
        If the record is not there.
    FormatError
        If it is not valid JSON, or not a record of the version that this release reads.

    Examples
    --------
    >>> write_experts(Path("nowhere"))
    Traceback (most recent call last):
        ...
    tiltmeter.core.errors.FileError: nowhere holds no experts.json; tiltmeter study makes one.
    """
    return write_page(folder, "experts", kind=Experts, render=render_experts, made_by="tiltmeter study")


def render_experts(record: Experts) -> str:
    """Return the page of a contest as one HTML document; figures are rounded, never computed.

    Parameters
    ----------
    record
        What was measured.

    Returns
    -------
    str
        HTML without scripts; everything that a file said is escaped.

    Examples
    --------
    >>> record = Experts(
    ...     name="<b>", about="a grammar", teacher="the truth", home="home", seeds=(0,), unit="seeds", level=0.95,
    ...     suites=(), contestants=(), curve=(), crossovers=(), versions={}, platform="Linux", cpu_seconds=1.0,
    ... )
    >>> page = render_experts(record)
    >>> "&lt;b&gt;" in page, "<script" in page
    (True, False)
    """
    marks = tuple(
        (one.name, f"var(--m{place})", SYMBOLS[place], _dashed(place)) for place, one in enumerate(record.contestants)
    )
    return (
        environment()
        .get_template("experts.html.j2")
        .render(
            record=record,
            level=asked(record.level),
            marks=marks,
            curve=_curve(record),
            depths=_depths(record),
            crossovers=tuple((one.rival, _size(one.size)) for one in record.crossovers),
            accuracy=_by_suite(record, "accuracy"),
            agreement=_by_suite(record, "agreement"),
            transparency=_transparency(record),
            costs=_costs(record),
        )
    )


def _by_suite(record: Experts, part: str) -> _Table:
    """Lay out suites against contestants."""

    def measured(judged: Judged) -> Measured:
        found: Measured = getattr(judged, part)
        return found

    rows = []
    for suite in record.suites:
        cells = [show_rate(measured(one.suites[suite.name])) for one in record.contestants]
        rows.append(_Row(suite.name, f"{suite.about}; {suite.n} texts", (*cells, show_rate(suite.teacher))))
    names = tuple(one.name for one in record.contestants)
    caption = "How often each says what is true" if part == "accuracy" else "How often each says what the teacher says"
    columns = (*names, "the teacher, of what is true")
    return _Table(caption, "suite", columns, tuple(rows), reasons_of([cell for row in rows for cell in row.cells]))


def _transparency(record: Experts) -> _Table:
    columns = ("rules", "bits", "answered", "one rule explains", "clash", "work together")
    rows = tuple(_Row(one.name, one.about, _open(one)) for one in record.contestants)
    caption = f"What there is to be read, and how rules interact on {record.home}"
    return _Table(caption, "contestant", columns, rows, reasons_of([cell for row in rows for cell in row.cells]))


def _open(one: Contestant) -> tuple[Shown, ...]:
    seen = one.transparency
    counted = missing("a network has no rules") if seen.n_rules is None else Shown(f"{seen.n_rules:,}")
    shares = (seen.answered, seen.one_rule, seen.clash, seen.modified)
    return (counted, Shown(f"{seen.bits:,}"), *map(show_rate, shares))


def _costs(record: Experts) -> _Table:
    columns = ("lines", "hours of writing", "demonstrations", "processor seconds")
    rows = []
    for one in record.contestants:
        cost = one.cost
        lines = missing("nobody wrote it") if cost.lines is None else Shown(f"{cost.lines:,}")
        hours = missing("nobody told the hours") if cost.hours is None else Shown(f"{cost.hours:g}")
        cells = (lines, hours, Shown(f"{cost.n_demonstrations:,}"), Shown(f"{cost.cpu_seconds:.1f}"))
        rows.append(_Row(one.name, "", cells))
    reasons = reasons_of([cell for row in rows for cell in row.cells])
    return _Table("What each costs, a seed", "contestant", columns, tuple(rows), reasons)


def _size(measured: Measured) -> str:
    if isinstance(measured, Unavailable):
        return f"– ({measured.reason})"
    return f"{measured.value:,.0f} [{measured.low:,.0f}, {measured.high:,.0f}] demonstrations"


def _curve(record: Experts) -> Markup:
    """Draw the student's accuracy on the home suite against its demonstrations, and the others beside it."""
    sizes = [point.n_demonstrations for point in record.curve]
    if len(sizes) < 2:
        return Markup("")
    rows = []
    for place, one in enumerate(record.contestants):
        for point in record.curve:
            found = point.suites if one.kind == "student" else one.suites
            is_drawn = one.kind == "student" or point.n_demonstrations == sizes[-1]
            # rules by hand are the same after any number; what learned is drawn where it was taught
            if is_drawn or (one.transparency.n_rules is not None and one.cost.n_demonstrations == 0):
                rows += _points(place, one.name, point.n_demonstrations, found[record.home].accuracy)
    x = alt.X(
        "x:Q",
        title="demonstrations",
        scale=alt.Scale(type="log", domain=[sizes[0] / _MARGIN, sizes[-1] * _MARGIN], nice=False),
        axis=alt.Axis(values=sizes, grid=False, format="~s"),
    )
    return _lines(record, rows, x=x, label=f"accuracy on {record.home} against demonstrations")


def _depths(record: Experts) -> Markup:
    """Draw accuracy against the depth of negation; empty where no suite has one."""
    rows = [
        row
        for place, one in enumerate(record.contestants)
        for suite in record.suites
        if suite.depth is not None
        for row in _points(place, one.name, suite.depth, one.suites[suite.name].accuracy)
    ]
    x = alt.X("x:O", title="negations in the clause", axis=alt.Axis(labelAngle=0, grid=False))
    return _lines(record, rows, x=x, label="accuracy by depth of negation") if rows else Markup("")


def _points(place: int, name: str, x: int, measured: Measured) -> list[dict[str, object]]:
    if not isinstance(measured, Estimate):
        return []
    note = f"{name}, {x}: {decimal(measured.value)} [{decimal(measured.low)}, {decimal(measured.high)}]"
    return [{"m": place, "x": x, "value": measured.value, "low": measured.low, "high": measured.high, "note": note}]


def _lines(record: Experts, rows: Sequence[dict[str, object]], *, x: alt.X, label: str) -> Markup:
    y = alt.Y("value:Q", title="accuracy", scale=alt.Scale(domain=[_FLOOR, 1], nice=False))
    layers = [chart_of("chance").mark_rule(color="var(--soft)", strokeDash=[4, 3], aria=False).encode(y="value:Q")]
    data: dict[str, list[dict[str, object]]] = {"chance": [{"value": 0.5}]}
    for place in range(len(record.contestants)):
        name, colour = f"points {place}", f"var(--m{place})"
        aside = _ASIDE * (place - (len(record.contestants) - 1) / 2)
        chart, data[name] = chart_of(name), [row for row in rows if row["m"] == place]
        layers += [
            chart.mark_rule(aria=False, opacity=0.5, color=colour, xOffset=aside).encode(x=x, y="low:Q", y2="high:Q"),
            chart.mark_line(
                aria=False, opacity=0.8, color=colour, xOffset=aside, strokeDash=list(_dashed(place))
            ).encode(x=x, y=y),
            chart.mark_point(
                filled=True, size=34, opacity=1, color=colour, xOffset=aside, shape=SHAPES[place]
            ).encode(x=x, y=y, description="note:N"),
        ]  # fmt: skip
    return to_svg(spec_of(alt.layer(*layers).properties(width=330, height=210), data), label)


def _dashed(place: int) -> tuple[int, ...]:
    return _DASHES[place % len(_DASHES)]
