"""Whether the logarithm of a density is straight in x² (a normal) or in |x| (an exponential)."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

# values left out before a histogram is made, by distance from the median
_OUTLYING = 0.001
_MOST_BINS, _FEWEST_BINS = 100, 10
# on average so many values to a bin
_FILL = 40


class LogHistogram(NamedTuple):
    """Counts of a sample without its outliers, a row each unit, in bins of equal width.

    ``kept``: which values are counted; ``centre`` is their mean, from which ``|x|`` and x² are taken.
    """

    counts: Int[NDArray[Any], "b bins"]
    edges: Float[NDArray[Any], " edges"]
    kept: Bool[NDArray[Any], " n"]
    centre: float


class Straightness(NamedTuple):
    """R² of the log density on x² and on ``|x|``, under each weighting of the units."""

    square: Float[NDArray[Any], " b"]
    absolute: Float[NDArray[Any], " b"]


def log_histogram(x: Float[NDArray[Any], " n"], *, units: Int[NDArray[Any], " n"]) -> LogHistogram:
    """Count a sample in bins of equal width, after dropping the 0.1 % that lie farthest from the median.

    Parameters
    ----------
    x
        The values, not all the same.
    units
        Which unit each belongs to, from 0.

    Examples
    --------
    >>> x = np.append(np.arange(2000.0), 1e6)
    >>> found = log_histogram(x, units=np.zeros(2001, dtype=np.int64))
    >>> int(found.counts.sum()), len(found.edges)
    (1998, 50)
    """
    wide = x.astype(np.float64)
    away = np.abs(wide - np.median(wide))
    n_kept = len(wide) - int(np.ceil(_OUTLYING * len(wide)))
    kept = np.zeros(len(wide), dtype=bool)
    kept[np.argsort(away, kind="stable")[:n_kept]] = True
    inside = wide[kept]
    n_bins = int(np.clip(len(inside) // _FILL, _FEWEST_BINS, _MOST_BINS))
    edges = np.linspace(inside.min(), inside.max(), n_bins + 1)
    bins = np.clip(np.searchsorted(edges, inside, side="right") - 1, 0, n_bins - 1)
    n_units = int(units.max()) + 1
    flat = np.bincount(units[kept] * n_bins + bins, minlength=n_units * n_bins)
    return LogHistogram(flat.reshape(n_units, n_bins), edges, kept, float(inside.mean()))


def straightness(histogram: LogHistogram, *, weights: Float[NDArray[Any], "b n"] | None = None) -> Straightness:
    """Return R² of the log density on x² and on ``|x|``, by least squares over the bins that hold something.

    Parameters
    ----------
    histogram
        As :func:`log_histogram` makes it.
    weights
        One row a weighting of the units; None for all once.

    Notes
    -----
    Bins count alike, so that tails weigh as much as the middle: that is the point of the picture, and what makes the
    figure noisy where a tail's bins hold few values. A comparison by held-out likelihood has no such choice in it. NaN
    where fewer than three bins hold something: a line goes through any two points.

    Examples
    --------
    >>> x = np.random.default_rng(0).laplace(size=50000)
    >>> found = straightness(log_histogram(x, units=np.arange(50000)))
    >>> bool(found.absolute[0] > 0.99 > found.square[0])
    True
    """
    counts = histogram.counts
    total = counts.sum(axis=0, keepdims=True).astype(np.float64) if weights is None else weights @ counts
    middles = (histogram.edges[:-1] + histogram.edges[1:]) / 2 - histogram.centre
    # R² knows no scale, and squares of very small or large values would
    middles = middles / np.abs(middles).max()
    filled = total > 0
    logs = np.log(np.where(filled, total, 1.0))
    return Straightness(_r2(logs, middles**2, filled), _r2(logs, np.abs(middles), filled))


def _r2(
    y: Float[NDArray[Any], "b bins"], x: Float[NDArray[Any], " bins"], filled: Bool[NDArray[Any], "b bins"]
) -> Float[NDArray[Any], " b"]:
    n = filled.sum(axis=1, keepdims=True)
    dx = np.where(filled, x - (filled * x).sum(axis=1, keepdims=True) / n, 0.0)
    dy = np.where(filled, y - (filled * y).sum(axis=1, keepdims=True) / n, 0.0)
    with np.errstate(invalid="ignore", divide="ignore"):
        r2 = (dx * dy).sum(axis=1) ** 2 / ((dx**2).sum(axis=1) * (dy**2).sum(axis=1))
    return np.asarray(np.where(n[:, 0] > 2, r2, np.nan))
