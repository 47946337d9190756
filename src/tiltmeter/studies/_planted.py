"""What was planted in the organism that a study reads, and which of it each probe follows."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.evidence import Followed, Planted
from tiltmeter.evaluation import HeldOut, label_lead, ranking_estimates
from tiltmeter.studies._material import Material, nuisance_values
from tiltmeter.studies._sources import open_organism, which_organism
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted, test_scores


def planted_in(spec: StudySpec, material: Material) -> Planted | None:
    """Return what was planted in the model that is read, with the columns of its own sets; None without such a set."""
    organism, own = open_organism(spec.model.path), own_sets(spec)
    if organism is None or not own:
        return None
    found = {name for chosen in own for name in material.texts[chosen].meta}
    columns = {name: meaning for name, meaning in organism.columns.items() if name in found}
    return Planted(organism=organism.name, sentences=organism.planted, columns=columns)


def own_sets(spec: StudySpec) -> tuple[str, ...]:
    """Name the distributions that are sets of the very organism that is read: only their columns are planted."""
    read = which_organism(spec.model.path)
    return tuple(name for name, where in spec.texts.items() if read is not None and which_organism(where) == read)


def followed(
    spec: StudySpec, planted: Planted | None, material: Material, tests: dict[str, HeldOut], fitted: tuple[Fitted, ...]
) -> tuple[Followed, ...]:
    """Measure of every probe of the training distribution how well it ranks each planted column on each test set."""
    if planted is None or not planted.columns:
        return ()
    values = {
        (name, column): nuisance_values(material.texts[name], column)[material.splits[name] == "test"]
        for name in own_sets(spec)
        for column in planted.columns
        if column in material.texts[name].meta
    }
    found = []
    for probe in fitted:
        if probe.train != spec.train.distribution:
            continue
        scores = test_scores(probe, material, tests)
        for (name, column), labels in values.items():
            if name not in scores:
                continue
            test = tests[name]
            found.append(
                Followed(
                    column=column,
                    site=probe.site,
                    method=probe.method,
                    test=name,
                    agreement=float(np.mean(labels == test.y)),
                    auroc=ranking_estimates(labels, scores[name], fpr=spec.threshold.fpr, by=test.by).auroc,
                    lead=label_lead(test.y, scores[name], other=labels, by=test.by),
                )
            )
    return tuple(found)
