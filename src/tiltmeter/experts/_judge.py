"""From the marks of all seeds to figures with intervals."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError
from tiltmeter.core.experts import Contestant, ContestantKind, Cost, Crossover, Judged, Suite, Taught, Transparency
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.evaluation import mean_estimate, resampling
from tiltmeter.experts._trial import Marks, Sat, Trial
from tiltmeter.numerics import clopper_pearson

Unit = Literal["seeds", "texts"]

# of these somebody has written the lines
_WRITTEN = ("hand rules", "written rules", "mixed")
# shares of texts differ by more
_ROUNDING = 1e-9
_DEPTH = re.compile(r"depth (\d+)")
_NO_RULES = Unavailable(reason="a network has no rules")
_NO_TEACHER = Unavailable(reason="the true labels teach, so that agreement is accuracy")


class Findings(NamedTuple):
    """The parts of the record of a contest that are figures."""

    suites: tuple[Suite, ...]
    contestants: tuple[Contestant, ...]
    curve: tuple[Taught, ...]
    crossovers: tuple[Crossover, ...]


def judge_trials(
    trials: Sequence[Trial],
    *,
    unit: Unit,
    about: Mapping[str, str],
    contestants: Mapping[str, str],
    hours: Mapping[ContestantKind, float] | None = None,
    groups: Mapping[str, Shaped[NDArray[Any], " n"]] | None = None,
    level: float = 0.95,
) -> Findings:
    """Put the marks of all seeds together.

    Parameters
    ----------
    trials
        One a seed, with the same contestants, sizes and suites.
    unit
        What intervals resample. ``seeds`` where each seed has a world of its own; ``texts`` where all seeds are judged
        on the same test texts, whose marks are then averaged over seeds first.
    about
        What each suite holds; the first of them is home.
    contestants
        What each contestant is.
    hours
        Of writing, by contestant, where somebody told.
    groups
        Of the texts of a suite, by its name; where ``unit`` is ``texts`` intervals resample these. A suite that is not
        named has none.
    level
        Of the intervals.

    Returns
    -------
    Suites, contestants, the curve of the student, and where it crosses the others.

    Raises
    ------
    DataError
        If there are no trials.

    Examples
    --------
    >>> from tiltmeter.experts import StudentSpec, grammar_task, hold_trial, make_grammar
    >>> task = grammar_task(make_grammar(0), n_demonstrations=50, n_test=20, depth=2, seed=0)
    >>> trial = hold_trial(task, sizes=(50,), student=StudentSpec(d_model=8, steps=5), seed=0)
    >>> found = judge_trials([trial], unit="seeds", about={"home": "texts"}, contestants={"hand rules": "by hand"})
    >>> found.contestants[0].suites["depth 2"].by_seed
    (1.0,)
    """
    if not trials:
        raise DataError("There are no trials; hold one a seed.")
    by_unit = _Units(unit, groups or {}, level)
    first = trials[0]
    last = max(first.curve)
    names = list(first.curve[last])
    suites = tuple(
        Suite(
            name=name,
            about=about.get(name, name),
            n=len(first.curve[last][name].right),
            depth=int(fixed[1]) if (fixed := _DEPTH.fullmatch(name)) else None,
            teacher=by_unit.share([one.teacher[name].right for one in trials], name) if first.teacher else _NO_TEACHER,
        )
        for name in names
    )
    entries = tuple(
        Contestant(
            name=name,
            kind=sat.kind,
            about=contestants.get(name, name),
            suites=_judged([one.contestants[name].marks for one in trials], by_unit),
            transparency=_transparency([one.contestants[name] for one in trials], by_unit, home=names[0]),
            cost=Cost(
                lines=sat.n_rules if sat.kind in _WRITTEN else None,
                hours=(hours or {}).get(sat.kind),
                n_demonstrations=sat.n_demonstrations,
                cpu_seconds=float(np.mean([one.contestants[name].cpu_seconds for one in trials])),
            ),
        )
        for name, sat in first.contestants.items()
    )
    curve = tuple(
        Taught(n_demonstrations=size, suites=_judged([one.curve[size] for one in trials], by_unit))
        for size in first.curve
    )
    crossovers = tuple(_crossover(one, curve, home=names[0], level=level) for one in entries if one.kind != "student")
    return Findings(suites, entries, curve, crossovers)


class _Units(NamedTuple):
    """What intervals resample."""

    unit: Unit
    groups: Mapping[str, Shaped[NDArray[Any], " n"]]
    level: float

    def share(self, rows: Sequence[NDArray[Any]], suite: str) -> Measured:
        """Estimate a share; the marks of a unit are averaged first, so that each counts alike."""
        marks = np.stack(rows).astype(np.float64)
        own = None if self.unit == "seeds" else self.groups.get(suite)
        return _mean(marks.mean(axis=1 if self.unit == "seeds" else 0), groups=own, level=self.level, bounds=(0.0, 1.0))


def _judged(marks: Sequence[Mapping[str, Marks]], by_unit: _Units) -> dict[str, Judged]:
    """Estimate accuracy and agreement on each suite from the marks of all seeds."""
    found = {}
    for name in marks[0]:
        right = [one[name].right for one in marks]
        taught = [same for one in marks if (same := one[name].as_taught) is not None]
        found[name] = Judged(
            accuracy=by_unit.share(right, name),
            agreement=by_unit.share(taught, name) if taught else _NO_TEACHER,
            by_seed=tuple(float(own.mean()) for own in right),
        )
    return found


def _transparency(sats: Sequence[Sat], by_unit: _Units, *, home: str) -> Transparency:
    first, seen = sats[0], [sat.seen for sat in sats if sat.seen is not None]

    def share(part: str) -> Measured:
        return by_unit.share([getattr(one, part) for one in seen], home) if seen else _NO_RULES

    return Transparency(
        n_rules=first.n_rules,
        bits=first.bits,
        answered=share("answered"),
        one_rule=share("one_rule"),
        clash=share("clash"),
        modified=share("modified"),
    )


def _mean(
    values: Float[NDArray[np.float64], " n"],
    *,
    groups: Shaped[NDArray[Any], " n"] | None = None,
    level: float,
    bounds: tuple[float, float],
) -> Measured:
    of_unit = np.unique(np.arange(len(values)) if groups is None else groups, return_inverse=True)[1]
    by = resampling(len(values), groups=of_unit, level=level)
    found = mean_estimate(values, by=by, bounds=bounds)
    if isinstance(found, Unavailable) or bounds != (0.0, 1.0) or found.value in bounds:
        return found
    if np.ptp(np.bincount(of_unit, values) / np.bincount(of_unit)) > _ROUNDING:
        return found
    # all units show one share, and the bootstrap would know no doubt; of the units that were not seen, some may not
    others = clopper_pearson(0, by.n_units, level=level)[1]
    return found.model_copy(
        update={
            "low": (1 - others) * found.value,
            "high": (1 - others) * found.value + others,
            "method": f"exact binomial over {by.unit}, all of which show {found.value:.3g}",
            "seed": None,
        }
    )


def _crossover(rival: Contestant, curve: tuple[Taught, ...], *, home: str, level: float) -> Crossover:
    sizes = np.log([point.n_demonstrations for point in curve])
    grown = np.array([point.suites[home].by_seed for point in curve]).T
    found = [_crossing(sizes, own, bar=bar) for own, bar in zip(grown, rival.suites[home].by_seed, strict=True)]
    reached = [one for one in found if one is not None]
    size: Measured
    if len(reached) < len(found):
        size = Unavailable(
            reason=f"in {len(found) - len(reached)} of {len(found)} seeds the student stays below up to "
            f"{curve[-1].n_demonstrations:,} demonstrations"
        )
    elif max(reached) == sizes[0]:
        # a bound in every seed, and no place where lines cross
        size = Unavailable(
            reason=f"in all {len(found)} seeds the student does as well after the fewest, "
            f"{curve[0].n_demonstrations:,}, so that the place lies below"
        )
    else:
        size = _mean(np.array(reached), level=level, bounds=(-np.inf, np.inf))
        if isinstance(size, Estimate):
            ends = {name: float(np.exp(getattr(size, name))) for name in ("value", "low", "high")}
            size = size.model_copy(update=ends)
    return Crossover(
        rival=rival.name,
        size=size,
        by_seed=tuple(None if one is None else float(np.exp(one)) for one in found),
    )


def _crossing(
    sizes: Float[NDArray[np.float64], " n"], grown: Float[NDArray[np.float64], " n"], *, bar: float
) -> float | None:
    """Return where a line from point to point first reaches a bar; the first point if that is above it."""
    if grown[0] >= bar:
        return float(sizes[0])
    for at in range(1, len(sizes)):
        if grown[at] >= bar:
            part = (bar - grown[at - 1]) / (grown[at] - grown[at - 1])
            return float(sizes[at - 1] + part * (sizes[at] - sizes[at - 1]))
    return None
