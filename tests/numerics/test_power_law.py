"""The power law of Clauset, Shalizi and Newman: in loops, on planted tails, against rivals, and against a package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np
import pytest
from scipy import stats

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import PowerLaw, compare_tail, fit_power_law, power_law_draws

_PACKAGE = importlib.util.find_spec("powerlaw")
REFERENCE = Path(_PACKAGE.origin).parent / "reference_data" if _PACKAGE and _PACKAGE.origin else Path("absent")


def pareto(alpha: float, n: int, *, seed: int = 0) -> np.ndarray:
    return (1 - np.random.default_rng(seed).random(n)) ** (-1 / (alpha - 1))


def bent(n: int, *, seed: int) -> np.ndarray:
    """Draw a power law of exponent 2.5 above 1, and values below that grow rarer towards 0."""
    rng = np.random.default_rng(seed)
    return np.where(rng.random(n) < 0.4, pareto(2.5, n, seed=seed + 100), np.sqrt(rng.random(n)))


def test_the_fit_is_the_best_of_all_starts_in_loops():
    x = np.random.default_rng(0).lognormal(size=60)
    best = None
    for start in sorted(x)[:-1]:
        tail = np.sort(x[x >= start])
        alpha = 1 + len(tail) / sum(np.log(value / start) for value in tail)
        distance = stats.kstest(tail, lambda at, s=start, a=alpha: 1 - (at / s) ** (1 - a)).statistic
        if best is None or distance < best[3]:
            best = (alpha, start, len(tail), distance)
    assert fit_power_law(x) == pytest.approx(PowerLaw(*best))


def test_exponent_and_start_of_a_planted_tail_are_found():
    found = [fit_power_law(bent(2000, seed=seed)) for seed in range(5)]
    assert np.mean([one.alpha for one in found]) == pytest.approx(2.5, abs=0.1)
    assert np.median([one.start for one in found]) == pytest.approx(1.0, abs=0.4)


def test_scale_changes_the_start_and_nothing_else():
    x = pareto(2.2, 300)
    one, other = fit_power_law(x), fit_power_law(1e-3 * x)
    assert other.alpha == pytest.approx(one.alpha) and other.start == pytest.approx(1e-3 * one.start)


def test_the_test_keeps_power_laws_and_refutes_values_in_steps():
    def p(x, seed):
        found = fit_power_law(x)
        draws = power_law_draws(x, found, n_draws=30, rng=np.random.default_rng(seed))
        return (draws >= found.distance).mean()

    kept = [p(pareto(2.5, 200, seed=seed), seed) for seed in range(4)]
    # each falls below 0.1 with probability 0.1
    assert sum(value <= 0.1 for value in kept) <= 2
    # no start of a tail hides that these are ten values, forty times each
    assert p(np.repeat(np.arange(1.0, 11.0), 40), 0) == 0


def test_rivals_win_on_their_own_and_lose_on_a_power_law():
    rng = np.random.default_rng(1)
    cut = rng.normal(0.5, 0.4, size=2000)
    whole = {
        "exponential": 1 + rng.exponential(size=2000),
        "lognormal": np.exp(cut[cut > 0]),
    }
    for rival, x in whole.items():
        alpha = 1 + 1 / np.log(x / x.min()).mean()
        found = compare_tail(x, PowerLaw(alpha, float(x.min()), len(x), 0.0), rival=rival)
        assert found.ratio < 0 and found.p < 0.01
    x = pareto(2.5, 2000)
    law = PowerLaw(2.5, 1.0, 2000, 0.0)
    exponential, lognormal = (compare_tail(x, law, rival=rival) for rival in ("exponential", "lognormal"))
    assert exponential.ratio > 0 and exponential.p < 0.01
    # a cut log-normal comes as close to a power law as one likes, so that it cannot lose for sure
    assert abs(lognormal.ratio) < 0.01


@pytest.mark.parametrize("x", [np.array([1.0, 2.0]), np.array([0.0, 1.0, 2.0, 3.0]), np.array([1.0, 2.0, np.nan, 3.0])])
def test_values_without_a_power_law_are_refused(x):
    with pytest.raises(ArrayError, match="power law"):
        fit_power_law(x)


# it warns of its own names
@pytest.mark.filterwarnings("ignore")
@pytest.mark.parametrize("seed", range(3))
def test_the_package_powerlaw_finds_the_same_tail(seed):
    powerlaw = pytest.importorskip("powerlaw", reason="needs the package powerlaw (extra dev)")
    x = bent(800, seed=seed)
    found = fit_power_law(x)
    theirs = powerlaw.Fit(x, xmin=found.start, discrete=False, verbose=False)
    assert theirs.power_law.alpha == pytest.approx(found.alpha, rel=1e-4)
    searched = powerlaw.Fit(x, discrete=False, verbose=False)
    # their distance has one side of each step, so that the start may move a little
    assert searched.power_law.alpha == pytest.approx(found.alpha, abs=0.1)
    ratio, _ = theirs.distribution_compare("power_law", "exponential")
    assert ratio == pytest.approx(compare_tail(x, found, rival="exponential").ratio * found.n_tail, rel=0.02)


@pytest.mark.skipif(not REFERENCE.is_dir(), reason="needs the package powerlaw (extra dev), which brings the data")
@pytest.mark.parametrize(
    # table 6.1 of the paper: exponent and its error, start and its error, values in the tail, p
    ("name", "alpha", "start", "n_tail", "p"),
    [("blackouts", (2.3, 0.3), (230e3, 90e3), 59, 0.62), ("surnames", (2.5, 0.2), (111_920, 40_670), 239, 0.20)],
)
def test_the_published_table_is_reproduced(name, alpha, start, n_tail, p):
    x = np.genfromtxt(REFERENCE / f"{name}.txt")
    found = fit_power_law(x)
    assert found.alpha == pytest.approx(alpha[0], abs=0.05) and found.n_tail == pytest.approx(n_tail, abs=1)
    assert found.start == pytest.approx(start[0], rel=0.01)
    # neither is refuted by the paper; its distance looks at one side of each step, so that p itself differs
    if len(x) < 1000:
        draws = power_law_draws(x, found, n_draws=100, rng=np.random.default_rng(0))
        assert p > 0.1 and (draws >= found.distance).mean() > 0.1
