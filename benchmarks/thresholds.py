"""Five ways to set a threshold for 1 % false positives, on the same simulated calibration sets.

Negatives are N(−3, 2²) and positives N(3, 2²), so that the best threshold catches 75 %. The true false-positive rate of
every threshold that is chosen comes from the distribution, not from a sample. Scores are continuous, tied (rounded down
to steps of 0.5), or clustered: groups of four rows with correlation 0.5, where a group raises an alarm if any row does
and n counts groups.

The ways: the exact binomial threshold and the conformal one of ``tiltmeter.evaluation``; the interpolated quantile
(``np.quantile``); and the point of the ROC curve of the same rows that is nearest to 1 %, alarms at or above it. The
order statistic that each of our two rules takes is learned from one call of it, and its threshold compared with the
call's on the first sets; the rest is vectorised.

Run with ``python -m benchmarks.thresholds``; a minute on one core.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable
from typing import Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.evaluation import conformal_threshold, threshold_at_fpr

FPR, CONFIDENCE = 0.01, 0.95
MEAN, SD = 3.0, 2.0
STEP, PER_GROUP, CORRELATION = 0.5, 4, 0.5
Kind = Literal["continuous", "tied", "clustered"]
Floats = NDArray[np.float64]
# sets of units are drawn in blocks of at most this many scores
BLOCK = 4_000_000
CHECKED = 3


class Rates(NamedTuple):
    """True rates of the thresholds of many calibration sets: per unit for false positives, per row for positives."""

    fpr: Floats
    tpr: Floats


def draw(kind: Kind, n_sets: int, n: int, *, rng: np.random.Generator) -> Floats:
    """Scores of negatives, shape (sets, units, rows of a unit)."""
    if kind == "clustered":
        shared = rng.normal(size=(n_sets, n, 1))
        own = rng.normal(size=(n_sets, n, PER_GROUP))
        return -MEAN + SD * (math.sqrt(CORRELATION) * shared + math.sqrt(1 - CORRELATION) * own)
    scores = rng.normal(-MEAN, SD, size=(n_sets, n, 1))
    return np.floor(scores / STEP) * STEP if kind == "tied" else scores


def above(kind: Kind, thresholds: Floats, *, mean: float) -> Floats:
    """The true probability that a unit around ``mean`` lies strictly above each threshold."""
    if kind == "tied":
        # floor(z / step) · step lies above t where z reaches the step after it
        thresholds = (np.floor(thresholds / STEP) + 1) * STEP
    z = (thresholds - mean) / SD
    if kind != "clustered":
        return stats.norm.sf(z)
    nodes, weights = np.polynomial.hermite_e.hermegauss(81)
    one = stats.norm.cdf((z[:, None] - math.sqrt(CORRELATION) * nodes) / math.sqrt(1 - CORRELATION))
    return 1 - one**PER_GROUP @ (weights / weights.sum())


def rules(kind: Kind, n: int, *, rng: np.random.Generator) -> dict[str, Callable[[Floats], Floats]]:
    """The ways, each from unit scores (sets, n), sorted upwards, to the threshold of each set; alarms lie above it."""
    sample = draw(kind, 1, n, rng=rng)[0]
    groups = np.repeat(np.arange(n), PER_GROUP) if kind == "clustered" else None
    ranks = {
        "exact binomial, 95 %": threshold_at_fpr(
            sample.ravel(), fpr=FPR, confidence=CONFIDENCE, groups=groups, population="simulated"
        ).allowed,
        "conformal, on average": conformal_threshold(
            sample.ravel(), fpr=FPR, groups=groups, population="simulated"
        ).allowed,
    }
    ways: dict[str, Callable[[Floats], Floats]] = {
        name: (lambda units, k=allowed: units[:, n - 1 - k]) for name, allowed in ranks.items()
    }
    ways["interpolated quantile"] = lambda units: np.quantile(units, 1 - FPR, axis=1)
    ways["nearest point of the ROC curve"] = nearest_point
    return ways


def nearest_point(units: Floats) -> Floats:
    """The threshold whose share of calibration negatives at or above it is nearest to 1 %; of two, the higher."""
    n = units.shape[1]
    asked = FPR * n
    score = units[:, n - round(asked)]
    # the curve has points at this score and at the next one up, and none between them
    over, at = ((units > score[:, None]).sum(axis=1), (units >= score[:, None]).sum(axis=1))
    # at or above a score is strictly above the next number down
    return np.where(abs(over - asked) <= abs(at - asked), score, np.nextafter(score, -np.inf))


def simulate(kind: Kind, n: int, *, n_sets: int, seed: int = 0) -> dict[str, Rates]:
    """The true rates of every way, on the same ``n_sets`` calibration sets of ``n`` units."""
    rng = np.random.default_rng([seed, n, get_args(Kind).index(kind)])
    ways = rules(kind, n, rng=rng)
    chosen: dict[str, list[Floats]] = {name: [] for name in ways}
    size = max(1, BLOCK // (n * (PER_GROUP if kind == "clustered" else 1)))
    for start in range(0, n_sets, size):
        rows = draw(kind, min(size, n_sets - start), n, rng=rng)
        # only the highest are ever looked at
        units = np.sort(rows.max(axis=2), axis=1)
        for name, way in ways.items():
            chosen[name].append(way(units))
        if not start:
            _check(kind, rows[:CHECKED], {name: found[0][:CHECKED] for name, found in chosen.items()})
    return {
        name: Rates(
            above(kind, np.concatenate(found), mean=-MEAN), above("continuous", np.concatenate(found), mean=MEAN)
        )
        for name, found in chosen.items()
    }


def _check(kind: Kind, rows: Floats, chosen: dict[str, Floats]) -> None:
    """The vectorised rules are those of the library."""
    n = rows.shape[1]
    groups = np.repeat(np.arange(n), PER_GROUP) if kind == "clustered" else None
    for i, scores in enumerate(rows):
        exact = threshold_at_fpr(scores.ravel(), fpr=FPR, confidence=CONFIDENCE, groups=groups, population="simulated")
        average = conformal_threshold(scores.ravel(), fpr=FPR, groups=groups, population="simulated")
        assert exact.value == chosen["exact binomial, 95 %"][i]
        assert average.value == chosen["conformal, on average"][i]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sets", type=int, default=5000)
    n_sets = parser.parse_args().sets
    print(f"{n_sets:,} calibration sets each; a rate is broken where it lies above 1 %\n")
    print("| scores | units | threshold | broken | mean FPR | 95th percentile of FPR |")
    print("| --- | --- | --- | --- | --- | --- |")
    for kind in get_args(Kind):
        for n in (300, 1_000, 10_000):
            for name, found in simulate(kind, n, n_sets=n_sets).items():
                broken, mean, high = (found.fpr > FPR).mean(), found.fpr.mean(), np.quantile(found.fpr, 0.95)
                print(f"| {kind} | {n:,} | {name} | {broken:.1%} | {mean:.2%} | {high:.2%} |", flush=True)
    print("\n| units | exact binomial, TPR | conformal, TPR | interpolated quantile, TPR | nearest point, TPR |")
    print("| --- | --- | --- | --- | --- |")
    for n in (299, 500, 1_000, 3_000, 10_000):
        caught = " | ".join(f"{found.tpr.mean():.3f}" for found in simulate("continuous", n, n_sets=n_sets).values())
        print(f"| {n:,} | {caught} |", flush=True)


if __name__ == "__main__":
    main()
