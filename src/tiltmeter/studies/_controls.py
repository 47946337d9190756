"""Controls on a study's probes: random directions, shuffled labels, nuisances that must not be read."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from tiltmeter.core.errors import NoDirectionError
from tiltmeter.core.evidence import RandomDirections, Shortcut, Shuffled
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import (
    auroc,
    nuisance_auroc,
    random_directions,
    shuffle_labels,
    shuffle_p_value,
)
from tiltmeter.studies._fitting import fit
from tiltmeter.studies._material import Material, nuisance_values
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._threads import side_by_side
from tiltmeter.studies._transfer import Fitted, TestSet, test_scores


def random_nulls(spec: StudySpec, material: Material, tests: dict[str, TestSet]) -> tuple[RandomDirections, ...]:
    """Score random directions at every site on every test set, oriented on the train split."""
    home = spec.train.distribution

    def at(site: str) -> list[RandomDirections]:
        train = material.part(home, "train", site)
        nulls = []
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
        return nulls

    return tuple(null for nulls in side_by_side(at, material.sites) for null in nulls)


def shuffled_refits(
    spec: StudySpec, material: Material, tests: dict[str, TestSet], chosen: Fitted
) -> tuple[Shuffled, ...]:
    """Run the chosen procedure again and again on labels that are shuffled in every split."""
    parts = {
        "train": material.part(chosen.train, "train", chosen.site),
        "calibration": material.part(chosen.train, "calibration", chosen.site),
        **{f"test {name}": material.part(name, "test", chosen.site) for name in tests},
    }
    judged = [name for name, test in tests.items() if len(np.unique(test.y)) == 2]

    def refit(draw: int) -> dict[str, float]:
        spoilt = {
            name: replace(
                part,
                y=shuffle_labels(
                    part.y, pairs=part.pairs, groups=part.groups, rng=stream(spec.seed, "shuffle", draw, name)
                ),
            )
            for name, part in parts.items()
            if part.y is not None
        }
        try:
            probe = fit(chosen.method, spoilt["train"], C=spec.probes.C, orient_on=spoilt["calibration"])
        except NoDirectionError:  # shuffled class means may coincide; that finds nothing
            return dict.fromkeys(judged, 0.5)
        return {
            name: auroc(part.y, probe.decision_function(part.X))
            for name in judged
            if (part := spoilt[f"test {name}"]).y is not None
        }

    drawn = side_by_side(refit, range(spec.evidence.shuffles))
    aurocs = {name: [draw[name] for draw in drawn] for name in judged}
    scores = test_scores(chosen, material, tests)
    values = {name: auroc(tests[name].y, scores[name]) for name in judged}
    return tuple(
        Shuffled(
            test=name,
            aurocs=tuple(sorted(aurocs[name])),
            p_value=shuffle_p_value(values[name], np.array(aurocs[name])),
        )
        for name in judged
    )


def shortcuts(
    spec: StudySpec, material: Material, tests: dict[str, TestSet], fitted: tuple[Fitted, ...]
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
