"""How near the effective number of parts comes, and how often the intervals of the test of shape hold the truth.

``--part parts``: sums of k Laplaces, made as differences of two gamma values of shape k, which is the same. Beside the
share of samples whose k_eff is within a fifth of k stands what theory expects: the variance of a sample's kurtosis is
(μ8 - 4 μ4 μ6 + 4 μ4³ - μ4²) / n with standardised moments of a symmetric law (Kendall and Stuart), and k_eff within a
fifth is a kurtosis between 3 / 1.2 k and 3 / 0.8 k.

``--part coverage``: samples of known kurtosis, independent values; how often the intervals of the kurtosis, of k_eff
and of β hold the truth, how many call themselves approximate, and how often the others hold. The largest value's share
in the sum of fourth powers stands beside: where it is below its median the kurtosis is, too, so that it cannot say
which intervals hold. After ± the simulation's own error. Of k_eff the interval has one end where the kurtosis may be 0,
and holds if that end is right.

Run with ``python -m benchmarks.shape --part parts``: about two minutes each on one core.
"""

from __future__ import annotations

import argparse
import math
from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.anatomy import ShapeSettings
from tiltmeter.anatomy._shape import make_units
from tiltmeter.anatomy._shape_figures import kurtosis_of, parts_of, power_of
from tiltmeter.core.records import Estimate
from tiltmeter.numerics import clopper_pearson, excess_kurtosis, power_sums

Maker = Callable[[np.random.Generator, int], NDArray[np.float64]]


def laplaces(k: int) -> Maker:
    return lambda rng, n: rng.gamma(k, size=n) - rng.gamma(k, size=n)


# maker, excess kurtosis, and β where the sample is a generalised normal
SAMPLES: dict[str, tuple[Maker, float, float | None]] = {
    "normal": (lambda rng, n: rng.normal(size=n), 0.0, 2.0),
    "uniform": (lambda rng, n: rng.uniform(size=n), -1.2, None),
    "sum of 30 Laplaces": (laplaces(30), 0.1, None),
    "sum of 5 Laplaces": (laplaces(5), 0.6, None),
    "logistic": (lambda rng, n: rng.logistic(size=n), 1.2, None),
    "Laplace": (laplaces(1), 3.0, 1.0),
    "Student t, 9 degrees": (lambda rng, n: rng.standard_t(9, size=n), 1.2, None),
    "Student t, 5 degrees": (lambda rng, n: rng.standard_t(5, size=n), 6.0, None),
}
PART = 3.0


def kurtosis_error(k: int, n: int) -> float:
    """The standard error of the excess kurtosis of n sums of k Laplaces, from their cumulants."""
    c4, c6, c8 = 3 / k, 30 / k**2, 630 / k**3
    m4, m6, m8 = 3 + c4, 15 + 15 * c4 + c6, 105 + 210 * c4 + 35 * c4**2 + 28 * c6 + c8
    return math.sqrt((m8 - 4 * m4 * m6 + 4 * m4**3 - m4**2) / n)


def parts_rows(simulations: int) -> Iterator[str]:
    yield "| k | values | standard error of κ | of k_eff | within a fifth: expected | seen | least and most k_eff |"
    yield "| --- | --- | --- | --- | --- | --- | --- |"
    for k, sizes in ((1, (2_000, 14_000)), (5, (5_000, 27_000)), (30, (200_000, 330_000, 1_000_000))):
        for n in sizes:
            error, truth = kurtosis_error(k, n), PART / k
            low, high = ((PART / (factor * k) - truth) / error for factor in (1.2, 0.8))
            expected = float(stats.norm.cdf(high) - stats.norm.cdf(low))
            found = []
            for seed in range(simulations):
                x = laplaces(k)(np.random.default_rng([seed, k, n]), n)
                one = np.zeros(n, dtype=np.int64)
                found.append(PART / float(excess_kurtosis(power_sums(x, units=one))[0]))
            hits = sum(0.8 * k <= value <= 1.2 * k for value in found)
            least, most = clopper_pearson(hits, simulations)
            yield (
                f"| {k} | {n:,} | {error:.4f} | {k * error / truth:.2g} | {expected:.1%} | {hits} of {simulations} "
                f"[{least:.1%}, {most:.1%}] | {min(found):.3g} to {max(found):.3g} |"
            )


def shown(held: list[bool]) -> str:
    if len(held) < 20:
        return "–"
    share = float(np.mean(held))
    return f"{share:.1%} ± {math.sqrt(max(share * (1 - share), 0.5 / len(held)) / len(held)):.1%}"


def coverage_rows(simulations: int) -> Iterator[str]:
    yield (
        "| sample | values | κ held | approximate | held of those not | k_eff held | with both ends | β held | "
        "share of the largest value, median | κ held below that median |"
    )
    yield "| --- | --- | --- | --- | --- | --- | --- | --- | --- | --- |"
    settings = ShapeSettings()
    for n in (500, 2_000, 10_000, 100_000):
        units = make_units(n, None, settings)
        for name, (make, truth, power) in SAMPLES.items():
            held, sure, parts, betas, tops, n_rough, n_closed = [], [], [], [], [], 0, 0
            for seed in range(simulations):
                x = make(np.random.default_rng([seed, n]), n)
                # one fit takes half a second at the largest size, where β hardly varies
                if n <= 10_000 or seed == 0:
                    beta = power_of(x, units, level=settings.level)
                kurtosis = kurtosis_of(x, units, power=beta)
                assert isinstance(kurtosis, Estimate)
                held.append(kurtosis.low <= truth <= kurtosis.high)
                if kurtosis.method.endswith("approximate"):
                    n_rough += 1
                else:
                    sure.append(held[-1])
                number, least = parts_of(kurtosis, PART)
                k = PART / truth if truth > 0 else math.inf
                if isinstance(number, Estimate):
                    n_closed += 1
                    parts.append(number.low <= k <= number.high)
                else:
                    parts.append(least is not None and least <= k)
                if power is not None and n <= 10_000:
                    assert isinstance(beta, Estimate)
                    betas.append(beta.low <= power <= beta.high)
                fourth = (x - x.mean()) ** 4
                tops.append(fourth.max() / fourth.sum())
            small = np.array(held)[np.array(tops) < np.median(tops)].tolist()
            yield (
                f"| {name} | {n:,} | {shown(held)} | {n_rough / simulations:.0%} | {shown(sure)} | "
                f"{shown(parts) if truth >= 0 else '–'} | {n_closed / simulations:.0%} | {shown(betas)} | "
                f"{np.median(tops):.3f} | {shown(small)} |"
            )


PARTS: dict[str, tuple[Callable[[int], Iterator[str]], int]] = {
    "parts": (parts_rows, 200),
    "coverage": (coverage_rows, 400),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--part", choices=tuple(PARTS), required=True)
    parser.add_argument("--simulations", type=int, help="200 of parts, 400 of coverage")
    asked = parser.parse_args()
    table, usual = PARTS[asked.part]
    simulations = asked.simulations or usual
    print(f"{simulations:,} simulations\n")
    for line in table(simulations):
        print(line, flush=True)


if __name__ == "__main__":
    main()
