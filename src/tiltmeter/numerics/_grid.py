"""Whether numbers lie on an evenly spaced grid of few steps."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

# in steps of the grid; beyond it, chance would put too many values near a level
_MOST_OFF = 0.2
_LEAST_OFF = 0.02


def share_on_grid(X: Float[NDArray[Any], "n b"], *, resolution: float, most_steps: int = 255) -> float:
    """Return the share of rows whose values all lie on some even grid of at most ``most_steps`` steps.

    The grid of a row runs from its smallest to its largest value, in k equal steps, for any k up to ``most_steps``.
    Values may be off by 0.02 steps, and by as much as their own rounding makes; a k for which that is more than 0.2 is
    left out, since chance would do.

    Parameters
    ----------
    X
        At least 16 values a row, or chance would do.
    resolution
        The largest relative error of a value: 6e-8 in float32, 0.004 in bfloat16.
    most_steps
        255 for 8 bits.

    Returns
    -------
    In [0, 1]. A row of one value alone lies on none.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> drawn = rng.normal(size=(50, 32))
    >>> share_on_grid(drawn, resolution=6e-8), share_on_grid(np.round(20 * drawn) / 20, resolution=6e-8)
    (0.0, 1.0)
    """
    low, high = X.min(axis=1, keepdims=True), X.max(axis=1, keepdims=True)
    span = high - low
    varied = span[:, 0] > 0
    unit = (X - low)[varied] / span[varied]
    largest = np.abs(X[varied]).max(axis=1) / span[varied, 0]
    is_on = np.zeros(len(unit), dtype=np.bool_)
    for k in range(1, most_steps + 1):
        # the value itself and the two ends may each be rounded
        allowed = _LEAST_OFF + 2 * k * resolution * largest
        steps = k * unit
        is_on |= (allowed <= _MOST_OFF) & (np.abs(steps - np.round(steps)).max(axis=1) <= allowed)
    return float(is_on.sum() / len(X)) if len(X) else 0.0
