"""Every eraser on one task: what fresh readers still find, what moved, what else was lost, what the model then says."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, ConvergenceWarning, DataError, NoDirectionError
from tiltmeter.core.league import EraserEntry, FreshReading, Kept
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.data import TextSet
from tiltmeter.erasure import (
    INLP,
    LEACE,
    RLACE,
    SAL,
    AffineEraser,
    Audit,
    MeanProjection,
    MedianProjection,
    OracleEraser,
    QuadraticEraser,
    Reader,
    Reading,
    audit,
    oracle_leace,
    quadratic_leace,
    read,
)
from tiltmeter.evaluation import ranking_estimates, resampling
from tiltmeter.interventions import Erase
from tiltmeter.models import Edit, edited, encode, next_logits
from tiltmeter.studies._league_open import Opened
from tiltmeter.studies._league_tasks import asked_pairs
from tiltmeter.studies._material import Split, nuisance_values

ERASERS = (
    "mean_projection",
    "median_projection",
    "sal",
    "leace",
    "leace_shrunk",
    "inlp",
    "rlace",
    "oracle_leace",
    "quadratic_leace",
    "random_projection",
)
"""``random_projection`` takes one random direction away: what erasing nothing in particular does."""

# a reader of rows fits on what came of them; the last two are told the concept of each
_Eraser = AffineEraser | OracleEraser | QuadraticEraser

# two that are linear, two that are not; the audit has more. Its shuffles are left out: three quarters of its time
_READERS: tuple[Reader, ...] = ("logistic", "threshold", "mlp", "covariances")
_SHRINKAGE = 0.1
# texts that are run through the edited model
_MOST_ASKED = 200
_BATCH = 64
# neither was seen by an eraser
_FRESH: tuple[Split, ...] = ("calibration", "test")


def judge_erasers(
    opened: Opened, site: str, *, announce: Callable[[str], None], methods: tuple[str, ...] = ERASERS
) -> tuple[EraserEntry, ...]:
    """Fit and audit every eraser at a site: fitted on train rows, readers on calibration rows, judged on test rows."""
    plain = {name: _fresh_linear(opened, name, site, None) for name in opened.elsewhere}
    said = _Answers(opened, site)
    found = []
    for method in methods:
        announce(f"erasing by {method}")
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore", ConvergenceWarning)
                eraser = _fit(method, opened.material.part(opened.home, "train", site), seed=opened.settings.seed)
                audited = _audit(opened, eraser, site)
        except (NoDirectionError, ArrayError, DataError) as error:
            found.append(_failed(method, str(error), before=plain))
            continue
        found.append(
            EraserEntry(
                method=method,
                failed=None,
                guarantee=audited.guarantee,
                is_told=not isinstance(eraser, AffineEraser),
                rank=audited.rank,
                squared_change=audited.squared_change,
                is_nothing_erased=audited.is_nothing_erased,
                readings=tuple(_reading(one) for one in audited.readings),
                elsewhere_before=plain,
                elsewhere={name: _fresh_linear(opened, name, site, eraser) for name in opened.elsewhere},
                kept=tuple(
                    Kept(
                        column=one.name,
                        on=opened.task.keep[one.name],
                        before=one.before,
                        after=one.after,
                        change=one.change,
                    )
                    for one in audited.others
                ),
                answers_before=said.bare,
                answers=said.with_eraser(eraser),
            )
        )
    return tuple(found)


def _fit(method: str, train: Activations, *, seed: int) -> _Eraser:
    X, y = train.X, np.asarray(train.y)
    match method:
        case "mean_projection":
            return MeanProjection().fit(X, y).eraser_
        case "median_projection":
            return MedianProjection().fit(X, y).eraser_
        case "sal":
            return SAL().fit(X, y).eraser_
        case "leace":
            return LEACE().fit(X, y).eraser_
        case "leace_shrunk":
            return LEACE(shrinkage=_SHRINKAGE).fit(X, y).eraser_
        case "inlp":
            return INLP().fit(X, y).eraser_
        case "rlace":
            return RLACE().fit(X, y).eraser_
        case "oracle_leace":
            return oracle_leace(X, y)
        case "quadratic_leace":
            return quadratic_leace(X, y)
        case _:
            vector = stream(seed, "random projection", str(train.site)).normal(size=(X.shape[1], 1))
            vector /= np.linalg.norm(vector)
            center = X.mean(axis=0, dtype=np.float64)
            return AffineEraser(
                vector, vector.T, center, method="a random direction", guarantee="none: it is the null", tol=0.0
            )


def _audit(opened: Opened, eraser: _Eraser, site: str) -> Audit:
    calibration, test = (opened.material.part(opened.home, split, site) for split in _FRESH)
    return audit(
        eraser,
        calibration,
        test=test,
        others={column: _labelled_by(opened, name, column, site) for column, name in opened.task.keep.items()},
        readers=_READERS,
        n_shuffles=0,
        random_state=opened.settings.seed,
    )


def _reading(one: Reading) -> FreshReading:
    # a threshold is made for its accuracy: where negatives lie on both sides its AUROC says nothing
    by_accuracy = one.reader == "threshold"
    return FreshReading(
        reader=one.reader,
        before=one.accuracy_before if by_accuracy else one.before,
        after=one.verdict,
        is_read=one.is_read,
    )


def _labelled_by(opened: Opened, name: str, column: str, site: str) -> Activations:
    """Return fresh rows of a set with another planted column for a label."""
    is_fresh = np.isin(opened.material.splits[name], _FRESH)
    acts = opened.material.activations[name][site].select(is_fresh)
    return replace(acts, y=nuisance_values(opened.material.texts[name], column)[is_fresh])


def _fresh_linear(opened: Opened, name: str, site: str, eraser: _Eraser | None) -> Measured:
    """Fit a linear reader on calibration rows of a set, erased or not, and judge it on the test rows."""
    calibration, test = (opened.material.part(name, split, site) for split in _FRESH)
    y = np.asarray(calibration.y)
    rows, others = (_erased(eraser, part) for part in (calibration, test))
    scores = read("logistic", rows, y=y, X_test=others, groups=calibration.groups, random_state=opened.settings.seed)
    judged = opened.judging.tests[name]
    return ranking_estimates(judged.y, scores, fpr=opened.settings.fpr, by=judged.by).auroc


def _erased(eraser: _Eraser | None, acts: Activations) -> NDArray[Any]:
    if eraser is None:
        return acts.X
    return np.asarray(eraser(acts.X) if isinstance(eraser, AffineEraser) else eraser(acts.X, np.asarray(acts.y)))


def _failed(method: str, reason: str, *, before: dict[str, Measured]) -> EraserEntry:
    gap = Unavailable(reason=reason)
    return EraserEntry(
        method=method,
        failed=reason,
        guarantee="",
        is_told=False,
        rank=None,
        squared_change=None,
        is_nothing_erased=False,
        readings=(),
        elsewhere_before=before,
        elsewhere=dict.fromkeys(before, gap),
        kept=(),
        answers_before=gap,
        answers=gap,
    )


class _Answers:
    """What the model answers to test texts of the home set: AUROC of its log-odds for the label."""

    def __init__(self, opened: Opened, site: str) -> None:
        self._opened, self._site = opened, site
        self._texts: TextSet | None = None
        if opened.task.answers is not None:
            texts = asked_pairs(opened.task, opened.material.rows(opened.home, "test"))
            self._texts = texts.select(np.arange(min(len(texts), _MOST_ASKED)))
        self.bare = self._measured(())

    def with_eraser(self, eraser: _Eraser) -> Measured:
        """Return the same with an eraser at work at the site, at every token."""
        if not isinstance(eraser, AffineEraser):
            return Unavailable(reason="inside a model nobody tells an eraser the concept")
        return self._measured((Erase(self._site, eraser),))

    def _measured(self, edits: tuple[Edit, ...]) -> Measured:
        texts, answers = self._texts, self._opened.task.answers
        if texts is None or answers is None:
            return Unavailable(reason="the model is asked for no answer after these texts")
        subject = self._opened.subject
        encoded = encode(subject, texts)
        words = [
            [
                int(token)
                for answer in side
                for token in subject.tokenizer(answer, add_special_tokens=False)["input_ids"]
            ]
            for side in (answers.positive, answers.negative)
        ]
        odds = []
        with edited(subject, edits):
            for start in range(0, len(texts), _BATCH):
                rows = [encoded.row(i)[0] for i in range(start, min(start + _BATCH, len(texts)))]
                lengths = torch.tensor([len(row) for row in rows])
                tokens = torch.zeros(len(rows), int(lengths.max()), dtype=torch.long)
                for i, row in enumerate(rows):
                    tokens[i, : len(row)] = torch.from_numpy(row.astype(np.int64))
                mask = torch.arange(tokens.shape[1]) < lengths[:, None]
                log_probs = next_logits(subject, tokens, at=lengths - 1, mask=mask).double().log_softmax(-1)
                positive, negative = (log_probs[:, side].logsumexp(1) for side in words)
                odds.append((positive - negative).cpu().numpy())
        y = np.asarray(texts.y)
        settings = self._opened.settings
        by = resampling(
            len(texts), groups=texts.groups, n_draws=settings.n_draws, level=settings.level, seed=settings.seed
        )
        return ranking_estimates(y, np.concatenate(odds), fpr=settings.fpr, by=by).auroc
