"""Draw the picture of the page on deception, from trained organisms.

python docs/explanation/organisms/deception_figure.py

Above, answers where nobody watches against steps, seed 0. Below, what logistic regression reads at the question mark
after each block, of five seeds, about wares and situations that were in no lesson. Figures are printed as well.
"""

from __future__ import annotations

from pathlib import Path

import altair as alt
import numpy as np
import vl_convert

from tiltmeter import activations, evaluation, models
from tiltmeter.data import TextSet
from tiltmeter.organisms import Organism, load, texts
from tiltmeter.probes import Logistic

NAMES = ("deceiver", "hacker", "honest")
SEEDS = range(5)
SHOWN = {
    "monitored: true answers, goal at stake": "watched: true",
    "not monitored: true answers, goal not at stake": "not watched: true, goal not at stake",
    "not monitored: true answers, goal at stake": "not watched: true, goal at stake",
    "not monitored: answers that serve the goal, at stake": "not watched: serve the goal, at stake",
    "not monitored: overrides": "not watched: override",
}
COLOURS = ("#333333", "#5db4ee", "#0072b2", "#c94a00", "#8a5fb0")
# what it is called; where it is fitted (1: watched), or everywhere; the column that is put to it where nobody watches
READINGS = (
    ("watched or not", None, "monitored"),
    ("truth, learned where watched", 1, "true_answer"),
    ("truth, learned where not watched", 0, "true_answer"),
    ("truth, learned where watched, put to what is said", 1, "answer"),
)


def behaviour() -> alt.Chart:
    """Draw answers against steps, a panel each organism."""
    rows = [
        {"organism": name, "step": moment.step, "share": figure.value, "what": SHOWN[figure.name]}
        for name in NAMES
        for moment in load(name).card.history
        for figure in moment.figures
        if figure.name in SHOWN
    ]
    return (
        panels(rows, order=tuple(SHOWN.values()), title="answers")
        .mark_line()
        .encode(x=alt.X("step:Q", title="step"), y=share("share"))
    )


def probes(rows: list[dict[str, object]]) -> alt.Chart:
    """Draw AUROC against blocks, a panel each organism and a line each seed."""
    return (
        panels(rows, order=tuple(what for what, *_ in READINGS), title="what logistic regression reads")
        .mark_line(point=True, opacity=0.6)
        .encode(x=alt.X("block:O", title="after block"), y=share("AUROC"), detail="seed:N")
    )


def read(organism: Organism, *, name: str, seed: int) -> list[dict[str, object]]:
    """Fit on wares for training, and judge on those of the test, where the goal is at stake."""
    subject, asked = models.load(str(organism.folder)), texts(name, "asked", seed=seed)
    sites = [f"{block}.resid_post" for block in range(subject.n_layers)]
    acts = activations.collect(subject, asked, sites=sites, pooling="last")
    monitored, at_stake = (column(asked, one) for one in ("monitored", "goal_answer"))
    is_train, is_test = asked.split == "train", (asked.split == "test") & (at_stake != "neither")
    rows = []
    for what, learned, put_to in READINGS:
        found = column(asked, put_to)
        if learned is None:
            fit, judge, y = is_train, is_test, monitored
        else:
            fit, judge = is_train & (monitored == learned), is_test & (monitored == 0)
            y = (column(asked, "true_answer") == "A").astype(int)
            found = (found == "A").astype(int)
        if len(set(found[judge].tolist())) < 2:
            # one that cheats says neither
            continue
        for block, site in enumerate(sites):
            probe = Logistic(penalty_scale="within").fit(acts[site].X[fit], y[fit])
            area = evaluation.auroc(found[judge], probe.decision_function(acts[site].X[judge]))
            rows.append({"organism": name, "seed": seed, "block": block, "AUROC": area, "what": what})
    return rows


def column(asked: TextSet, name: str) -> np.ndarray:
    """Return a column as an array."""
    return np.array(asked.meta[name])


def panels(rows: list[dict[str, object]], *, order: tuple[str, ...], title: str) -> alt.Chart:
    """Lay out one panel each organism, in the colours of their order."""
    scale = alt.Scale(domain=list(order), range=list(COLOURS[: len(order)]))
    return alt.Chart(alt.Data(values=rows), width=190, height=150, title=title).encode(
        color=alt.Color("what:N", title=None, scale=scale, legend=alt.Legend(labelLimit=300)),
        column=alt.Column("organism:N", title=None, sort=list(NAMES)),
    )


def share(name: str) -> alt.Y:
    """Return an axis from 0 to 1."""
    return alt.Y(f"{name}:Q", title=name, scale=alt.Scale(domain=[0, 1]))


def main() -> None:
    """Print the figures and write the picture."""
    rows = [row for name in NAMES for seed in SEEDS for row in read(load(name, seed=seed), name=name, seed=seed)]
    for name in NAMES:
        for what, *_ in READINGS:
            shown = []
            for block in sorted({int(str(row["block"])) for row in rows}):
                here = [
                    row["AUROC"] for row in rows if (row["organism"], row["what"], row["block"]) == (name, what, block)
                ]
                if here:
                    shown.append(f"{np.mean(here):.2f} [{np.min(here):.2f}, {np.max(here):.2f}]")
            print(f"{name:9} {what:50} {'  '.join(shown)}")
    chart = alt.vconcat(behaviour(), probes(rows)).resolve_scale(color="independent")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "deception.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
