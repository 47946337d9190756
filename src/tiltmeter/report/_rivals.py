"""Nulls and rivals next to the chosen probe: one card per test set, one bar per rival."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tiltmeter.core.evidence import Baseline
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.rivals import ActivationNull, BestRival, ControlTask
from tiltmeter.report._format import DASH, Shown, decimal, missing, p_value, show_auroc, show_difference
from tiltmeter.report._lookup import Lookup
from tiltmeter.report._verdict import baselines_on


class Bar(NamedTuple):
    """One rival on one test set.

    ``low``, ``value``, ``high`` and ``best`` are AUROCs to be drawn (None: nothing to draw); ``extra`` is what is said
    beneath the name.
    """

    name: str
    kind: Literal["probe", "baseline", "null"]
    figure: Shown
    low: float | None = None
    high: float | None = None
    value: float | None = None
    best: float | None = None
    extra: str = ""
    difference: Shown | None = None


class Rivals(NamedTuple):
    """One test set: the chosen probe and all that it is held against."""

    test: str
    counts: str
    bars: tuple[Bar, ...]


def rivals_section(look: Lookup) -> tuple[Rivals, ...]:
    """Lay out one card per test set."""
    return tuple(_card(look, test) for test in look.tests)


def _card(look: Lookup, test: str) -> Rivals:
    evidence = look.evidence
    cell = look.cell(evidence.site, evidence.method, test=test)
    counts = f"{cell.n_positive:,} positive, {cell.n_negative:,} negative rows" if cell else "not measured"
    bars = [_bar("chosen probe", "probe", cell.auroc if cell else None, f"{evidence.method} at {evidence.site}")]
    best = {found.baseline: found for found in evidence.best_rivals if found.test == test}
    for baseline, advantage in baselines_on(evidence, test):
        bar = _bar(baseline.name, "baseline", baseline.auroc, _said(baseline, best.get(baseline.name)))
        bar = bar._replace(figure=bar.figure._replace(weak=False))  # a weak rival is nothing to look at
        bars.append(bar._replace(difference=show_difference(advantage.difference if advantage else None)))
    bars += [_null(null) for null in evidence.activation_nulls if null.test == test]
    if any(null.test == test for null in evidence.shuffled_pairs):
        bars.append(_refits(look, test, pairs=True))
    if test == evidence.train and evidence.control_task is not None:
        bars.append(_control(evidence.control_task))
    return Rivals(test, counts, (*bars, _refits(look, test, pairs=False), _random(look, test)))


def _said(baseline: Baseline, best: BestRival | None) -> str:
    """Describe a rival: what it is, where it is the best of its kind, what it calls right at 0, and its notes."""
    parts = [baseline.description]
    if best is not None and best.tried > 1:
        parts.append(f"the best of {best.tried} for “{best.claim}” on the calibration texts")
    if isinstance(baseline.accuracy, Estimate):
        shown = show_auroc(baseline.accuracy)
        parts.append(f"balanced accuracy at 0: {shown.text} {shown.interval}")
    return " · ".join([*parts, *baseline.notes])


def _null(null: ActivationNull) -> Bar:
    names = {"layer 0": "before any block", "untrained": "untrained model"}
    weights = "" if null.seed is None else f", weights drawn under seed {null.seed}"
    bar = _bar(names[null.kind], "null", null.auroc, f"the same method at {null.site}{weights}")
    difference = None if isinstance(null.difference, Unavailable) else show_difference(null.difference)
    return bar._replace(figure=bar.figure._replace(weak=False), difference=difference)


def _control(task: ControlTask | Unavailable) -> Bar:
    if isinstance(task, Unavailable):
        return Bar("control tasks", "null", missing(task.reason))
    bar = _bar("control tasks", "null", task.control, "")
    own, gain = show_auroc(task.auroc), show_difference(task.selectivity)
    extra = (
        f"mean of {len(task.controls)} tasks in which each of {task.n_types} types ({task.types}) has a random label, "
        f"on {task.n_rows} training rows held out; the label itself {own.text} {own.interval} on these rows"
    )
    if gain.text != DASH:
        extra += f", selectivity {gain.text} {gain.interval}"
    return bar._replace(figure=bar.figure._replace(weak=False), extra=extra)


def _bar(name: str, kind: Literal["probe", "baseline", "null"], measured: Measured | None, extra: str) -> Bar:
    bar = Bar(name, kind, show_auroc(measured), extra=extra)
    if not isinstance(measured, Estimate):
        return bar
    return bar._replace(low=measured.low, high=measured.high, value=measured.value)


def _refits(look: Lookup, test: str, *, pairs: bool) -> Bar:
    records = look.evidence.shuffled_pairs if pairs else look.evidence.shuffled
    record = next((s for s in records if s.test == test), None)
    if record is None or not record.aurocs:
        return Bar("shuffled supervision", "null", missing("not measured"))
    low, high = record.aurocs[0], record.aurocs[-1]
    figure = Shown(f"{decimal(low)} to {decimal(high)}", note="lowest and highest of all shuffles")
    n, p = len(record.aurocs), p_value(record.p_value)
    if pairs:
        extra = f"the same procedure on pairs whose partners were drawn anew, {n} times; p = {p}"
        return Bar("shuffled pairs", "null", figure, low, high, extra=extra)
    return Bar(
        "shuffled labels", "null", figure, low, high, extra=f"the same procedure on {n} shuffles of all labels; p = {p}"
    )


def _random(look: Lookup, test: str) -> Bar:
    record = look.random.get((look.evidence.site, test))
    if record is None:
        return Bar("random directions", "null", Shown(DASH, note="not measured", reason="not measured"))
    figure = Shown(f"{decimal(record.mean)} ± {decimal(record.sd)}", note="mean ± one standard deviation")
    extra = (
        f"best of {record.count}: {decimal(record.best)}, worst {decimal(record.worst)}, "
        f"the one chosen on train {decimal(record.chosen_on_train)}"
    )
    low, high = max(record.mean - 2 * record.sd, 0.0), min(record.mean + 2 * record.sd, 1.0)
    return Bar("random directions", "null", figure, low, high, best=record.best, extra=extra)
