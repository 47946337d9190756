"""Draw the picture of the page on tampering from organisms of five seeds that were trained before."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import numpy as np
import vl_convert

from tiltmeter import activations, erasure, evaluation, models, probes
from tiltmeter.organisms import load, measured_rows, tampering_texts

SEEDS = range(5)
FORETOLD, REAL = "untrusted: sensors foretold", "a real positive above a fake one"
SHOWN = {FORETOLD: "sensors foretold (share)", REAL: "real above fake (AUROC)"}
COLOURS = {"trusted": "#c94a00", "PACE": "#cc79a7", "evidence": "#0072b2", "truth (ceiling)": "#333333"}


def behaviour() -> alt.Chart:
    """What the model foretells of untrusted texts against steps."""
    rows = [
        {"step": moment.step, "share": figure.value, "what": SHOWN[figure.name], "seed": seed}
        for seed in SEEDS
        for moment in load("tampering", seed=seed).card.history
        for figure in moment.figures
        if figure.name in SHOWN
    ]
    colour = alt.Scale(domain=list(SHOWN.values()), range=["#333333", "#c94a00"])
    return (
        alt.Chart(alt.Data(values=rows), width=250, height=180, title="its own predictions, five seeds")
        .mark_line(opacity=0.7)
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y("share:Q", title="share, AUROC", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("what:N", title=None, scale=colour),
            detail="seed:N",
        )
    )


def probed() -> alt.Chart:
    """AUROC of real against fake positives by block, of five seeds."""
    found = []
    for seed in SEEDS:
        organism = load("tampering", seed=seed)
        texts, subject = tampering_texts(organism.world, "both"), models.load(str(organism.folder))
        rows = measured_rows(texts)
        sites = [f"{block}.resid_post" for block in range(subject.n_layers)]
        for block, acts in enumerate(activations.collect(subject, texts, sites=sites).values()):
            X = acts.X.astype(np.float64)
            readers = {
                "trusted": probes.tampering_probe(X, rows, method="trusted"),
                "PACE": erasure.pace(X, rows),
                "evidence": probes.tampering_probe(X, rows, method="evidence"),
                "truth (ceiling)": probes.ground_truth_probe(X, rows, truth=texts.y),
            }
            for name, reader in readers.items():
                area = evaluation.auroc(texts.y[rows.is_judged], reader.decision_function(X[rows.is_judged]))
                found.append({"block": block, "auroc": area, "seed": seed, "probe": name})
    colour = alt.Scale(domain=list(COLOURS), range=list(COLOURS.values()))
    return (
        alt.Chart(alt.Data(values=found), width=250, height=180, title="probes of real against fake, five seeds")
        .mark_line(opacity=0.6, point=True)
        .encode(
            x=alt.X("block:O", title="after block"),
            y=alt.Y("auroc:Q", title="AUROC", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("probe:N", title=None, scale=colour),
            detail="seed:N",
        )
    )


def main() -> None:
    """Write the picture: behaviour against steps, probes against blocks."""
    chart = alt.hconcat(behaviour(), probed()).resolve_scale(color="independent")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "tampering.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
