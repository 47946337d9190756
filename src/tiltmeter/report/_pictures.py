"""The middle of the page: what was tried, what carries over, the nulls beside it, shortcuts and scores."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np
from markupsafe import Markup

from tiltmeter.core.evidence import RandomDirections, Shortcut
from tiltmeter.core.records import Estimate, Measured, Threshold
from tiltmeter.report._charts import Band, Point, SiteAxis, floor_of, histogram_chart, site_chart
from tiltmeter.report._format import DASH, Shown, decimal, missing, rate, score, show_auroc, show_nuisance, show_share
from tiltmeter.report._grids import Grid, Row, grid, method_row
from tiltmeter.report._lookup import Lookup


class Panel(NamedTuple):
    """A picture under its heading."""

    heading: str
    picture: Markup
    remark: str = ""


class Selection(NamedTuple):
    """How layer and method were chosen."""

    picture: Markup
    best: Grid
    all: Grid


class Transfer(NamedTuple):
    """What carries over: the chosen probe's matrix, every method's best site, and every site."""

    matrix: Grid
    methods: Grid
    gaps: Grid | None
    panels: tuple[Panel, ...]
    all: tuple[Grid, ...]


class Nuisance(NamedTuple):
    """One nuisance column: how it goes with the label in training, and which scores read it."""

    name: str
    agreement: str
    grid: Grid
    panels: tuple[Panel, ...]


def legend(look: Lookup) -> tuple[Row, ...]:
    """List the methods with the sign and colour that they have in every picture."""
    return tuple(method_row(look, method, ()) for method in look.evidence.methods)


def selection_section(look: Lookup) -> Selection:
    """Lay out validation AUROC over sites and methods."""
    evidence = look.evidence
    found = {(c.site, c.method): c for c in evidence.candidates}
    measured = {key: c.auroc for key, c in found.items()}
    label = f"Validation AUROC over {len(evidence.sites)} sites, one line per method; the table below has the figures"
    points = _points(look, measured)
    picture = site_chart(points, [], axis=_axis(look, [points]), dodged=True, label=label)
    rows = []
    for method in evidence.methods:
        site = look.best_sites.get(method)
        figure = show_auroc(measured.get((site, method)) if site else None)
        folds = found[site, method].fold_aurocs if site and (site, method) in found else ()
        spread = Shown(f"{decimal(min(folds))} to {decimal(max(folds))}") if folds else Shown(DASH)
        rows.append(method_row(look, method, (figure, spread), site or DASH))
    best = grid("Best site per method, by validation AUROC", "Method", ("AUROC", "fold to fold"), rows)
    return Selection(picture, best, _sitegrid(look, "Validation AUROC of everything that was tried", measured))


def transfer_section(look: Lookup) -> Transfer:
    """Lay out the transfer matrix of the chosen probe, and how every method and site does on every test set."""
    evidence = look.evidence
    matrix = []
    for train in look.trains:
        cells = [look.cell(evidence.site, evidence.method, test=test, train=train) for test in look.tests]
        shown = tuple(show_auroc(cell.auroc if cell else None) for cell in cells)
        matrix.append(Row(train, shown, marked=train == evidence.train))
    others = {cell.test: cell.auroc for cell in evidence.leave_one_out}
    if others:
        matrix.append(Row("all others", tuple(show_auroc(others.get(test)) for test in look.tests)))
    methods = [
        method_row(look, method, tuple(show_auroc(_auroc(look, site, method, test)) for test in look.tests), site)
        for method, site in ((m, look.best_sites.get(m, "")) for m in evidence.methods)
    ]
    where = f"{evidence.method} at {evidence.site}"
    return Transfer(
        matrix=grid(
            f"AUROC of {where}: trained on the row, tested on the column", "train ↓ test →", look.tests, matrix
        ),
        methods=grid(
            f"AUROC of each method at its own best site, trained on {evidence.train}; the nulls are at {evidence.site}",
            "method",
            look.tests,
            [*methods, *_null_rows(look)],
        ),
        gaps=_gaps(look),
        panels=_carry_panels(look),
        all=tuple(_sitegrid(look, f"AUROC on {test}", _on_test(look, test)) for test in look.tests),
    )


def shortcuts_section(look: Lookup) -> tuple[Nuisance, ...]:
    """Lay out, per nuisance column, how well each method's score reads it."""
    names = dict.fromkeys(s.nuisance for s in look.evidence.shortcuts)
    return tuple(_nuisance(look, name) for name in names)


