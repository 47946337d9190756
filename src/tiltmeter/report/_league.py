"""From a league's record to its page: tables that a reader can sort, and what a sceptic should conclude."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from tiltmeter.core.evidence import Causal
from tiltmeter.core.league import EraserEntry, Finding, FreshReading, League, Placed, ReaderEntry, Standing, TaskResult
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.report._format import (
    DASH,
    Shown,
    asked,
    decimal,
    missing,
    rate,
    reasons_of,
    show_auroc,
    show_difference,
    show_effect,
    show_rate,
)
from tiltmeter.report._page import environment, sort_script, write_page

_THE_TRUTH = "the truth"
_READERS = ("logistic", "threshold", "mlp", "covariances")
_SYMBOLS = {"yes": "✓", "no": "✗", "undecided": "?"}


class Field(NamedTuple):
    """One cell: a figure or a word, what it is sorted by, a line of small print, and where a link leads."""

    shown: Shown | None = None
    text: str = ""
    sort: str = ""
    small: str = ""
    link: str = ""
    tone: str = ""


class Line(NamedTuple):
    """One row: its head, and by which task and method it is filtered."""

    head: str
    remark: str
    cells: tuple[Field, ...]
    is_marked: bool = False
    task: str = ""
    method: str = ""


class Table(NamedTuple):
    """A table that can be sorted by any column."""

    id: str
    caption: str
    corner: str
    columns: tuple[str, ...]
    lines: tuple[Line, ...]
    reasons: tuple[str, ...]


class TaskCard(NamedTuple):
    """A task as it is described, with the AUROC of every method on each of its sets."""

    result: TaskResult
    sets: tuple[tuple[str, str, str, str], ...]
    table: Table


def write_league(folder: Path) -> Path:
    """Write ``league.html`` into a folder from its ``league.json``.

    The file is whole or not there. It opens offline and refers to nothing outside itself; its one script sorts and
    filters the tables, and without it every row is there.

    Parameters
    ----------
    folder
        As ``tiltmeter organism league --out`` fills it.

    Returns
    -------
    Path
        ``folder / "league.html"``; an earlier page is replaced.

    Raises
    ------
    FileError
        If the record is not there.
    FormatError
        If it is not valid JSON, or not a record of the version that this release reads.

    Examples
    --------
    >>> write_league(Path("nowhere"))
    Traceback (most recent call last):
        ...
    tiltmeter.core.errors.FileError: nowhere holds no league.json; tiltmeter organism league --out makes one.
    """
    return write_page(folder, "league", kind=League, render=render_league, made_by="tiltmeter organism league --out")


def render_league(league: League) -> str:
    """Return the page of a league as one HTML document; figures are rounded, never computed.

    Parameters
    ----------
    league
        What was measured.

    Returns
    -------
    str
        HTML with one script, which the page's policy knows by its hash; everything that came from texts is escaped.

    Examples
    --------
    >>> empty = League(
    ...     fingerprint="", seeds=(0,), level=0.95, fpr=0.01, n_draws=500, n_random=100, tasks=(), standings=(),
    ...     findings=(), conclusions=("One seed is one draw.",), versions={}, platform="", n_threads=1, seconds=0.0,
    ...     cpu_seconds=0.0,
    ... )
    >>> "One seed is one draw." in render_league(empty)
    True
    """
    script, digest = sort_script()
    return (
        environment()
        .get_template("league.html.j2")
        .render(
            league=league,
            level=asked(league.level),
            fpr=asked(league.fpr),
            organisms=tuple(dict.fromkeys(one.organism for one in league.tasks)),
            script=script,
            script_hash=digest,
            findings=_findings(league),
            standings=tuple(_standing(number, one) for number, one in enumerate(league.standings)),
            probes=_probes(league),
            erasers=_erasers(league),
            tasks=tuple(_card(one) for one in league.tasks),
            task_names=tuple(one.name for one in league.tasks),
            methods=tuple(dict.fromkeys(reader.method for one in league.tasks for reader in one.readers)),
            eraser_names=tuple(dict.fromkeys(eraser.method for one in league.tasks for eraser in one.erasers)),
            account=_account(league),
        )
    )


def _account(league: League) -> tuple[tuple[str, str], ...]:
    return (
        ("time", f"{league.seconds:,.0f} s over all tasks, {league.cpu_seconds:,.0f} s of processor time"),
        ("threads", str(league.n_threads)),
        ("machine", league.platform),
        ("versions", ", ".join(f"{name} {version}" for name, version in league.versions.items())),
        ("fingerprint", league.fingerprint),
    )


def _words(method: str) -> str:
    return method.replace("_", " ")


def _block(site: str | None) -> str:
    return "" if site is None else f"block {site.split('.')[0]}"


def _sort(measured: Measured | None) -> str:
    return f"{measured.value:.6f}" if isinstance(measured, Estimate) else ""


def _field(shown: Shown, measured: Measured | None, *, small: str = "") -> Field:
    return Field(shown=shown, sort=_sort(measured), small=small if isinstance(measured, Estimate) else "")


def _task_link(result: TaskResult) -> Field:
    return Field(text=result.name, sort=result.name, link=f"#task-{result.name}")


def _table(id_: str, caption: str, corner: str, *, columns: tuple[str, ...], lines: list[Line]) -> Table:
    shown = [cell.shown for line in lines for cell in line.cells if cell.shown is not None]
    return Table(id_, caption, corner, columns, tuple(lines), reasons_of(shown))


def _findings(league: League) -> Table:
    names = tuple(dict.fromkeys(one.name for one in league.findings))
    by_task: dict[str, dict[str, Finding]] = {}
    for one in league.findings:
        by_task.setdefault(one.task, {})[one.name] = one
    lines = [
        Line(
            head=task,
            remark="",
            task=task,
            cells=tuple(_held(found.get(name)) for name in names),
        )
        for task, found in by_task.items()
    ]
    return _table("findings", "What held of the probe that training folds chose", "task", columns=names, lines=lines)


def _held(finding: Finding | None) -> Field:
    if finding is None:
        return Field(shown=missing("not asked of this task"))
    values = list(finding.held.values())
    order = {"yes": 0, "undecided": 1, "no": 2}
    word = values[0] if len(set(values)) == 1 else "mixed"
    text = " ".join(f"{_SYMBOLS[one]} {one}" for one in dict.fromkeys(values))
    if len(values) > 1:
        text = f"{text} ({sum(one == 'yes' for one in values)} of {len(values)} seeds)"
    tone = {"yes": "good", "no": "bad"}.get(word, "mixed")
    small = finding.because if len(values) == 1 else f"{finding.because}; {finding.stands}"
    return Field(text=text, sort=str(sum(order[one] for one in values)), small=small, tone=tone)


def _standing(number: int, standing: Standing) -> Table:
    where = "in distribution" if standing.measure == "in distribution" else "elsewhere (mean over a task's sets)"
    tasks = f"{len(standing.tasks)} task" + "s" * (len(standing.tasks) > 1)
    caption = f"{standing.field}, {where}: {len(standing.methods)} methods on {tasks}"
    lines = [_placed(one) for one in standing.methods]
    columns = ("mean rank", "one organism left out", "mean AUROC", "surely behind another")
    return _table(f"standing-{number}", caption, "method", columns=columns, lines=lines)


def _placed(one: Placed) -> Line:
    rank, area = one.mean_rank, one.mean_auroc
    left = DASH if one.without_one is None else f"{one.without_one[0]:.1f} to {one.without_one[1]:.1f}"
    shown = Shown(f"{rank.value:.1f}", f"[{rank.low:.1f}, {rank.high:.1f}]", rank.method)
    return Line(
        head=_words(one.method),
        remark="",
        method=one.method,
        cells=(
            Field(shown=shown, sort=f"{rank.value:.4f}"),
            Field(text=left, sort="" if one.without_one is None else f"{one.without_one[0]:.4f}"),
            Field(shown=show_auroc(area), sort=f"{area.value:.6f}"),
            Field(text="yes" if one.is_behind else "no", sort="1" if one.is_behind else "0"),
        ),
    )


_PROBE_COLUMNS = (
    "task",
    "in distribution",
    "worst elsewhere",
    "mean elsewhere",
    "caught at the certified rate",
    "over text",
    "over text, elsewhere",
    "over luck",
    "over luck, elsewhere",
    "swap success",
    "follows",
)


def _probes(league: League) -> Table:
    lines = [_probe(result, one) for result in league.tasks for one in result.readers]
    return _table("probes", "Every probe on every task", "probe", columns=_PROBE_COLUMNS, lines=lines)


def _probe(result: TaskResult, one: ReaderEntry) -> Line:
    home = next((point for point in one.operating_points if point.test == result.train), None)
    alarms = home.fpr if home is not None else None
    reason = one.threshold if isinstance(one.threshold, Unavailable) else None
    tpr: Measured = reason or (home.tpr if home is not None else Unavailable(reason="not measured"))
    small = f"alarms {rate(alarms.value)} %" if isinstance(alarms, Estimate) else ""
    return Line(
        head=_words(one.method),
        remark=_block(one.site),
        is_marked=one.is_chosen,
        task=result.name,
        method=one.method,
        cells=(
            _task_link(result),
            _field(show_auroc(one.home), one.home),
            _field(show_auroc(one.worst), one.worst, small=one.worst_set or ""),
            _field(show_auroc(one.mean), one.mean),
            _field(show_rate(tpr), tpr, small=small),
            _field(show_difference(one.over_text), one.over_text),
            _field(show_difference(one.over_text_elsewhere), one.over_text_elsewhere),
            _field(show_difference(one.over_luck), one.over_luck),
            _field(show_difference(one.over_luck_elsewhere), one.over_luck_elsewhere),
            _swap(one),
            _follows(one),
        ),
    )


def _swap(one: ReaderEntry) -> Field:
    if not isinstance(one.cause, Causal):
        return Field(shown=missing(one.cause.reason))
    small = f"random ≤ {decimal(one.cause.random_swap[1])}, displaced ≤ {decimal(one.cause.displaced_swap[1])}"
    return _field(show_effect(one.cause.swap, luck=one.cause.least_swap), one.cause.swap, small=small)


def _follows(one: ReaderEntry) -> Field:
    if not one.follows:
        return Field(shown=missing("no other column was planted, or the two say the same"))
    tone = "good" if one.follows == _THE_TRUTH else "mixed" if "for sure" in one.follows else "bad"
    return Field(text=one.follows, sort=one.follows, tone=tone)


_ERASER_COLUMNS = (
    "task",
    "linear reader",
    "best threshold (accuracy)",
    "network",
    "class covariances",
    "linear reader, elsewhere",
    "rows moved",
    "other concepts",
    "the model's own answer",
)


def _erasers(league: League) -> Table:
    lines = [_eraser(result, one) for result in league.tasks for one in result.erasers]
    return _table("erasers", "Every eraser on every task", "eraser", columns=_ERASER_COLUMNS, lines=lines)


def _eraser(result: TaskResult, one: EraserEntry) -> Line:
    read = {reading.reader: reading for reading in one.readings}
    told = "told each row's concept" if one.is_told else "" if one.rank is None else f"rank {one.rank}"
    return Line(
        head=_words(one.method),
        remark=f"{_block(result.site)}{', ' if told else ''}{told}",
        task=result.name,
        method=one.method,
        cells=(
            _task_link(result),
            *(_reading(read.get(reader), one) for reader in _READERS),
            _elsewhere(one),
            _moved(one),
            _kept(one),
            _field(show_auroc(one.answers), one.answers, small=_before(one.answers_before)),
        ),
    )


def _reading(reading: FreshReading | None, one: EraserEntry) -> Field:
    if reading is None:
        return Field(shown=missing(one.failed or "not read"))
    shown = show_auroc(reading.after)
    return _field(shown._replace(weak=reading.is_read), reading.after, small=_before(reading.before))


def _before(measured: Measured) -> str:
    return f"{decimal(measured.value)} before" if isinstance(measured, Estimate) else ""


def _elsewhere(one: EraserEntry) -> Field:
    """Show the set on which most is still read."""
    there = {name: found for name, found in one.elsewhere.items() if isinstance(found, Estimate)}
    if not there:
        return Field(shown=missing(one.failed or "the task has no set elsewhere"))
    most = max(there, key=lambda name: there[name].value)
    small = f"{most}; {_before(one.elsewhere_before[most])}"
    return _field(show_auroc(there[most]), there[most], small=small)


def _moved(one: EraserEntry) -> Field:
    if one.squared_change is None:
        return Field(shown=missing(one.failed or "not measured"))
    small = "nothing was erased" if one.is_nothing_erased else ""
    text = f"{one.squared_change:.3f}" if one.squared_change < 10 else f"{one.squared_change:,.0f}"
    return Field(text=text, sort=f"{one.squared_change:.6f}", small=small)


def _kept(one: EraserEntry) -> Field:
    """Show the planted column that lost most."""
    changes = {kept.column: kept for kept in one.kept if isinstance(kept.change, Estimate)}
    if not changes:
        return Field(shown=missing(one.failed or "no other column was planted"))
    worst = min(changes.values(), key=lambda kept: kept.change.value if isinstance(kept.change, Estimate) else 0.0)
    small = f"{worst.column}; {_before(worst.before)}"
    return _field(show_difference(worst.change)._replace(weak=_is_lost(worst.change)), worst.change, small=small)


def _is_lost(change: Measured) -> bool:
    return isinstance(change, Estimate) and change.high < 0


def _card(result: TaskResult) -> TaskCard:
    sets = tuple(
        (one.name, one.kind, one.role, f"{one.about.rows['test']} texts, {one.about.groups['test']} groups")
        for one in result.sets
    )
    names = tuple(one.name for one in result.sets)
    lines = [
        Line(
            head=_words(one.method),
            remark=_block(one.site),
            is_marked=one.is_chosen,
            cells=tuple(_field(show_auroc(one.auroc[name]), one.auroc[name]) for name in names),
        )
        for one in result.readers
    ]
    for rival in dict.fromkeys(one.name for one in result.rivals):
        figures = {one.test: one.auroc for one in result.rivals if one.name == rival}
        cells = tuple(_field(show_auroc(figures[name]), figures[name]) for name in names)
        lines.append(Line(f"text: {rival}", "reads the words alone", cells))
    best = {one.test: one for one in result.random_directions if one.site == result.site}
    cells = tuple(
        Field(text=decimal(best[name].best), sort=f"{best[name].best:.6f}", small=f"mean {decimal(best[name].mean)}")
        for name in names
    )
    lines.append(Line("best of random directions", _block(result.site), cells))
    return TaskCard(
        result, sets, _table(f"auroc-{result.name}", "AUROC on each set", "reader", columns=names, lines=lines)
    )
