"""How far activations must be pushed until a probe raises no alarm."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import SpecError
from tiltmeter.core.hiding import ActivationBudget
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.evaluation._estimates import Resampling
from tiltmeter.evaluation._means import bootstrap_estimate

Score = Callable[[Tensor], Tensor]
"""From rows, shape (n, d), to scores, shape (n,), by operations that torch can differentiate."""

# how many rows distances between texts are taken of: 500 give 125,000 of them
_MOST_ROWS = 500
_N_STEPS = 30
# of a step, in radii: the ball is crossed several times
_STEP = 0.2


class Yardsticks(NamedTuple):
    """What a push is measured by: the mean norm of rows, and the median distance between two of different groups."""

    norm: float
    distance: float


def yardsticks(
    X: Float[NDArray[Any], "n d"], *, groups: Shaped[NDArray[Any], " n"] | None = None, rng: np.random.Generator
) -> Yardsticks:
    """Measure how large rows are and how far they lie apart; of more than 500 rows, 500 drawn ones.

    Raises
    ------
    SpecError
        If there are not two rows of different groups.

    Examples
    --------
    >>> yardsticks(np.array([[3.0, 0.0], [0.0, 4.0]]), rng=np.random.default_rng(0))
    Yardsticks(norm=3.5, distance=5.0)
    """
    taken = rng.permutation(len(X))[:_MOST_ROWS]
    rows, names = X[taken].astype(np.float64), taken if groups is None else groups[taken]
    one, two = np.triu_indices(len(rows), k=1)
    apart = names[one] != names[two]
    if not apart.any():
        raise SpecError(f"There are {len(X)} rows and no two of different groups; distances need some.")
    squares = (rows**2).sum(axis=1)
    squared = squares[:, None] + squares[None] - 2 * rows @ rows.T
    between = np.sqrt(np.maximum(squared[one, two][apart], 0.0))
    return Yardsticks(float(np.sqrt(squares).mean()), float(np.median(between)))


def smallest_push(
    score: Score, X: Float[NDArray[Any], "n d"], *, threshold: float, most: float, n_halvings: int = 14
) -> Float[NDArray[Any], " n"]:
    """Search for the shortest push of each row that brings its score to the threshold, by projected gradient descent.

    Parameters
    ----------
    score
        Any probe; for a linear one the answer is (score − threshold) / |w|, and no search is needed.
    X
        Rows.
    threshold
        No alarm is raised at it or below.
    most
        The longest push that is tried.
    n_halvings
        Of the interval from 0 to ``most`` in which the length lies: the answer is within ``most`` / 2^n of what this
        search can find.

    Returns
    -------
    Lengths (n,): 0 where there is no alarm as it is, infinite where the search found no push. A length is enough for
    the push that was found, so the shortest is at most that; there may be shorter ones.

    Raises
    ------
    SpecError
        If ``most`` or ``n_halvings`` is not above 0.

    References
    ----------
    Madry et al. (2018), "Towards Deep Learning Models Resistant to Adversarial Attacks", section 2.1, in the 2-norm.

    Examples
    --------
    >>> found = smallest_push(lambda rows: rows @ torch.tensor([3.0, 4.0]).double(), np.eye(2), threshold=1.0, most=2.0)
    >>> found.round(2).tolist()
    [0.4, 0.6]
    """
    rows = torch.as_tensor(X.astype(np.float64))
    if most <= 0 or n_halvings < 1:
        raise SpecError(f"most is {most:g} and n_halvings {n_halvings}; both must be above 0.")
    with torch.no_grad():
        is_quiet = score(rows) <= threshold
    short, long = torch.zeros(len(rows), dtype=rows.dtype), torch.full((len(rows),), float(most), dtype=rows.dtype)
    found = torch.where(is_quiet, 0.0, torch.where(_is_hidden(score, rows, long, threshold), long, torch.inf))
    for _ in range(n_halvings):
        middle = (short + long) / 2
        is_hidden = _is_hidden(score, rows, middle, threshold)
        found = torch.where(is_hidden, torch.minimum(found, middle), found)
        short, long = torch.where(is_hidden, short, middle), torch.where(is_hidden, middle, long)
    return np.asarray(found.numpy())


def _is_hidden(score: Score, rows: Tensor, radius: Tensor, threshold: float) -> Tensor:
    """Descend within a ball about each row; tell where the score was ever at or below the threshold."""
    push = torch.zeros_like(rows)
    hidden = torch.zeros(len(rows), dtype=torch.bool)
    for _ in range(_N_STEPS):
        with torch.enable_grad():
            moved = (rows + push).requires_grad_()
            scores = score(moved)
            (gradient,) = torch.autograd.grad(scores.sum(), moved)
        hidden |= scores.detach() <= threshold
        push = push - _STEP * radius[:, None] * gradient / gradient.norm(dim=1, keepdim=True).clamp_min(1e-300)
        push = push * (radius / push.norm(dim=1).clamp_min(1e-300)).clamp_max(1.0)[:, None]
    with torch.no_grad():
        return hidden | (score(rows + push) <= threshold)


def random_push(
    score: Score, X: Float[NDArray[Any], "n d"], *, threshold: float, lengths: Float[NDArray[Any], " l"], count: int,
    rng: np.random.Generator,
) -> Float[NDArray[Any], "n k"]:  # fmt: skip
    """Return the first of ``lengths`` that hides each row along each of ``count`` random directions, either way.

    Infinite where none does: the null of :func:`smallest_push`.

    Examples
    --------
    >>> found = random_push(
    ...     lambda rows: rows[:, 0], np.ones((1, 1)), threshold=0.0, lengths=np.array([0.5, 1.0, 2.0]), count=2,
    ...     rng=np.random.default_rng(0),
    ... )
    >>> found.tolist()
    [[1.0, 1.0]]
    """
    rows = torch.as_tensor(X.astype(np.float64))
    found = np.full((len(rows), count), np.inf)
    for k in range(count):
        drawn = torch.as_tensor(rng.normal(size=X.shape[1]))
        direction = drawn / drawn.norm()
        for length in np.sort(lengths)[::-1].tolist():
            with torch.no_grad():
                quietest = torch.minimum(score(rows + length * direction), score(rows - length * direction))
            found[(quietest <= threshold).numpy(), k] = length
    return found


def activation_budget(
    push: Float[NDArray[Any], " n"],
    *,
    random: Float[NDArray[Any], "n k"],
    units: Yardsticks,
    by: Resampling,
    where: tuple[str, str, str],
) -> ActivationBudget:
    """Sum up how far the positives that raise an alarm must be pushed.

    Parameters
    ----------
    push
        A length for each, infinite where none was found.
    random
        The same along random directions.
    units
        By what lengths are measured.
    by
        Draws of the positives, over groups where groups exist.
    where
        Site, method and test set.

    Returns
    -------
    Medians with their intervals. One that is infinite, since half of the texts or more cannot be hidden by the pushes
    that were tried, is ``Unavailable``.

    Examples
    --------
    >>> from tiltmeter.evaluation import resampling
    >>> found = activation_budget(
    ...     np.arange(1.0, 21.0), random=np.full((20, 3), 40.0), units=Yardsticks(20.0, 10.0),
    ...     by=resampling(20, groups=None), where=("3.resid_post", "lda", "facts"),
    ... )
    >>> found.push.value, found.in_norms.value, found.in_distances.value, found.random_in_distances.value
    (10.0, 0.5, 1.0, 4.0)
    """
    site, method, test = where
    # over the directions first, so that texts are what is resampled
    lengths = np.median(random, axis=1) if len(push) else push
    return ActivationBudget(
        site=site,
        method=method,
        test=test,
        n_alarms=len(push),
        norm=units.norm,
        distance=units.distance,
        count=random.shape[1],
        push=_median(push, by),
        in_norms=_median(push, by, unit=units.norm),
        in_distances=_median(push, by, unit=units.distance),
        random_in_distances=_median(lengths, by, unit=units.distance),
    )


def linear_budget(
    margins: Float[NDArray[Any], " n"],
    direction: Float[NDArray[Any], " d"],
    *,
    units: Yardsticks,
    by: Resampling,
    where: tuple[str, str, str],
    rng: np.random.Generator,
) -> ActivationBudget:
    """Sum up the same of a linear probe, by its closed form.

    Parameters
    ----------
    margins
        Score − threshold of the positives that raise an alarm, by a direction of unit norm: the length of the push.
    direction
        The probe's, of unit norm. Along a random unit vector r the length is that over |direction · r|; 100 are drawn.
    units, by, where
        As for :func:`activation_budget`.
    rng
        Of the random directions.

    Examples
    --------
    >>> from tiltmeter.evaluation import resampling
    >>> found = linear_budget(
    ...     np.arange(1.0, 21.0), np.eye(100)[0], units=Yardsticks(20.0, 10.0), by=resampling(20, groups=None),
    ...     where=("3.resid_post", "lda", "facts"), rng=np.random.default_rng(0),
    ... )
    >>> found.in_distances.value, round(found.random_in_distances.value)
    (1.0, 15)
    """
    drawn = rng.normal(size=(100, len(direction)))
    cosines = np.abs(drawn @ direction) / np.linalg.norm(drawn, axis=1)
    return activation_budget(margins, random=margins[:, None] / cosines, units=units, by=by, where=where)


def _median(values: Float[NDArray[Any], " n"], by: Resampling, *, unit: float = 1.0) -> Measured:
    if not len(values):
        return Unavailable(reason="no positive raises an alarm, so there is nothing to hide")
    if not unit:
        return Unavailable(reason="half of the texts or more are alike here, so there is no length to measure by")
    order = np.argsort(values, kind="stable")
    ordered = values[order] / unit

    def lower_median(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        upto = np.cumsum(weights[:, order], axis=1)
        return np.asarray(ordered[(upto >= upto[:, -1:] / 2).argmax(axis=1)])

    if not np.isfinite(lower_median(np.ones((1, len(values))))[0]):
        return Unavailable(reason="half of the texts or more were not hidden by any push that was tried")
    return bootstrap_estimate(lower_median, by=by, bounds=(0.0, np.inf))
