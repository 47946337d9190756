"""Text-only rivals on the same splits, and what the chosen probe adds to each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.baselines import TEXT_BASELINES, fit_and_score
from tiltmeter.core.evidence import Advantage, Baseline, Gap
from tiltmeter.data import plain_texts
from tiltmeter.evaluation import auroc_difference, gap_recovered, ranking_estimates
from tiltmeter.studies._material import Material
from tiltmeter.studies._transfer import Fitted, TestSet, test_scores


class Rivals(NamedTuple):
    """Text baselines: their figures, what the chosen probe adds to each, and what each recovers on other sets.

    ``scores``: of those that were fitted on the training distribution, by name and test set.
    """

    baselines: tuple[Baseline, ...]
    advantages: tuple[Advantage, ...]
    gaps: tuple[Gap, ...]
    scores: dict[str, dict[str, NDArray[Any]]]


def rivals(material: Material, tests: dict[str, TestSet], chosen: Fitted, *, fpr: float) -> Rivals:
    """Fit each text baseline on every train split and judge it on every test split, beside the chosen probe."""
    strings = {name: plain_texts(material.rows(name, "test")) for name in tests}
    probe_scores = test_scores(chosen, material, tests)
    baselines: list[Baseline] = []
    advantages: list[Advantage] = []
    scores: dict[tuple[str, str], dict[str, NDArray[Any]]] = {}
    for name in material.texts:
        train = material.rows(name, "train")
        if train.y is None or len(np.unique(train.y)) < 2:
            continue
        for rival in TEXT_BASELINES:
            found = fit_and_score(rival, train=plain_texts(train), y=train.y, tests=strings)
            scores[rival.name, name] = found
            for test in tests.values():
                figures = ranking_estimates(test.y, found[test.name], fpr=fpr, by=test.by)
                baselines.append(
                    Baseline(
                        name=rival.name, description=rival.description, train=name, test=test.name, auroc=figures.auroc
                    )
                )
                if name == chosen.train:
                    difference = auroc_difference(test.y, probe_scores[test.name], rival=found[test.name], by=test.by)
                    advantages.append(Advantage(baseline=rival.name, test=test.name, difference=difference))
    gaps = []
    for (rival_name, train_name), own in scores.items():
        home = scores.get((rival_name, chosen.train))
        if train_name == chosen.train or train_name not in tests or home is None:
            continue
        test = tests[train_name]
        recovered = gap_recovered(test.y, easy=home[test.name], hard=own[test.name], by=test.by)
        gaps.append(Gap(method=rival_name, site=None, test=test.name, recovered=recovered))
    at_home = {rival_name: found for (rival_name, train_name), found in scores.items() if train_name == chosen.train}
    return Rivals(tuple(baselines), tuple(advantages), tuple(gaps), at_home)
