"""A file of attempts, with what its words alone tell."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from tiltmeter.baselines import TEXT_BASELINES, fit_and_score
from tiltmeter.core.evidence import Baseline, Leakage
from tiltmeter.core.records import Record
from tiltmeter.data import AttemptsSpec, TextSet, find_leakage, plain_texts, write_attempts, write_texts
from tiltmeter.evaluation import ranking_estimates, resampling


class AttemptsCard(Record):
    """What was written: numbers of texts and of groups by split, leaks, and what text baselines reach on test texts.

    ``leakage`` is of the calibration and test texts among the train texts. An interval is over groups.

    Examples
    --------
    >>> sorted(AttemptsCard.model_fields)
    ['baselines', 'groups', 'leakage', 'rows', 'spec']
    """

    spec: AttemptsSpec
    rows: dict[str, int]
    groups: dict[str, int]
    leakage: Leakage
    baselines: tuple[Baseline, ...]


def build_attempts(spec: AttemptsSpec, out: Path) -> AttemptsCard:
    """Write attempts as JSON Lines, and say what can be told from their words.

    Parameters
    ----------
    spec
        What is written; see :func:`tiltmeter.data.write_attempts`.
    out
        A ``.jsonl`` file that does not exist yet. It is whole or not there.

    Returns
    -------
    Numbers, leaks, and the AUROC of each text baseline, fitted on the train texts and judged on the test texts.

    Raises
    ------
    SpecError
        If the spec asks for what cannot be.
    FileError
        If the file exists, or is not called ``.jsonl``.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> spec = AttemptsSpec(sizes=(4, 1, 3), formats=("log",), languages=("en",), difficulties=("blatant",))
    >>> card = build_attempts(spec, Path(folder.name) / "attempts.jsonl")
    >>> card.rows, card.leakage.n_exact, card.baselines[1].auroc.value
    ({'train': 48, 'calibration': 12, 'test': 36}, 0, 0.5)
    >>> folder.cleanup()
    """
    texts = write_attempts(spec)
    write_texts(texts, out)
    parts = {name: texts.select(np.asarray(texts.split) == name) for name in ("train", "calibration", "test")}
    unseen = texts.select(np.asarray(texts.split) != "train")
    return AttemptsCard(
        spec=spec,
        rows={name: len(part) for name, part in parts.items()},
        groups={name: len(np.unique(np.asarray(part.groups))) for name, part in parts.items()},
        leakage=find_leakage(parts["train"], unseen, max_examples=5),
        baselines=tuple(_baselines(parts["train"], parts["test"])),
    )


def _baselines(train: TextSet, test: TextSet) -> list[Baseline]:
    y, truth = np.asarray(train.y), np.asarray(test.y)
    by = resampling(len(test), groups=test.groups)
    found = []
    for rival in TEXT_BASELINES:
        scores = fit_and_score(rival, train=plain_texts(train), y=y, tests={"test": plain_texts(test)})["test"]
        auroc = ranking_estimates(truth, scores, fpr=0.01, by=by).auroc
        found.append(Baseline(name=rival.name, description=rival.description, train="train", test="test", auroc=auroc))
    return found
