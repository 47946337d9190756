"""Text-only rivals on the same splits, and what the chosen probe adds to each."""

from __future__ import annotations

import numpy as np

from tiltmeter.baselines import TEXT_BASELINES, fit_and_score
from tiltmeter.core.evidence import Advantage, Baseline
from tiltmeter.data import plain_texts
from tiltmeter.evaluation import auroc_difference, ranking_estimates
from tiltmeter.studies._material import Material
from tiltmeter.studies._transfer import Fitted, TestSet, test_scores


def rivals(
    material: Material, tests: dict[str, TestSet], chosen: Fitted, *, fpr: float
) -> tuple[tuple[Baseline, ...], tuple[Advantage, ...]]:
    """Fit each text baseline on every train split and judge it on every test split, beside the chosen probe."""
    strings = {name: plain_texts(material.rows(name, "test")) for name in tests}
    probe_scores = test_scores(chosen, material, tests)
    baselines: list[Baseline] = []
    advantages: list[Advantage] = []
    for name in material.texts:
        train = material.rows(name, "train")
        if train.y is None or len(np.unique(train.y)) < 2:
            continue
        for rival in TEXT_BASELINES:
            scores = fit_and_score(rival, train=plain_texts(train), y=train.y, tests=strings)
            for test in tests.values():
                figures = ranking_estimates(test.y, scores[test.name], fpr=fpr, by=test.by)
                baselines.append(
                    Baseline(
                        name=rival.name, description=rival.description, train=name, test=test.name, auroc=figures.auroc
                    )
                )
                if name == chosen.train:
                    difference = auroc_difference(test.y, probe_scores[test.name], rival=scores[test.name], by=test.by)
                    advantages.append(Advantage(baseline=rival.name, test=test.name, difference=difference))
    return tuple(baselines), tuple(advantages)
