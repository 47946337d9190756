"""Means and correlations over states with intervals that resample layouts, because states of one layout are alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.records import Measured
from tiltmeter.evaluation import Resampling, bootstrap_estimate, resampling


def mean_by_layout(
    values: Float[NDArray[Any], " n"],
    layout: Int[NDArray[Any], " n"],
    *,
    bounds: tuple[float, float] = (-np.inf, np.inf),
    seed: int = 0,
) -> Measured:
    """Estimate the mean over all states."""
    sums = _sums(layout, np.ones(len(values)), values.astype(np.float64))

    def mean(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        n, total = (weights @ sums).T
        return np.asarray(total / n)

    return bootstrap_estimate(mean, by=layouts(len(sums), seed=seed), bounds=bounds)


class Correlation:
    """The correlation of two numbers a state, from sums over layouts, so that any weighting of layouts is quick."""

    def __init__(
        self, x: Float[NDArray[Any], " n"], y: Float[NDArray[Any], " n"], layout: Int[NDArray[Any], " n"]
    ) -> None:
        # moments about the means: no digits are lost where the numbers are large and vary little
        one, other = (values.astype(np.float64) - values.mean(dtype=np.float64) for values in (x, y))
        self._sums = _sums(layout, np.ones(len(one)), one, other, one * one, other * other, one * other)

    @property
    def n_layouts(self) -> int:
        """How many layouts there are."""
        return len(self._sums)

    def __call__(self, weights: Float[NDArray[np.float64], "b g"]) -> Float[NDArray[np.float64], " b"]:
        """From weights of layouts to the correlation under each; NaN where nothing varies."""
        sums = weights @ self._sums
        _, x, y, xx, yy, xy = (sums / sums[:, :1]).T
        spread = (xx - x * x) * (yy - y * y)
        with np.errstate(invalid="ignore", divide="ignore"):
            return np.asarray(np.where(spread > 0, (xy - x * y) / np.sqrt(np.maximum(spread, 0)), np.nan))


def layouts(n: int, *, seed: int) -> Resampling:
    """Draw weights of ``n`` layouts, for figures that share them to be compared."""
    return resampling(n, groups=np.arange(n), seed=seed)


def _sums(layout: Int[NDArray[Any], " n"], *columns: NDArray[np.float64]) -> Float[NDArray[np.float64], "g c"]:
    _, group = np.unique(layout, return_inverse=True)
    return np.stack([np.bincount(group, weights=column) for column in columns], axis=1)
