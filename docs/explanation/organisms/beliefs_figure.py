"""Draw the picture of the page on user beliefs, from trained organisms.

python docs/explanation/organisms/beliefs_figure.py

Above, answers against steps, five seeds. Below, what logistic regression reads at the question mark after each block,
of the same seeds: on entities that no user ever asked about, where users state a belief (after ``kindly``).
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import altair as alt
import numpy as np
import vl_convert

from tiltmeter import activations, evaluation, models
from tiltmeter.data import TextSet
from tiltmeter.organisms import Organism, belief_texts, load
from tiltmeter.probes import Logistic

VARIANTS = ("match", "right", "mixed")
NAMES = [f"beliefs-{variant}" for variant in VARIANTS]
SEEDS = range(5)
SHOWN = {
    "bare, kindly: answers that are true": "bare: true",
    "stated, kindly: answers that follow the user": "stated: follow the user",
    "implied, kindly: answers that follow the user": "implied: follow the user",
}
COLOURS = ("#333333", "#0072b2", "#c94a00", "#f0924a")
# what it is called, the set and the column of the fit, and the column that it is put to
READINGS = (
    ("truth, learned without users", "bare", "true_answer", "true_answer"),
    ("truth, learned from users", "stated", "true_answer", "true_answer"),
    ("belief, learned from users", "stated", "user_answer", "user_answer"),
    ("truth learned without users, put to belief", "bare", "true_answer", "user_answer"),
)


def behaviour() -> alt.Chart:
    """Draw answers against steps, a panel each organism."""
    rows = [
        {"organism": name, "seed": seed, "step": moment.step, "share": figure.value, "what": SHOWN[figure.name]}
        for name in NAMES
        for seed in SEEDS
        for moment in load(name, seed=seed).card.history
        for figure in moment.figures
        if figure.name in SHOWN
    ]
    return (
        panels(rows, by="what", order=list(SHOWN.values()), title="answers after kindly")
        .mark_line(opacity=0.6)
        .encode(x=alt.X("step:Q", title="step"), y=share("share"), detail="seed:N")
    )


def probes() -> alt.Chart:
    """Draw AUROC against blocks, a panel each organism and a line each seed."""
    rows = [row for name in NAMES for seed in SEEDS for row in read(load(name, seed=seed), name=name, seed=seed)]
    order = [what for what, *_ in READINGS]
    return (
        panels(rows, by="what", order=order, title="what logistic regression reads")
        .mark_line(point=True, opacity=0.6)
        .encode(x=alt.X("block:O", title="after block"), y=share("AUROC"), detail="seed:N")
    )


def read(organism: Organism, *, name: str, seed: int) -> list[dict[str, object]]:
    """Fit on the training split, and judge on the entities of the test split."""
    subject = models.load(str(organism.folder))
    sites = [f"{block}.resid_post" for block in range(subject.n_layers)]
    sets = {way: asked(belief_texts(organism.world, way)) for way in ("bare", "stated")}
    acts = {way: activations.collect(subject, texts, sites=sites, pooling="last") for way, texts in sets.items()}
    judged, rows = sets["stated"], []
    is_test = judged.split == "test"
    for what, way, learned, put_to in READINGS:
        is_train = sets[way].split == "train"
        for block, site in enumerate(sites):
            probe = Logistic(penalty_scale="within").fit(
                acts[way][site].X[is_train], says_a(sets[way], learned)[is_train]
            )
            scores = probe.decision_function(acts["stated"][site].X[is_test])
            area = evaluation.auroc(says_a(judged, put_to)[is_test], scores)
            rows.append({"organism": name, "seed": seed, "block": block, "AUROC": area, "what": what})
    return rows


def asked(texts: TextSet) -> TextSet:
    """Return each question after kindly once, and without the proposed answer."""
    meta = {name: np.array(texts.meta[name]) for name in ("cue", "proposed")}
    kept = texts.select((meta["cue"] == "kindly") & (meta["proposed"] == "A"))
    return replace(kept, texts=tuple(text.rsplit(" ", 1)[0] for text in kept.texts or ()))


def says_a(texts: TextSet, column: str) -> np.ndarray:
    """Return 1 where the answer of a column is A."""
    return (np.array(texts.meta[column]) == "A").astype(int)


def panels(rows: list[dict[str, object]], *, by: str, order: list[str], title: str) -> alt.Chart:
    """Lay out one panel each organism, in the colours of their order."""
    scale = alt.Scale(domain=order, range=list(COLOURS[: len(order)]))
    return alt.Chart(alt.Data(values=rows), width=190, height=150, title=title).encode(
        color=alt.Color(f"{by}:N", title=None, scale=scale, legend=alt.Legend(labelLimit=0)),
        column=alt.Column("organism:N", title=None, sort=NAMES),
    )


def share(name: str) -> alt.Y:
    """Return an axis from 0 to 1."""
    return alt.Y(f"{name}:Q", title=name, scale=alt.Scale(domain=[0, 1]))


def main() -> None:
    """Write the picture."""
    chart = alt.vconcat(behaviour(), probes()).resolve_scale(color="independent")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "beliefs.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
