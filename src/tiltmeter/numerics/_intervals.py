"""Exact intervals for a proportion."""

from __future__ import annotations

from scipy import special

from tiltmeter.core.errors import ArrayError


def clopper_pearson(successes: int, trials: int, *, level: float = 0.95) -> tuple[float, float]:
    """Return the exact two-sided interval for a binomial proportion.

    Covers the true proportion with probability at least ``level``; never of zero width.

    Parameters
    ----------
    successes, trials
        Counts, 0 ≤ successes ≤ trials, trials ≥ 1.
    level
        In (0, 1).

    Raises
    ------
    ArrayError
        If the counts are impossible.

    References
    ----------
    Clopper and Pearson (1934), "The use of confidence or fiducial limits illustrated in the case of the binomial".

    Examples
    --------
    >>> low, high = clopper_pearson(0, 100)
    >>> low, round(high, 4)
    (0.0, 0.0362)
    """
    if not 0 <= successes <= trials or trials < 1:
        raise ArrayError(f"{successes} successes in {trials} trials is impossible; give 0 <= successes <= trials >= 1.")
    tail = (1 - level) / 2
    low = special.betaincinv(successes, trials - successes + 1, tail) if successes else 0.0
    high = special.betaincinv(successes + 1, trials - successes, 1 - tail) if successes < trials else 1.0
    return float(low), float(high)
