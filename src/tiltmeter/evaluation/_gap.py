"""How much of what can be learned from hard examples is learned from easy ones."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.evaluation._estimates import Resampling, area_interval, percentile_interval
from tiltmeter.evaluation._ranking import auroc, auroc_draws

# the AUROC of what was trained on nothing
_FLOOR = 0.5


def gap_recovered(
    y: Int[NDArray[Any], " n"],
    *,
    easy: Float[NDArray[Any], " n"],
    hard: Float[NDArray[Any], " n"],
    by: Resampling,
) -> Measured:
    """Estimate the share of the gap between chance and hard training that easy training recovers.

    (AUROC of ``easy`` - 0.5) / (AUROC of ``hard`` - 0.5), on the same hard test rows and the same resamples.

    Parameters
    ----------
    y
        Labels 0 and 1 of hard test rows.
    easy
        Their scores by what was trained on easy examples.
    hard
        Their scores by its like that was trained on hard ones: the ceiling.
    by
        The draws, over groups where groups exist.

    Returns
    -------
    1 where the easy examples do as well, 0 where they teach nothing, below 0 where what they teach is the wrong way
    round. ``Unavailable`` where the interval of the ceiling reaches chance: there is no gap to recover.

    Notes
    -----
    Where either AUROC is 0 or 1 the bootstrap would know nothing of its doubt; there the interval is that of the two
    taken together, each at half the doubt, which is wider than need be. A ceiling that is barely above chance gives a
    wide interval. The figure says nothing of how high the ceiling is: look at it too.

    References
    ----------
    Hase et al. (2024), The Unreasonable Effectiveness of Easy Training Data for Hard Tasks, arXiv 2401.06751.

    Examples
    --------
    >>> from tiltmeter.evaluation import resampling
    >>> rng = np.random.default_rng(0)
    >>> y, noise = np.array([0, 1] * 200), rng.normal(size=400)
    >>> found = gap_recovered(y, easy=y + noise, hard=2 * y + noise, by=resampling(400, groups=None))
    >>> 0.5 < found.low < found.value < found.high < 0.9
    True
    """
    if len(np.unique(y)) < 2:
        return Unavailable(reason="one class only")
    learned, ceiling = auroc(y, easy), auroc(y, hard)
    is_exact = bool({learned, ceiling} & {0.0, 1.0})
    level = (1 + by.level) / 2 if is_exact else by.level
    bound = area_interval(y, hard, area=ceiling, by=by, level=level)
    if isinstance(bound, Unavailable):
        return bound
    if bound.low <= _FLOOR:
        return Unavailable(reason="trained on the set itself it is not above chance, so there is no gap to recover")
    share = (learned - _FLOOR) / (ceiling - _FLOOR)
    if not is_exact:
        draws, ceiling_draws = (auroc_draws(y, scores, weights=by.weights) for scores in (easy, hard))
        # a draw whose ceiling is at chance has no gap
        ratios = np.divide(
            draws - _FLOOR, ceiling_draws - _FLOOR, out=np.full(len(draws), np.nan), where=ceiling_draws > _FLOOR
        )
        return percentile_interval(share, ratios, by=by, level=by.level, bounds=(-np.inf, np.inf))
    own = area_interval(y, easy, area=learned, by=by, level=level)
    if isinstance(own, Unavailable):
        return own
    corners = [(end - _FLOOR) / (top - _FLOOR) for end in (own.low, own.high) for top in (bound.low, bound.high)]
    return Estimate(
        value=share,
        low=min(corners),
        high=max(corners),
        level=by.level,
        n=min(own.n, bound.n),
        method=f"{own.method} and {bound.method}, each at half the doubt",
        seed=by.seed,
    )
