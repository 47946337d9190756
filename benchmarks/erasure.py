"""Fitting LEACE against concept-erasure on the same tensor, and against the bare product XᵀX, which is the limit.

Each way is a process of its own with the same number of threads, concept-erasure in an environment of its own; they
take turns, and what is compared is ratios of medians. Timed is a fit, from rows in memory to the map. Maps are compared
entry by entry with Tiltmeter's in double precision.

Rows: x = s ⊙ (A g) + shift · (z − ½) u + 1, with g standard normal, A a random matrix I + G/√d/2, scales s from 0.3 to
3 (log-spaced), u a random unit vector and shift 2; half of each class; n = 4d.

Run with ``python -m benchmarks.erasure``; ``--quick`` for few features. The peer needs
``python -m benchmarks.peers.install concept-erasure`` once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from benchmarks.collect import Process, Way, summed_up
from benchmarks.peers.erasure_job import ErasureJob
from benchmarks.peers.install import python_of
from tiltmeter.erasure import leace

HERE = Path(__file__).parent
PEER = "concept-erasure"

OURS = Way("tiltmeter", "tiltmeter_leace_way.py")
GRAM = Way("XᵀX alone, NumPy", "gram_way.py")
THEIRS = Way("concept-erasure, same settings", "concept_erasure_way.py", PEER)
# ``stop`` is what collecting calls the peer's other mode; here: its own defaults
WAYS = (
    OURS,
    GRAM,
    Way("XᵀX alone, PyTorch", "gram_torch_way.py"),
    THEIRS,
    Way("concept-erasure, its defaults", "concept_erasure_way.py", PEER, stop=True),
)


class Goal(NamedTuple):
    """What is asked of a ratio of medians, and what it came to."""

    words: str
    ratio: float
    is_met: bool


def make_rows(d: int, *, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    n = 4 * d
    z = np.arange(n) % 2
    rows = rng.normal(size=(n, d))
    rows += rows @ rng.normal(size=(d, d)) * (0.5 / np.sqrt(d))
    rows *= np.geomspace(0.3, 3.0, d)
    u = rng.normal(size=d)
    rows += np.outer(2.0 * (z - 0.5), u / np.linalg.norm(u)) + 1.0
    return rows, z


@contextmanager
def started(way: Way, job: ErasureJob, *, folder: Path, threads: int) -> Iterator[Process]:
    """A process of one way, loaded and ready; its job and its log lie in the folder."""
    python = sys.executable if way.peer is None else python_of(way.peer)
    written, log = folder / f"{way.label}.json", folder / f"{way.label}.log"
    written.write_text(json.dumps(job._replace(defaults=way.stop)._asdict()), encoding="utf-8")
    names = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
    environment = os.environ | dict.fromkeys(names, str(threads))
    with log.open("w", encoding="utf-8") as log_file:
        pipe = subprocess.Popen(
            [python, HERE / "peers" / way.script, written],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=log_file,
            text=True,
            env=environment,
        )
        try:
            process = Process(way, pipe, log)
            process.answer()
            yield process
        finally:
            pipe.communicate()


def measure(d: int, dtype: str, *, folder: Path, repeats: int, threads: int) -> list[Goal]:
    """Run all ways that are installed on one tensor, print their table, and return what came of the goals."""
    rows, z = make_rows(d, seed=d)
    rows = rows.astype(dtype)
    np.save(folder / "rows.npy", rows)
    np.save(folder / "labels.npy", z)
    exact = leace(rows, z)
    del rows
    job = ErasureJob(str(folder / "rows.npy"), str(folder / "labels.npy"))
    present = [way for way in WAYS if way.peer is None or python_of(way.peer).exists()]
    runs: dict[Way, list[dict[str, float]]] = {way: [] for way in present}
    differences: dict[Way, float] = {}
    with ExitStack() as stack:
        processes = [stack.enter_context(started(way, job, folder=folder, threads=threads)) for way in present]
        for process in processes:
            process.run(save=folder / "result.npy")  # the first fit is not timed
            result = np.load(folder / "result.npy")
            if result.ndim == 3:
                left, right = result.astype(np.float64)
                differences[process.way] = float(np.abs(left @ right.T - exact.left @ exact.right).max())
        for repeat in range(repeats):
            for process in processes if repeat % 2 == 0 else processes[::-1]:
                runs[process.way].append(process.run())
    taken = {way: summed_up(of_way) for way, of_way in runs.items()}
    print(f"\nd = {d}, n = {4 * d}, {dtype}\n")
    print(
        "| way | seconds | to Tiltmeter's | processor seconds | at most, MB | spread of seconds | map differs by |\n"
        + "| --- " * 7
        + "|"
    )
    for way in WAYS:
        if way not in taken:
            print(f"| {way.label} | not installed: run `python -m benchmarks.peers.install {way.peer}` |" + " |" * 5)
            continue
        one, differs = taken[way], f"{differences[way]:.0e}" if way in differences else ""
        print(
            f"| {way.label} | {one.clock:.3f} | {one.clock / taken[OURS].clock:.2f} × | {one.processor:.2f} "
            f"| {one.peak:.0f} | {one.spread:.0%} | {differs} |"
        )
    sys.stdout.flush()
    where = f"d = {d}, {dtype}"
    limit = taken[OURS].clock / taken[GRAM].clock
    goals = [Goal(f"{where}: at most 1.5 × the bare product", limit, limit <= 1.5)]
    goals.append(Goal(f"{where}: map of double precision to 1e-5", differences[OURS], differences[OURS] <= 1e-5))
    if THEIRS in taken:
        faster = taken[THEIRS].clock / taken[OURS].clock
        goals.append(Goal(f"{where}: at least 3 × faster than {PEER}", faster, faster >= 3))
        goals.append(Goal(f"{where}: {PEER}'s map to 1e-5", differences[THEIRS], differences[THEIRS] <= 1e-5))
    return goals


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    print(f"{options.threads} threads, {options.repeats} repeats, load {os.getloadavg()[0]:.1f}")
    goals: list[Goal] = []
    for d in (256, 512) if options.quick else (2048, 4096):
        for dtype in ("float64", "float32"):
            with tempfile.TemporaryDirectory() as name:
                goals += measure(d, dtype, folder=Path(name), repeats=options.repeats, threads=options.threads)
    print("\n| goal | came to | met |\n| --- | --- | --- |")
    for goal in goals:
        print(f"| {goal.words} | {goal.ratio:.3g} | {'yes' if goal.is_met else 'no'} |")


if __name__ == "__main__":
    main()
