"""Every probe, fitted on every distribution and judged on every other."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tiltmeter.core.errors import NoDirectionError
from tiltmeter.core.evidence import Cell, Gap
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import HeldOut, RankingEstimates, gap_recovered, held_out, ranking_estimates, transfer_cell
from tiltmeter.probes import LinearProbe
from tiltmeter.studies._fitting import can_fit, fit
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import Method, StudySpec
from tiltmeter.studies._threads import side_by_side


class Fitted(NamedTuple):
    """A probe and what it was fitted on."""

    train: str
    site: str
    method: Method
    probe: LinearProbe


class NotFitted(NamedTuple):
    """A probe that could not be fitted, and why."""

    train: str
    site: str
    method: Method
    reason: str


class Fits(NamedTuple):
    """What was fitted, and what could not be."""

    fitted: tuple[Fitted, ...]
    failed: tuple[NotFitted, ...]


def test_sets(spec: StudySpec, material: Material) -> dict[str, HeldOut]:
    """Return the test rows of every distribution that has any."""
    sets = {}
    for name, texts in material.texts.items():
        rows = texts.select(material.splits[name] == "test")
        if rows.y is None or not len(rows):
            continue
        units = material.units[name][material.splits[name] == "test"]
        sets[name] = held_out(
            name,
            rows.y,
            units=units,
            n_draws=spec.evidence.bootstrap,
            level=spec.evidence.level,
            seed=spec.seed,
        )
    return sets


def fit_all(spec: StudySpec, material: Material, methods: tuple[Method, ...]) -> Fits:
    """Fit every method at every site on the train split of every distribution that allows it.

    A site where all rows are alike, such as the embedding of a last token that every text shares, yields no direction.
    """
    tasks = [(name, site, method) for name in material.texts for site in material.sites for method in methods]
    found = side_by_side(lambda task: _fitted(spec, material, *task), tasks)
    return Fits(
        tuple(probe for probe in found if isinstance(probe, Fitted)),
        tuple(probe for probe in found if isinstance(probe, NotFitted)),
    )


def _fitted(spec: StudySpec, material: Material, name: str, site: str, method: Method) -> Fitted | NotFitted | None:
    """Fit one method; None if the distribution has not what it needs."""
    train = material.part(name, "train", site)
    if not can_fit(method, train):
        return None
    orient_on = material.part(name, "calibration", site)
    if orient_on.y is None or len(np.unique(orient_on.y)) < 2:
        orient_on = train
    try:
        probe = fit(method, train, C=spec.probes.C, orient_on=orient_on)
    except NoDirectionError as error:
        return NotFitted(name, site, method, str(error))
    return Fitted(name, site, method, probe)


def transfer(fits: Fits, material: Material, tests: dict[str, HeldOut], *, fpr: float) -> tuple[Cell, ...]:
    """Judge every fitted probe on the test split of every distribution."""
    cells = []
    for gap in fits.failed:
        nothing = Unavailable(reason=gap.reason)
        cells += [_cell(gap, test, RankingEstimates(nothing, nothing)) for test in tests.values()]
    # all test sets of a site are scored at once
    ends = np.cumsum([len(test.y) for test in tests.values()])[:-1]
    rows: dict[str, NDArray[Any]] = {}
    with threadpool_limits(1):  # the products are so small that a second thread would only wait
        for probe in fits.fitted:
            if tests and probe.site not in rows:
                rows[probe.site] = np.concatenate([material.part(name, "test", probe.site).X for name in tests])
            scores = np.split(probe.probe.decision_function(rows[probe.site]), ends) if tests else []
            for test, of_test in zip(tests.values(), scores, strict=True):
                cells.append(_cell(probe, test, ranking_estimates(test.y, of_test, fpr=fpr, by=test.by)))
    return tuple(cells)


def gaps(
    fits: Fits, material: Material, tests: dict[str, HeldOut], *, home: str, sites: dict[str, str]
) -> tuple[Gap, ...]:
    """Measure what each method recovers, at its site, of what its like that is fitted on the test's own texts reads."""
    probes: dict[tuple[str, str, str], LinearProbe] = {(p.train, p.site, p.method): p.probe for p in fits.fitted}
    found = []
    for method, site in sites.items():
        for name, test in tests.items():
            easy, hard = probes.get((home, site, method)), probes.get((name, site, method))
            if name == home or easy is None or hard is None:
                continue
            X = material.part(name, "test", site).X
            recovered = gap_recovered(
                test.y, easy=easy.decision_function(X), hard=hard.decision_function(X), by=test.by
            )
            found.append(Gap(method=method, site=site, test=name, recovered=recovered))
    return tuple(found)


def test_scores(chosen: Fitted, material: Material, tests: dict[str, HeldOut]) -> dict[str, NDArray[Any]]:
    """Score the test rows of every distribution with one probe."""
    return {name: chosen.probe.decision_function(material.part(name, "test", chosen.site).X) for name in tests}


def _cell(probe: Fitted | NotFitted, test: HeldOut, figures: RankingEstimates) -> Cell:
    return transfer_cell(test, figures, site=probe.site, method=probe.method, train=probe.train)
