"""Sparse dictionaries: training against two peers, and what a sceptic sees in toy worlds.

``--part throughput``: d = 512, 4,096 latents, batches of 1,024, one thread. Each way is a process of its own, peers in
environments of their own; all start from the same weights and see the same batches in the same order, and take turns.
Compared are rows a second, and the loss that each reaches on rows that none was trained on. dictionary_learning takes
our steps, but for TopK, where it clips gradients and starts at the median; SAELens clips gradients, and holds atoms by
another penalty. Rows are those of the sparse toy world, 4,096 features of which 20 are active.

``--part toys``: dictionaries of 8 to 256 latents on five worlds in 32 dimensions (the square has two), several seeds of
world and training, ``--rows`` of them. 15 seconds for each world, seed and number of rows.

``--part noise``: why dictionaries of noise agree a little more than chance. Half a minute for eight seeds.

Run with ``python -m benchmarks.dictionaries --part throughput``; peers need
``python -m benchmarks.peers.install dictionary-learning sae-lens`` once.
"""

from __future__ import annotations

import argparse
import os
import tempfile
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray

from benchmarks.collect import Way, summed_up
from benchmarks.erasure import started
from benchmarks.peers.dictionary_job import DictionaryJob
from benchmarks.peers.install import python_of
from tiltmeter.anatomy import (
    WORLDS,
    Dictionary,
    DictionaryRows,
    WorldKind,
    audit_dictionaries,
    mmcs,
    mmcs_turned,
    sparse_world,
    toy_world,
    train_dictionary,
)
from tiltmeter.core.dictionaries import Chance, DictionaryAudit, DictionaryRecipe
from tiltmeter.core.records import Estimate, Measured

D, F, BATCH = 512, 4096, 1024
SIZES = (8, 16, 32, 64, 128, 256)
# the interim report's recipe, as the toy worlds have it: no centre, rows as they are
INTERIM = DictionaryRecipe(penalty=0.3, centred=False, scaled=False)
OURS = Way("tiltmeter", "tiltmeter_dictionary_way.py")
WAYS = (
    OURS,
    Way("plain PyTorch", "plain_dictionary_way.py"),
    Way("dictionary_learning", "dictionary_learning_way.py", "dictionary-learning"),
    Way("SAELens", "sae_lens_way.py", "sae-lens"),
)


def loss_of(weights: NDArray[np.float32], fresh: NDArray[np.float32], job: DictionaryJob) -> float:
    """Squared error plus penalty of some rows: the objective of all ways, at atoms of norm 1."""
    encoder, decoder = weights[: 2 * F * D].reshape(2, F, D)
    bias, centre = weights[2 * F * D : 2 * F * D + F], weights[2 * F * D + F :]
    one = Dictionary(encoder, bias - encoder @ centre, decoder, centre, kind="topk" if job.k else "relu", k=job.k)
    codes = one.encode(fresh)
    error = float(np.square(fresh - one.decode(codes)).sum(axis=1).mean())
    return error + (job.penalty * float(codes.sum(axis=1).mean()) if job.k is None else 0.0)


def throughput(*, steps: int, repeats: int, kinds: Sequence[str]) -> None:
    drawn = sparse_world(8 * BATCH + 4096, n_features=F, d=D, n_active=20, decay=0.999).X
    drawn /= np.sqrt(np.mean(drawn**2))
    rows, fresh = drawn[4096:], drawn[:4096]
    atoms = np.random.default_rng(0).normal(size=(F, D)).astype(np.float32)
    atoms /= np.linalg.norm(atoms, axis=1, keepdims=True)
    present = [way for way in WAYS if way.peer is None or python_of(way.peer).exists()]
    for kind in kinds:
        with tempfile.TemporaryDirectory() as name, ExitStack() as stack:
            folder = Path(name)
            np.save(folder / "rows.npy", rows)
            np.save(folder / "start.npy", atoms)
            k = 32 if kind == "topk" else None
            job = DictionaryJob(str(folder / "rows.npy"), str(folder / "start.npy"), steps, BATCH, 1.0, k)
            ways = [stack.enter_context(started(way, job, folder=folder, threads=1)) for way in present]
            runs: dict[Way, list[dict[str, float]]] = {way: [] for way in present}
            losses = {}
            for process in ways:  # the first training is not timed
                process.run(save=folder / "weights.npy")
                losses[process.way] = loss_of(np.load(folder / "weights.npy"), fresh, job)
            for repeat in range(repeats):
                for process in ways if repeat % 2 == 0 else ways[::-1]:
                    runs[process.way].append(process.run())
        taken = {way: summed_up(of_way) for way, of_way in runs.items()}
        print(f"\n{kind}, {steps} steps, {repeats} turns, load {os.getloadavg()[0]:.1f}\n")
        print(
            "| way | rows a processor second | Tiltmeter's are so many times more | by the clock | of a turn "
            "| loss | differs by |"
        )
        print("| --- " * 7 + "|")
        for way, one in taken.items():
            turns = [a["processor"] / b["processor"] for a, b in zip(runs[way], runs[OURS], strict=True)]
            print(
                f"| {way.label} | {steps * BATCH / one.processor:,.0f} | {one.processor / taken[OURS].processor:.2f} × "
                f"| {one.clock / taken[OURS].clock:.2f} × | {min(turns):.2f} to {max(turns):.2f} | {losses[way]:.2f} "
                f"| {losses[way] / losses[OURS] - 1:+.2%} |",
                flush=True,
            )


