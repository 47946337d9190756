"""Nulls and baselines next to the chosen probe: one card per test set, one bar per rival."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tiltmeter.core.records import Estimate, Measured
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
    for baseline, advantage in baselines_on(evidence, test):
        bar = _bar(baseline.name, "baseline", baseline.auroc, baseline.description)
        bar = bar._replace(figure=bar.figure._replace(weak=False))  # a weak rival is nothing to look at
        bars.append(bar._replace(difference=show_difference(advantage.difference if advantage else None)))
    return Rivals(test, counts, (*bars, _shuffled(look, test), _random(look, test)))


def _bar(name: str, kind: Literal["probe", "baseline"], measured: Measured | None, extra: str) -> Bar:
    bar = Bar(name, kind, show_auroc(measured), extra=extra)
    if not isinstance(measured, Estimate):
        return bar
    return bar._replace(low=measured.low, high=measured.high, value=measured.value)


def _shuffled(look: Lookup, test: str) -> Bar:
    record = next((s for s in look.evidence.shuffled if s.test == test), None)
    if record is None or not record.aurocs:
        return Bar("shuffled supervision", "null", missing("not measured"))
    low, high = record.aurocs[0], record.aurocs[-1]
    figure = Shown(f"{decimal(low)} to {decimal(high)}", note="lowest and highest of all shuffles")
    extra = f"the same procedure on {len(record.aurocs)} shuffles of all labels; p = {p_value(record.p_value)}"
    return Bar("shuffled labels", "null", figure, low, high, extra=extra)


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
