"""Rows with a concept among loud and quiet directions, and what a least-change map would do to them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray


def anisotropic(
    seed: int, *, n: int = 4000, d: int = 20, quiet: float = 0.3, loud: float = 12.0, strength: float = 1.0
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return x = R (s · e) + z δ: R a random rotation, s from quiet to loud, e and δ / strength normal, z balanced."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    z = np.arange(n) % 2
    shift = strength * rng.normal(size=d)
    return rng.normal(size=(n, d)) * np.geomspace(quiet, loud, d) @ rotation.T + z[:, None] * shift, z


def leace_change(X: NDArray[np.float64], z: NDArray[np.int64]) -> float:
    """Return the mean squared change of x − C Cᵀ Σ⁻¹ (x − μ) / (Cᵀ Σ⁻¹ C), which is LEACE for two classes."""
    centred = X - X.mean(axis=0)
    C = centred[z == 1].mean(axis=0) - centred[z == 0].mean(axis=0)
    w = np.linalg.solve(centred.T @ centred / len(X), C)
    return float(((centred @ w / (C @ w)) ** 2).mean() * (C @ C))


def classes(
    seed: int, *, n: int = 600, d: int = 8, c: int = 4, separation: float = 0.7
) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    """Return rows of c classes whose means are normal, mixed by a random matrix so that no direction is special."""
    rng = np.random.default_rng(seed)
    z = np.arange(n) % c
    mixing = rng.normal(size=(d, d))
    return (rng.normal(size=(n, d)) + separation * rng.normal(size=(c, d))[z]) @ mixing, z