def histograms_section(look: Lookup) -> tuple[Panel, ...]:
    """Lay out the score histograms of the chosen probe."""
    threshold = look.evidence.threshold
    value = threshold.value if isinstance(threshold, Threshold) else None
    where = "no threshold" if value is None else f"threshold at {score(value)} dashed"
    return tuple(
        Panel(h.test, histogram_chart(h, value, label=f"Scores of positives and negatives on {h.test}; {where}"))
        for h in look.evidence.histograms
    )


def _nuisance(look: Lookup, name: str) -> Nuisance:
    records = [s for s in look.evidence.shortcuts if s.nuisance == name]
    found = {(s.site, s.method, s.test): s for s in records}
    used = dict.fromkeys(s.test for s in records)
    tests = tuple(t for t in look.tests if t in used) + tuple(t for t in used if t not in look.tests)
    rows = []
    for method in dict.fromkeys(s.method for s in records):
        site = _shortcut_site(look, records, method)
        cells = tuple(show_nuisance(_within(found, site, method, test)) for test in tests)
        rows.append(method_row(look, method, cells, site))
    agreement = ", ".join(dict.fromkeys(rate(s.train_agreement) + " %" for s in records))
    caption = f"AUROC for {name} within one label, per method; 0.50 means that the score ignores it"
    panels = _nuisance_panels(look, records, tests) if len({s.site for s in records}) > 1 else ()
    return Nuisance(name, agreement, grid(caption, "method", tests, rows), panels)


def _nuisance_panels(look: Lookup, records: Sequence[Shortcut], tests: Sequence[str]) -> tuple[Panel, ...]:
    lines = {t: _points(look, {(s.site, s.method): s.auroc_within for s in records if s.test == t}) for t in tests}
    axis = _axis(look, lines.values())
    label = f"AUROC for {records[0].nuisance} within one label on {{}}, over sites, one line per method"
    return tuple(
        Panel(t, site_chart(points, [], axis=axis, dodged=False, label=label.format(t))) for t, points in lines.items()
    )


def _shortcut_site(look: Lookup, records: Sequence[Shortcut], method: str) -> str:
    """Take the method's best site if the nuisance was measured there, else the first site where it was."""
    sites = [s.site for s in records if s.method == method]
    best = look.best_sites.get(method)
    return best if best in sites else sites[0]


def _within(found: dict[tuple[str, str, str], Shortcut], site: str, method: str, test: str) -> Measured | None:
    record = found.get((site, method, test))
    return record.auroc_within if record else None


def _gaps(look: Lookup) -> Grid | None:
    """Lay out the gap recovered by each method at its best site and by each rival; None where none is."""
    evidence = look.evidence
    found = {(gap.method, gap.site, gap.test): gap.recovered for gap in evidence.gaps}
    tests = [test for test in look.tests if any(gap.test == test for gap in evidence.gaps)]
    if not tests:
        return None

    def cells(method: str, site: str | None) -> tuple[Shown, ...]:
        return tuple(show_share(found.get((method, site, test))) for test in tests)

    sites = ((method, look.best_sites[method]) for method in evidence.methods if method in look.best_sites)
    rows = [method_row(look, method, cells(method, site), site) for method, site in sites]
    rivals = dict.fromkeys(gap.method for gap in evidence.gaps if gap.site is None)
    rows += [Row(name, cells(name, None), remark="no activations") for name in rivals]
    caption = f"Gap recovered: what is learned on {evidence.train}, as a share of what is learned on the set itself"
    return grid(caption, "method", tests, rows)


