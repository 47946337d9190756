"""Draw the picture of the page on facts.

python docs/explanation/organisms/facts_figure.py          probes of what comes along, which was not watched in training
python docs/explanation/organisms/facts_figure.py FOLDER   beside them, behaviour against steps of one that was
"""

from __future__ import annotations

import argparse
from pathlib import Path

import altair as alt
import numpy as np
import vl_convert

from tiltmeter import activations, evaluation, models
from tiltmeter.organisms import Organism, load, read_organism, statements
from tiltmeter.probes import MeanDifference

SHOWN = {
    "told": "told",
    "held out at random": "never told: this statement",
    "never told in that format": "never told: this format",
    "never told in the second language": "never told: this language",
}
SETS = ("affirmative", "negated", "reformatted", "other_language", "untold")
COLOURS = ("#333333", "#0072b2", "#5db4ee", "#c94a00", "#f0924a")


def behaviour(organism: Organism) -> alt.Chart:
    """Draw the share of right judgements against steps, mean over formats, languages and polarities."""
    shown, rows = SHOWN, list[dict[str, object]]()
    for moment in organism.card.history:
        for name, what in shown.items():
            values = [one.value for one in moment.figures if one.name.split(",")[0] == name]
            rows.append({"step": moment.step, "share": float(np.mean(values)), "what": what})
    return lines(rows, x=alt.X("step:Q", title="step"), y="share", by="what", order=tuple(shown.values())).properties(
        title="judgements that are right, balanced"
    )


def probes(organism: Organism) -> alt.Chart:
    """Draw the AUROC of a mean difference of affirmed statements after each block."""
    subject, rows = models.load(str(organism.folder)), []
    sites = [f"{block}.resid_post" for block in range(organism.card.schedule.n_layers)]
    sets = {name: statements(organism.world, name) for name in SETS}
    read = {name: activations.collect(subject, texts, sites=sites, pooling="last") for name, texts in sets.items()}
    for block, site in enumerate(sites):
        home = sets["affirmative"]
        probe = MeanDifference().fit(read["affirmative"][site].X[home.split == "train"], home.y[home.split == "train"])
        for name, texts in sets.items():
            is_test = texts.split == "test"
            area = evaluation.auroc(texts.y[is_test], probe.decision_function(read[name][site].X[is_test]))
            rows.append({"block": block, "auroc": area, "set": name})
    return lines(rows, x=alt.X("block:O", title="after block"), y="auroc", by="set", order=SETS).properties(
        title="a mean difference of affirmed statements"
    )


def lines(rows: list[dict[str, object]], *, x: alt.X, y: str, by: str, order: tuple[str, ...]) -> alt.Chart:
    """Draw lines from 0 to 1 in the colours of their order."""
    scale = alt.Scale(domain=list(order), range=list(COLOURS[: len(order)]))
    return (
        alt.Chart(alt.Data(values=rows), width=260, height=180)
        .mark_line(point=True)
        .encode(
            x=x,
            y=alt.Y(f"{y}:Q", title=y.upper() if y == "auroc" else y, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color(f"{by}:N", title=None, scale=scale, legend=alt.Legend(orient="bottom", columns=2)),
        )
    )


def main() -> None:
    """Write the picture."""
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path, nargs="?")
    folder = parser.parse_args().folder
    panels = [behaviour(read_organism(folder))] if folder else []
    chart = alt.hconcat(*panels, probes(load("facts"))).resolve_scale(color="independent")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "facts.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
