"""CCS at 24 sites, ten starts each, against the published procedure: one start at a time by AdamW.

The published procedure: rows of each half minus its mean, divided by its average norm and times √d (the same for both
ways); from each of ten random unit starts 1,000 full-batch steps of AdamW at a learning rate of 0.01 (its weight decay
left at the default of 0.01), in single precision; of the ten, the lowest loss. Ours: all starts of a site side by side
by L-BFGS, in double precision, without a penalty, so that both minimise the same loss. Losses of both are computed anew
in double precision from the probes. The ways take turns in one process, with the same threads.

Rows of a site: p pairs in d features. A pair has a truth t = ±1, and the halves s = −1 ("no") and s = 1 ("yes"):

    x = c + e + s (a t u + b g v) + s w          with u, v, w random unit vectors, at right angles

c is the pair's content, normal with a standard deviation of 1 / √(1 + 10 k / d) in the direction k of a random
rotation, as activations have few loud directions and many quiet ones; e ~ N(0, 1/4) of each row; g is ±1 at random, a
distractor, whose strength is b = 0.5; w is what tells "yes" from "no". The strength of truth a grows from 0.2 at the
first site to 2 at the last.

Run with ``python -m benchmarks.ccs``; ``--quick`` for fewer and smaller sites.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time

import numpy as np
import torch
from numpy.typing import NDArray
from threadpoolctl import threadpool_limits

from tiltmeter.numerics import pair_rows
from tiltmeter.probes import ccs_loss, ccs_sweep, seed_consistency

N_RESTARTS = 10
N_EPOCHS = 1000


def make_site(p: int, d: int, *, strength: float, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return rows, 2i side 0 and 2i + 1 side 1 of pair i, and the truth u."""
    rng = np.random.default_rng(seed)
    rotation = np.linalg.qr(rng.normal(size=(d, d)))[0]
    content = rng.normal(size=(p, d)) / np.sqrt(1 + 10 * np.arange(d) / d) @ rotation.T
    u, v, w = np.linalg.qr(rng.normal(size=(d, 3)))[0].T
    t, g = rng.choice([-1.0, 1.0], size=(2, p))
    X = np.repeat(content, 2, axis=0) + 0.5 * rng.normal(size=(2 * p, d))
    signal = strength * np.outer(t, u) + 0.5 * np.outer(g, v) + w
    X[::2] -= signal
    X[1::2] += signal
    return X.astype(np.float32), u


def normalised(half: NDArray[np.float32]) -> NDArray[np.float64]:
    centred = half.astype(np.float64) - half.mean(axis=0, dtype=np.float64)
    return np.asarray(centred / np.linalg.norm(centred, axis=1).mean() * np.sqrt(half.shape[1]))


def one_by_one(
    minus: NDArray[np.float64], plus: NDArray[np.float64], *, n_restarts: int = N_RESTARTS
) -> NDArray[np.float64]:
    """The published procedure; θ and the bias of each start, shape (r, d + 1)."""
    x0, x1 = (torch.from_numpy(half.astype(np.float32)) for half in (minus, plus))
    x0, x1 = (torch.cat([half, torch.ones(len(half), 1)], 1) for half in (x0, x1))
    generator = torch.Generator().manual_seed(0)
    found = []
    for _ in range(n_restarts):
        start = torch.randn(x0.shape[1], generator=generator)
        theta = (start / start.norm()).requires_grad_()
        optimizer = torch.optim.AdamW([theta], lr=1e-2)
        for _ in range(N_EPOCHS):
            p0, p1 = torch.sigmoid(x0 @ theta), torch.sigmoid(x1 @ theta)
            loss = ((p0 - (1 - p1)) ** 2).mean() + (torch.minimum(p0, p1) ** 2).mean()
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        found.append(theta.detach().double().numpy())
    return np.stack(found)


def loss_of(theta: NDArray[np.float64], minus: NDArray[np.float64], plus: NDArray[np.float64]) -> float:
    p0, p1 = (1 / (1 + np.exp(-(half @ theta[:-1] + theta[-1]))) for half in (minus, plus))
    return ccs_loss(p1, p0)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    p, d, n_sites = (150, 48, 4) if options.quick else (500, 384, 24)
    torch.set_num_threads(options.threads)
    strengths = np.geomspace(0.2, 2.0, n_sites)
    made = {f"{k}.resid_post": make_site(p, d, strength=a, seed=k) for k, a in enumerate(strengths)}
    sites = {name: X for name, (X, _) in made.items()}
    pairs, sides = np.repeat(np.arange(p), 2), np.tile([0, 1], p)
    members = pair_rows(pairs, n=2 * p, sides=sides)
    halves = {name: (normalised(X[members[:, 0]]), normalised(X[members[:, 1]])) for name, X in sites.items()}
    seconds: dict[str, list[float]] = {"tiltmeter": [], "published": []}
    with threadpool_limits(options.threads):
        for _ in range(options.repeats):
            start = time.perf_counter()
            ours = ccs_sweep(sites, pairs=pairs, sides=sides, n_restarts=N_RESTARTS, l2=0.0)
            seconds["tiltmeter"].append(time.perf_counter() - start)
            start = time.perf_counter()
            theirs = {name: one_by_one(*halves[name]) for name in sites}
            seconds["published"].append(time.perf_counter() - start)
        shrunk = ccs_sweep(sites, pairs=pairs, sides=sides, n_restarts=N_RESTARTS)
    medians = {way: statistics.median(taken) for way, taken in seconds.items()}
    print(f"{n_sites} sites, {p} pairs, {d} features, {N_RESTARTS} starts; {options.threads} threads\n")
    print(
        "| site | strength of truth | loss, published | loss, ours | consistency, published | ours "
        "| ours, l2 = 0.01 | its cosine with truth |"
    )
    print("| --- | --- | --- | --- | --- | --- | --- | --- |")
    n_lower = 0
    for (name, (_, u)), a in zip(made.items(), strengths, strict=True):
        theirs_lowest = min(loss_of(theta, *halves[name]) for theta in theirs[name])
        ours_lowest = ours[name].losses.min()
        n_lower += bool(ours_lowest <= theirs_lowest)
        print(
            f"| {name} | {a:.2f} | {theirs_lowest:.2e} | {ours_lowest:.2e} "
            f"| {seed_consistency(theirs[name][:, :-1]).mean:.2f} | {seed_consistency(ours[name].directions).mean:.2f} "
            f"| {seed_consistency(shrunk[name].directions).mean:.2f} "
            f"| {abs(shrunk[name].directions[shrunk[name].best] @ u):.2f} |"
        )
    print(f"\nours is the same or lower at {n_lower} of {n_sites} sites")
    print(
        f"\n| way | seconds | to Tiltmeter's |\n| --- | --- | --- |\n"
        f"| tiltmeter | {medians['tiltmeter']:.2f} | 1.0 × |\n"
        f"| published procedure | {medians['published']:.2f} | {medians['published'] / medians['tiltmeter']:.1f} × |"
    )


if __name__ == "__main__":
    main()
