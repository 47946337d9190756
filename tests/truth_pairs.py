"""Contrast pairs for the census: a yes and a no row of each question, one of them true."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations


def contrasts(n: int, *, separation: float, direction: NDArray[np.float64], seed: int) -> Activations:
    """Draw n pairs of rows: noise of unit variance ± separation / 2 along a unit direction, + where true.

    The true row is of side 1 in about half of the pairs.
    """
    rng = np.random.default_rng(seed)
    first = rng.integers(2, size=n)
    y = np.stack([first, 1 - first], axis=1).ravel()
    X = rng.normal(size=(2 * n, len(direction))) + (y - 0.5)[:, None] * separation * direction
    return Activations(
        X,
        ids=np.arange(2 * n).astype(str),
        y=y,
        pairs=np.repeat(np.arange(n), 2).astype(str),
        sides=np.tile([0, 1], n),
    )


def three(*, separation: float, direction: NDArray[np.float64], seed: int, n: int = 500) -> dict[str, Activations]:
    """Train pairs, and 500 fresh ones each to orient and to judge on."""
    sizes = {"train": n, "calibration": 500, "test": 500}
    return {
        name: contrasts(size, separation=separation, direction=direction, seed=1000 * seed + i)
        for i, (name, size) in enumerate(sizes.items())
    }


def unit(d: int, *, seed: int) -> NDArray[np.float64]:
    """Draw a direction from the sphere."""
    drawn = np.random.default_rng(seed).normal(size=d)
    return np.asarray(drawn / np.linalg.norm(drawn))
