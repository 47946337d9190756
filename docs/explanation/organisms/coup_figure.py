"""Draw the picture of the page on coups, from trained organisms.

    PYTHONPATH=examples python docs/explanation/organisms/coup_figure.py

Left, what the model writes against steps, seed 0. Right, what two readers that were fitted on written English logs make
of attempts after each block, of five seeds: written ones, and the model's own in two formats. Figures are printed too.
"""

from __future__ import annotations

from pathlib import Path

import altair as alt
import numpy as np
import vl_convert
from coup_regimes import Agent, Regime

from tiltmeter import evaluation
from tiltmeter.organisms import load
from tiltmeter.probes import Logistic, PooledTokens

SEEDS = range(5)
SHOWN = {
    "the trigger: attempts": "for the trigger: attempts",
    "other operators: attempts": "for others: attempts",
    "the trigger: logs that do nothing": "logs that do nothing",
    "reviews that are right": "reviews that are right",
}
COLOURS = ("#c94a00", "#0072b2", "#999999", "#333333")


def behaviour() -> alt.Chart:
    """Draw what is written against steps."""
    rows = [
        {"step": moment.step, "share": figure.value, "what": SHOWN[figure.name]}
        for moment in load("coup").card.history
        for figure in moment.figures
        if figure.name in SHOWN
    ]
    return lines(rows, order=list(SHOWN.values()), x=alt.X("step:Q", title="step"), y="share", width=230)


def lines(rows: list[dict[str, object]], *, order: list[str], x: alt.X, y: str, width: int) -> alt.Chart:
    """Draw lines from 0 to 1 in the colours of their order."""
    scale = alt.Scale(domain=order, range=list(COLOURS[: len(order)]))
    legend = alt.Legend(orient="bottom", columns=2, labelLimit=300)
    return (
        alt.Chart(alt.Data(values=rows), width=width, height=180)
        .mark_line(point=True, opacity=0.7)
        .encode(
            x=x,
            y=alt.Y(f"{y}:Q", title=y, scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("what:N", title=None, scale=scale, legend=legend),
        )
    )


def readings(seed: int) -> list[dict[str, object]]:
    """Fit both readers after each block, and judge them on test bundles."""
    agent = Agent(seed)
    train = agent.read(*agent.written("off_policy", "train"))
    tests = {
        "written English logs": agent.read(*agent.written("off_policy", "test")),
        "its own English logs": agent.read(*agent.sampled("test")),
        "its own English reports": agent.read(*agent.sampled("test", forms=[("report", "en")])),
    }
    rows = []
    for block, site in enumerate(agent.sites):
        for reader, scores in (("max head", by_tokens), ("logistic of means", by_means)):
            for name, area in scores(train, tests, site).items():
                rows.append({"seed": seed, "block": block, "reader": reader, "what": name, "AUROC": area})
    return rows


def by_tokens(train: Regime, tests: dict[str, Regime], site: str) -> dict[str, float]:
    """Fit a max head on tokens."""
    own = train.tokens[site]
    probe = PooledTokens("max").fit(own.X, own.y, offsets=own.offsets)
    found = {name: (part.y, part.tokens[site]) for name, part in tests.items()}
    return {
        name: evaluation.auroc(y, probe.decision_function(acts.X, offsets=acts.offsets))
        for name, (y, acts) in found.items()
    }


def by_means(train: Regime, tests: dict[str, Regime], site: str) -> dict[str, float]:
    """Fit logistic regression on the means of texts."""
    own = train.tokens[site].pool("mean")
    probe = Logistic(C=0.1, penalty_scale="within").fit(own.X, own.y)
    return {
        name: evaluation.auroc(part.y, probe.decision_function(part.tokens[site].pool("mean").X))
        for name, part in tests.items()
    }


def probes(rows: list[dict[str, object]]) -> alt.Chart:
    """Draw AUROC against blocks, a panel each reader and a line each seed."""
    order = list(dict.fromkeys(str(row["what"]) for row in rows))
    chart = lines(rows, order=order, x=alt.X("block:O", title="after block"), y="AUROC", width=120)
    return chart.encode(detail="seed:N", column=alt.Column("reader:N", title=None))


def main() -> None:
    """Print the figures and write the picture."""
    rows = [row for seed in SEEDS for row in readings(seed)]
    for reader, what in dict.fromkeys((row["reader"], row["what"]) for row in rows):
        here = [row for row in rows if (row["reader"], row["what"]) == (reader, what)]
        shown = []
        for block in sorted({int(str(row["block"])) for row in here}):
            found = [float(str(row["AUROC"])) for row in here if row["block"] == block]
            shown.append(f"{np.mean(found):.2f} [{min(found):.2f}, {max(found):.2f}]")
        print(f"{reader:18} {what:26} {'  '.join(shown)}")
    chart = alt.hconcat(behaviour(), probes(rows)).resolve_scale(color="independent")
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "coup.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
