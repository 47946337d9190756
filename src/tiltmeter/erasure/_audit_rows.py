"""The rows of an audit: two sides that share nothing, erased, none of them the eraser's own, and what moved in them."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol, runtime_checkable

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.core.seeds import stream
from tiltmeter.erasure._eraser import Eraser, OracleEraser, QuadraticEraser
from tiltmeter.erasure._readers import halves
from tiltmeter.numerics import class_means

# of a difference of the class means, in length: if it changes by less, nothing was erased
_LEFT_WHOLE = 0.05
# standard deviations of what sampling brings about: further out a difference is one
_SURE = 5.0
# of what sampling alone leaves on fresh rows, squared: below it, in every feature, the means agree by construction
_TOO_EQUAL = 1e-8
# variances of what rounding the rows brings about, squared differences of thousands of features
_ROUNDED = 30.0
# last digits of a feature's largest value: a spread below it is rounding
_STEPS = 4


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
ORACLES = (OracleEraser, QuadraticEraser)
Audited = Erasing | OracleEraser | QuadraticEraser


class Side(NamedTuple):
    """Rows with labels and groups, on the side that fits readers or on the one that judges them."""

    X: Float[NDArray[Any], "n d"]
    y: Int[NDArray[Any], " n"]
    groups: Shaped[NDArray[Any], " n"] | None

    def gap(self) -> Float[NDArray[np.float64], " d"]:
        """Return the difference of the class means."""
        means = class_means(self.X, self.y)
        return np.asarray(means.positive - means.negative)

    def within(self) -> Float[NDArray[np.float64], "n d"]:
        """Return the rows less their class means."""
        means = class_means(self.X, self.y)
        return np.asarray(self.X.astype(np.float64) - np.where((self.y == 1)[:, None], means.positive, means.negative))

    def sampling(self) -> float:
        """Return the variance of a difference of class means where rows vary by 1 within classes."""
        return float(1 / self.y.sum() + 1 / (1 - self.y).sum())


def both(one: Side, two: Side) -> Side:
    """Return the rows of two sides together, without groups."""
    return Side(np.concatenate([one.X, two.X]), np.concatenate([one.y, two.y]), None)


def two_sides(acts: Activations, test: Activations | None, seed: int) -> tuple[Side, Side]:
    """Return the rows that fit readers and those that judge them."""
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


def _side(acts: Activations, name: str) -> Side:
    if acts.offsets is not None:
        raise ArrayError(f"{name} holds one row a token; pool them to one row a text first.")
    if acts.y is None:
        raise ArrayError(f"{name} has no labels; an audit needs y, whether each text has the concept.")
    if not np.isfinite(acts.X).all():
        raise ArrayError(f"{name} holds NaN or infinity; leave those rows out.")
    return Side(acts.X, acts.y, acts.groups)


def _part(side: Side, is_in: NDArray[np.bool_]) -> Side:
    return Side(side.X[is_in], side.y[is_in], None if side.groups is None else side.groups[is_in])


def erased(eraser: Audited, side: Side) -> Side:
    """Return a side with its rows erased; ArrayError where they are not finite rows of the same shape."""
    rows = eraser(side.X, side.y) if isinstance(eraser, ORACLES) else eraser(side.X)
    if rows.shape != side.X.shape or not np.isfinite(rows).all():
        raise ArrayError(
            f"The eraser made {rows.shape} of rows {side.X.shape}, or a number that is not finite; an audit needs "
            "finite rows of the same shape."
        )
    return side._replace(X=rows)


def check_not_fitted_on(eraser: Audited, fit: Side, judge: Side) -> None:
    """Raise where the rows of one side, or of both together, have equal class means only once they are erased."""
    # erased in double precision, the means agree to the rounding of the rows alone, whatever type these are of
    after = [_erased_exactly(eraser, side) for side in (fit, judge)]
    for plain, exact in ((fit, after[0]), (judge, after[1]), (both(fit, judge), both(*after))):
        if _agrees_by_construction(exact, plain) and not _agrees_by_construction(plain, plain):
            raise DataError(
                "The class means of the erased rows agree to rounding, so the eraser was fitted on these very rows, "
                "where every linear reader is at chance by construction; audit it on rows that it never saw."
            )


def _erased_exactly(eraser: Audited, side: Side) -> Side:
    # a map that is none of ours may take one type of rows only
    return erased(eraser, side._replace(X=side.X.astype(np.float64)) if isinstance(eraser, Eraser) else side)


def _agrees_by_construction(side: Side, plain: Side) -> bool:
    """Whether class means agree in every feature that varies, better than sampling ever makes them.

    ``plain`` holds the rows before erasing, which may have been rounded to their type since the fit.
    """
    eps = float(np.finfo(plain.X.dtype).eps)
    variance = (side.within() ** 2).mean(axis=0)
    varies = np.sqrt(variance) > _STEPS * eps * np.abs(plain.X).max(axis=0)
    # a number x is rounded by at most eps x / 2, that is with a variance of up to (eps x)² / 12
    rounding = (eps**2 / 12) * (plain.X.astype(np.float64) ** 2).mean(axis=0)
    allowed = (_TOO_EQUAL * variance + _ROUNDED * rounding) * side.sampling()
    return bool(varies.any() and (side.gap() ** 2 <= allowed)[varies].all())


def is_left_whole(before: Side, after: Side) -> bool:
    """Whether erasing left the difference of the class means as it was, where there is one for sure.

    In units of the features' standard deviations within classes, so that a loud channel does not drown the others. Of
    the squared difference what sampling adds is taken off, and the rest must be five of its standard deviations.
    """
    within = before.within()
    rounding = _STEPS * float(np.finfo(before.X.dtype).eps) * np.abs(before.X).max(axis=0)
    scale = np.sqrt((within**2).mean(axis=0))
    # a feature that varies between the classes alone
    scale = np.where(scale > rounding, scale, before.X.std(axis=0, dtype=np.float64))
    varies = scale > rounding
    if not varies.any():
        return False
    gap, gap_after = before.gap()[varies] / scale[varies], after.gap()[varies] / scale[varies]
    within = within[:, varies] / scale[varies]
    n, d = within.shape
    products = (within.T @ within if d <= n else within @ within.T) / n
    total = float(np.trace(products))
    # the sum of the squared correlations, less what so many rows add to it; d independent features have the least
    square = max(float((products**2).sum()) - total**2 / n, total**2 / d)
    noise = before.sampling()
    real = float(gap @ gap) - total * noise
    moved = float(((gap_after - gap) ** 2).sum())
    return real > _SURE * np.sqrt(2 * square) * noise and moved <= _LEFT_WHOLE**2 * real
