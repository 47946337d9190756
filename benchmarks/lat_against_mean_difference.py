"""LAT against the mean difference: which finds a planted concept as a nuisance overtakes it (METHODS section 2).

``python benchmarks/lat_against_mean_difference.py`` prints the table, mean ± standard deviation over ten seeds of
|cosine| with the planted direction. The generator:

    50 features, 400 pairs. Three unit vectors are drawn from the sphere, independently (so they overlap by about 0.1):
    the concept u, a nuisance w, and a content v. A pair draws c ~ N(0, 1); each of its two rows draws b ~ N(0, 1) and
    e ~ N(0, I/4) of its own.

        x = (± s/2) u + b w + c v + e          + for the positive row of the pair, − for the negative one

A difference within a pair is s u + (b − b') w + (e − e'): the content cancels, and the nuisance has variance 2 along w
beside isotropic noise of variance 1/2. So the second moment of differences is s² + 1/2 along u and 5/2 along w, and LAT
should find the concept if and only if s² > 2. The mean difference needs s² · 400 to exceed noise only.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.probes import LAT, MeanDifference

SHIFTS = (4.0, 2.0, 1.0, 0.5)
N_SEEDS = 10
N_PAIRS = 400
WIDTH = 50


class Pairs(NamedTuple):
    """Row 2i is the positive and row 2i + 1 the negative of pair i."""

    X: NDArray[np.float64]
    y: NDArray[np.int64]
    pairs: NDArray[np.int64]
    concept: NDArray[np.float64]


def draw(shift: float, *, seed: int) -> Pairs:
    """Draw the data that the top of this file describes."""
    rng = np.random.default_rng([seed, int(10 * shift)])
    directions = rng.normal(size=(3, WIDTH))
    u, w, v = directions / np.linalg.norm(directions, axis=1, keepdims=True)
    y = np.tile([1, 0], N_PAIRS)
    content = np.repeat(rng.normal(size=N_PAIRS), 2)
    X = (
        np.outer((y - 0.5) * shift, u)
        + np.outer(rng.normal(size=2 * N_PAIRS), w)
        + np.outer(content, v)
        + 0.5 * rng.normal(size=(2 * N_PAIRS, WIDTH))
    )
    return Pairs(X, y, np.repeat(np.arange(N_PAIRS), 2), u)


def ordered_and_centred(data: Pairs) -> NDArray[np.float64]:
    """Do what LAT refuses: differences positive minus negative, their mean subtracted, first principal direction."""
    differences = data.X[::2] - data.X[1::2]
    return np.asarray(np.linalg.svd(differences - differences.mean(axis=0))[2][0])


def cosines(shift: float, *, seed: int) -> dict[str, float]:
    """Return |cosine| with the planted concept for each way to find it."""
    data = draw(shift, seed=seed)
    # any two rows, whatever pair and label they have
    strangers = np.random.default_rng([seed, 1]).permutation(data.pairs)
    found: dict[str, NDArray[Any]] = {
        "mean difference": MeanDifference().fit(data.X, data.y).direction_,
        "LAT (default: uncentred, any order)": LAT().fit(data.X, pairs=data.pairs).direction_,
        "LAT, order shuffled, centred": LAT(order="shuffled", is_centred=True, random_state=seed)
        .fit(data.X, pairs=data.pairs)
        .direction_,
        "PCA of ordered pairs, centred (refused)": ordered_and_centred(data),
        "PCA of random unlabelled pairs": LAT().fit(data.X, pairs=strangers).direction_,
    }
    return {name: float(abs(direction @ data.concept)) for name, direction in found.items()}


def table() -> dict[str, NDArray[np.float64]]:
    """Return |cosine| per method, shape (shifts, seeds)."""
    runs = [[cosines(shift, seed=seed) for seed in range(N_SEEDS)] for shift in SHIFTS]
    return {name: np.array([[run[name] for run in row] for row in runs]) for name in runs[0][0]}


def formatted(results: dict[str, NDArray[np.float64]]) -> str:
    """Write the table as text: mean ± standard deviation over seeds."""
    lines = [f"{'|cosine| with the planted concept':42}" + "".join(f"{f's = {shift:g}':>16}" for shift in SHIFTS)]
    for name, values in results.items():
        cells = "".join(f"{f'{row.mean():.3f} ± {row.std(ddof=1):.3f}':>16}" for row in values)
        lines.append(f"{name:42}{cells}")
    return "\n".join(lines)


if __name__ == "__main__":
    print(formatted(table()))
