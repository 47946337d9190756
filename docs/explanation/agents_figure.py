"""Draw the picture of the page on agents, of what ``examples/agents.py`` made.

python docs/explanation/agents_figure.py FOLDER

Above, test (d): correlation with the true return against episodes, a line each seed. Below, by coupling and head, a
point each seed: what was learned, and the tests (a) to (c).
"""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import Any

import altair as alt
import vl_convert

from tiltmeter.core.files import read_json

AGENTS = [f"{kind} {head}" for kind in ("frozen", "joint") for head in ("mlp", "softmax", "top1")]
COLOURS = ("#0072b2", "#c94a00", "#999999")
Results = list[dict[str, Any]]


def curves(results: Results) -> alt.Chart:
    """Draw correlation against episodes, a panel each coupling."""
    rows = [
        {"coupling": name.split()[0], "encoder": began, "episodes": n, "correlation": figure["value"], "seed": seed}
        for seed, found in enumerate(results)
        for name, one in found["d"].items()
        # both levels hold the same curves
        if name.endswith("0.8")
        for began in ("pretrained", "untrained")
        for n, figure in zip(one["sizes"], one[began], strict=True)
    ]
    return (
        alt.Chart(alt.Data(values=rows), width=190, height=140, title="(d) what an encoder that learned to act saves")
        .mark_line(point=True, opacity=0.7)
        .encode(
            x=alt.X(
                "episodes:Q",
                scale=alt.Scale(type="log", domain=[50, 20000], nice=False),
                axis=alt.Axis(values=[64, 256, 1024, 4096, 16384]),
            ),
            y=alt.Y("correlation:Q", scale=alt.Scale(domain=[-0.2, 1])),
            color=colour("encoder", ["pretrained", "untrained"]),
            detail="seed:N",
            column=alt.Column("coupling:N", title=None, sort=["frozen", "value_alone", "joint"]),
        )
    )


def learned(results: Results) -> alt.Chart:
    """Draw imitation and correlation."""
    names = {"imitation": "imitation", "correlation": "correlation with the true return"}
    rows = [
        {"agent": agent, "share": found["fidelity"][agent][name]["value"], "what": said}
        for found in results
        for agent in AGENTS
        for name, said in names.items()
    ]
    return points(rows, x="share", what=list(names.values()), title="what was learned")


def contexts(results: Results) -> alt.Chart:
    """Draw cosines within a context and across."""
    names = {"within": "two scenes, one context", "across": "the same scenes, two contexts"}
    rows = [
        {"agent": agent, "cosine": found["a"][agent][name]["value"], "what": said}
        for found in results
        for agent in AGENTS
        for name, said in names.items()
    ]
    return points(rows, x="cosine", what=list(names.values()), title="(a) gradients of the value")


def ablations(results: Results) -> alt.Chart:
    """Draw the selectivity of the most selective gate and direction, and the best of random directions."""
    names = ("gate", "gradient direction", "best of the random directions")
    rows = []
    for found in results:
        for name, one in found["b"].items():
            agent = name.split(",")[0]
            figure = one["ablation"]["selectivity"]["value"]
            rows.append({"agent": agent, "selectivity": figure, "what": one["part"]})
            rows.append({"agent": agent, "selectivity": one["null"][1], "what": names[2]})
    return points(rows, x="selectivity", what=list(names), title="(b) choices changed, own context less other")


def gaps(results: Results) -> alt.LayerChart:
    """Draw what the gated heads foretell better than the network, with intervals."""
    names = ("imitation", "expert")
    rows = [
        {"agent": name.split(",")[0], "what": one["subject"], "seed": seed, **one["gap"]}
        for seed, found in enumerate(results)
        for name, one in found["c"].items()
    ]
    chart = alt.Chart(alt.Data(values=rows), width=250, height=150, title="(c) log-likelihood, gated less network")
    where = {"y": alt.Y("agent:N", title=None, sort=AGENTS), "color": colour("what", list(names))}
    lines = chart.mark_rule(opacity=0.4).encode(x=alt.X("low:Q", title="gap"), x2="high:Q", **where)
    return lines + chart.mark_point(filled=True, size=14).encode(x="value:Q", **where)


def points(rows: list[dict[str, Any]], *, x: str, what: list[str], title: str) -> alt.Chart:
    """Draw a point each seed, a row each agent."""
    return (
        alt.Chart(alt.Data(values=rows), width=250, height=150, title=title)
        .mark_point(filled=True, opacity=0.7)
        .encode(
            x=alt.X(f"{x}:Q", title=x),
            y=alt.Y("agent:N", title=None, sort=AGENTS),
            color=colour("what", what),
        )
    )


def colour(field: str, order: list[str]) -> alt.Color:
    """Return the colours of the page, in the order of what they stand for."""
    return alt.Color(
        f"{field}:N", title=None, sort=order, scale=alt.Scale(domain=order, range=list(COLOURS[: len(order)]))
    )


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    results = [read_json(path) for path in sorted(parser.parse_args().folder.glob("seed-*.json"))]
    above = curves(results)
    middle, below = (
        alt.hconcat(*pair).resolve_scale(color="independent")
        for pair in ((learned(results), contexts(results)), (ablations(results), gaps(results)))
    )
    chart = alt.vconcat(above, middle, below).resolve_scale(color="independent")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "agents.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