def _null_rows(look: Lookup) -> list[Row]:
    """Lay out what no direction at all gets on each test set, in the columns of the methods."""
    evidence = look.evidence
    random = [look.random.get((evidence.site, test)) for test in look.tests]
    shuffled = {record.test: record.aurocs for record in evidence.shuffled}
    spread, best, refitted = [], [], []
    for test, record in zip(look.tests, random, strict=True):
        absent = missing("not measured")
        spread.append(
            _null(record.mean, record.mean - 2 * record.sd, record.mean + 2 * record.sd) if record else absent
        )
        best.append(Shown(decimal(record.best), f"of {record.count}", shade=record.best) if record else absent)
        aurocs = shuffled.get(test)
        refitted.append(_null(*np.quantile(aurocs, [0.5, 0.025, 0.975]).tolist()) if aurocs else absent)
    rows = (
        ("random directions", spread, "null: mean ± 2 sd"),
        ("best random direction", best, "null: chosen with the test labels"),
        ("shuffled labels", refitted, f"null: {evidence.method}, median and 95 % of the draws"),
    )
    return [Row(label, tuple(cells), remark=remark) for label, cells, remark in rows]


def _null(value: float, low: float, high: float) -> Shown:
    interval = f"[{decimal(max(low, 0.0))}, {decimal(min(high, 1.0))}]"
    return Shown(decimal(value), interval, shade=value)


def _carry_panels(look: Lookup) -> tuple[Panel, ...]:
    evidence = look.evidence
    lines = {test: _points(look, _on_test(look, test)) for test in look.tests}
    bands = {
        test: [_band(look, site, look.random[site, test]) for site in evidence.sites if (site, test) in look.random]
        for test in look.tests
    }
    axis = _axis(look, lines.values(), bands.values())
    label = "AUROC on {} over sites, one line per method, beside random directions; the tables below have the figures"
    panels, is_single = [], len(evidence.sites) == 1
    for test in look.tests:
        picture = site_chart(lines[test], bands[test], axis=axis, dodged=is_single, label=label.format(test))
        panels.append(Panel(test, picture, "trained on" if test == evidence.train else ""))
    return tuple(panels)


def _band(look: Lookup, site: str, record: RandomDirections) -> Band:
    note = (
        f"{site}: {record.count} random directions, mean {decimal(record.mean)} ± {decimal(record.sd)}, "
        f"best {decimal(record.best)}, worst {decimal(record.worst)}"
    )
    # the band is the mean ± 2 sd, kept on the axis
    low, high = max(record.mean - 2 * record.sd, 0.0), min(record.mean + 2 * record.sd, 1.0)
    return Band(look.labels.get(site, site), low, high, record.best, note)


def _auroc(look: Lookup, site: str, method: str, test: str) -> Measured | None:
    cell = look.cell(site, method, test=test)
    return cell.auroc if cell else None


def _on_test(look: Lookup, test: str) -> dict[tuple[str, str], Measured]:
    keys = [(site, method) for site in look.evidence.sites for method in look.evidence.methods]
    found = {(site, method): _auroc(look, site, method, test) for site, method in keys}
    return {key: measured for key, measured in found.items() if measured is not None}


def _points(look: Lookup, measured: dict[tuple[str, str], Measured]) -> list[Point]:
    return [_point(look, s, m, measured.get((s, m))) for m in look.evidence.methods for s in look.evidence.sites]


def _point(look: Lookup, site: str, method: str, measured: Measured | None) -> Point:
    label = look.labels.get(site, site)
    chosen = (site, method) == (look.evidence.site, look.evidence.method)
    if not isinstance(measured, Estimate):
        return Point(label, method, None, None, None, "", chosen)
    figure = show_auroc(measured)
    note = f"{method} at {site}: {figure.text} {figure.interval}"
    return Point(label, method, measured.value, measured.low, measured.high, note, chosen)


def _axis(look: Lookup, lines: Iterable[Sequence[Point]], bands: Iterable[Sequence[Band]] = ()) -> SiteAxis:
    labels = tuple(look.labels[site] for site in look.evidence.sites)
    lows = [p.low for points in lines for p in points if p.low is not None] + [b.low for some in bands for b in some]
    return SiteAxis(labels, look.axis, look.evidence.methods, look.evidence.method, floor_of(lows))


def _sitegrid(look: Lookup, caption: str, measured: dict[tuple[str, str], Measured]) -> Grid:
    evidence = look.evidence
    rows = [
        Row(site, tuple(show_auroc(measured.get((site, method))) for method in evidence.methods), site == evidence.site)
        for site in evidence.sites
    ]
    return grid(caption, "site", evidence.methods, rows)
