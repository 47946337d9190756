"""Draw the pictures of the pages on elections and walks, and print what probes read, from trained organisms.

python docs/explanation/organisms/encoded_figure.py elections --seeds 0 1 2 3 4
"""

from __future__ import annotations

import argparse
from pathlib import Path

import altair as alt
import numpy as np
import vl_convert
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from tiltmeter import activations, data, models, organisms

GROUPS = {"elections": ("hidden", "explicit", "random", "direct"), "chain": ("hidden", "random", "direct")}
COLOURS = {"hidden": "#c94a00", "explicit": "#009e73", "random": "#0072b2", "direct": "#333333"}
HALF_WAY = {"elections": "year", "chain": "half_state"}
SHORTCUT = {"elections": 0.5918, "chain": 0.5}
NAME = {"elections": "the year", "chain": "the state half-way"}
N_VALUES = {"elections": 18, "chain": 8}
SHARE = alt.Scale(domain=[0, 1])
TEXTS = {"elections": organisms.election_texts, "chain": organisms.chain_texts}


def main() -> None:
    """Write the picture of one family, and print its readings."""
    parser = argparse.ArgumentParser()
    parser.add_argument("family", choices=tuple(GROUPS))
    parser.add_argument("--seeds", nargs="+", type=int, default=[0, 1, 2, 3, 4])
    options = parser.parse_args()
    family, groups = options.family, GROUPS[options.family]
    trained = [
        (group, seed, organisms.load(f"{family}-{group}", seed=seed)) for group in groups for seed in options.seeds
    ]
    steps = [
        {"group": group, "seed": seed, "step": moment.step, "share": figure.value}
        for group, seed, organism in trained
        for moment in organism.card.history
        for figure in moment.figures
        if figure.name == "right answers"
    ]
    readings = [row for group, seed, organism in trained for row in read(family, organism, group=group, seed=seed)]
    tell(readings)
    panels = alt.hconcat(*(course([row for row in steps if row["group"] == group], family, group) for group in groups))
    below = alt.hconcat(*(probes(readings, family, place) for place in ("before the turn", "before the answer")))
    svg = vl_convert.vegalite_to_svg(alt.vconcat(panels, below).to_dict())
    (Path(__file__).parent / f"{family}.svg").write_text(svg, encoding="utf-8")


def course(steps: list[dict[str, object]], family: str, group: str) -> alt.LayerChart:
    """Draw the right answers of one group, a line a seed, beside the best that is possible without that step."""
    is_first = group == GROUPS[family][0]
    lines = (
        alt.Chart(alt.Data(values=steps), width=150, height=150, title=f"{group}: a line a seed")
        .mark_line(opacity=0.8, color=COLOURS[group])
        .encode(
            x=alt.X("step:Q", title="step", axis=alt.Axis(tickCount=4)),
            y=alt.Y("share:Q", title="share of right answers" if is_first else None, scale=SHARE),
            detail="seed:N",
        )
    )
    return alt.layer(lines, *dashed(SHORTCUT[family], "no year" if family == "elections" else "chance"))


def probes(readings: list[dict[str, object]], family: str, place: str) -> alt.LayerChart:
    """Draw what probes read at one place: the mean over seeds, and a bar from the lowest to the highest seed."""
    groups, is_first = GROUPS[family], place == "before the turn"
    rows = [row for row in readings if row["place"] == place]
    chart = alt.Chart(
        alt.Data(values=rows),
        width=300,
        height=180,
        title=f"probes of {NAME[family]} {place}: mean and range",
    ).encode(
        x=alt.X("block:O", title="after block", axis=alt.Axis(labelAngle=0)),
        # beside one another, as the ranges would hide one another
        xOffset=alt.XOffset("group:N", sort=list(groups)),
        color=alt.Color(
            "group:N", title=None, scale=alt.Scale(domain=list(groups), range=[COLOURS[g] for g in groups])
        ),
    )
    points = chart.mark_point(filled=True, opacity=1, size=60).encode(
        y=alt.Y("mean(accuracy):Q", title="accuracy" if is_first else None, scale=SHARE)
    )
    ranges = chart.mark_rule(strokeWidth=2).encode(y="min(accuracy):Q", y2="max(accuracy):Q")
    return alt.layer(ranges, points, *dashed(1 / N_VALUES[family], "chance"))


def dashed(share: float, name: str) -> list[alt.Chart]:
    """Draw a dashed line, and its name at the foot of the chart, where no figure stands."""
    chart = alt.Chart(alt.Data(values=[{"share": share, "name": f"dashed: {name}, {share:.3f}"}]))
    rule = chart.mark_rule(strokeDash=[4, 3]).encode(y="share:Q")
    return [
        rule,
        chart.mark_text(align="right", x="width", dx=-4, y="height", dy=-16, fontSize=10).encode(text="name:N"),
    ]


def read(family: str, organism: organisms.Organism, *, group: str, seed: int) -> list[dict[str, object]]:
    """Read the step half-way at the last token, before the turn and before the answer, after each block."""
    subject = models.load(str(organism.folder))
    places = {"before the turn": "asked"} | ({} if group in ("direct", "explicit") else {"before the answer": "opened"})
    sites = [f"{layer}.resid_post" for layer in range(subject.n_layers)]
    found = []
    for place, chosen in places.items():
        texts: data.TextSet = TEXTS[family](organism.world, chosen)
        wanted = np.array(texts.meta[HALF_WAY[family]]).astype(str)
        is_train, is_test = texts.split == "train", texts.split == "test"
        for site, acts in activations.collect(subject, texts, sites=sites).items():
            probe = make_pipeline(StandardScaler(), LogisticRegression(max_iter=5000))
            accuracy = probe.fit(acts.X[is_train], wanted[is_train]).score(acts.X[is_test], wanted[is_test])
            block = int(str(site).split(".")[0])
            found.append({"group": group, "seed": seed, "place": place, "block": block, "accuracy": accuracy})
    return found


def tell(readings: list[dict[str, object]]) -> None:
    """Print means over seeds, a row each group and place, a column a block."""
    for group, place in dict.fromkeys((row["group"], row["place"]) for row in readings):
        rows = [row for row in readings if (row["group"], row["place"]) == (group, place)]
        shown = []
        for block in sorted({int(str(row["block"])) for row in rows}):
            values = np.array([row["accuracy"] for row in rows if row["block"] == block], float)
            shown.append(f"{values.mean():.3f} [{values.min():.3f}, {values.max():.3f}]")
        print(f"{group:9} {place:18} {'  '.join(shown)}")


if __name__ == "__main__":
    main()
