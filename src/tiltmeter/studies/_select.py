"""Validation folds inside the training split: every site and method, judged without a test text."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import NoDirectionError
from tiltmeter.core.evidence import Candidate
from tiltmeter.core.records import Unavailable
from tiltmeter.data import Fold, group_folds
from tiltmeter.evaluation import auroc, fold_estimate
from tiltmeter.studies._fitting import fit
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import Method, StudySpec
from tiltmeter.studies._threads import side_by_side


def candidates(spec: StudySpec, material: Material, methods: tuple[Method, ...]) -> tuple[Candidate, ...]:
    """Judge every site and method on grouped folds of the training split, earliest site and simplest method first."""
    home = spec.train.distribution
    labels, folds = _folds(spec, material)
    tasks = [(site, method) for site in material.sites for method in methods]

    def judged(task: tuple[str, Method]) -> Candidate:
        site, method = task
        rows = material.part(home, "train", site)
        aurocs: list[float] = []
        try:
            for fold in folds:
                inside, outside = rows.select(fold.train), rows.select(fold.test)
                probe = fit(method, inside, C=spec.probes.C, orient_on=inside)
                aurocs.append(auroc(labels[fold.test], probe.decision_function(outside.X)))
        except NoDirectionError as error:
            return Candidate(site=site, method=method, auroc=Unavailable(reason=str(error)), fold_aurocs=())
        figure = fold_estimate(np.array(aurocs), level=spec.evidence.level)
        return Candidate(site=site, method=method, auroc=figure, fold_aurocs=tuple(aurocs))

    return tuple(side_by_side(judged, tasks))


def first_fold(spec: StudySpec, material: Material) -> Fold:
    """Return the first of the folds, rows to fit on and rows to judge on, as positions in the training split."""
    return _folds(spec, material)[1][0]


def _folds(spec: StudySpec, material: Material) -> tuple[NDArray[np.int64], tuple[Fold, ...]]:
    first = material.part(spec.train.distribution, "train", material.sites[0])
    groups = first.groups if first.groups is not None else first.ids
    labels = first.y if first.y is not None else np.zeros(len(first), dtype=np.int64)
    return labels, tuple(group_folds(groups, labels, n_folds=spec.train.folds, seed=spec.seed))
