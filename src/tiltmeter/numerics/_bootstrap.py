"""Resampling weights: rows, or whole groups where groups exist."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray


def bootstrap_weights(
    n: int, n_draws: int, *, groups: Shaped[NDArray[Any], " n"] | None, rng: np.random.Generator
) -> Float[NDArray[Any], "b n"]:
    """Return how often each row stands in each bootstrap draw.

    With ``groups``, whole groups are drawn with replacement, as many as there are: rows of a group share their
    weight. Without, every row is a group of its own.

    Parameters
    ----------
    n
        Number of rows.
    n_draws
        Number of draws b.
    groups
        Shape (n,), or None.
    rng
        Source of randomness.

    Returns
    -------
    Shape (b, n), non-negative whole numbers as float64. The draws of a row lie side by side in memory, since what uses
    them walks from row to row.

    Examples
    --------
    >>> w = bootstrap_weights(4, 2, groups=np.array(["a", "a", "b", "b"]), rng=np.random.default_rng(0))
    >>> bool((w[:, 0] == w[:, 1]).all()), w.sum(axis=1).tolist()
    (True, [4.0, 4.0])
    """
    if groups is None:
        codes, n_units = np.arange(n), n
    else:
        names, codes = np.unique(groups, return_inverse=True)
        n_units = len(names)
    counts = rng.multinomial(n_units, np.full(n_units, 1 / n_units), size=n_draws)
    return counts.T.astype(np.float64, order="C")[codes].T
