"""How often streams are said to change that do not, and how long after a change it is found.

    python examples/drift.py

Standard normal scores. First streams of 10,000 without a change, at alpha 0.05; then a change of the mean, or of the
rate of alarms, at once or after 1,000 or 5,000 units, at alpha 0.01. A few minutes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from tiltmeter.evaluation import AlarmDrift, ScoreDrift

N_QUIET, N_CHANGED = 100, 40


def told(delays: Sequence[float]) -> str:
    """Return the median, and the range from 5 % to 95 %."""
    low, median, high = (
        f"{delay:,.0f}" if np.isfinite(delay) else "never"
        for delay in np.quantile(delays, [0.05, 0.5, 0.95], method="nearest")
    )
    return f"{median} ({low} to {high})"


def delays(one: Callable[[int], ScoreDrift | AlarmDrift], at: int) -> list[float]:
    """Return how many units after a change each stream raises an alarm."""
    raised = [one(seed).won.raised_at for seed in range(N_CHANGED)]
    return [np.inf if step is None else step - at for step in raised]


def score_stream(seed: int, *, n: int, at: int, shift: float) -> ScoreDrift:
    """Watch scores whose mean changes after ``at`` of them."""
    rng = np.random.default_rng([n, seed, 7])
    test = ScoreDrift(rng.normal(size=n), alpha=0.01, seed=seed).update(rng.normal(size=at))
    return test.update(shift + rng.normal(size=3000))


def alarm_stream(seed: int, *, at: int, rate: float) -> AlarmDrift:
    """Watch alarms whose rate changes from 1 % after ``at`` units."""
    rng = np.random.default_rng([seed, 9])
    return AlarmDrift(fpr=0.01, alpha=0.01).update(rng.random(at) < 0.01).update(rng.random(10_000) < rate)


def main() -> None:
    """Print the tables."""
    for n in (100, 300, 1000):
        raised = 0
        for seed in range(N_QUIET):
            scores = np.random.default_rng([8, n, seed]).normal(size=n + 10_000)
            raised += ScoreDrift(scores[:n], alpha=0.05, seed=seed).update(scores[n:]).won.raised_at is not None
        print(f"{n} calibration scores: {raised} of {N_QUIET} streams raise an alarm", flush=True)
    for n in (300, 1000):
        for at in (0, 1000, 5000):
            found = [
                told(delays(lambda seed, d=d, n=n, at=at: score_stream(seed, n=n, at=at, shift=d), at))
                for d in (0.25, 0.5, 1.0)
            ]
            print(f"| {n} | {at:,} | {' | '.join(found)} |", flush=True)
    for at in (0, 1000, 5000):
        found = [
            told(delays(lambda seed, r=r, at=at: alarm_stream(seed, at=at, rate=r), at)) for r in (0.02, 0.05, 0.2)
        ]
        print(f"| {at:,} | {' | '.join(found)} |", flush=True)


if __name__ == "__main__":
    main()
