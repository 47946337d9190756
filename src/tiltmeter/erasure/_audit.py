"""The audit of an eraser: what readers still find on rows that it never saw, and what else it changed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple, Protocol, get_args, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.erasure._audit_record import TOO_WEAK, Audit, Bystander, Reading, Shuffled
from tiltmeter.erasure._eraser import AffineEraser, OracleEraser, QuadraticEraser
from tiltmeter.erasure._readers import Reader, halves, read
from tiltmeter.evaluation import (
    Resampling,
    auroc,
    auroc_difference,
    balanced_accuracy,
    ranking_estimates,
    resampling,
    shuffle_labels,
)
from tiltmeter.numerics import class_means

READERS: tuple[Reader, ...] = get_args(Reader)

# of the best reader's AUROC before erasing
_STRONG_ENOUGH = 0.9
# a difference of the means that changes by less than this of itself, or rows that move by less than this of their
# variance: no erasing
_LEFT_WHOLE = 0.05
_UNMOVED = 1e-9
# of what sampling alone leaves on fresh rows, squared: below it the means agree by construction
_TOO_EQUAL = 1e-8
# and above this multiple of it they differ
_REAL = 2.0
# of the largest entry, in units of its last digit: a spread below it is rounding
_ROUNDING = 100


@runtime_checkable
class Erasing(Protocol):
    """What an audit takes: a map of rows (n, d) to rows of the same shape, with its name and what it guarantees."""

    @property
    def method(self) -> str:
        """Name of the fitter."""

    @property
    def guarantee(self) -> str:
        """What holds, and of which rows."""

    def __call__(self, X: NDArray[Any], /) -> NDArray[Any]:
        """Erase."""


# these are told the concept of every row that they erase from
_ORACLES = (OracleEraser, QuadraticEraser)
Audited = Erasing | OracleEraser | QuadraticEraser


class _Sides(NamedTuple):
    """Rows with labels and groups, on the side that fits readers or on the one that judges them."""

    X: Float[NDArray[Any], "n d"]
    y: Int[NDArray[Any], " n"]
    groups: Shaped[NDArray[Any], " n"] | None


class _Scored(NamedTuple):
    before: Float[NDArray[Any], " m"]
    after: Float[NDArray[Any], " m"]


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
    whatever is left in fresh rows. Such rows are refused where they show (all of them, labels as in the fit).

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
        How often each reader is fitted on shuffled labels as well; 0 for no null.
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
    A reader is strong enough if its AUROC before erasing is at least 0.9 times the best reader's AUROC there, and the
    lower end of its interval is above 1/2; else its figures after erasing are ``Unavailable("reader too weak")``: what
    could not read the concept before says nothing by not reading it after. A concept counts as still read where the
    interval of the AUROC lies above 1/2 and its value above that of every shuffle. Intervals resample groups where
    there are any; seven readers make seven chances of a false alarm.

    Nothing was erased, says the record, where the difference of the class means of these rows changes by no more than
    0.05 of itself (and is more than sampling brings about, twice its square), or the rows hardly move at all.

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
    fit, judge = _split(acts, test, random_state)
    erased_fit, erased_judge = (_erased(eraser, side) for side in (fit, judge))
    before, after = (
        _Gap.of(np.concatenate([one.X, two.X]), np.concatenate([one.y, two.y]))
        for one, two in ((fit, judge), (erased_fit, erased_judge))
    )
    if after.is_by_construction and not before.is_by_construction:
        raise DataError(
            "The class means of the erased rows agree to rounding, so the eraser was fitted on these very rows, where "
            "every linear reader is at chance by construction; audit it on rows that it never saw."
        )
    by = resampling(len(judge.y), groups=judge.groups, seed=random_state)
    scored = {
        one: _Scored(_read(one, fit, judge, random_state), _read(one, erased_fit, erased_judge, random_state))
        for one in readers
    }
    shuffles = [
        shuffle_labels(fit.y, groups=fit.groups, rng=stream(random_state, "audit shuffle", i))
        for i in range(n_shuffles)
    ]
    nulls = {
        one: [
            auroc(judge.y, _read(one, erased_fit._replace(y=labels), erased_judge, random_state)) for labels in shuffles
        ]
        for one in readers
    }
    moved = _squared_change(fit.X, erased_fit.X, judge.X, erased_judge.X)
    size = float(np.linalg.norm(before.difference))
    is_whole = before.is_real and float(np.linalg.norm(after.difference - before.difference)) <= _LEFT_WHOLE * size
    spread = float(np.sqrt(before.variance)) or 1.0
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
        gap_before=size / spread,
        gap_after=float(np.linalg.norm(after.difference)) / spread,
        covariance_gap_before=_covariance_gap(fit.X, fit.y),
        covariance_gap_after=_covariance_gap(erased_fit.X, fit.y),
        covariance_gap_shuffled=(
            float(np.mean([_covariance_gap(erased_fit.X, labels) for labels in shuffles])) if shuffles else None
        ),
        squared_change=moved,
        rank=eraser.rank if isinstance(eraser, AffineEraser) else None,
        others=tuple(_bystander(name, eraser, rows, random_state) for name, rows in (others or {}).items()),
        is_nothing_erased=is_whole or moved <= _UNMOVED,
        seed=random_state,
    )


# ------------------------------------------------------------ rows


def _split(acts: Activations, test: Activations | None, seed: int) -> tuple[_Sides, _Sides]:
    everything = _side(acts, "acts")
    if test is not None:
        if len(np.intersect1d(acts.ids, test.ids)):
            raise DataError(
                "test and acts share texts; readers must be judged on other texts than they were fitted on."
            )
        if acts.groups is not None and test.groups is not None and len(np.intersect1d(acts.groups, test.groups)):
            raise DataError("test and acts share groups; a group must stay on one side.")
        sides = everything, _side(test, "test")
    else:
        is_fit = halves(everything.y, everything.groups, stream(seed, "audit split"))
        sides = _part(everything, is_fit), _part(everything, ~is_fit)
    for side, job in zip(sides, ("fit readers", "judge them"), strict=True):
        if not 0 < side.y.sum() < len(side.y):
            raise ArrayError(
                f"The rows that {job} hold {int(side.y.sum())} positives among {len(side.y)}; both classes are needed: "
                "give more rows or groups of the rarer one."
            )
    return sides


def _side(acts: Activations, name: str) -> _Sides:
    if acts.offsets is not None:
        raise ArrayError(f"{name} holds one row a token; pool them to one row a text first.")
    if acts.y is None:
        raise ArrayError(f"{name} has no labels; an audit needs y, whether each text has the concept.")
    if not np.isfinite(acts.X).all():
        raise ArrayError(f"{name} holds NaN or infinity; leave those rows out.")
    return _Sides(acts.X, acts.y, acts.groups)


def _part(side: _Sides, is_in: NDArray[np.bool_]) -> _Sides:
    return _Sides(side.X[is_in], side.y[is_in], None if side.groups is None else side.groups[is_in])


def _erased(eraser: Audited, side: _Sides) -> _Sides:
    erased = eraser(side.X, side.y) if isinstance(eraser, _ORACLES) else eraser(side.X)
    if erased.shape != side.X.shape or not np.isfinite(erased).all():
        raise ArrayError(
            f"The eraser made {erased.shape} of rows {side.X.shape}, or a number that is not finite; an audit needs "
            "finite rows of the same shape."
        )
    return side._replace(X=erased)


def _read(reader: Reader, fit: _Sides, judge: _Sides, seed: int) -> Float[NDArray[np.float64], " m"]:
    return read(reader, fit.X, y=fit.y, X_test=judge.X, groups=fit.groups, random_state=seed)


# ------------------------------------------------------------ figures


def _readings(
    y: Int[NDArray[Any], " m"], scored: dict[Reader, _Scored], *, nulls: dict[Reader, list[float]], by: Resampling
) -> tuple[Reading, ...]:
    before = {one: ranking_estimates(y, scores.before, fpr=1.0, by=by).auroc for one, scores in scored.items()}
    best = max((one.value for one in before.values() if isinstance(one, Estimate)), default=1.0)
    lines = []
    for reader, scores in scored.items():
        own = before[reader]
        is_strong = isinstance(own, Estimate) and own.value >= _STRONG_ENOUGH * best and own.low > 0.5
        gap = Unavailable(reason=TOO_WEAK if isinstance(own, Estimate) else own.reason)
        null = nulls[reader]
        lines.append(
            Reading(
                reader=reader,
                before=own,
                after=ranking_estimates(y, scores.after, fpr=1.0, by=by).auroc if is_strong else gap,
                accuracy_before=balanced_accuracy(y, scores.before > 0, by=by),
                accuracy_after=balanced_accuracy(y, scores.after > 0, by=by) if is_strong else gap,
                null=(
                    Shuffled(mean=float(np.mean(null)), highest=max(null), n=len(null))
                    if null
                    else Unavailable(reason="no shuffles were asked for")
                ),
            )
        )
    return tuple(lines)


class _Gap(NamedTuple):
    """Difference of the class means (d,) and the variance within.

    ``is_real``: more than sampling brings about. ``is_by_construction``: less than sampling ever leaves.
    """

    difference: Float[NDArray[np.float64], " d"]
    variance: float
    is_real: bool
    is_by_construction: bool

    @classmethod
    def of(cls, X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"]) -> _Gap:
        means = class_means(X, y)
        centred = X.astype(np.float64) - np.where((y == 1)[:, None], means.positive, means.negative)
        variance = float((centred**2).sum()) / len(y)
        difference = means.positive - means.negative
        sampled = variance * (1 / y.sum() + 1 / (1 - y).sum())
        # rows that agree but for rounding have neither gap nor spread
        rounding = _ROUNDING * float(np.finfo(X.dtype).eps) * float(np.abs(X).max())
        gap = float(difference @ difference)
        is_equal = variance > rounding**2 and gap < _TOO_EQUAL * sampled
        return cls(difference, variance, gap > _REAL * sampled, is_equal)


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
    fit, judge = _split(acts, None, seed)
    by = resampling(len(judge.y), groups=judge.groups, seed=seed)
    before = _read("logistic", fit, judge, seed)
    own = ranking_estimates(judge.y, before, fpr=1.0, by=by).auroc
    if isinstance(eraser, _ORACLES):
        gap = Unavailable(reason="the eraser must know each row's concept, and these rows are labelled by another")
        return Bystander(
            name=name, n_positive=int(judge.y.sum()), n_test=len(judge.y), before=own, after=gap, change=gap
        )
    after = _read("logistic", _erased(eraser, fit), _erased(eraser, judge), seed)
    return Bystander(
        name=name,
        n_positive=int(judge.y.sum()),
        n_test=len(judge.y),
        before=own,
        after=ranking_estimates(judge.y, after, fpr=1.0, by=by).auroc,
        change=auroc_difference(judge.y, after, rival=before, by=by),
    )
