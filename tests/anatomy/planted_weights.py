"""A matrix with memories: each reads one vector and writes the mean of the rows of fifteen tokens."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

D, VOCABULARY, CLUSTER = 64, 500, 15
# how much each memory writes, from METHODS; rows of the noise have norm 0.3, its singular values go up to 0.6
STRENGTHS = np.array([5.15, 4.4, 3.6, 2.9, 2.1])
NOISE = 0.3 / 8


class Planted(NamedTuple):
    matrix: NDArray[np.float64]
    rows: NDArray[np.float64]
    clusters: NDArray[np.int64]
    read: NDArray[np.float64]
    write: NDArray[np.float64]
    # vectors of another origin, in which the tokens of a cluster are alike
    vectors: NDArray[np.float64]


def unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def planted(seed: int) -> Planted:
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(VOCABULARY, D))
    clusters = rng.permutation(VOCABULARY)[: 5 * CLUSTER].reshape(5, CLUSTER)
    read = unit(rng.normal(size=(5, D)))
    write = unit(rows[clusters].mean(axis=1))
    matrix = (read * STRENGTHS[:, None]).T @ write + NOISE * rng.normal(size=(D, D))
    vectors = rng.normal(size=(VOCABULARY, 20))
    for cluster in clusters:
        vectors[cluster] += 2 * rng.normal(size=20)
    return Planted(matrix, rows, clusters, read, write, vectors)
