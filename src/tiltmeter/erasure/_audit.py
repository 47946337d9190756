"""The audit of an eraser: what readers still find on rows that it never saw, and what else it changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, get_args

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.erasure._audit_record import BY_ACCURACY, TOO_WEAK, Audit, Bystander, Reading, Shuffled
from tiltmeter.erasure._audit_rows import (
    ORACLES,
    Audited,
    Erasing,
    Side,
    both,
    check_not_fitted_on,
    erased,
    is_left_whole,
    two_sides,
)
from tiltmeter.erasure._eraser import AffineEraser, OracleEraser, QuadraticEraser
from tiltmeter.erasure._readers import Reader, read
from tiltmeter.evaluation import (
    Resampling,
    auroc,
    auroc_difference,
    balanced_accuracy,
    ranking_estimates,
    resampling,
    shuffle_labels,
)

READERS: tuple[Reader, ...] = get_args(Reader)

# of the best reader's figure before erasing
_STRONG_ENOUGH = 0.9
# of the rows' variance: rows that move by less do not move
_UNMOVED = 1e-9


class _Scored(NamedTuple):
    before: Float[NDArray[Any], " m"]
    after: Float[NDArray[Any], " m"]


class _Figures(NamedTuple):
    auroc: Measured
    accuracy: Measured

    def verdict(self, reader: Reader) -> Measured:
        """Return the figure by which the reader is judged."""
        return self.accuracy if reader == BY_ACCURACY else self.auroc


def audit(
    eraser: Erasing | OracleEraser | QuadraticEraser,
    acts: Activations,
    *,
    test: Activations | None = None,
    others: Mapping[str, Activations] | None = None,
    readers: tuple[Reader, ...] = READERS,
    n_shuffles: int = 5,
    random_state: int = 0,
) -> Audit:
    """Try to read the concept from erased rows, and measure what the erasing cost.

    Every reader is fitted on one part of the rows and judged on another, before erasing and after. No row may be one
    that the eraser was fitted on: there the class means agree by construction, and every linear reader is at chance
    whatever is left in fresh rows. Such rows are refused where they show: where the class means of one side, or of both
    together, agree better than sampling ever makes them, and only so once the rows are erased. That is the case where
    the side is all the fitting rows, unweighted and labelled as in the fit, of an eraser that makes class means equal
    (mean projection, SAL of full rank, LEACE, RLACE, and those that are told the concept). A part of the fitting rows
    shows nothing, nor do the rows of MedianProjection, INLP or SAL of lower rank: there nobody but you can tell.

    Parameters
    ----------
    eraser
        A frozen eraser, or any map of rows with a ``method`` and a ``guarantee``. One that needs each row's concept
        when applied is told the true one.
    acts
        Rows with the concept as labels 0 and 1, one a text, and with groups where rows depend on each other. Of more
        than two classes give one against the rest, of a number whether it is high.
    test
        Rows that judge; None to split ``acts`` in halves, by group. No group or text of it may be in ``acts``.
    others
        Other concepts by name, each with rows and labels of its own (the same rows or different ones), split in halves.
    readers
        Which readers; see :func:`read`.
    n_shuffles
        How often each reader is fitted and judged on shuffled labels as well; 0 for no null.
    random_state
        Seed of splits, readers, resampling and shuffles.

    Raises
    ------
    ArrayError
        If labels are missing, rows are tokens, a number is not finite, or a class is absent from either side.
    DataError
        If ``test`` shares a text or a group with ``acts``, or the rows show that the eraser was fitted on them.

    See Also
    --------
    breaking_fraction : how few outliers would break the mean.

    Notes
    -----
    A reader is judged by its AUROC, ``"threshold"`` by its balanced accuracy, which is what it is made for. It is
    strong enough if its figure before erasing is at least 0.9 times the best reader's, and the lower end of its
    interval above 1/2; else its figures after erasing are ``Unavailable("reader too weak")``: what could not read the
    concept before says nothing by not reading it after. A concept counts as still read where the interval of the figure
    lies above 1/2 and its value above that of every shuffle. For those the labels of both sides are shuffled, each
    within itself, so that a chance direction has no concept left to read. Intervals resample groups where there are
    any; seven readers make seven chances of a false alarm.

    Nothing was erased, says the record, where the difference of the class means of these rows, in units of the
    features' standard deviations, changes by no more than 0.05 of itself in length, and is more than sampling brings
    about (five of its standard deviations), or where the rows hardly move at all. It is not said where there are so few
    positives among so many features that the difference is not sure, nor where an eraser of another direction moves it
    by more than that by chance (for 24 positives in 384 features and a shift of 3, one time in three). Nor is it a
    verdict on an eraser fitted on three or fewer positives of such rows, whose own direction is little but chance.

    With few positives a concept remains readable on fresh rows after exact erasing on the fitting rows, for its mean
    is then poorly known. That is reported as it is, with the number of positives.

    Examples
    --------
    >>> from tiltmeter.erasure import AffineEraser
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(400) % 2
    >>> X = rng.normal(size=(400, 4)) + 3 * np.outer(z, [1.0, 0.0, 0.0, 0.0])
    >>> first = np.eye(4)[:, :1]
    >>> eraser = AffineEraser(first, first.T, np.zeros(4), method="by hand", guarantee="feature 0 is 0", tol=0.0)
    >>> acts = Activations(X, ids=np.arange(400).astype(str), y=z)
    >>> found = audit(eraser, acts, readers=("logistic", "threshold"), n_shuffles=2)
    >>> found.readings[0].before.value > 0.9, found.readings[0].is_read, found.is_nothing_erased
    (True, False, False)
    """
    fit, judge = two_sides(acts, test, random_state)
    check_not_fitted_on(eraser, fit, judge)
    erased_fit, erased_judge = erased(eraser, fit), erased(eraser, judge)
    by = resampling(len(judge.y), groups=judge.groups, seed=random_state)
    scored = {
        one: _Scored(_read(one, fit, judge, random_state), _read(one, erased_fit, erased_judge, random_state))
        for one in readers
    }
    shuffles = [
        (_shuffled(erased_fit, random_state, f"fit {i}"), _shuffled(erased_judge, random_state, f"judge {i}"))
        for i in range(n_shuffles)
    ]
    nulls = {one: _null(one, shuffles, random_state) for one in readers}
    before, after = both(fit, judge), both(erased_fit, erased_judge)
    moved = _squared_change(fit.X, erased_fit.X, judge.X, erased_judge.X)
    spread = float(np.sqrt((before.within() ** 2).sum(axis=1).mean())) or 1.0
    share = float(judge.y.mean())
    return Audit(
        method=eraser.method,
        guarantee=eraser.guarantee,
        n_train=len(fit.y),
        n_test=len(judge.y),
        n_positive_train=int(fit.y.sum()),
        n_positive_test=int(judge.y.sum()),
        majority=max(share, 1 - share),
        readings=_readings(judge.y, scored, nulls=nulls, by=by),
        gap_before=float(np.linalg.norm(before.gap())) / spread,
        gap_after=float(np.linalg.norm(after.gap())) / spread,
        covariance_gap_before=_covariance_gap(fit.X, fit.y),
        covariance_gap_after=_covariance_gap(erased_fit.X, fit.y),
        covariance_gap_shuffled=(
            float(np.mean([_covariance_gap(erased_fit.X, side.y) for side, _ in shuffles])) if shuffles else None
        ),
        squared_change=moved,
        rank=eraser.rank if isinstance(eraser, AffineEraser) else None,
        others=tuple(_bystander(name, eraser, rows, random_state) for name, rows in (others or {}).items()),
        is_nothing_erased=moved <= _UNMOVED or is_left_whole(before, after),
        seed=random_state,
    )


def _read(reader: Reader, fit: Side, judge: Side, seed: int) -> Float[NDArray[np.float64], " m"]:
    return read(reader, fit.X, y=fit.y, X_test=judge.X, groups=fit.groups, random_state=seed)


def _shuffled(side: Side, seed: int, name: str) -> Side:
    rng = stream(seed, f"audit shuffle, {name}")
    return side._replace(y=shuffle_labels(side.y, groups=side.groups, rng=rng))


def _null(reader: Reader, shuffles: list[tuple[Side, Side]], seed: int) -> Shuffled | Unavailable:
    """Return what a reader reaches where both sides have shuffled labels: what luck reaches here."""
    if not shuffles:
        return Unavailable(reason="no shuffles were asked for")
    areas, accuracies = [], []
    for fit, judge in shuffles:
        scores = _read(reader, fit, judge, seed)
        areas.append(auroc(judge.y, scores))
        accuracies.append(_balanced(judge.y, scores > 0))
    return Shuffled(
        mean=float(np.mean(areas)),
        highest=max(areas),
        mean_accuracy=float(np.mean(accuracies)),
        highest_accuracy=max(accuracies),
        n=len(areas),
    )


def _balanced(y: Int[NDArray[Any], " m"], is_called: Bool[NDArray[Any], " m"]) -> float:
    return float((is_called[y == 1].mean() + 1 - is_called[y == 0].mean()) / 2)


def _readings(
    y: Int[NDArray[Any], " m"],
    scored: dict[Reader, _Scored],
    *,
    nulls: dict[Reader, Shuffled | Unavailable],
    by: Resampling,
) -> tuple[Reading, ...]:
    before = {one: _figures(y, scores.before, by=by) for one, scores in scored.items()}
    lines = []
    for reader, scores in scored.items():
        own = before[reader].verdict(reader)
        # of the same figure: an accuracy is no rival of an AUROC
        rivals = [figures.verdict(reader) for figures in before.values()]
        best = max((one.value for one in rivals if isinstance(one, Estimate)), default=1.0)
        is_strong = isinstance(own, Estimate) and own.value >= _STRONG_ENOUGH * best and own.low > 0.5
        gap = Unavailable(reason=TOO_WEAK if isinstance(own, Estimate) else own.reason)
        after = _figures(y, scores.after, by=by) if is_strong else _Figures(gap, gap)
        lines.append(
            Reading(
                reader=reader,
                before=before[reader].auroc,
                after=after.auroc,
                accuracy_before=before[reader].accuracy,
                accuracy_after=after.accuracy,
                null=nulls[reader],
            )
        )
    return tuple(lines)


def _figures(y: Int[NDArray[Any], " m"], scores: Float[NDArray[Any], " m"], *, by: Resampling) -> _Figures:
    return _Figures(ranking_estimates(y, scores, fpr=1.0, by=by).auroc, balanced_accuracy(y, scores > 0, by=by))


def _squared_change(*rows: NDArray[Any]) -> float:
    """Return Σ |erased − x|² / Σ |x − mean|² over pairs of rows and erased rows."""
    plain, erased = (np.concatenate(rows[side::2]).astype(np.float64) for side in (0, 1))
    spread = float(((plain - plain.mean(axis=0)) ** 2).sum())
    return float(((erased - plain) ** 2).sum()) / spread if spread > 0 else 0.0


def _covariance_gap(X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"]) -> float:
    covariances = []
    for label in (0, 1):
        part = X[y == label].astype(np.float64)
        part -= part.mean(axis=0)
        covariances.append(part.T @ part / len(part))
    whole = float(np.linalg.norm(covariances[1] + covariances[0])) / 2
    return float(np.linalg.norm(covariances[1] - covariances[0])) / whole if whole > 0 else 0.0


def _bystander(name: str, eraser: Audited, acts: Activations, seed: int) -> Bystander:
    fit, judge = two_sides(acts, None, seed)
    by = resampling(len(judge.y), groups=judge.groups, seed=seed)
    before = _read("logistic", fit, judge, seed)
    own = ranking_estimates(judge.y, before, fpr=1.0, by=by).auroc
    if isinstance(eraser, ORACLES):
        gap = Unavailable(reason="the eraser must know each row's concept, and these rows are labelled by another")
        return Bystander(
            name=name, n_positive=int(judge.y.sum()), n_test=len(judge.y), before=own, after=gap, change=gap
        )
    after = _read("logistic", erased(eraser, fit), erased(eraser, judge), seed)
    return Bystander(
        name=name,
        n_positive=int(judge.y.sum()),
        n_test=len(judge.y),
        before=own,
        after=ranking_estimates(judge.y, after, fpr=1.0, by=by).auroc,
        change=auroc_difference(judge.y, after, rival=before, by=by),
    )
