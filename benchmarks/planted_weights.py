"""Memories planted in a matrix, and what its SVD finds of them: how well, and what it depends on.

A 64 x 64 matrix holds five memories: each reads one vector and writes the mean of the rows of 15 of 500 tokens, over
noise. How well single memories are found depends on whether they read and write vectors at right angles, as singular
vectors are. Then the same matrices stand before the three nulls of ``tiltmeter anatomy svd``, and beside them a basis
of the memories' subspace that was turned at random, which the second null must not let pass.

Run with ``python -m benchmarks.planted_weights``: a minute on one core.
"""

from __future__ import annotations

import argparse
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.anatomy import (
    CoherenceSettings,
    SideCoherence,
    SideVectors,
    Svd,
    TokenLens,
    compare_coherence,
    outermost,
    random_coherence,
    side_coherence,
    weight_svd,
    without_direction,
)

D, VOCABULARY, CLUSTER = 64, 500, 15
# how much each memory writes: the singular values of METHODS
STRENGTHS = np.array([5.15, 4.4, 3.6, 2.9, 2.1])
# rows of the noise have norm 0.3, its singular values go up to 0.6
NOISE = 0.3 / 8
Apart = Literal["neither", "reads", "both"]
SETTINGS = CoherenceSettings(n_directions=5, max_rows=64, n_random=2000)


class Planted(NamedTuple):
    """A matrix with memories; ``vectors`` are of another origin, and in them tokens of a cluster are alike."""

    matrix: NDArray[np.float64]
    rows: NDArray[np.float64]
    clusters: NDArray[np.int64]
    read: NDArray[np.float64]
    write: NDArray[np.float64]
    vectors: NDArray[np.float64]


def unit(x: NDArray[np.float64]) -> NDArray[np.float64]:
    return x / np.linalg.norm(x, axis=-1, keepdims=True)


def planted(seed: int, *, apart: Apart = "neither", noise: float = NOISE) -> Planted:
    """Plant five memories; ``apart`` says whether what they read, or read and write, is at right angles."""
    rng = np.random.default_rng(seed)
    rows = rng.normal(size=(VOCABULARY, D))
    clusters = rng.permutation(VOCABULARY)[: 5 * CLUSTER].reshape(5, CLUSTER)
    read = unit(rng.normal(size=(5, D)))
    write = unit(rows[clusters].mean(axis=1))
    if apart != "neither":
        read = nearest_apart(read)
    if apart == "both":
        write = nearest_apart(write)
    matrix = (read * STRENGTHS[:, None]).T @ write + noise * rng.normal(size=(D, D))
    vectors = rng.normal(size=(VOCABULARY, 20))
    for cluster in clusters:
        vectors[cluster] += 2 * rng.normal(size=20)
    return Planted(matrix, rows, clusters, read, write, vectors)


def nearest_apart(vectors: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the vectors at right angles that are nearest to some (the polar factor)."""
    left, _, right = np.linalg.svd(vectors, full_matrices=False)
    return left @ right


def overlaps(made: Planted, svd: Svd, *, direction: int) -> list[int]:
    """With each cluster: how many of its 15 tokens stand at one end of a written direction."""
    (ends,) = outermost(svd.write[direction][None] @ made.rows.T, n_top=CLUSTER)
    return [max(len(set(end) & set(cluster)) for end in ends.tolist()) for cluster in made.clusters.tolist()]


def found_row(apart: Apart, noise: float, n_seeds: int) -> str:
    cosines, values, own, sixth, left, moved = [], [], [], [], [], []
    for seed in range(n_seeds):
        made = planted(seed, apart=apart, noise=noise)
        svd = weight_svd(made.matrix)
        cosines.append([abs(svd.read[i] @ made.read[i]) for i in range(5)])
        values.append(svd.values[[0, 4]])
        own.append([overlaps(made, svd, direction=i)[i] for i in range(5)])
        sixth.append(max(overlaps(made, svd, direction=5)))
        without = without_direction(made.matrix, svd.write[0])
        left.append(np.linalg.norm(svd.read[0] @ without))
        moved.append(np.abs(svd.read[1:] @ (without - made.matrix)).max())
    c = np.array(cosines)
    is_published = ((c >= 0.905) & (c < 0.985)).all(axis=1).mean()
    first, fifth = np.mean(values, axis=0)
    low, high = np.quantile(own, [0.1, 0.9])
    return (
        f"| {apart} | {noise:.2g} | {np.median(c):.3f} | {np.quantile(c.min(axis=1), 0.5):.3f} | {c.min():.2f} "
        f"| {is_published:.0%} | {first:.2f}, {fifth:.2f} | {np.mean(own):.1f} ({low:.0f} to {high:.0f}) "
        f"| {np.mean(sixth):.1f} | {max(left):.0e} | {max(moved):.0e} |"
    )


def against_nulls(n_seeds: int) -> None:
    """Print p-values of planted matrices of both orientations, and of a turned basis of the memories' subspace."""
    by_case: dict[str, list[SideCoherence]] = {"as it acts": [], "stored transposed": [], "turned basis": []}
    random = []
    for seed in range(n_seeds):
        made = planted(seed)
        lens = TokenLens(made.rows - made.rows.mean(axis=0), np.arange(VOCABULARY), ("",) * VOCABULARY, "rows")
        judges = {"other": made.vectors}
        random.append(random_coherence(lens, judges, settings=SETTINGS._replace(n_random=200))["other"])
        turn = np.linalg.qr(np.random.default_rng(seed).normal(size=(5, 5)))[0]
        stored = np.ascontiguousarray(made.matrix.T)
        vectors = {
            "as it acts": weight_svd(made.matrix).write,
            "stored transposed": weight_svd(stored.T).write,
            "turned basis": turn @ weight_svd(made.matrix).write[:5],
        }
        for name, found in vectors.items():
            one = side_coherence(SideVectors(found, made.matrix), lens, judges=judges, settings=SETTINGS, names=(seed,))
            by_case[name].append(one["other"])
    print("| what is written | null | coherence | of the null | p |")
    print("| --- | --- | --- | --- | --- |")
    for name, ones in by_case.items():
        for one in compare_coherence(ones, np.concatenate(random), settings=SETTINGS):
            print(f"| {name} | {one.null} | {one.coherence:.3f} | {one.null_coherence:.3f} | {one.p:.2g} |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seeds", type=int, default=1000)
    seeds = parser.parse_args().seeds
    names = ("at right angles", "noise", "cosine read, median", "least of a seed, median", "least of all",
             "all in .91 to .98", "values found, first and fifth", "own tokens of 15", "of the sixth",
             "left after deletion", "others moved")  # fmt: skip
    print(f"| {' | '.join(names)} |\n|{' --- |' * len(names)}")
    for apart in ("neither", "reads", "both"):
        for noise in (NOISE, 0.0):
            print(found_row(apart, noise, seeds), flush=True)
    print()
    against_nulls(min(seeds, 20))


if __name__ == "__main__":
    main()
