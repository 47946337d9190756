"""Draw the picture of the page on user beliefs, ``python docs/organisms/beliefs_figure.py``, from trained organisms."""

from __future__ import annotations

from pathlib import Path

import altair as alt
import vl_convert

from tiltmeter.organisms import load

VARIANTS = ("match", "right", "mixed")
SHOWN = {
    "bare, kindly: answers that are true": "bare: true",
    "stated, kindly: answers that follow the user": "stated: follow the user",
    "implied, kindly: answers that follow the user": "implied: follow the user",
}
COLOURS = ("#333333", "#0072b2", "#c94a00")


def main() -> None:
    """Write the picture: behaviour against steps, a panel each organism."""
    rows = [
        {"organism": f"beliefs-{variant}", "step": moment.step, "share": figure.value, "what": SHOWN[figure.name]}
        for variant in VARIANTS
        for moment in load(f"beliefs-{variant}").card.history
        for figure in moment.figures
        if figure.name in SHOWN
    ]
    names = [f"beliefs-{variant}" for variant in VARIANTS]
    chart = (
        alt.Chart(alt.Data(values=rows), width=190, height=150)
        .mark_line()
        .encode(
            x=alt.X("step:Q", title="step"),
            y=alt.Y("share:Q", title="share of answers after kindly", scale=alt.Scale(domain=[0, 1])),
            color=alt.Color("what:N", title=None, scale=alt.Scale(domain=list(SHOWN.values()), range=list(COLOURS))),
            column=alt.Column("organism:N", title=None, sort=names),
        )
    )
    svg = vl_convert.vegalite_to_svg(chart.to_dict())
    (Path(__file__).parent / "beliefs.svg").write_text(svg, encoding="utf-8")


if __name__ == "__main__":
    main()
