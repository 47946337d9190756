"""Bounds that a run sets, and that a later one must keep: what a continuous integration job asks."""

from __future__ import annotations

from pathlib import Path

from tiltmeter.core.comparison import Bound, Bounds, Figure, Kept
from tiltmeter.core.errors import SpecError
from tiltmeter.core.evidence import Evidence
from tiltmeter.core.records import Estimate, Measured, Threshold
from tiltmeter.studies._runs import read_run


def bounds_of(run: Path) -> Bounds:
    """Take bounds from a run: the lower ends of its AUROCs and of what is caught, the upper ends of its false alarms.

    A later run on the same texts that keeps them is not clearly worse, by the doubt that this run's own figures have.
    False alarms may rise to the certified rate where the interval ends below it.

    Parameters
    ----------
    run
        A run directory.

    Raises
    ------
    SpecError
        If the run has no figure at all.
    FileError, FormatError
        If it is not whole.

    Examples
    --------
    >>> bounds_of(Path("nowhere"))
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere is not a run directory; give one as made by tiltmeter study.
    """
    evidence = read_run(run)
    texts = {one.name: one.fingerprint for one in evidence.distributions}
    certified = evidence.threshold.fpr if isinstance(evidence.threshold, Threshold) else 0.0
    bounds = []
    for (test, figure), found in _figures(evidence).items():
        if not isinstance(found, Estimate):
            continue
        if figure == "false alarms":
            limit = Bound(test=test, figure=figure, at_most=max(found.high, certified), texts=texts.get(test))
        else:
            limit = Bound(test=test, figure=figure, at_least=found.low, texts=texts.get(test))
        bounds.append(limit)
    if not bounds:
        raise SpecError(f"{run} has no figure to take bounds from.")
    return Bounds(run=str(run), bounds=tuple(bounds))


def check_bounds(run: Path, bounds: Bounds) -> tuple[Kept, ...]:
    """Hold the figures of a run against bounds, in their order.

    A figure that is not there any more, such as what a threshold catches where none can be certified, breaks its bound.

    Raises
    ------
    SpecError
        If a bound names a test set that the run was not judged on.
    FileError, FormatError
        If the run is not whole.

    Examples
    --------
    >>> check_bounds(Path("nowhere"), Bounds(run="a", bounds=()))
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: nowhere is not a run directory; give one as made by tiltmeter study.
    """
    evidence = read_run(run)
    figures = _figures(evidence)
    texts = {one.name: one.fingerprint for one in evidence.distributions}
    kept = []
    for bound in bounds.bounds:
        if (bound.test, bound.figure) not in figures:
            known = ", ".join(dict.fromkeys(test for test, _ in figures))
            raise SpecError(
                f"The bounds name {bound.figure} on {bound.test}, but {run} has that of {known or 'no set'} only."
            )
        found = figures[bound.test, bound.figure]
        is_kept = (
            isinstance(found, Estimate)
            and (bound.at_least is None or found.value >= bound.at_least)
            and (bound.at_most is None or found.value <= bound.at_most)
        )
        same = bound.texts is None or bound.texts == texts.get(bound.test)
        kept.append(Kept(run=str(run), bound=bound, found=found, is_kept=is_kept, same_texts=same))
    return tuple(kept)


def _figures(evidence: Evidence) -> dict[tuple[str, Figure], Measured]:
    chosen = (evidence.site, evidence.method, evidence.train)
    figures: dict[tuple[str, Figure], Measured] = {
        (cell.test, "auroc"): cell.auroc for cell in evidence.transfer if (cell.site, cell.method, cell.train) == chosen
    }
    for point in evidence.operating_points:
        figures[point.test, "caught"] = point.tpr
        figures[point.test, "false alarms"] = point.unit_fpr
    return figures
