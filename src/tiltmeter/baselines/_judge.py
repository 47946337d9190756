"""Rivals beside a probe, on the same test rows and the same resamples."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.baselines._rival import Readings, Rival, Seen
from tiltmeter.core.errors import DataError
from tiltmeter.core.evidence import Advantage, Baseline
from tiltmeter.core.records import Measured
from tiltmeter.core.rivals import CLAIMS, BestRival
from tiltmeter.data import TextSet
from tiltmeter.evaluation import Resampling, auroc, auroc_difference, balanced_accuracy, ranking_estimates


class JudgedTexts(NamedTuple):
    """Test texts with their labels, the resampling that all scores on them share, and the probe's scores if any."""

    texts: TextSet
    y: NDArray[np.int64]
    by: Resampling
    scores: NDArray[Any] | None = None


class Told(NamedTuple):
    """Figures of rivals that were fitted on one distribution, and their scores by rival and test set."""

    baselines: tuple[Baseline, ...]
    advantages: tuple[Advantage, ...]
    best: tuple[BestRival, ...]
    scores: dict[str, dict[str, NDArray[np.float64]]]


def judge_rivals(
    rivals: Sequence[Rival],
    tests: Mapping[str, JudgedTexts],
    *,
    train: TextSet,
    calibration: TextSet,
    readings: Readings | None = None,
) -> Told:
    """Fit rivals on the train split (those that ask: on the calibration split) and judge them on every test set.

    Parameters
    ----------
    rivals
        Their names must differ.
    tests
        By name; where one has the scores of a probe, every rival is held against it there.
    train, calibration
        Labelled texts of one distribution, whose name the figures bear.
    readings
        What was read already; None to read everything.

    Returns
    -------
    ``advantages``: AUROC of the probe minus that of each rival, by the paired bootstrap. ``best``: for each claim, the
    rival with the highest AUROC on the calibration texts, and what the probe adds to it. A rival that is fitted on
    these is there in sample; of one number that moves the AUROC by its sign at most.

    Raises
    ------
    DataError
        If names repeat, or the texts that a rival is fitted on are of one class.

    Examples
    --------
    >>> from tiltmeter.baselines import TEXT_RIVALS
    >>> from tiltmeter.evaluation import resampling
    >>> words, y = tuple(f"{w} {i}" for i in range(20) for w in ("bad", "good")), np.array([0, 1] * 20)
    >>> texts = TextSet(np.arange(40).astype(str), texts=words, y=y, distribution="words")
    >>> test = JudgedTexts(texts, y, resampling(40, groups=None), scores=np.zeros(40))
    >>> told = judge_rivals(TEXT_RIVALS, {"words": test}, train=texts, calibration=texts)
    >>> told.best[0].baseline, told.best[0].tried, told.best[0].difference.value
    ('bag of words', 3, -0.5)
    """
    if len({rival.name for rival in rivals}) < len(rivals):
        raise DataError("Two rivals have the same name; give each its own.")
    read = readings or Readings()
    baselines: list[Baseline] = []
    advantages: list[Advantage] = []
    scores: dict[str, dict[str, NDArray[np.float64]]] = {}
    on_calibration: dict[str, float] = {}
    for rival in rivals:
        split = train if rival.fit_on == "train" else calibration
        fitted = None if rival.build is None else rival.fit(read(rival, split), _labels(split))
        seen = {name: read(rival, test.texts) for name, test in tests.items()}
        scores[rival.name] = {name: rival.score(fitted, part) for name, part in seen.items()}
        if any(test.scores is not None for test in tests.values()):
            on_calibration[rival.name] = auroc(_labels(calibration), rival.score(fitted, read(rival, calibration)))
        for name, test in tests.items():
            found = scores[rival.name][name]
            baselines.append(
                _figures(rival, found, test, train=train.distribution, name=name, told=(fitted, seen[name]))
            )
            if test.scores is not None:
                difference = auroc_difference(test.y, test.scores, rival=found, by=test.by)
                advantages.append(Advantage(baseline=rival.name, test=name, difference=difference, kind=rival.kind))
    best = _best(rivals, on_calibration, advantages)
    return Told(tuple(baselines), tuple(advantages), best, scores)


def _figures(
    rival: Rival,
    scores: NDArray[np.float64],
    test: JudgedTexts,
    *,
    train: str,
    name: str,
    told: tuple[Any, Seen],
) -> Baseline:
    accuracy: Measured | None = None
    if rival.build is None or rival.fit_on == "calibration":
        accuracy = balanced_accuracy(test.y, scores > 0, by=test.by)
    return Baseline(
        name=rival.name,
        description=rival.description,
        train=train,
        test=name,
        # the rate at a false-positive rate is not kept
        auroc=ranking_estimates(test.y, scores, fpr=1.0, by=test.by).auroc,
        kind=rival.kind,
        accuracy=accuracy,
        notes=rival.notes(*told),
    )


def _best(
    rivals: Sequence[Rival], on_calibration: dict[str, float], advantages: list[Advantage]
) -> tuple[BestRival, ...]:
    """Choose on the calibration texts, among equals the first; then look the difference up on every test set."""
    differences = {(advantage.baseline, advantage.test): advantage.difference for advantage in advantages}
    found = []
    for claim in dict.fromkeys(CLAIMS.values()):
        of_claim = [rival.name for rival in rivals if CLAIMS[rival.kind] == claim and rival.name in on_calibration]
        if not of_claim:
            continue
        best = max(of_claim, key=lambda name: on_calibration[name])
        found += [
            BestRival(claim=claim, baseline=best, test=test, tried=len(of_claim), difference=difference)
            for (name, test), difference in differences.items()
            if name == best
        ]
    return tuple(found)


def _labels(texts: TextSet) -> NDArray[np.int64]:
    if texts.y is None:
        raise DataError(f"{texts.distribution} has no labels, which rivals are fitted and chosen on.")
    return texts.y
