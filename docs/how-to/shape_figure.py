"""Draw the picture of the page on shape, of what ``examples/shape.py`` made.

python docs/how-to/shape_figure.py FOLDER

Above: samples whose parts are known. Below: what a small model shows. Points are the histogram's log density, lines the
fits; a normal's is a parabola, a Laplace's a roof.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from tiltmeter.core.files import read_json, read_record
from tiltmeter.core.shape import ModelShape, SampleShape

COLOURS = {"normal": "#0072b2", "laplace": "#c94a00", "normal_mixture": "#a2418a"}
NAMES = {"normal": "normal", "laplace": "Laplace", "normal_mixture": "five normals"}
KNOWN = ("sum of 30", "Laplace", "normal, exponential variance", "50 normals")


def panel(one: SampleShape, title: str) -> alt.LayerChart:
    """Draw one sample."""
    curve = one.curve
    if curve is None:
        raise SystemExit(f"{title} has no curve in the record")
    floor = min(y for y in curve.observed if y is not None) - 0.5
    points: list[dict[str, Any]] = [
        {"x": x, "y": y} for x, y in zip(curve.middles, curve.observed, strict=True) if y is not None
    ]
    lines = [
        {"x": x, "y": y if y >= floor else None, "fit": NAMES[family]}
        for family in COLOURS
        for x, y in zip(curve.middles, curve.fitted[family], strict=True)
    ]
    names = list(NAMES.values())
    x = alt.X("x:Q", title=None, scale=alt.Scale(zero=False, nice=False), axis=alt.Axis(grid=False, tickCount=4))
    y = alt.Y("y:Q", title="log density", axis=alt.Axis(tickCount=4))
    colour = alt.Color("fit:N", title=None, sort=names, scale=alt.Scale(domain=names, range=list(COLOURS.values())))
    base = alt.Chart(alt.Data(values=lines), width=170, height=130, title=title).mark_line(strokeWidth=1.5)
    dots = alt.Chart(alt.Data(values=points)).mark_point(filled=True, size=10, color="#333333")
    return base.encode(x=x, y=y, color=colour) + dots.encode(x=x, y=y)


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    table = read_json(folder / "table.json")
    known = [panel(SampleShape.model_validate(table[name][0]), name) for name in KNOWN]
    sets = {(one.kind, one.name): one for one in read_record(folder / "stories.json", ModelShape).sets}
    acts, query = sets["activations", "3.resid_post"], sets["weights", "model.layers.1.self_attn.q_proj.weight"]
    seen = [
        panel(acts.pools[0], "activations, all values"),
        panel(acts.pools[1], "activations, standardised"),
        panel(query.pools[0], "query weights, all values"),
        panel(query.pools[2], "query weights, both ways"),
    ]
    chart = alt.vconcat(alt.hconcat(*known), alt.hconcat(*seen))
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "shape.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
