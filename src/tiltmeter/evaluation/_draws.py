"""AUROC of a procedure that was run several times, on the same test rows."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.evaluation._estimates import Resampling, area_interval, percentile_interval
from tiltmeter.evaluation._ranking import auroc_draws
from tiltmeter.evaluation._together import taken_together


def mean_auroc(y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], "r n"], *, by: Resampling) -> Measured:
    """Estimate the mean AUROC of r runs of a procedure, over draws of the test rows.

    The interval is that of these r runs on other test rows; how much runs differ is another matter.

    Examples
    --------
    >>> from tiltmeter.evaluation import resampling
    >>> y = np.array([0, 1] * 50)
    >>> runs = np.stack([y + np.linspace(0, 1.5, 100), y + np.linspace(1.5, 0, 100)])
    >>> round(mean_auroc(y, runs, by=resampling(100, groups=None)).value, 4)
    0.9422
    """
    if len(np.unique(y)) < 2:
        return Unavailable(reason="one class only")
    return _interval(y, scores, *_areas(y, scores, by), by=by, level=by.level)


def auroc_gain(
    y: Int[NDArray[Any], " n"],
    scores: Float[NDArray[Any], " n"],
    *,
    before: Float[NDArray[Any], "r n"],
    by: Resampling,
) -> Measured:
    """Estimate the AUROC of ``scores`` minus the mean AUROC of r runs before it, on the same resamples.

    Where one of the two is exactly 0 or 1 the bootstrap would know nothing of its doubt; there the interval is that of
    the two taken together, each at half the doubt.

    Examples
    --------
    >>> from tiltmeter.evaluation import resampling
    >>> y = np.array([0, 1] * 50)
    >>> after, before = y + np.linspace(0, 1.5, 100), y + np.linspace(0, 3, 100)
    >>> found = auroc_gain(y, after, before=before[None], by=resampling(100, groups=None))
    >>> found.low > 0
    True
    """
    if len(np.unique(y)) < 2:
        return Unavailable(reason="one class only")
    value, draws = _areas(y, scores[None], by)
    earlier, earlier_draws = _areas(y, before, by)
    if not {value, earlier} & {0.0, 1.0}:
        return percentile_interval(value - earlier, draws - earlier_draws, by=by, level=by.level, bounds=(-1.0, 1.0))
    half = (1 + by.level) / 2
    one = area_interval(y, scores, area=value, by=by, level=half)
    two = _interval(y, before, earlier, earlier_draws, by=by, level=half)
    return taken_together(one, two, level=by.level, seed=by.seed)


def _interval(
    y: Int[NDArray[Any], " n"],
    scores: Float[NDArray[Any], "r n"],
    value: float,
    draws: Float[NDArray[Any], " b"],
    *,
    by: Resampling,
    level: float,
) -> Measured:
    if len(scores) == 1 or value in (0.0, 1.0):
        return area_interval(y, scores[0], area=value, by=by, level=level)
    return percentile_interval(value, draws, by=by, level=level)


def _areas(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], "r n"], by: Resampling
) -> tuple[float, Float[NDArray[Any], " b"]]:
    """Return the mean AUROC over runs, and its bootstrap draws."""
    once = np.ones((1, len(y)))
    value = float(np.mean([auroc_draws(y, run, weights=once)[0] for run in scores]))
    return value, np.mean([auroc_draws(y, run, weights=by.weights) for run in scores], axis=0)
