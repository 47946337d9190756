"""Means of what texts or prompts show, with their uncertainty."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.numerics import bootstrap_weights

_LEVEL = 0.95
_DRAWS = 1000
# as for the rankings: of fewer units a bootstrap says too little
_FEWEST_UNITS = 8


def mean_estimate(
    values: Float[NDArray[Any], " n"],
    *,
    counts: NDArray[Any] | None = None,
    groups: Shaped[NDArray[Any], " n"] | None = None,
    seed: int = 0,
) -> Measured:
    """Estimate Σ values / Σ counts, by the bootstrap over rows or whole groups; counts of None are one a row."""
    of = np.ones(len(values)) if counts is None else np.asarray(counts, dtype=np.float64)
    n_units, unit = (len(values), "rows") if groups is None else (len(np.unique(groups)), "groups")
    if n_units < _FEWEST_UNITS:
        return Unavailable(reason=f"{n_units} {unit} are too few to resample; {_FEWEST_UNITS} are needed")
    weights = bootstrap_weights(len(values), _DRAWS, groups=groups, rng=stream(seed, "mean"))
    value = float(values.sum() / of.sum())
    low, high = np.quantile(weights @ values / (weights @ of), [(1 - _LEVEL) / 2, (1 + _LEVEL) / 2])
    # percentiles are too narrow where units are few, by about what Student's quantile is wider than the normal one
    stretch = float(stats.t.ppf((1 + _LEVEL) / 2, n_units - 1) / stats.norm.ppf((1 + _LEVEL) / 2))
    return Estimate(
        value=value,
        low=min(value, value - stretch * (value - float(low))),
        high=max(value, value + stretch * (float(high) - value)),
        level=_LEVEL,
        n=n_units,
        method=f"percentile bootstrap over {unit}",
        seed=seed,
    )