def toy_audit(kind: WorldKind, n: int, *, sizes: Sequence[int], seed: int) -> DictionaryAudit:
    """Train and audit all sizes on one draw of a world, 20,000 other rows of which are the test."""
    world = toy_world(kind, n + 20_000, seed=seed)
    rows = DictionaryRows(world.X[:n], world.X[n:], truth=world.truth)
    made = {str(f): train_dictionary(rows.train, f, recipe=INTERIM, seed=seed).dictionary for f in sizes}
    return audit_dictionaries(made, rows, n_draws=200)


def over_seeds(found: Sequence[Measured]) -> str:
    """The mean over seeds, with the least and the greatest."""
    known = [one.value for one in found if isinstance(one, Estimate)]
    if len(known) < len(found):
        return "–"
    return f"{np.mean(known):.3f} [{min(known):.3f}, {max(known):.3f}]"


def mean_of(found: Sequence[Chance | None]) -> str:
    """The mean over seeds of what chance gives."""
    known = [one.mean for one in found if one is not None]
    return f"{np.mean(known):.3f}" if known else "–"


def above(found: Sequence[Measured], nulls: Sequence[Chance | None]) -> str:
    """The mean over seeds of a figure minus its null, with the least and the greatest."""
    pairs = zip(found, nulls, strict=True)
    known = [one.value - null.mean for one, null in pairs if isinstance(one, Estimate) and null is not None]
    return f"{np.mean(known):+.3f} [{min(known):+.3f}, {max(known):+.3f}]" if known else "–"


def toys(*, seeds: Sequence[int], worlds: Sequence[WorldKind], numbers: Sequence[int], sizes: Sequence[int]) -> None:
    for kind in worlds:
        for n in numbers:
            audits = [toy_audit(kind, n, sizes=sizes, seed=seed) for seed in seeds]
            print(f"\n{kind}, N = {n:,}, seeds {', '.join(map(str, seeds))}\n")
            print(
                "| latents | train FVU | test FVU | random | linear | L0 | live | to larger | turned | above it "
                "| random | to truth | random |"
            )
            print("| --- " * 13 + "|")
            for i, size in enumerate(sizes):
                rows = [audit.dictionaries[i] for audit in audits]
                live = [one.live for one in rows]
                cells = [
                    *(over_seeds([getattr(one, name) for one in rows])
                      for name in ("train_fvu", "test_fvu", "random_fvu", "linear_fvu", "l0")),
                    f"{min(live)} to {max(live)}",
                    over_seeds([one.larger for one in rows]),
                    mean_of([one.larger_turned for one in rows]),
                    above([one.larger for one in rows], [one.larger_turned for one in rows]),
                    mean_of([one.larger_chance for one in rows]),
                    over_seeds([one.truth for one in rows]),
                    mean_of([one.truth_chance for one in rows]),
                ]  # fmt: skip
                print(f"| {size} | {' | '.join(cells)} |")
            print(f"\nOf seed {seeds[0]}: {' '.join(audits[0].conclusions)}", flush=True)


def noise(*, seeds: Sequence[int]) -> None:
    """Say what dictionaries of 16 and 32 latents share on isotropic noise, of the same 200,000 rows and of others."""
    made = []
    for seed in seeds:
        rows = toy_world("noise", 200_000, seed=seed).X
        made.append([train_dictionary(rows, f, recipe=INTERIM, seed=seed).dictionary.atoms for f in (16, 32)])
    small, large = zip(*made, strict=True)
    found = {
        "the same rows": [mmcs(one, other).value for one, other in zip(small, large, strict=True)],
        "other rows": [mmcs(one, other).value for one, other in zip(small, (*large[1:], large[0]), strict=True)],
        "the same rows, turned": [mmcs_turned(one, [other]).mean for one, other in zip(small, large, strict=True)],
    }
    for what, values in found.items():
        error = np.std(values, ddof=1) / np.sqrt(len(values))
        print(f"| {what} | {np.mean(values):.3f} ± {error:.3f} (standard error, {len(values)} seeds) |")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--part", choices=("throughput", "toys", "noise"), default="throughput")
    parser.add_argument("--steps", type=int, default=80, help="of throughput")
    parser.add_argument("--repeats", type=int, default=3, help="of throughput")
    parser.add_argument("--kinds", nargs="*", default=["relu", "topk"], help="of throughput")
    parser.add_argument("--seeds", nargs="*", type=int, default=[0, 1, 2, 3, 4], help="of toys")
    parser.add_argument("--sizes", nargs="*", type=int, default=SIZES, help="of toys")
    parser.add_argument("--worlds", nargs="*", default=WORLDS, help="of toys")
    parser.add_argument("--rows", nargs="*", type=int, default=[200_000, 1000], help="of toys")
    options = parser.parse_args()
    torch.set_num_threads(1)
    if options.part == "noise":
        noise(seeds=options.seeds)
    elif options.part == "throughput":
        throughput(steps=options.steps, repeats=options.repeats, kinds=options.kinds)
    else:
        toys(seeds=options.seeds, worlds=options.worlds, numbers=options.rows, sizes=options.sizes)


if __name__ == "__main__":
    main()
