"""Draw the pictures of the methods' pages: ``python docs/figures.py``, all, or those that are named.

Each linear method is shown on the same four sets of pairs in two dimensions: what it finds where nothing is in the way,
where the contents of the pairs are loud, where one positive in ten lies far off, and where something else differs
within pairs more than the concept does.
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
import numpy as np
import vl_convert
from numpy.typing import NDArray

from tiltmeter import probes
from tiltmeter.evaluation import auroc

HERE = Path(__file__).parent / "methods"
BLUE, ORANGE, INK = "#0072b2", "#c94a00", "#333333"
SIDE = 170


class Pairs(NamedTuple):
    """Rows 2i and 2i + 1 are a pair, one of each label; sides are a coin."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    pairs: NDArray[np.int64]
    sides: NDArray[np.int64]


def draw(kind: str, *, n: int, seed: int) -> Pairs:
    """Content and noise of the row, and the concept along the first axis, 3 units from one label to the other."""
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=n)
    y = np.stack([first, 1 - first], 1).ravel()
    content = np.repeat(rng.normal(size=(n, 2)), 2, axis=0)
    noise = 0.6 * rng.normal(size=(2 * n, 2))
    X = noise + (y - 0.5)[:, None] * np.array([3.0, 0.0])
    if kind == "loud contents":
        X += content[:, :1] * np.array([2.0, 2.0])
    else:
        X += 0.4 * content
    if kind == "outliers":
        far = np.flatnonzero(y == 1)[::10]
        X[far] += np.array([-6.0, 9.0])
    if kind == "a louder difference":
        other = rng.integers(2, size=n)
        X[:, 1] += 4.5 * (np.stack([other, 1 - other], 1).ravel() - 0.5)
    sides = np.stack([(coin := rng.integers(2, size=n)), 1 - coin], 1).ravel()
    return Pairs(X, y, np.repeat(np.arange(n), 2), sides)


KINDS = ("plain", "loud contents", "outliers", "a louder difference")


def fitted(probe: Any, rows: Pairs) -> Any:
    """Fit with what the method takes; a sign from the labels where it has none."""
    if not probe.is_supervised:
        return probe.fit(rows.X, pairs=rows.pairs, sides=rows.sides).orient(rows.X, rows.y)
    if probe.needs_pairs:
        return probe.fit(rows.X, rows.y, pairs=rows.pairs)
    return probe.fit(rows.X, rows.y)


def panel(probe: Any, kind: str) -> alt.LayerChart:
    rows, fresh = draw(kind, n=120, seed=0), draw(kind, n=2000, seed=1)
    found = fitted(probe, rows)
    figure = auroc(fresh.y, found.decision_function(fresh.X))
    points = [{"x": x, "y": y, "label": int(label)} for (x, y), label in zip(rows.X.tolist(), rows.y, strict=True)]
    reach = 7.0
    scale = alt.Scale(domain=[-reach, reach], nice=False)
    axis = alt.Axis(title=None, ticks=False, labels=False, grid=False, domain=False)
    x, y = alt.X("x:Q", scale=scale, axis=axis), alt.Y("y:Q", scale=scale, axis=axis)
    colour = alt.Color("label:N", scale=alt.Scale(domain=[0, 1], range=[ORANGE, BLUE]), legend=None)
    dots = (
        alt.Chart(alt.Data(values=points)).mark_circle(size=9, opacity=0.55, clip=True).encode(x=x, y=y, color=colour)
    )
    layers = [dots]
    if hasattr(found, "direction_"):
        v = found.direction_
        # the line on which the score is zero, and the way it rises
        foot = -found.intercept_ * v
        along = np.array([-v[1], v[0]]) * 3 * reach
        line = [{"x": float(p[0]), "y": float(p[1]), "o": i} for i, p in enumerate((foot - along, foot + along))]
        arrow = [{"x": float(p[0]), "y": float(p[1]), "o": i} for i, p in enumerate((foot, foot + 2.5 * v))]
        for data, width, dash in ((line, 1.2, [4, 3]), (arrow, 2.5, [1, 0])):
            chart = alt.Chart(alt.Data(values=data))
            layers.append(
                chart.mark_line(color=INK, strokeWidth=width, strokeDash=dash, clip=True).encode(x=x, y=y, order="o:O")
            )
        tip = alt.Chart(alt.Data(values=[arrow[1]])).mark_point(
            shape="triangle", filled=True, color=INK, size=90, angle=float(np.degrees(np.arctan2(v[0], v[1])))
        )
        layers.append(tip.encode(x=x, y=y))
    title = alt.TitleParams([kind, f"AUROC on fresh rows {figure:.2f}"], fontSize=11, fontWeight="normal")
    return alt.layer(*layers).properties(width=SIDE, height=SIDE, title=title)


LINEAR: dict[str, Any] = {
    "mean-difference": probes.MeanDifference(),
    "logistic": probes.Logistic(C=0.1, penalty_scale="within"),
    "lda": probes.LDA(),
    "lat": probes.LAT(),
}


def write(name: str, chart: alt.TopLevelMixin) -> None:
    svg = vl_convert.vegalite_to_svg(chart.configure_view(stroke="#cccccc").configure(background="white").to_dict())
    (HERE / f"{name}.svg").write_text(svg, encoding="utf-8")
    print(HERE / f"{name}.svg")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("names", nargs="*")
    chosen = parser.parse_args().names
    HERE.mkdir(exist_ok=True)
    for name, probe in LINEAR.items():
        if not chosen or name in chosen:
            write(name, alt.hconcat(*(panel(probe, kind) for kind in KINDS)))


if __name__ == "__main__":
    main()
