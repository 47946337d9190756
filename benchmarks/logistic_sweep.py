"""A sweep of logistic regressions against scikit-learn's, one fit at a time by each of its two fast solvers.

One site: 4,000 standardised rows of 768 features, ten strengths, five folds. scikit-learn runs at its default
tolerance; objectives are compared with its own at a tolerance of 1e-10. Then 24 sites in one call, with the memory it
takes. The ways take turns in one process, with the same threads.

Rows: x = A z + shift · (y − ½) u with z standard normal, u a random unit vector and A a random rotation of scales
0.1 … 10 (log-spaced), then standardised by feature; shift is 2 standard deviations along u.

Run with ``python -m benchmarks.logistic_sweep``; ``--quick`` for smaller rows.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
import warnings
from collections.abc import Callable, Iterator, Mapping

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import StratifiedKFold
from threadpoolctl import threadpool_limits

from benchmarks.peers.worker import memory_mb
from tiltmeter.probes import LogisticFits, logistic_sweep

STRENGTHS = np.logspace(-4, 1, 10)
N_FOLDS = 5


def make_rows(n: int, d: int, *, seed: int) -> tuple[NDArray[np.float64], NDArray[np.int64]]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    mixing = np.linalg.qr(rng.normal(size=(d, d)))[0] * np.logspace(-1, 1, d)
    u = rng.normal(size=d)
    u /= np.linalg.norm(u)
    rows = rng.normal(size=(n, d)) @ mixing.T
    rows += np.outer((y - 0.5) * 2.0 * (rows @ u).std(), u)
    return (rows - rows.mean(0)) / rows.std(0), y


def make_folds(y: NDArray[np.int64]) -> NDArray[np.bool_]:
    folds = StratifiedKFold(N_FOLDS, shuffle=True, random_state=0).split(y, y)
    return np.array([np.isin(np.arange(len(y)), train) for train, _ in folds])


def one_by_one(
    rows: NDArray[np.float64], y: NDArray[np.int64], folds: NDArray[np.bool_], *, solver: str, **options: float
) -> NDArray[np.float64]:
    """scikit-learn's objective for each fold and strength."""
    found = np.empty((len(folds), len(STRENGTHS)))
    for i, fold in enumerate(folds):
        X, labels = rows[fold], y[fold]
        for j, strength in enumerate(STRENGTHS):
            model = LogisticRegression(C=strength, solver=solver, **options)
            with warnings.catch_warnings():
                # at its default of 100 iterations lbfgs stops early on weak penalties, which is to its advantage here
                warnings.simplefilter("ignore")
                model.fit(X, labels)
            found[i, j] = objective(X, labels, model.coef_[0], float(model.intercept_[0]), strength)
    return found


def objective(X: NDArray[np.float64], y: NDArray[np.int64], w: NDArray[np.float64], b: float, C: float) -> float:
    margins = (2 * y - 1) * (X @ w + b)
    return float(np.logaddexp(0, -margins).sum() + w @ w / (2 * C))


def ours_exactly(
    rows: NDArray[np.float64], y: NDArray[np.int64], folds: NDArray[np.bool_], fits: LogisticFits
) -> NDArray[np.float64]:
    """Our objectives, computed anew from the weights in double precision."""
    return np.array(
        [
            [
                objective(rows[fold], y[fold], fits.weights[i, j], float(fits.intercepts[i, j]), strength)
                for j, strength in enumerate(STRENGTHS)
            ]
            for i, fold in enumerate(folds)
        ]
    )


def timed(job: Callable[[], object]) -> float:
    start = time.perf_counter()
    job()
    return time.perf_counter() - start


class Sites(Mapping[str, NDArray[np.float32]]):
    """Rows that are made when they are looked up, as a store reads them."""

    def __init__(self, names: list[str], n: int, d: int) -> None:
        self._names, self._n, self._d = names, n, d

    def __getitem__(self, name: str) -> NDArray[np.float32]:
        return make_rows(self._n, self._d, seed=self._names.index(name))[0].astype(np.float32)

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--threads", type=int, default=len(os.sched_getaffinity(0)))
    options = parser.parse_args()
    n, d, n_sites = (800, 96, 4) if options.quick else (4000, 768, 24)
    torch.set_num_threads(options.threads)
    rows, y = make_rows(n, d, seed=0)
    folds = make_folds(y)
    print(f"{n} rows, {d} features, {len(STRENGTHS)} strengths, {N_FOLDS} folds; {options.threads} threads\n")
    seconds: dict[str, list[float]] = {"tiltmeter": [], "lbfgs": [], "newton-cholesky": []}
    with threadpool_limits(options.threads):
        for _ in range(options.repeats):
            seconds["tiltmeter"].append(timed(lambda: logistic_sweep({"site": rows}, y, C=STRENGTHS, train=folds)))
            for solver in ("lbfgs", "newton-cholesky"):
                seconds[solver].append(timed(lambda solver=solver: one_by_one(rows, y, folds, solver=solver)))
        exact = one_by_one(rows, y, folds, solver="newton-cholesky", tol=1e-10, max_iter=1000)
        fits = logistic_sweep({"site": rows}, y, C=STRENGTHS, train=folds)["site"]
        ours = ours_exactly(rows, y, folds, fits)
        ordinary = {solver: one_by_one(rows, y, folds, solver=solver) for solver in ("lbfgs", "newton-cholesky")}
    medians = {way: statistics.median(taken) for way, taken in seconds.items()}
    print("| way | seconds | to Tiltmeter's | objective above scikit-learn's at 1e-10, relative, worst of all |")
    print("| --- | --- | --- | --- |")
    for way, found in {"tiltmeter": ours, **ordinary}.items():
        ratio = medians[way] / medians["tiltmeter"]
        print(f"| {way} | {medians[way]:.2f} | {ratio:.1f} × | {((found - exact) / exact).max():.1e} |")
    print(f"\nsteps: {fits.n_steps.min()} to {fits.n_steps.max()}; converged: {fits.is_converged.all()}")
    before = memory_mb("VmHWM")
    sites = Sites([f"{layer}.resid_post" for layer in range(n_sites)], n, d)
    making = timed(lambda: [sites[name] for name in sites])
    taken = timed(lambda: logistic_sweep(sites, y, C=STRENGTHS, train=folds)) - making
    peak = memory_mb("VmHWM")
    print(
        f"\n{n_sites} sites × {len(STRENGTHS)} strengths × {N_FOLDS} folds in one call: {taken:.1f} s; resident memory "
        f"at most {peak:.0f} MB, {before:.0f} MB before"
    )


if __name__ == "__main__":
    main()
