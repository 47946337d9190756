"""Controls on a study's probes: random directions, shuffled labels, nuisances that must not be read."""

from __future__ import annotations

import numpy as np
from threadpoolctl import threadpool_limits

from tiltmeter.baselines import (
    ActivationSplits,
    Fit,
    shuffled_labels,
    shuffled_records,
)
from tiltmeter.core.evidence import RandomDirections, Shortcut, Shuffled
from tiltmeter.evaluation import HeldOut, auroc, nuisance_auroc, random_records
from tiltmeter.studies._fitting import fit
from tiltmeter.studies._material import Material, nuisance_values
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._threads import side_by_side
from tiltmeter.studies._transfer import Fitted, test_scores


def random_nulls(spec: StudySpec, material: Material, tests: dict[str, HeldOut]) -> tuple[RandomDirections, ...]:
    """Score random directions at every site on every test set, oriented on the train split."""
    home, count = spec.train.distribution, spec.evidence.random_directions

    def at(site: str) -> tuple[RandomDirections, ...]:
        rows = splits_at(material, home, tests, site=site)
        return random_records(rows.train, rows.tests, home=home, count=count, seed=spec.seed)

    return tuple(null for nulls in side_by_side(at, material.sites) for null in nulls)


def shuffled_refits(
    spec: StudySpec, material: Material, tests: dict[str, HeldOut], chosen: Fitted
) -> tuple[Shuffled, ...]:
    """Run the chosen procedure again and again on labels that are shuffled in every split."""
    with threadpool_limits(1):  # many small fits, in which a second thread would mostly wait
        found = shuffled_labels(
            procedure(spec, chosen),
            splits_at(material, chosen.train, tests, site=chosen.site),
            draws=spec.evidence.shuffles,
            seed=spec.seed,
        )
    return shuffled_records(found, chosen_aurocs(material, tests, chosen))


def procedure(spec: StudySpec, chosen: Fitted) -> Fit:
    """Return the fit of the chosen method, from the rows to fit on and those that may give the sign."""
    return lambda train, orient_on: fit(chosen.method, train, C=spec.probes.C, orient_on=orient_on)


def splits_at(material: Material, home: str, tests: dict[str, HeldOut], *, site: str) -> ActivationSplits:
    """Return the rows that are fitted on, those that give the sign, and those of every test set, at one site."""
    return ActivationSplits(
        material.part(home, "train", site),
        material.part(home, "calibration", site),
        {name: material.part(name, "test", site) for name in tests},
    )


def chosen_aurocs(material: Material, tests: dict[str, HeldOut], chosen: Fitted) -> dict[str, float]:
    """Return the AUROC of the chosen probe on every test set of both labels."""
    scores = test_scores(chosen, material, tests)
    return {name: auroc(test.y, scores[name]) for name, test in tests.items() if len(np.unique(test.y)) == 2}


def shortcuts(
    spec: StudySpec, material: Material, tests: dict[str, HeldOut], fitted: tuple[Fitted, ...]
) -> tuple[Shortcut, ...]:
    """Measure how far each probe's score follows each nuisance column on each test set."""
    home = spec.train.distribution
    found = []
    for nuisance in spec.evidence.nuisances:
        values = {name: nuisance_values(texts, nuisance) for name, texts in material.texts.items()}
        in_train = material.splits[home] == "train"
        agreement = float((values[home][in_train] == material.rows(home, "train").y).mean())
        for probe in fitted:
            if probe.train != home:
                continue
            for name, scores in test_scores(probe, material, tests).items():
                test = tests[name]
                found.append(
                    Shortcut(
                        nuisance=nuisance,
                        site=probe.site,
                        method=probe.method,
                        test=name,
                        auroc_within=nuisance_auroc(
                            test.y, scores, nuisance=values[name][material.splits[name] == "test"], by=test.by
                        ),
                        train_agreement=agreement,
                    )
                )
    return tuple(found)
