"""Means, and whatever else can be computed from weighted rows, with their intervals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.evaluation._estimates import Resampling, percentile_interval
from tiltmeter.numerics import clopper_pearson

# shares that single precision cannot tell from 0 or 1
_ROUNDING = 1e-6


def bootstrap_estimate(
    statistic: Callable[[NDArray[np.float64]], NDArray[np.float64]],
    *,
    by: Resampling,
    bounds: tuple[float, float] = (-np.inf, np.inf),
) -> Measured:
    """Estimate a figure that is computed from weighted rows, with a percentile bootstrap interval.

    Parameters
    ----------
    statistic
        From weights (b, n) to the figure under each, shape (b,); NaN where a weighting leaves it undefined.
    by
        The draws, over groups where groups exist.
    bounds
        What the figure cannot leave.

    Returns
    -------
    The figure on the rows as they are, and its interval; ``Unavailable`` if it is undefined there, or there are too
    few units to resample.

    Notes
    -----
    Where every unit shows 0, or every unit 1, of a mean of numbers between 0 and 1, the bootstrap knows no doubt.
    There the exact binomial interval of as many units is given. It holds: by Markov's inequality a unit shows 1 with at
    most the mean's probability. Of other figures between 0 and 1, such as clipped ratios of means, it is a convention:
    better than no doubt.

    Examples
    --------
    >>> top, bottom = np.arange(20.0), np.full(20, 4.0)
    >>> from tiltmeter.evaluation import resampling
    >>> by = resampling(20, groups=None, n_draws=100)
    >>> found = bootstrap_estimate(lambda weights: (weights @ top) / (weights @ bottom), by=by)
    >>> found.value, found.low < found.value < found.high
    (2.375, True)
    """
    value = float(statistic(np.ones((1, by.weights.shape[1])))[0])
    if not np.isfinite(value):
        return Unavailable(reason="the figure is not defined on these rows")
    draws = statistic(by.weights)
    end = round(value)
    if bounds == (0.0, 1.0) and np.nanmax(np.abs(np.append(draws, value) - end)) <= _ROUNDING:
        low, high = clopper_pearson(end * by.n_units, by.n_units, level=by.level)
        return Estimate(
            value=value,
            low=min(low, value),
            high=max(high, value),
            level=by.level,
            n=by.n_units,
            method=f"exact binomial over {by.unit}, all of which show {end}",
        )
    return percentile_interval(value, draws, by=by, level=by.level, bounds=bounds)


def mean_estimate(
    values: Float[NDArray[Any], " n"], *, by: Resampling, bounds: tuple[float, float] = (-np.inf, np.inf)
) -> Measured:
    """Estimate the mean of some values, with its interval.

    Parameters
    ----------
    values
        One a row, finite.
    by, bounds
        As for :func:`bootstrap_estimate`.

    Returns
    -------
    The mean; ``Unavailable`` if there are no values, or too few units to resample.

    Examples
    --------
    >>> from tiltmeter.evaluation import resampling
    >>> by = resampling(20, groups=None, n_draws=100)
    >>> mean_estimate(np.arange(20.0), by=by).value
    9.5
    >>> sure = mean_estimate(np.ones(20), by=by, bounds=(0.0, 1.0))
    >>> round(sure.low, 2), sure.high
    (0.83, 1.0)
    """
    if not len(values):
        return Unavailable(reason="there are no values")
    wide = values.astype(np.float64)
    return bootstrap_estimate(lambda weights: (weights @ wide) / weights.sum(axis=1), by=by, bounds=bounds)
