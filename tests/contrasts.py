"""Contrast pairs with planted features, for the tests of methods that know the two halves of a pair.

A pair has k features, each ±1 at random; its row of side 0 carries them with the sign −, its row of side 1 with +.

    x = ± Σ_j (separation_j / 2) f_j u_j + e          e ~ N(0, 1) of each row and feature; u_j orthonormal, at random

The first feature is truth. A token is added to all rows of side 1 alike, along a further direction.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class Contrasts(NamedTuple):
    """Row 2i is side 0 and row 2i + 1 side 1 of pair i."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    pairs: NDArray[np.int64]
    sides: NDArray[np.int64]
    members: NDArray[np.int64]
    features: NDArray[np.float64]
    token: NDArray[np.float64]


def draw(p: int, d: int, *, separations: tuple[float, ...], seed: int, token: float = 0.0, fresh: int = 0) -> Contrasts:
    """Draw what the top of this file describes; another ``fresh`` gives other rows of the same features."""
    k = len(separations)
    basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, k + 1)))[0].T
    rng = np.random.default_rng([seed, fresh, 1])
    values = rng.choice([-1.0, 1.0], size=(p, k))
    signal = values * np.array(separations) / 2 @ basis[:k]
    X = rng.normal(size=(2 * p, d))
    X[::2] -= signal
    X[1::2] += signal + token * basis[k]
    is_true = (values[:, 0] > 0).astype(np.int64)
    y = np.stack([1 - is_true, is_true], axis=1).ravel()
    members = np.arange(2 * p).reshape(p, 2)
    return Contrasts(X, y, np.repeat(np.arange(p), 2), np.tile([0, 1], p), members, basis[:k], basis[k])


def pair_accuracy(directions: NDArray[np.float64], data: Contrasts) -> NDArray[np.float64]:
    """Return the share of pairs whose true row scores higher, or lower, whichever is more, for each direction."""
    scores = data.X @ np.atleast_2d(directions).T
    right = ((scores[1::2] > scores[::2]) == (data.y[1::2, None] == 1)).mean(axis=0)
    return np.asarray(np.maximum(right, 1 - right))
