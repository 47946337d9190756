"""Draw the picture of the page on the seventh grader from organisms of five seeds that were trained before."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import vl_convert
from sklearn.linear_model import LogisticRegression

from tiltmeter import activations, models
from tiltmeter.organisms import load, pupil_texts

SEEDS = range(5)
SHOWN = {
    "expert, hard: as well as possible": "expert: as well as possible",
    "pupil, hard: as a seventh grader": "pupil: as a seventh grader",
    "model, hard: as well as possible": "model: as well as possible",
    "model, hard: as a seventh grader": "model: as a seventh grader",
}
COLOURS = ("#0072b2", "#c94a00", "#333333", "#999999")


def behaviour() -> alt.Chart:
    """Shares of answers to hard questions against steps, of seed 0."""
    rows = [
        {"step": moment.step, "share": figure.value, "what": SHOWN[figure.name]}
        for moment in load("pupil").card.history
        for figure in moment.figures
        if figure.name in SHOWN
    ]
    return (
        alt.Chart(alt.Data(values=rows), width=250, height=170, title="answers to hard questions, seed 0")
        .mark_line()
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y("share:Q", title="share", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("what:N", title=None, scale=alt.Scale(domain=list(SHOWN.values()), range=list(COLOURS))),
        )
    )


def probes() -> alt.Chart:
    """How often a probe of easy questions sides with the truth on hard ones, by block, of five seeds."""
    rows = []
    for seed in SEEDS:
        organism = load("pupil", seed=seed)
        subject = models.load(str(organism.folder))
        for speaker in ("expert", "pupil", "model"):
            easy, hard = (pupil_texts(organism.world, f"{speaker}_{band}") for band in ("easy", "hard"))
            easy, hard = easy.select(easy.split == "train"), hard.select(hard.split == "test")
            told, asked = (activations.collect(subject, texts, sites="all", pooling="last") for texts in (easy, hard))
            for block in range(organism.card.schedule.n_layers):
                site = f"{block}.resid_post"
                probe = LogisticRegression(max_iter=5000).fit(told[site].X, easy.y)
                share = float((probe.predict(asked[site].X) == hard.y).mean())
                rows.append({"block": block, "share": share, "seed": seed, "asked": f"{speaker} is asked"})
    chart = alt.Chart(alt.Data(values=rows), width=250, height=170, title="probes of easy questions, five seeds")
    asked = alt.Color(
        "asked:N",
        title=None,
        sort=["expert is asked", "pupil is asked", "model is asked"],
        scale=alt.Scale(range=[COLOURS[0], COLOURS[1], COLOURS[2]]),
    )
    return chart.mark_line(opacity=0.6, point=True).encode(
        x=alt.X("block:O", title="after block"),
        y=alt.Y("share:Q", title="sides with the truth", scale=alt.Scale(domain=[0, 1])),
        color=asked,
        detail="seed:N",
    )


def main() -> None:
    """Write the picture: behaviour against steps, probes against blocks."""
    chart = alt.hconcat(behaviour(), probes()).resolve_scale(color="independent")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "pupil.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
