"""The pictures: AUROC over sites per method, and score histograms with the threshold."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import altair as alt
from markupsafe import Markup

from tiltmeter.core.errors import FormatError
from tiltmeter.core.evidence import Histogram
from tiltmeter.report._format import printable
from tiltmeter.report._svg import to_svg

SHAPES = ("circle", "square", "diamond", "triangle-up", "cross", "triangle-down", "triangle-right", "triangle-left")
SYMBOLS = ("●", "■", "◆", "▲", "✚", "▼", "▶", "◀")
"""One per method, in the order of the evidence: shape and colour both tell methods apart."""


class Mark(NamedTuple):
    """The sign of a method: numbers of its shape and colour."""

    shape: int
    colour: int


def mark_of(place: int) -> Mark:
    """Give each of the first 64 methods a shape and colour that no other has together."""
    n = len(SHAPES)
    # the second round of colours comes with shapes moved by one
    return Mark((place + place // n) % n, place % n)


CONFIG: Mapping[str, Any] = MappingProxyType(
    {
        "font": "system-ui, sans-serif",
        "view": {"stroke": None},
        "axis": {
            "labelColor": "var(--soft)",
            "titleColor": "var(--soft)",
            "titleFontWeight": "normal",
            "gridColor": "var(--line)",
            "domainColor": "var(--line)",
            "tickColor": "var(--line)",
            "labelFontSize": 11,
            "titleFontSize": 11,
        },
    }
)
"""Colours are the page's CSS variables, so that one picture serves the light and the dark scheme."""


class Point(NamedTuple):
    """One method at one site; ``value`` None leaves a gap in the line."""

    label: str
    method: str
    value: float | None
    low: float | None
    high: float | None
    note: str
    chosen: bool


class Band(NamedTuple):
    """What random directions reach at one site: drawn from ``low`` to ``high``, with the best of them as a dash."""

    label: str
    low: float
    high: float
    best: float
    note: str


class SiteAxis(NamedTuple):
    """What charts beside each other share: sites as they are labelled, methods in order (for their colours).

    ``floor`` is where the AUROC axis begins.
    """

    labels: tuple[str, ...]
    title: str
    methods: tuple[str, ...]
    chosen_method: str
    floor: float


def site_chart(points: Sequence[Point], bands: Sequence[Band], *, axis: SiteAxis, dodged: bool, label: str) -> Markup:
    """Draw AUROC over sites, one line per method.

    ``dodged`` sets the methods of a site side by side so that every interval can be seen; otherwise they share one
    position and only the chosen method shows its intervals. Empty where there is nothing to draw.
    """
    if not bands and all(point.value is None for point in points):
        return Markup("")
    step = _step(axis, dodged=dodged)
    long = max((len(text) for text in axis.labels), default=0) * 7 > step
    x = alt.X(
        "label:O",
        sort=list(axis.labels),
        title=axis.title,
        axis=alt.Axis(labelAngle=-45 if long else 0, labelLimit=130, labelOverlap=True, grid=False),
        scale=alt.Scale(domain=list(axis.labels)),
    )
    y = alt.Y("value:Q", title="AUROC", scale=alt.Scale(domain=[axis.floor, 1.0], nice=False, zero=False))
    layers = [_chance()]
    if bands:
        layers += _band_layers(x, width=0.62 * step)
    layers += _line_layers(x=x, y=y, axis=axis, dodged=dodged)
    size = {"width": max(step * len(axis.labels), 90), "height": 230 if dodged else 190}
    rows = _rows(points, axis=axis, dodged=dodged) | {
        "bands": [band._asdict() | {"note": printable(band.note)} for band in bands],
        "chance": [{"value": 0.5}],
    }
    return to_svg(spec_of(alt.layer(*layers).properties(**size), rows), label)


def histogram_chart(histogram: Histogram, threshold: float | None, *, label: str) -> Markup:
    """Draw the scores of positives above those of negatives, each with its own count axis, on one score axis."""
    if not len(histogram.positive) == len(histogram.negative) == len(histogram.edges) - 1:
        raise FormatError(
            f"evidence.json: the histogram of {histogram.test} has {len(histogram.edges)} edges for "
            f"{len(histogram.positive)} and {len(histogram.negative)} counts; it needs one edge more than counts."
        )
    panels = []
    data: dict[str, list[dict[str, Any]]] = {"threshold": [{"a": threshold}]}
    kinds = (("positive", histogram.positive, "var(--positive)"), ("negative", histogram.negative, "var(--negative)"))
    for kind, counts, colour in kinds:
        bins = zip(histogram.edges[:-1], histogram.edges[1:], counts, strict=True)
        data[kind] = [
            {"a": a, "b": b, "n": n, "note": f"{kind}: {n} with scores {a:.3g} to {b:.3g}"} for a, b, n in bins
        ]
        last = kind == "negative"
        x_axis = alt.Axis(labels=last, ticks=last, title="score" if last else None, grid=False)
        bars = (
            chart_of(kind)
            .mark_bar(color=colour, binSpacing=1)
            .encode(
                x=alt.X("a:Q", bin="binned", axis=x_axis, scale=alt.Scale(zero=False, nice=False)),
                x2="b:Q",
                y=alt.Y("n:Q", title=kind, axis=alt.Axis(tickCount=3, tickMinStep=1)),
                description="note:N",
            )
        )
        layers = [bars]
        if threshold is not None:
            layers.append(
                chart_of("threshold")
                .mark_rule(color="var(--ink)", strokeWidth=2, strokeDash=[5, 3], aria=False)
                .encode(x="a:Q")
            )
        panels.append(alt.layer(*layers).properties(width=280, height=80))
    return to_svg(spec_of(alt.vconcat(*panels, spacing=6).resolve_scale(x="shared", y="independent"), data), label)


