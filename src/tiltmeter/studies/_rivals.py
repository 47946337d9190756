"""Rivals on the same splits, and what the chosen probe adds to each."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.baselines import (
    USUAL_RIVALS,
    Endpoint,
    JudgedTexts,
    Readings,
    Rival,
    asking,
    embeddings,
    judge_rivals,
    monitor_at,
    perplexity,
    read_rules,
    ruled,
)
from tiltmeter.core.errors import SpecError
from tiltmeter.core.evidence import Advantage, Baseline, Gap
from tiltmeter.core.rivals import BestRival
from tiltmeter.evaluation import HeldOut, gap_recovered
from tiltmeter.models import SubjectModel
from tiltmeter.studies._material import Material
from tiltmeter.studies._sources import open_model
from tiltmeter.studies._spec import ModelSpec, MonitorSpec, StudySpec
from tiltmeter.studies._transfer import Fitted, test_scores


class Rivals(NamedTuple):
    """Figures of rivals, what the chosen probe adds to each and to the best, and what each recovers on other sets.

    ``scores``: of those that were fitted on the training distribution, by name and test set.
    """

    baselines: tuple[Baseline, ...]
    advantages: tuple[Advantage, ...]
    best: tuple[BestRival, ...]
    gaps: tuple[Gap, ...]
    scores: dict[str, dict[str, NDArray[Any]]]


def open_rivals(spec: StudySpec, reader: object) -> tuple[Rival, ...]:
    """Return all rivals that a spec names, and those that cost nothing, before any activation is read.

    Models are loaded here, and answers and rules looked at: what cannot be is found out early. Nothing is sent to an
    endpoint before texts are judged.

    Raises
    ------
    TiltmeterError
        If a file, a model, an answer or a key is not there, or ready vectors are to be asked.
    """
    asked, long_texts = spec.evidence.rivals, spec.read.long_texts
    found = list(USUAL_RIVALS)
    if asked.rules is not None:
        found.append(ruled(read_rules(asked.rules), source=asked.rules))
    if asked.embedder is not None:
        found.append(embeddings(open_model(_beside_the_read(spec, asked.embedder))))
    answers = asked.answers or spec.evidence.answers
    if isinstance(reader, SubjectModel):
        if answers is not None:
            found += asking(
                reader,
                question=asked.question or "",
                positive=answers.positive,
                negative=answers.negative,
                long_texts=long_texts,
            )
        if asked.perplexity:
            found.append(perplexity(reader, long_texts=long_texts))
    elif answers is not None or asked.perplexity:
        raise SpecError("evidence.rivals asks the model that is read, and ready vectors say nothing; leave that out.")
    if asked.monitor is not None:
        found += _monitor(spec, asked.monitor)
    return tuple(found)


def _monitor(spec: StudySpec, asked: MonitorSpec) -> tuple[Rival, Rival]:
    positive, negative = (asked.answers.positive, asked.answers.negative) if asked.answers else ((), ())
    if asked.endpoint is None:
        return asking(
            open_model(_beside_the_read(spec, asked.model)),
            question=asked.prompt,
            positive=positive,
            negative=negative,
            long_texts=spec.read.long_texts,
            as_monitor=True,
        )
    return monitor_at(
        Endpoint(
            url=asked.endpoint,
            model=asked.model,
            key_variable=asked.key_variable,
            timeout=asked.timeout,
            retries=asked.retries,
        ),
        prompt=asked.prompt,
        positive=positive,
        negative=negative,
        scale=asked.scale,
    )


def _beside_the_read(spec: StudySpec, path: str) -> ModelSpec:
    """Load another model on the device of the one that is read."""
    return ModelSpec(path=path, dtype=spec.model.dtype, device=spec.model.device)


def rivals(readers: tuple[Rival, ...], material: Material, tests: dict[str, HeldOut], chosen: Fitted) -> Rivals:
    """Judge all rivals beside the chosen probe; those that learn from train texts are fitted on every set's own too."""
    home, scores = chosen.train, test_scores(chosen, material, tests)
    texts = {name: material.rows(name, "test") for name in tests}
    beside = {name: JudgedTexts(texts[name], test.y, test.by, scores[name]) for name, test in tests.items()}
    readings = Readings()
    told = judge_rivals(
        readers,
        beside,
        train=material.rows(home, "train"),
        calibration=material.rows(home, "calibration"),
        readings=readings,
    )
    baselines, gaps = list(told.baselines), []
    learning = [rival for rival in readers if rival.build is not None and rival.fit_on == "train"]
    alone = {name: test._replace(scores=None) for name, test in beside.items()}
    for name in material.texts:
        train = material.rows(name, "train")
        if name == home or train.y is None or len(np.unique(train.y)) < 2:
            continue
        own = judge_rivals(
            learning, alone, train=train, calibration=material.rows(name, "calibration"), readings=readings
        )
        baselines += own.baselines
        if name not in tests:
            continue
        test = tests[name]
        gaps += [
            Gap(
                method=rival.name,
                site=None,
                test=name,
                recovered=gap_recovered(
                    test.y, easy=told.scores[rival.name][name], hard=own.scores[rival.name][name], by=test.by
                ),
            )
            for rival in learning
        ]
    return Rivals(tuple(baselines), told.advantages, told.best, tuple(gaps), told.scores)
