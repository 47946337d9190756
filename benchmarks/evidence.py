"""The whole evidence of a large study once activations exist, step by step, and the bootstrap AUROC beside a loop.

The study: 12 sites of 384 features (the width of MiniLM), ten methods, six distributions of 2,000 texts each, in pairs
of a true and a false one; half of them train, a quarter calibrate, a quarter test. Five folds, 1,000 bootstrap draws,
100 random directions, 50 shuffled refits, three text baselines. Everything runs that ``tiltmeter study`` runs between
the collected activations and the written run.

Texts of a pair have eleven words, drawn at random from 3,000 with falling frequency, and one of two sets of ten words
each in which true and false statements differ half of the time. Rows of a site of distribution k:

    x = c + e + s (a t u + a t v_k / 2 + b g w)     with u, v_k and w random unit vectors, s = ±1 the half of the pair

c is the content of the pair, normal with a standard deviation of 1 / √(1 + 10 i / d) in the direction i of a random
rotation; e ~ N(0, 1/4) of each row; t = ±1 says which half is true and g = ±1 is a distractor of strength b = 0.3. The
strength of truth a grows from 0.1 at the first site to 0.7 at the last.

Run with ``python -m benchmarks.evidence``; ``--quick`` for a small study, ``--part auroc`` or ``--part study`` for one
of the two parts, ``--methods all`` for all twelve methods.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import tempfile
import time
import tracemalloc
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score
from threadpoolctl import threadpool_limits

from benchmarks.peers.worker import memory_mb
from tiltmeter.core.activations import Activations
from tiltmeter.core.site import Site
from tiltmeter.evaluation import auroc_draws, resampling, tpr_draws
from tiltmeter.studies import StudySpec, parse_spec
from tiltmeter.studies._assess import assess
from tiltmeter.studies._fitting import fit, methods_for
from tiltmeter.studies._material import Material, open_material
from tiltmeter.studies._rivals import open_rivals
from tiltmeter.studies._spec import Method
from tiltmeter.studies._vectors import Vectors

METHODS = (
    *("mean_difference", "lat", "crc", "kmeans", "ccs"),
    *("ridge", "lda", "svm", "logistic", "contrast_logistic"),
)
N_DRAWS = 1000


class Size(NamedTuple):
    """How large the study is: ``n`` texts a distribution, ``d`` features."""

    n_sites: int
    n_distributions: int
    n: int
    d: int


class Taken(NamedTuple):
    """Seconds by the clock, and of all processors."""

    wall: float
    processor: float


class Steps:
    """Keeps what each step of a study takes."""

    def __init__(self) -> None:
        self.taken: dict[str, Taken] = {}

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        wall, processor = time.perf_counter(), time.process_time()
        yield
        self.taken[name] = Taken(time.perf_counter() - wall, time.process_time() - processor)


def write_texts(path: Path, *, n: int, which: int) -> None:
    """Write ``n`` texts in pairs, side 0 first."""
    rng = np.random.default_rng([which, 0])
    frequency = 1 / np.arange(1, 3001)
    words = rng.choice(3000, size=(n // 2, 11), p=frequency / frequency.sum())
    truth = rng.integers(2, size=n // 2)
    told, cue = rng.integers(2, size=(n // 2, 2)), rng.integers(10, size=(n // 2, 2))
    with path.open("w", encoding="utf-8") as lines:
        for i in range(n // 2):
            for side in (0, 1):
                label = int(truth[i] == side)
                said = label if told[i, side] else int(cue[i, side] % 2)
                text = " ".join([f"w{which}x{word}" for word in words[i]] + [f"cue{said}x{cue[i, side]}"])
                row = {"id": f"{which}:{i}:{side}", "text": text, "label": label, "pair": f"{which}:{i}", "side": side}
                lines.write(json.dumps(row) + "\n")


def make_rows(labels: NDArray[np.int64], *, site: int, which: int, size: Size) -> NDArray[np.float32]:
    """Activations of one distribution at one site, rows 2i and 2i + 1 being a pair."""
    of_site, of_rows = np.random.default_rng([site, 1]), np.random.default_rng([site, which, 2])
    rotation = np.linalg.qr(of_site.normal(size=(size.d, size.d)))[0]
    directions = of_site.normal(size=(size.n_distributions + 2, size.d))
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    p = len(labels) // 2
    content = of_rows.normal(size=(p, size.d)) / np.sqrt(1 + 10 * np.arange(size.d) / size.d) @ rotation.T
    strength = np.linspace(0.1, 0.7, size.n_sites)[site]
    signal = np.outer(2 * labels - 1, strength * (directions[-2] + directions[which] / 2))
    distractor = np.outer(np.repeat(of_rows.choice([-1.0, 1.0], size=p), 2) * np.tile([-1, 1], p), directions[-1])
    rows = np.repeat(content, 2, axis=0) + 0.5 * of_rows.normal(size=(2 * p, size.d)) + signal + 0.3 * distractor
    return rows.astype(np.float32)


def make_study(folder: Path, *, size: Size, methods: str | list[str]) -> tuple[StudySpec, Material]:
    names = [f"set{which}" for which in range(size.n_distributions)]
    for which, name in enumerate(names):
        write_texts(folder / f"{name}.jsonl", n=size.n, which=which)
    spec = parse_spec(
        {
            "name": "evidence",
            "model": {"path": "none"},
            "texts": {name: str(folder / f"{name}.jsonl") for name in names},
            "train": {"distribution": names[0]},
            "probes": {"methods": methods},
            "evidence": {"bootstrap": N_DRAWS},
        }
    )
    material = open_material(spec)
    activations = {
        name: {
            f"{site}.resid_post": Activations(
                make_rows(texts.y, site=site, which=which, size=size),
                ids=texts.ids,
                y=texts.y,
                pairs=texts.pairs,
                sides=texts.sides,
                groups=material.units[name],
                site=Site(site, "resid_post"),
            )
            for site in range(size.n_sites)
        }
        for which, (name, texts) in enumerate(material.texts.items())
    }
    entering = {name: next(iter(by_site.values())) for name, by_site in activations.items()}
    return spec, replace(material, activations=activations, entering=entering)


def study(size: Size, *, methods: str | list[str]) -> None:
    with tempfile.TemporaryDirectory() as folder:
        spec, material = make_study(Path(folder), size=size, methods=methods)
    before, steps = memory_mb("VmRSS"), Steps()
    # no model is read: activations are there, and no causal evidence is asked for
    reader = Vectors(np.empty((0, size.d)), {}, {})
    asked = methods_for(spec, material)
    with steps("everything"):
        readers = open_rivals(spec, reader)
        found = assess(spec, material, methods=asked, reader=reader, readers=readers, steps=steps)
    evidence, fitted = found.evidence, found.fitted
    everything = steps.taken["everything"]
    print(
        f"{size.n_sites} sites of {size.d} features, {len(asked)} methods, {size.n_distributions} distributions of "
        f"{size.n} texts, {N_DRAWS} draws: {len(fitted)} probes and {len(evidence.transfer)} cells of the transfer "
        f"matrix; chosen: {evidence.method} at {evidence.site}; resident memory {before:.0f} MB before, at most "
        f"{memory_mb('VmHWM'):.0f} MB\n\n"
        "| step | seconds | processor seconds | share of those |\n| --- | --- | --- | --- |"
    )
    for name, taken in steps.taken.items():
        share = taken.processor / everything.processor
        print(f"| {name} | {taken.wall:.2f} | {taken.processor:.2f} | {share:.0%} |")
    fits_by_method(spec, material, asked)


def fits_by_method(spec: StudySpec, material: Material, methods: tuple[Method, ...]) -> None:
    """Time a fit of each method at the middle site, on one thread, and say what all its fits of the study make."""
    home, site = spec.train.distribution, material.sites[len(material.sites) // 2]
    train = material.part(home, "train", site)
    n_fits = len(material.sites) * (len(material.texts) + spec.train.folds)
    print(f"\n| method | processor ms a fit | {n_fits} fits, processor seconds |\n| --- | --- | --- |")
    torch.set_num_threads(1)
    with threadpool_limits(1):
        for method in methods:
            job = partial(fit, method, train, C=spec.probes.C, orient_on=train)
            job()
            seconds = statistics.median(measured(job).processor for _ in range(3))
            print(f"| {method} | {seconds * 1e3:.1f} | {n_fits * seconds:.1f} |")


def one_by_one(y: NDArray[np.int64], scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.array([roc_auc_score(y, scores, sample_weight=weight) for weight in weights])


def both_draws(y: NDArray[np.int64], scores: NDArray[np.float64], weights: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.stack([auroc_draws(y, scores, weights=weights), tpr_draws(y, scores, weights=weights, fpr=0.01)])


def measured(job: Callable[[], object]) -> Taken:
    wall, processor = time.perf_counter(), time.process_time()
    job()
    return Taken(time.perf_counter() - wall, time.process_time() - processor)


def most_memory(job: Callable[[], object]) -> float:
    """Return the most that a job held at once, in MB."""
    tracemalloc.start()
    job()
    most = tracemalloc.get_traced_memory()[1] / 1e6
    tracemalloc.stop()
    return most


def against_scikit_learn(*, repeats: int) -> None:
    """Compare AUROC and TPR of 1,000 draws with scikit-learn's AUROC of the same draws, one at a time."""
    print(
        f"\n{N_DRAWS} draws; medians of {repeats} turns\n\n"
        "| rows | scores | processor ms | scikit-learn's, one by one | to ours | by the clock "
        "| most memory, MB | its, MB | values differ by |\n" + "| --- " * 9 + "|"
    )
    for n in (500, 2000):
        rng = np.random.default_rng(n)
        y = np.arange(n) % 2
        continuous = rng.normal(size=n) + 1.5 * y
        by = resampling(n, groups=None, n_draws=N_DRAWS)
        for kind, scores in (("continuous", continuous), ("of 40 or so levels", np.round(continuous * 6) / 6)):
            ours = partial(both_draws, y, scores, by.weights)
            theirs = partial(one_by_one, y, scores, by.weights)
            worst = float(np.abs(ours()[0] - theirs()).max())
            turns = [(measured(ours), measured(theirs)) for _ in range(repeats)]
            ratios = [statistics.median(other[i] / own[i] for own, other in turns) for i in (0, 1)]
            own, other = (statistics.median(turn[way].processor for turn in turns) * 1e3 for way in (0, 1))
            print(
                f"| {n:,} | {kind} | {own:.2f} | {other:.0f} | {ratios[1]:.0f} × | {ratios[0]:.0f} × "
                f"| {most_memory(ours):.2f} | {most_memory(theirs):.2f} | {worst:.0e} |"
            )
    print(f"\nThe weights of the last: {by.weights.nbytes / 1e6:.0f} MB, made once a test set.")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--part", choices=("study", "auroc"))
    parser.add_argument("--methods", choices=("ten", "all"), default="ten")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    size = Size(2, 2, 200, 24) if options.quick else Size(12, 6, 2000, 384)
    torch.set_num_threads(options.threads)
    with threadpool_limits(options.threads):
        if options.part != "auroc":
            print(f"{options.threads} threads")
            study(size, methods="all" if options.methods == "all" else list(METHODS))
        if options.part != "study":
            against_scikit_learn(repeats=options.repeats)


if __name__ == "__main__":
    main()