def floor_of(values: Iterable[float]) -> float:
    """Return where an AUROC axis has to begin to hold ``values``: a tenth, at most 0.4."""
    return max(min(0.4, math.floor(10 * min(values, default=0.4)) / 10), 0.0)


def _step(axis: SiteAxis, *, dodged: bool) -> float:
    """Give a site as much room as a phone allows for few sites, and no less than its marks need for many."""
    room = (350 if dodged else 290) / max(len(axis.labels), 1)
    needed = max(4 * len(axis.methods) + 6, 14) if dodged else 15
    return min(max(room, needed), 110)


def _chance() -> alt.Chart:
    return chart_of("chance").mark_rule(color="var(--soft)", strokeDash=[4, 3], aria=False).encode(y="value:Q")


def _band_layers(x: alt.X, width: float) -> list[alt.Chart]:
    chart = chart_of("bands")
    spread = chart.mark_rule(strokeWidth=width, color="var(--null)", opacity=0.45).encode(
        x=x, y="low:Q", y2="high:Q", description="note:N"
    )
    best = chart.mark_tick(thickness=2, size=width, color="var(--soft)", orient="horizontal").encode(
        x=x, y="best:Q", description="note:N"
    )
    return [spread, best]


def _rows(points: Sequence[Point], *, axis: SiteAxis, dodged: bool) -> dict[str, list[dict[str, Any]]]:
    # methods travel as numbers, so that no name from the data reaches a scale
    number = {method: i for i, method in enumerate(axis.methods)}
    rows: list[dict[str, Any]] = [
        {
            "label": p.label,
            "m": number[p.method],
            "value": p.value,
            "low": p.low,
            "high": p.high,
            "note": printable(p.note),
        }
        for p in points
    ]
    known = [row for row in rows if row["value"] is not None]
    ours = number.get(axis.chosen_method)
    chosen = [row for row, p in zip(rows, points, strict=True) if p.chosen and p.value is not None]
    whiskers = known if dodged else [row for row in known if row["m"] == ours]
    return {"points": rows, "known": known, "whiskers": whiskers, "chosen": chosen}


def _line_layers(*, x: alt.X, y: alt.Y, axis: SiteAxis, dodged: bool) -> list[alt.Chart]:
    order = list(range(len(axis.methods)))
    colours = [f"var(--m{mark_of(i).colour})" for i in order]
    shapes = [SHAPES[mark_of(i).shape] for i in order]
    ours = axis.methods.index(axis.chosen_method) if axis.chosen_method in axis.methods else -1
    encoded: dict[str, Any] = {
        "x": x,
        "color": alt.Color("m:N", legend=None, scale=alt.Scale(domain=order, range=colours)),
    }
    if dodged:
        encoded["xOffset"] = alt.XOffset("m:N", scale=alt.Scale(domain=order, paddingOuter=0.5))
    line = chart_of("points").mark_line(aria=False, strokeWidth=1.5, opacity=0.7 if dodged else 0.9)
    bold = alt.condition(f"datum.m == {ours}", alt.value(2.8), alt.value(1.4))
    whiskers = chart_of("whiskers").mark_rule(aria=False, strokeWidth=1.6)
    dots = chart_of("known").mark_point(filled=True, size=34, opacity=1)
    shape = alt.Shape("m:N", legend=None, scale=alt.Scale(domain=order, range=shapes))
    ring = chart_of("chosen")
    return [
        line.encode(y=y, detail="m:N", strokeWidth=bold, **encoded),
        whiskers.encode(y="low:Q", y2="high:Q", **encoded),
        dots.encode(y="value:Q", shape=shape, description="note:N", **encoded),
        ring.mark_point(size=190, strokeWidth=2, aria=False, shape="circle").encode(
            y="value:Q", **(encoded | {"color": alt.value("var(--ink)")})
        ),
    ]


def chart_of(name: str) -> alt.Chart:
    """Start a chart whose rows come with the spec, so that Altair neither copies nor validates them row by row."""
    return alt.Chart(alt.NamedData(name))


def spec_of(chart: alt.LayerChart | alt.VConcatChart, rows: dict[str, list[dict[str, Any]]]) -> dict[str, Any]:
    # validated where the encodings are built; a second pass over the whole would take most of the time
    spec: dict[str, Any] = chart.to_dict(validate=False)
    return spec | {"datasets": rows, "config": dict(CONFIG), "background": "transparent", "padding": 2}
