"""How many texts the chosen procedure needs, beside a rival that reads the words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltmeter.baselines import TEXT_BASELINES, fit_and_score
from tiltmeter.core.errors import NoDirectionError
from tiltmeter.core.generalisation import CurvePoint
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.data import plain_texts
from tiltmeter.evaluation import HeldOut, auroc, auroc_gain, mean_auroc
from tiltmeter.studies._fitting import can_fit, fit
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted, test_scores

_DRAWS = 5
# the smallest part of the training units that is tried; each next one is twice as large
_FEWEST = 8
_RIVAL = next(rival for rival in TEXT_BASELINES if rival.name == "TF-IDF")


def data_curve(
    spec: StudySpec, material: Material, tests: dict[str, HeldOut], chosen: Fitted
) -> tuple[CurvePoint, ...]:
    """Fit the chosen method at the chosen site, and TF-IDF, on 8, 16, 32 ... and all training units.

    Draws are nested: a draw's larger parts hold its smaller ones.
    """
    test = tests.get(chosen.train)
    if test is None or len(np.unique(test.y)) < 2:
        return ()
    units = np.asarray(material.part(chosen.train, "train", chosen.site).groups)
    names, which = np.unique(units, return_inverse=True)
    orders = [stream(spec.seed, "data curve", draw).permutation(len(names)) for draw in range(_DRAWS)]
    whole = test_scores(chosen, material, {test.name: test})[test.name]
    rival = _rival_scores(material, test, chosen, np.arange(len(which)))
    points = []
    for n in _FEWEST * 2 ** np.arange(30):
        if n >= len(names):
            break
        rows = [np.flatnonzero(np.isin(which, order[:n])) for order in orders]
        points.append(_part(spec, material, chosen, test, rows=rows, n_units=int(n), whole=whole))
    same = Unavailable(reason="these are all training texts")
    points.append(
        CurvePoint(
            n_units=len(names),
            n_rows=len(which),
            n_draws=1,
            auroc=mean_auroc(test.y, whole[None], by=test.by),
            spread=None,
            gain=same,
            rival=_RIVAL.name,
            rival_auroc=mean_auroc(test.y, rival[None], by=test.by),
        )
    )
    return tuple(points)


def _part(
    spec: StudySpec,
    material: Material,
    chosen: Fitted,
    test: HeldOut,
    *,
    rows: list[NDArray[np.int64]],
    n_units: int,
    whole: NDArray[Any],
) -> CurvePoint:
    train = material.part(chosen.train, "train", chosen.site)
    orient_on = material.part(chosen.train, "calibration", chosen.site)
    X = material.part(test.name, "test", chosen.site).X
    probe, rival = [], []
    for some in rows:
        part = train.select(some)
        if not can_fit(chosen.method, part):
            continue
        try:
            fitted = fit(chosen.method, part, C=spec.probes.C, orient_on=orient_on)
        except NoDirectionError:
            continue
        probe.append(fitted.decision_function(X))
        rival.append(_rival_scores(material, test, chosen, some))
    figures: tuple[Measured, Measured, Measured]
    spread = None
    if len(probe) < len(rows):
        gap = Unavailable(
            reason=f"{len(rows) - len(probe)} of {len(rows)} draws of {n_units} units cannot be fitted on"
        )
        figures = gap, gap, gap
    else:
        aurocs = [auroc(test.y, scores) for scores in probe]
        spread = min(aurocs), max(aurocs)
        figures = (
            mean_auroc(test.y, np.stack(probe), by=test.by),
            auroc_gain(test.y, whole, before=np.stack(probe), by=test.by),
            mean_auroc(test.y, np.stack(rival), by=test.by),
        )
    return CurvePoint(
        n_units=n_units,
        n_rows=round(float(np.mean([len(some) for some in rows]))),
        n_draws=len(rows),
        auroc=figures[0],
        spread=spread,
        gain=figures[1],
        rival=_RIVAL.name,
        rival_auroc=figures[2],
    )


def _rival_scores(material: Material, test: HeldOut, chosen: Fitted, rows: NDArray[np.int64]) -> NDArray[Any]:
    train = material.rows(chosen.train, "train").select(rows)
    strings = {test.name: plain_texts(material.rows(test.name, "test"))}
    return fit_and_score(_RIVAL, train=plain_texts(train), y=np.asarray(train.y), tests=strings)[test.name]
