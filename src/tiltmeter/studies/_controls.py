"""Controls on a study's probes: random directions, shuffled supervision, nuisances that must not be read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tiltmeter.core.evidence import RandomDirections, Shortcut, Shuffled
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import (
    auroc,
    nuisance_auroc,
    random_directions,
    shuffle_labels,
    shuffle_p_value,
    shuffle_pairs,
)
from tiltmeter.studies._fitting import build, fit
from tiltmeter.studies._material import Material, nuisance_values
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted, TestSet


def random_nulls(spec: StudySpec, material: Material, tests: dict[str, TestSet]) -> tuple[RandomDirections, ...]:
    """Score random directions at every site on every test set, oriented on the train split."""
    home = spec.train.distribution
    nulls = []
    for site in material.sites:
        train = material.part(home, "train", site)
        for name, test in tests.items():
            if train.y is None or len(np.unique(test.y)) < 2:
                continue
            # the same stream for every test set: one set of directions a site
            found = random_directions(
                train.X,
                train.y,
                X_test=material.part(name, "test", site).X,
                y_test=test.y,
                count=spec.evidence.random_directions,
                rng=stream(spec.seed, "random directions", site),
            )
            nulls.append(
                RandomDirections(
                    site=site,
                    train=home,
                    test=name,
                    count=len(found.test),
                    mean=float(found.test.mean()),
                    sd=float(found.test.std()),
                    best=float(found.test.max()),
                    worst=float(found.test.min()),
                    chosen_on_train=float(found.test[int(np.argmax(found.train))]),
                )
            )
    return tuple(nulls)


def shuffled_refits(
    spec: StudySpec, material: Material, tests: dict[str, TestSet], chosen: Fitted
) -> tuple[Shuffled, ...]:
    """Fit the chosen method at the chosen site again and again on shuffled supervision."""
    train = material.part(chosen.train, "train", chosen.site)
    orient_on = material.part(chosen.train, "calibration", chosen.site)
    rows = {name: material.part(name, "test", chosen.site).X for name in tests}
    what = "labels" if build(chosen.method, C=spec.probes.C).is_supervised else "pairs"
    aurocs: dict[str, list[float]] = {name: [] for name, test in tests.items() if len(np.unique(test.y)) == 2}
    for draw in range(spec.evidence.shuffles):
        rng = stream(spec.seed, "shuffle", draw)
        if what == "labels" and train.y is not None:
            spoilt = replace(train, y=shuffle_labels(train.y, pairs=train.pairs, rng=rng))
        elif train.pairs is not None:
            paired = train.select(train.pairs != "")
            spoilt = replace(paired, pairs=shuffle_pairs(paired.pairs, rng=rng)) if paired.pairs is not None else paired
        probe = fit(chosen.method, spoilt, C=spec.probes.C, orient_on=orient_on)
        for name in aurocs:
            aurocs[name].append(auroc(tests[name].y, probe.decision_function(rows[name])))
    return tuple(
        Shuffled(
            test=name,
            what=what,
            aurocs=tuple(sorted(values)),
            p_value=shuffle_p_value(auroc(tests[name].y, chosen.probe.decision_function(rows[name])), np.array(values)),
        )
        for name, values in aurocs.items()
    )


def shortcuts(
    spec: StudySpec, material: Material, tests: dict[str, TestSet], fitted: tuple[Fitted, ...]
) -> tuple[Shortcut, ...]:
    """Measure how far each probe's score follows each nuisance column on each test set."""
    home = spec.train.distribution
    found = []
    for nuisance in spec.evidence.nuisances:
        train = material.rows(home, "train")
        agreement = float((nuisance_values(train, nuisance) == train.y).mean())
        values = {name: nuisance_values(material.texts[name], nuisance) for name in tests}
        for probe in fitted:
            if probe.train != home:
                continue
            for name, test in tests.items():
                scores = probe.probe.decision_function(material.part(name, "test", probe.site).X)
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
