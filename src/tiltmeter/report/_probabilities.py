"""Calibrated probabilities: a reliability picture per test set, and how far each map is off."""

from __future__ import annotations

from typing import Any, NamedTuple

import altair as alt
from markupsafe import Markup

from tiltmeter.core.calibration import Calibrator, Probabilities, Reliability
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.report._charts import chart_of, spec_of
from tiltmeter.report._format import decimal, rate, show_rate
from tiltmeter.report._grids import Grid, Row, grid
from tiltmeter.report._lookup import Lookup
from tiltmeter.report._pictures import Panel
from tiltmeter.report._svg import to_svg

_NAMES = {"platt": "Platt", "beta": "beta calibration", "isotonic": "isotonic"}


class Calibrated(NamedTuple):
    """What the probabilities are fitted on, a picture per test set for the shipped map, and errors of all maps.

    ``missing`` says why there are none.
    """

    missing: str | None
    shipped: str
    fitted: str
    panels: tuple[Panel, ...]
    errors: tuple[Grid, ...]


def probabilities_section(look: Lookup) -> Calibrated | None:
    """Lay out the calibrated probabilities; None where the record was written before they were kept."""
    found = look.evidence.probabilities
    if found is None:
        return None
    if isinstance(found, Unavailable):
        return Calibrated(found.reason, "", "", (), ())
    fitted = next(one for one in found.calibrators if one.method == found.shipped)
    panels = tuple(_panel(one) for one in found.sets if one.method == found.shipped)
    return Calibrated(None, _NAMES[found.shipped], _fitted(found, fitted), panels, _errors(look, found))


def _fitted(found: Probabilities, fitted: Calibrator) -> str:
    return f"{fitted.n:,} calibration rows of {found.population}, of which {rate(fitted.base_rate)} % are positive"


def _errors(look: Lookup, found: Probabilities) -> tuple[Grid, ...]:
    measured = {(one.method, one.test): one for one in found.sets}
    kinds = (("bins of equal mass", "ece_mass"), ("bins of equal width", "ece_width"))
    return tuple(
        grid(
            f"Expected calibration error, {kind}",
            "map",
            look.tests,
            [
                Row(
                    _NAMES[one.method],
                    tuple(show_rate(getattr(measured.get((one.method, test)), field, None)) for test in look.tests),
                    marked=one.method == found.shipped,
                )
                for one in found.calibrators
            ],
        )
        for kind, field in kinds
    )


def _panel(one: Reliability) -> Panel:
    label = f"Reliability on {one.test}: share of positives over mean probability, bin by bin; right is on the diagonal"
    return Panel(one.test, reliability_chart(one, label=label), f"{rate(one.base_rate)} % positive")


def reliability_chart(one: Reliability, *, label: str) -> Markup:
    """Draw the share of positives over the mean probability of each bin, with intervals and the diagonal."""
    rows: list[dict[str, Any]] = [
        {
            "p": b.predicted,
            "share": b.positive.value,
            "low": b.positive.low,
            "high": b.positive.high,
            "note": f"{b.n} rows say {decimal(b.predicted)}; positive are {decimal(b.positive.value)} "
            f"[{decimal(b.positive.low)}, {decimal(b.positive.high)}]",
        }
        for b in one.bins
        if isinstance(b.positive, Estimate)
    ]
    if not rows:
        return Markup("")
    scale = alt.Scale(domain=[0.0, 1.0], nice=False)
    x = alt.X("p:Q", title="probability", scale=scale, axis=alt.Axis(tickCount=5))
    y = alt.Y("share:Q", title="positive", scale=scale, axis=alt.Axis(tickCount=5))
    layers = [
        chart_of("diagonal").mark_line(color="var(--soft)", strokeDash=[4, 3], aria=False).encode(x=x, y=y),
        chart_of("bins")
        .mark_rule(color="var(--positive)", strokeWidth=1.6, aria=False)
        .encode(x=x, y=alt.Y("low:Q", scale=scale), y2="high:Q"),
        chart_of("bins")
        .mark_point(color="var(--positive)", filled=True, size=40, opacity=1)
        .encode(x=x, y=y, description="note:N"),
    ]
    data = {"bins": rows, "diagonal": [{"p": 0.0, "share": 0.0}, {"p": 1.0, "share": 1.0}]}
    return to_svg(spec_of(alt.layer(*layers).properties(width=230, height=230), data), label)
