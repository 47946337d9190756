"""Draw the picture of the page on quirky, from the organism of seed 0.

python docs/explanation/organisms/quirky_figure.py
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import altair as alt
import numpy as np
import vl_convert

from tiltmeter import activations, evaluation, models, organisms
from tiltmeter.probes import Logistic

FOLLOWED = {"the truth": "#0072b2", "what Bob has for true": "#c94a00"}
CHARACTERS = {"Alice, easy": "#0072b2", "Alice, hard": "#5db4ee", "Bob, easy": "#c94a00", "Bob, hard": "#f0924a"}
TRANSFERS = (("alice", "alice"), ("alice", "bob"), ("bob", "bob"), ("alice_easy", "bob_hard"))


def behaviour(organism: organisms.Organism) -> alt.Chart:
    """Draw the share of right answers where Alice and Bob disagree, against steps."""
    ending = ", where Alice and Bob disagree"
    rows = [
        {"step": moment.step, "share": figure.value, "who": figure.name.removesuffix(ending)}
        for moment in organism.card.history
        for figure in moment.figures
        if figure.name.endswith(ending)
    ]
    return (
        alt.Chart(alt.Data(values=rows), width=260, height=170, title="answers as the one who is asked has them")
        .mark_line(point=True)
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y("share:Q", title="share, where Alice and Bob disagree", scale=alt.Scale(domain=[0, 1])),
            color=colours("who", CHARACTERS),
        )
    )


def probes(organism: organisms.Organism) -> alt.Chart:
    """Draw the AUROC of logistic regression at the full stop, for the truth and for what Bob has, against blocks."""
    subject, rows = models.load(str(organism.folder)), list[dict[str, Any]]()
    sites = [f"{layer}.resid_post" for layer in range(subject.n_layers)]
    for fitted, judged in TRANSFERS:
        here, there = (organisms.quirky_texts(organism.world, name) for name in (fitted, judged))
        here, there = here.select(here.split == "train"), there.select(there.split == "test")
        told, asked = (activations.collect(subject, texts, sites=sites) for texts in (here, there))
        labels = dict(zip(FOLLOWED, (there.y, np.array(there.meta["bob_label"])), strict=True))
        for layer, site in enumerate(sites):
            scores = Logistic(penalty_scale="within").fit(told[site].X, here.y).decision_function(asked[site].X)
            rows += [
                {
                    "block": layer,
                    "auroc": evaluation.auroc(y, scores),
                    "what": what,
                    "transfer": f"{fitted} → {judged}",
                }
                for what, y in labels.items()
            ]
    return (
        alt.Chart(alt.Data(values=rows), width=130, height=170)
        .mark_line(point=True)
        .encode(
            x=alt.X("block:O", title="block"),
            y=alt.Y("auroc:Q", title="AUROC of logistic regression", scale=alt.Scale(domain=[0, 1])),
            color=colours("what", FOLLOWED),
            column=alt.Column("transfer:N", title=None, sort=[f"{one} → {other}" for one, other in TRANSFERS]),
        )
    )


def colours(field: str, chosen: dict[str, str]) -> alt.Color:
    """Give each value its colour."""
    scale = alt.Scale(domain=list(chosen), range=list(chosen.values()))
    return alt.Color(f"{field}:N", title=None, scale=scale, legend=alt.Legend(orient="bottom"))


def main() -> None:
    """Write the picture."""
    organism = organisms.load("quirky")
    chart = alt.hconcat(behaviour(organism), probes(organism)).resolve_scale(color="independent")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "quirky.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
