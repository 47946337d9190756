"""From the record of an audit of dictionaries to its page: every figure in one line with its nulls."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import altair as alt
from markupsafe import Markup

from tiltmeter.core.dictionaries import Chance, DictionaryAudit, DictionaryFigures
from tiltmeter.core.records import Estimate
from tiltmeter.report._charts import chart_of, spec_of
from tiltmeter.report._format import Shown, asked, decimal, fixed, printable, reasons_of, show_figure
from tiltmeter.report._page import environment, write_page
from tiltmeter.report._svg import to_svg

# the columns of the table in their order, and what is drawn, with its colour and its dashes
_FVU = {
    "train_fvu": ("training rows", "var(--m2)", "6 2"),
    "test_fvu": ("test rows", "var(--m0)", ""),
    "noise_fvu": ("the same dictionary on noise", "var(--m1)", "4 3"),
    "random_fvu": ("random directions, fitted decoder", "var(--m3)", "4 3"),
    "linear_fvu": ("as many principal components", "var(--m6)", "2 3"),
}
_MMCS = {
    "larger": ("to the next larger", "var(--m0)", ""),
    "larger_turned": ("the same atoms turned at random", "var(--m1)", "4 3"),
    "larger_chance": ("random directions", "var(--m6)", "2 3"),
    "larger_noise": ("twins trained on noise", "var(--m3)", "4 3"),
    "twin": ("to others of this size", "var(--m2)", "6 2"),
}


# what lies below is drawn there: a logarithm has no place for 0, and nobody asks how much less than this is left
_FLOOR = 0.001


class _Line(NamedTuple):
    """A dictionary, or a null beside it, and its cells."""

    head: str
    remark: str
    cells: tuple[Shown, ...]


class _Key(NamedTuple):
    name: str
    colour: str
    dashes: str


def write_dictionaries(folder: Path) -> Path:
    """Write ``audit.html`` into a folder from its ``audit.json``.

    The file is whole or not there. It opens offline, holds no script and no reference to anything outside itself.

    Parameters
    ----------
    folder
        As ``tiltmeter anatomy dictionary train`` and ``audit --out`` make it.

    Returns
    -------
    Path
        ``folder / "audit.html"``; an earlier page is replaced.

    Raises
    ------
    FileError
        If the record is not there.
    FormatError
        If it is not valid JSON, or not a record of the version that this release reads.

    Examples
    --------
    >>> write_dictionaries(Path("nowhere"))
    Traceback (most recent call last):
        ...
    tiltmeter.core.errors.FileError: nowhere holds no audit.json; tiltmeter anatomy dictionary makes one.
    """
    return write_page(
        folder, "audit", kind=DictionaryAudit, render=render_dictionaries, made_by="tiltmeter anatomy dictionary"
    )


def render_dictionaries(record: DictionaryAudit) -> str:
    """Return the page of an audit of dictionaries as one HTML document; figures are rounded, never computed.

    Parameters
    ----------
    record
        What was measured.

    Returns
    -------
    str
        HTML without scripts; every name is escaped.

    Examples
    --------
    >>> empty = DictionaryAudit(
    ...     n_train=90, n_test=10, n_units=10, unit="rows", d=4, level=0.95, n_draws=100, seed=0, dictionaries=(),
    ...     conclusions=("Nothing <b>.",),
    ... )
    >>> page = render_dictionaries(empty)
    >>> "Nothing &lt;b&gt;." in page, "<script" in page
    (True, False)
    """
    found = record.dictionaries
    has_truth = any(isinstance(one.truth, Estimate) for one in found)
    lines = tuple(_line(one, has_truth=has_truth) for one in found)
    drawn = tuple(_picture(found, keys, label) for keys, label in ((_FVU, "FVU"), (_MMCS, "MMCS")))
    facts = (
        ("rows to train on", f"{record.n_train:,} of width {record.d}"),
        ("rows to judge on", f"{record.n_test:,}; intervals over {record.n_units:,} {record.unit}"),
        ("intervals", f"{asked(record.level)}, {record.n_draws:,} draws, seed {record.seed}; of MMCS over atoms"),
    )
    return (
        environment()
        .get_template("dictionaries.html.j2")
        .render(
            record=record,
            facts=facts,
            lines=lines,
            reasons=reasons_of([cell for line in lines for cell in line.cells]),
            has_truth=has_truth,
            pictures=drawn,
            keys=tuple(tuple(_Key(*key) for key in keys.values()) for keys in (_FVU, _MMCS)),
        )
    )


def _line(one: DictionaryFigures, *, has_truth: bool) -> _Line:
    known = "" if one.trained_on == "these rows" else f"trained on {one.trained_on}"
    remark = ", ".join(part for part in (f"{one.n_latents:,} latents", known) if part)
    explained = tuple(show_figure(getattr(one, name), fixed(3)) for name in _FVU)
    live = Shown(f"{one.live:,}", f"of {one.n_latents:,}")
    in_use = (show_figure(one.l0, fixed(1)), show_figure(one.noise_l0, fixed(1)), live)
    alike = (
        show_figure(one.larger), _chance(one.larger_turned), _chance(one.larger_chance), show_figure(one.larger_noise),
        show_figure(one.twin), _chance(one.twin_turned),
    )  # fmt: skip
    planted = (show_figure(one.truth), _chance(one.truth_chance)) if has_truth else ()
    return _Line(one.name, remark, (*explained, *in_use, *alike, *planted))


def _chance(found: Chance | None) -> Shown:
    if found is None:
        return Shown("")
    return Shown(decimal(found.mean), f"{decimal(found.low)} to {decimal(found.high)}")


def _picture(found: tuple[DictionaryFigures, ...], keys: dict[str, tuple[str, str, str]], label: str) -> Markup:
    """Draw figures over the number of latents: a point a dictionary, and a line through those of one seed."""
    known = {name: tuple(_values(found, name)) for name in keys}
    values = [value for pairs in known.values() for _, value in pairs]
    sizes = sorted({one.n_latents for one in found})
    if not values or len(sizes) < 2:
        return Markup("")
    x = alt.X(
        "latents:Q",
        title="latents",
        scale=alt.Scale(type="log", base=2, domain=[sizes[0] / 1.2, sizes[-1] * 1.2], nice=False),
        axis=alt.Axis(values=sizes, grid=False, format="d"),
    )
    y = _fvu_axis(values) if label == "FVU" else _cosine_axis(values)
    rows: dict[str, list[dict[str, Any]]] = {}
    layers = []
    for name, (words, colour, dashes) in keys.items():
        rows[name] = [
            {
                "latents": one.n_latents,
                "value": value,
                # a line joins trainings of one seed; of those whose seed nobody knows each stands alone
                "seed": one.name if one.seed is None else str(one.seed),
                "note": printable(f"{one.name}, {words}: {value:.3f}"),
            }
            for one, value in known[name]
        ]
        dash = [int(part) for part in dashes.split()]
        line = chart_of(name).mark_line(color=colour, strokeWidth=1.5, strokeDash=dash, aria=False)
        layers.append(line.encode(x=x, y=y, detail="seed:N"))
        point = chart_of(name).mark_point(color=colour, filled=True, size=24, opacity=1)
        layers.append(point.encode(x=x, y=y, description="note:N"))
    return to_svg(spec_of(alt.layer(*layers).properties(width=350, height=230), rows), f"{label} by number of latents")


def _fvu_axis(values: list[float]) -> alt.Y:
    least = min(0.5 * min(values), 0.1)
    ticks = [tick for tick in (0.001, 0.01, 0.1, 1.0) if tick >= least]
    scale = alt.Scale(type="log", domain=[least, max(1.0, *values)], nice=False)
    return alt.Y("value:Q", title="FVU, logarithmic", scale=scale, axis=alt.Axis(values=ticks, format="~g"))


def _cosine_axis(values: list[float]) -> alt.Y:
    scale = alt.Scale(domain=[min(0.0, *values), 1.0], nice=False)
    return alt.Y("value:Q", title="MMCS", scale=scale, axis=alt.Axis(format="~g"))


def _values(found: tuple[DictionaryFigures, ...], name: str) -> Iterator[tuple[DictionaryFigures, float]]:
    for one in found:
        figure = getattr(one, name)
        if isinstance(figure, Estimate):
            yield one, max(figure.value, _FLOOR) if name.endswith("fvu") else figure.value
        elif isinstance(figure, Chance):
            yield one, figure.mean
