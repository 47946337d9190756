"""Runs side by side: their test texts are matched, and the first run's figures are taken from the others'."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy.sparse import coo_array
from scipy.sparse.csgraph import connected_components

from tiltmeter.core.comparison import Common, Compared, Comparison, Difference, Gone
from tiltmeter.core.errors import FormatError, SpecError
from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.core.records import Estimate, Threshold
from tiltmeter.evaluation import Looks, Scored, auroc, compare_scores, holm
from tiltmeter.studies._runs import read_run
from tiltmeter.studies._scored_rows import SCORES, ScoredRows, read_scored_rows


class _Opened(NamedTuple):
    name: str
    evidence: Evidence
    tests: ScoredRows


def compare_runs(runs: Sequence[Path], *, n_draws: int = 2000, seed: int = 0) -> Comparison:
    """Compare the chosen probes of runs on the test texts that they share, each with the first.

    Rows are paired by distribution and identifier, if text and label are the same. What either run split as one is
    resampled as one. Where two runs judge a set of the same name but share no text of it, the intervals are those of
    independent samples, and the record says so.

    Parameters
    ----------
    runs
        Two run directories or more; the first is what the others are held against. Level and rate of false alarms are
        those of the first.
    n_draws
        Of the bootstrap.
    seed
        Of the draws.

    Returns
    -------
    Every figure of every common set, with its difference, interval, p-value and that corrected by Holm's method.

    Raises
    ------
    SpecError
        If there are fewer than two runs, one stands twice, or two have no test set in common.
    FileError, FormatError
        If a run is not whole, or its scores are not those of its evidence.

    Examples
    --------
    >>> compare_runs([Path("one")])
    Traceback (most recent call last):
    tiltmeter.core.errors.SpecError: One run is nothing to compare; give two or more.
    """
    if len(runs) < 2:
        raise SpecError("One run is nothing to compare; give two or more.")
    if len({run.resolve() for run in runs}) < len(runs):
        raise SpecError("A run stands twice among those to compare; give each once.")
    if n_draws < 100:
        raise SpecError(f"{n_draws} draws are too few for an interval; give 100 or more.")
    first, *others = (_open(run) for run in runs)
    looks = Looks(first.evidence.fpr, first.evidence.level, n_draws, seed)
    common: list[Common] = []
    found: list[Difference] = []
    for other in others:
        names = [name for name in dict.fromkeys(first.tests.distribution.tolist()) if _has(other, name)]
        if not names:
            raise SpecError(
                f"{first.name} and {other.name} share no test set: the one was judged on "
                f"{', '.join(_sets(first))}, the other on {', '.join(_sets(other))}."
            )
        for name in names:
            shared, differences = _on_one_set(first, other, name, looks)
            common.append(shared)
            found += differences
    corrected = holm([one.p for one in found])
    return Comparison(
        first=first.name,
        runs=tuple(_describe(run) for run in (first, *others)),
        fpr=looks.fpr,
        level=looks.level,
        n_draws=n_draws,
        seed=seed,
        gone=tuple(
            Gone(run=other.name, test=name) for other in others for name in _sets(first) if not _has(other, name)
        ),
        common=tuple(common),
        differences=tuple(one.model_copy(update={"p_holm": p}) for one, p in zip(found, corrected, strict=True)),
    )


def regressions(comparison: Comparison) -> tuple[Difference, ...]:
    """Return the differences that say that a run is worse than the first: fewer caught, lower AUROC, more alarms.

    Those whose p-value, corrected for all that were looked at, is below 1 minus the level; and those of which the first
    run has a figure where the other has none.

    Examples
    --------
    >>> regressions(Comparison(
    ...     first="a", runs=(), fpr=0.01, level=0.95, n_draws=100, seed=0, common=(), differences=(),
    ... ))
    ()
    """
    return tuple(one for one in comparison.differences if _is_worse(one, comparison.level))


def _is_worse(one: Difference, level: float) -> bool:
    if isinstance(one.first, Estimate) and not isinstance(one.other, Estimate):
        return True
    if not isinstance(one.difference, Estimate) or one.p_holm is None or one.p_holm >= 1 - level:
        return False
    return one.difference.value > 0 if one.figure == "false alarms" else one.difference.value < 0


def _open(run: Path) -> _Opened:
    evidence = read_run(run)
    rows = read_scored_rows(run)
    tests = rows.select(rows.split == "test")
    chosen = (evidence.site, evidence.method, evidence.train)
    for cell in evidence.transfer:
        if (cell.site, cell.method, cell.train) != chosen or not isinstance(cell.auroc, Estimate):
            continue
        at = tests.distribution == cell.test
        labels = tests.label[at]
        # both are computed from the same numbers: any difference means that one of the two files is another's
        if len(np.unique(labels)) < 2 or abs(auroc(labels, tests.score[at]) - cell.auroc.value) > 1e-9:
            raise FormatError(
                f"{run / SCORES} does not give the AUROC on {cell.test} that evidence.json holds; one of the two was "
                "changed, so run the study again."
            )
    return _Opened(str(run), evidence, tests)


def _sets(run: _Opened) -> list[str]:
    return list(dict.fromkeys(run.tests.distribution.tolist()))


def _has(run: _Opened, name: str) -> bool:
    return bool((run.tests.distribution == name).any())


def _describe(run: _Opened) -> Compared:
    verdict = run.evidence.verdict
    return Compared(
        run=run.name,
        site=run.evidence.site,
        method=run.evidence.method,
        train=run.evidence.train,
        outcome=verdict.outcome if isinstance(verdict, Verdict) else "no verdict",
    )


def _on_one_set(first: _Opened, other: _Opened, name: str, looks: Looks) -> tuple[Common, list[Difference]]:
    one, two = (run.tests.select(run.tests.distribution == name) for run in (first, other))
    at_one, at_two, n_changed = _match(one, two)
    paired = len(at_one) > 0
    n_first, n_run = len(one.id), len(two.id)
    if paired:
        one, two = one.select(at_one), two.select(at_two)
    units = _joined(one.unit, two.unit) if paired else None
    contrasts = compare_scores(
        _scored(one, units, first.evidence), _scored(two, units, other.evidence), paired=paired, looks=looks
    )
    common = Common(
        run=other.name,
        test=name,
        paired=paired,
        n_rows=len(at_one),
        n_units=0 if units is None else len(np.unique(units)),
        n_first=n_first,
        n_run=n_run,
        n_changed=n_changed,
    )
    return common, [
        Difference(
            run=other.name,
            test=name,
            figure=figure,
            first=found.one,
            other=found.two,
            difference=found.difference,
            p=found.p,
            p_holm=None,
        )
        for figure, found in contrasts.items()
    ]


def _scored(rows: ScoredRows, units: NDArray[Any] | None, evidence: Evidence) -> Scored:
    threshold = evidence.threshold.value if isinstance(evidence.threshold, Threshold) else None
    return Scored(rows.label, rows.score, rows.unit if units is None else units, threshold)


def _match(one: ScoredRows, two: ScoredRows) -> tuple[NDArray[np.int64], NDArray[np.int64], int]:
    """Return the numbers of the rows that are the same text with the same label in both, and how many only look it."""
    place = {id_: i for i, id_ in enumerate(two.id.tolist())}
    pairs = [(i, place[id_]) for i, id_ in enumerate(one.id.tolist()) if id_ in place]
    same = [(i, j) for i, j in pairs if one.text_hash[i] == two.text_hash[j] and one.label[i] == two.label[j]]
    found = np.array(same, dtype=np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1], len(pairs) - len(same)


def _joined(one: NDArray[np.str_], two: NDArray[np.str_]) -> NDArray[np.int64]:
    """Name what rows must be resampled with: those that share a unit in either run, directly or by way of others."""
    (names, left), (more, right) = np.unique(one, return_inverse=True), np.unique(two, return_inverse=True)
    n = len(names) + len(more)
    joins = coo_array((np.ones(len(left)), (left, right + len(names))), shape=(n, n))
    return np.asarray(connected_components(joins, directed=False)[1][left], dtype=np.int64)
