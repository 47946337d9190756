"""What was planted in the organism that a study reads, and which of it each probe follows."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.evidence import Followed, Planted
from tiltmeter.evaluation import label_lead, ranking_estimates
from tiltmeter.studies._material import Material, nuisance_values
from tiltmeter.studies._sources import open_organism
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted, TestSet, test_scores


def planted_in(spec: StudySpec, material: Material) -> Planted | None:
    """Return what was planted in the model that is read, with those columns that its texts have; None if nothing."""
    organism = open_organism(spec.model.path)
    if organism is None:
        return None
    found = {name for texts in material.texts.values() for name in texts.meta}
    columns = {name: meaning for name, meaning in organism.columns.items() if name in found}
    return Planted(organism=organism.name, sentences=organism.planted, columns=columns)


def followed(
    spec: StudySpec, planted: Planted | None, material: Material, tests: dict[str, TestSet], fitted: tuple[Fitted, ...]
) -> tuple[Followed, ...]:
    """Measure of every probe of the training distribution how well it ranks each planted column on each test set."""
    if planted is None or not planted.columns:
        return ()
    found = []
    for probe in fitted:
        if probe.train != spec.train.distribution:
            continue
        for name, scores in test_scores(probe, material, tests).items():
            test, rows = tests[name], material.rows(name, "test")
            for column in planted.columns:
                if column not in rows.meta:
                    continue
                values = nuisance_values(material.texts[name], column)[material.splits[name] == "test"]
                found.append(
                    Followed(
                        column=column,
                        site=probe.site,
                        method=probe.method,
                        test=name,
                        agreement=float(np.mean(values == test.y)),
                        auroc=ranking_estimates(values, scores, fpr=spec.threshold.fpr, by=test.by).auroc,
                        lead=label_lead(test.y, scores, other=values, by=test.by),
                    )
                )
    return tuple(found)
