"""Draw the picture of the page on experts, of a contest on the grammar.

python docs/explanation/experts_figure.py FOLDER

Left: accuracy on the home suite against demonstrations. Right: accuracy by depth of negation. Bars are intervals over
seeds.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from tiltmeter.core.experts import Experts, Judged
from tiltmeter.core.files import read_record
from tiltmeter.core.records import Estimate

COLOURS = {
    "hand rules": "#0072b2", "written rules": "#a2418a", "induced rules": "#999999", "student": "#c94a00",
    "mixed": "#009e73",
}  # fmt: skip
DASHES = {
    "hand rules": [1, 0],
    "written rules": [7, 3],
    "induced rules": [2, 3],
    "student": [1, 0],
    "mixed": [9, 3, 2, 3],
}
# pixels: contestants that do alike would stand on one another
ASIDE = 5


def row(name: str, x: int, judged: Judged) -> dict[str, Any]:
    """Return a point with its interval."""
    found = judged.accuracy
    if not isinstance(found, Estimate):
        raise SystemExit(f"There is no interval for {name}: {found.reason}.")
    return {"contestant": name, "x": x, "accuracy": found.value, "low": found.low, "high": found.high}


def curve(record: Experts) -> alt.LayerChart:
    """Draw the student against its demonstrations, and rules as they are."""
    sizes = [point.n_demonstrations for point in record.curve]
    rows = [row("student", point.n_demonstrations, point.suites[record.home]) for point in record.curve]
    for one in record.contestants:
        # who learned is drawn where it was taught; rules by hand are the same after any number
        if one.kind != "student":
            at = sizes if one.cost.n_demonstrations == 0 else sizes[-1:]
            rows += [row(one.name, size, one.suites[record.home]) for size in at]
    x = alt.X(
        "x:Q",
        title="demonstrations",
        scale=alt.Scale(type="log", domain=[sizes[0] / 1.2, sizes[-1] * 1.2], nice=False),
        axis=alt.Axis(values=sizes, grid=False),
    )
    return layers(rows, x=x, title="texts like the demonstrations")


def depths(record: Experts) -> alt.LayerChart:
    """Draw accuracy by the number of negations in a clause."""
    rows = [
        row(one.name, suite.depth, one.suites[suite.name])
        for one in record.contestants
        for suite in record.suites
        if suite.depth is not None
    ]
    x = alt.X("x:O", title="negations in the clause", axis=alt.Axis(labelAngle=0, grid=False))
    return layers(rows, x=x, title="by depth of negation")


def layers(rows: list[dict[str, Any]], *, x: alt.X, title: str) -> alt.LayerChart:
    """Draw lines with points and intervals."""
    scale = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    colour = alt.Color("contestant:N", title=None, scale=scale)
    y = alt.Y("accuracy:Q", scale=alt.Scale(domain=[0, 1]))
    chance = alt.Chart(alt.Data(values=[{"chance": 0.5}])).mark_rule(color="#bbbbbb").encode(y="chance:Q")
    drawn = [chance.properties(width=340, height=220, title=title)]
    for place, name in enumerate(COLOURS):
        aside = ASIDE * (place - (len(COLOURS) - 1) / 2)
        base = alt.Chart(alt.Data(values=[one for one in rows if one["contestant"] == name]))
        bars = base.mark_rule(opacity=0.5, xOffset=aside)
        lines = base.mark_line(
            opacity=0.8, xOffset=aside, strokeDash=DASHES[name], point=alt.OverlayMarkDef(xOffset=aside)
        )
        drawn += [
            bars.encode(x=x, y=alt.Y("low:Q", title="accuracy"), y2="high:Q", color=colour),
            lines.encode(x=x, y=y, color=colour),
        ]
    return alt.layer(*drawn)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    record = read_record(parser.parse_args().folder / "experts.json", Experts)
    svg = vl_convert.vegalite_to_svg((curve(record) | depths(record)).to_dict())
    (Path(__file__).parent / "experts.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
