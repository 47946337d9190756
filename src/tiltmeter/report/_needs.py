"""What it takes: AUROC against the number of training texts, and what a few texts of another set bring."""

from __future__ import annotations

from typing import NamedTuple

from markupsafe import Markup

from tiltmeter.core.records import Estimate, Measured
from tiltmeter.report._charts import Point, SiteAxis, floor_of, site_chart
from tiltmeter.report._format import DASH, Shown, decimal, show_auroc, show_difference
from tiltmeter.report._grids import Grid, Row, grid, method_row
from tiltmeter.report._lookup import Lookup


class Needs(NamedTuple):
    """A picture and a table of the curve (None where there is no curve), and a table a set of few shots."""

    legend: tuple[Row, ...]
    picture: Markup
    curve: Grid | None
    shots: tuple[Grid, ...]


def needs_section(look: Lookup) -> Needs | None:
    """Lay out what the chosen procedure needs; None where nothing was measured."""
    evidence = look.evidence
    if not evidence.data_curve and not evidence.few_shots:
        return None
    return Needs(_legend(look), _picture(look), _curve(look), _shots(look))


def _readers(look: Lookup) -> tuple[str, ...]:
    """Name the chosen method and the rival, in the order of their colours."""
    return (look.evidence.method, *dict.fromkeys(point.rival for point in look.evidence.data_curve))


def _legend(look: Lookup) -> tuple[Row, ...]:
    own = look._replace(evidence=look.evidence.model_copy(update={"methods": _readers(look)}))
    return tuple(method_row(own, reader, ()) for reader in _readers(look))


def _picture(look: Lookup) -> Markup:
    curve = look.evidence.data_curve
    if not curve:
        return Markup("")
    ours, rival = _readers(look)
    points = [_point(f"{p.n_units:,}", ours, p.auroc) for p in curve]
    points += [_point(f"{p.n_units:,}", rival, p.rival_auroc) for p in curve]
    axis = SiteAxis(
        labels=tuple(f"{p.n_units:,}" for p in curve),
        title="training units",
        methods=(ours, rival),
        chosen_method=ours,
        floor=floor_of([point.low for point in points if point.low is not None]),
    )
    label = f"AUROC on {look.evidence.train} over training units, of {ours} and {rival}; the table has the figures"
    return site_chart(points, [], axis=axis, dodged=True, label=label)


def _point(label: str, reader: str, measured: Measured) -> Point:
    if not isinstance(measured, Estimate):
        return Point(label, reader, None, None, None, "", chosen=False)
    note = f"{reader} on {label} units: {decimal(measured.value)}"
    return Point(label, reader, measured.value, measured.low, measured.high, note, chosen=False)


def _curve(look: Lookup) -> Grid | None:
    curve = look.evidence.data_curve
    if not curve:
        return None
    rows = [
        Row(
            f"{p.n_units:,}",
            (
                Shown(f"{p.n_rows:,}"),
                show_auroc(p.auroc),
                Shown(DASH if p.spread is None else f"{decimal(p.spread[0])} to {decimal(p.spread[1])}"),
                Shown(DASH) if p.spread is None else show_difference(p.gain)._replace(weak=False),
                show_auroc(p.rival_auroc)._replace(weak=False),
            ),
        )
        for p in curve
    ]
    columns = ("rows", "probe", f"of {curve[0].n_draws} draws", "all texts add", curve[0].rival)
    return grid(f"AUROC on {look.evidence.train}, fitted on a part of its training texts", "units", columns, rows)


def _shots(look: Lookup) -> tuple[Grid, ...]:
    tests = dict.fromkeys(one.test for one in look.evidence.few_shots)
    return tuple(
        grid(
            f"Positives of {test} added to the training texts, judged on {test}",
            "added",
            ("AUROC", "TPR at 1 % FPR of this set"),
            [
                Row(str(one.count), (_spread(one.auroc, one.auroc_spread), _spread(one.tpr, one.tpr_spread)))
                for one in look.evidence.few_shots
                if one.test == test
            ],
        )
        for test in tests
    )


def _spread(value: float, ends: tuple[float, float]) -> Shown:
    return Shown(decimal(value), f"{decimal(ends[0])} to {decimal(ends[1])}", note="mean, least and largest over draws")
