"""How often intervals hold the truth: AUROC, TPR at 1 % FPR, paired differences of AUROCs, and calibration error.

Scores are normal, negatives and positives a distance apart that gives the asked AUROC. With groups, half of the
variance is the group's own, and every group has one label: the hardest case, as then only groups are independent. They
are dealt the rows of their class in turn. Beside ours stands the percentile bootstrap, which resamples groups and is
stretched from normal to Student's.

Each table is a part: ``--part auroc | tpr | difference | ece``; ``--draws`` sets the bootstrap's draws and
``--simulations`` how often. One core, 1,000 simulations: about ten minutes in all, most of them at 1,000 rows a class.

Run with ``python -m benchmarks.coverage --part auroc``.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray
from scipy import special, stats

from tiltmeter.core.records import Estimate, Measured
from tiltmeter.evaluation import (
    Resampling,
    auroc_difference,
    auroc_draws,
    expected_calibration_error,
    ranking_estimates,
    resampling,
)

AREAS = (0.5, 0.75, 0.9, 0.98)
CLUSTERS = (0, 20, 100)
LEVEL = 0.95
# the bootstrap is what takes the time: it is compared in the first simulations only
BOOTSTRAPPED = 300


class Rows(NamedTuple):
    y: NDArray[np.int64]
    groups: NDArray[np.int64] | None


def rows_of(n: int, n_groups: int) -> Rows:
    """``n`` rows a class in ``n_groups`` groups of one label each; no groups where that is 0."""
    y = np.repeat([0, 1], n)
    if not n_groups:
        return Rows(y, None)
    half = n_groups // 2
    return Rows(y, np.concatenate([np.arange(n) % half, half + np.arange(n) % half]))


def distance(area: float) -> float:
    return math.sqrt(2) * float(stats.norm.ppf(area))


def noise(rows: Rows, rng: np.random.Generator) -> NDArray[np.float64]:
    own = rng.normal(size=len(rows.y))
    if rows.groups is None:
        return own
    return math.sqrt(0.5) * own + math.sqrt(0.5) * rng.normal(size=rows.groups.max() + 1)[rows.groups]


def bootstrap_interval(rows: Rows, scores: NDArray[np.float64], by: Resampling, area: float) -> tuple[float, float]:
    """The percentile bootstrap's interval of an AUROC, as it would be without DeLong's."""
    draws = auroc_draws(rows.y, scores, weights=by.weights)
    low, high = np.nanquantile(draws, [0.025, 0.975])
    stretch = float(stats.t.ppf(0.975, by.n_units - 1) / stats.norm.ppf(0.975))
    return area - stretch * (area - low), area + stretch * (high - area)


class Count:
    """How many intervals held the truth, and how wide they were."""

    def __init__(self) -> None:
        self.held: list[bool] = []
        self.widths: list[float] = []

    def add(self, low: float, high: float, truth: float) -> None:
        self.held.append(low <= truth <= high)
        self.widths.append(high - low)

    def measured(self, found: Measured, truth: float) -> None:
        if isinstance(found, Estimate):
            self.add(found.low, found.high, truth)

    def __str__(self) -> str:
        if not self.held:
            return "– | –"
        return f"{np.mean(self.held):.1%} | {np.mean(self.widths):.3f}"


def auroc_rows(simulations: int, draws: int, sizes: tuple[int, ...]) -> Iterator[str]:
    yield "| rows a class | groups | AUROC | ours | width | percentile bootstrap | width | method |"
    yield "| --- | --- | --- | --- | --- | --- | --- | --- |"
    for n in sizes:
        for n_groups in CLUSTERS:
            if n_groups > 2 * n:
                continue
            rows = rows_of(n, n_groups)
            by = resampling(2 * n, groups=rows.groups, n_draws=draws)
            # our interval of an AUROC makes no use of draws
            ours_by = by._replace(weights=by.weights[:1])
            for area in AREAS:
                ours, plain, method = Count(), Count(), ""
                for i in range(simulations):
                    rng = np.random.default_rng([i, n, n_groups, round(100 * area)])
                    scores = noise(rows, rng) + rows.y * distance(area)
                    found = ranking_estimates(rows.y, scores, fpr=1.0, by=ours_by).auroc
                    assert isinstance(found, Estimate)
                    ours.measured(found, area)
                    if found.value < 1:
                        method = found.method
                    if i < BOOTSTRAPPED and found.value < 1:
                        plain.add(*bootstrap_interval(rows, scores, by, found.value), area)
                    elif i < BOOTSTRAPPED:
                        # no row out of order: both are exact on disjoint pairs
                        plain.measured(found, area)
                yield f"| {n:,} | {n_groups or 'none'} | {area} | {ours} | {plain} | {method} |"


def tpr_rows(simulations: int, draws: int, sizes: tuple[int, ...]) -> Iterator[str]:
    yield "| negatives, and positives | AUROC | TPR | covered | width |"
    yield "| --- | --- | --- | --- | --- |"
    for n in sizes:
        rows = rows_of(n, 0)
        by = resampling(2 * n, groups=None, n_draws=draws)
        for area in AREAS:
            truth = float(stats.norm.sf(stats.norm.isf(0.01) - distance(area)))
            count = Count()
            for i in range(simulations):
                rng = np.random.default_rng([i, n, round(100 * area)])
                scores = noise(rows, rng) + rows.y * distance(area)
                count.measured(ranking_estimates(rows.y, scores, fpr=0.01, by=by).tpr, truth)
            yield f"| {n:,} | {area} | {truth:.3f} | {count} |"


def difference_rows(simulations: int, draws: int, sizes: tuple[int, ...]) -> Iterator[str]:
    yield "| rows a class | groups | AUROCs | covered | width |"
    yield "| --- | --- | --- | --- | --- |"
    for n in sizes:
        for n_groups in CLUSTERS:
            if n_groups > 2 * n:
                continue
            rows = rows_of(n, n_groups)
            by = resampling(2 * n, groups=rows.groups, n_draws=draws)
            for one, two in ((0.75, 0.75), (0.9, 0.8), (0.98, 0.95)):
                count = Count()
                for i in range(simulations):
                    rng = np.random.default_rng([i, n, n_groups, round(100 * one)])
                    first, second = noise(rows, rng), noise(rows, rng)
                    # scores whose noise is half the same
                    rival = math.sqrt(0.5) * first + math.sqrt(0.5) * second + rows.y * distance(two)
                    found = auroc_difference(rows.y, first + rows.y * distance(one), rival=rival, by=by)
                    count.measured(found, one - two)
                yield f"| {n:,} | {n_groups or 'none'} | {one} and {two} | {count} |"


def ece_rows(simulations: int, draws: int, sizes: tuple[int, ...]) -> Iterator[str]:
    """Probabilities whose log-odds are off by some factor; the truth is that of tenths of very many rows."""
    yield "| rows | overconfident by | true error | mean figure | covered | width |"
    yield "| --- | --- | --- | --- | --- | --- |"
    for n in sizes:
        by = resampling(n, groups=None, n_draws=draws)
        for factor in (1.0, 1.3, 2.0):
            everything = special.logit(np.random.default_rng(0).uniform(0.02, 0.98, size=400_000))
            said, right = special.expit(factor * everything), special.expit(everything)
            tenth = np.searchsorted(np.quantile(said, np.linspace(0, 1, 11))[1:-1], said)
            truth = float(np.abs(np.bincount(tenth, weights=right - said)).sum() / len(said))
            count, values = Count(), []
            for i in range(simulations):
                rng = np.random.default_rng([i, n, round(10 * factor)])
                odds = special.logit(rng.uniform(0.02, 0.98, size=n))
                y = (rng.random(n) < special.expit(odds)).astype(np.int64)
                found = expected_calibration_error(y, special.expit(factor * odds), by=by)
                assert isinstance(found, Estimate)
                count.measured(found, truth)
                values.append(found.value)
            yield f"| {n:,} | {factor} | {truth:.3f} | {np.mean(values):.3f} | {count} |"


PARTS: dict[str, tuple[Callable[[int, int, tuple[int, ...]], Iterator[str]], tuple[int, ...]]] = {
    "auroc": (auroc_rows, (30, 100, 1000)),
    "tpr": (tpr_rows, (100, 300, 1000)),
    "difference": (difference_rows, (30, 100)),
    "ece": (ece_rows, (200, 1000)),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=tuple(PARTS), required=True)
    parser.add_argument("--simulations", type=int, default=1000)
    parser.add_argument("--draws", type=int, default=300)
    parser.add_argument("--rows", type=int, help="one size only")
    asked = parser.parse_args()
    table, sizes = PARTS[asked.part]
    print(f"{asked.simulations:,} simulations, {asked.draws} bootstrap draws, intervals of {LEVEL:.0%}\n")
    for line in table(asked.simulations, asked.draws, (asked.rows,) if asked.rows else sizes):
        print(line, flush=True)


if __name__ == "__main__":
    main()
