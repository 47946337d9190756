"""The difference of two figures whose intervals are known apart."""

from __future__ import annotations

from tiltmeter.core.records import Estimate, Measured, Unavailable


def taken_together(one: Measured, other: Measured, *, level: float, seed: int | None) -> Measured:
    """Return one figure minus another, with an interval that holds at ``level`` however the two hang together.

    Parameters
    ----------
    one, other
        With intervals each at half the doubt, (1 + ``level``) / 2: both hold at once with probability ``level``.
    level, seed
        Of the result.

    Returns
    -------
    The difference, wider than need be where the two are measured on the same rows; ``Unavailable`` where either is.

    Examples
    --------
    >>> half = {"level": 0.975, "n": 50, "method": "exact binomial"}
    >>> one, other = Estimate(value=1, low=0.9, high=1, **half), Estimate(value=0.75, low=0.5, high=0.875, **half)
    >>> found = taken_together(one, other, level=0.95, seed=None)
    >>> found.value, round(found.low, 3), found.high
    (0.25, 0.025, 0.5)
    """
    if isinstance(one, Unavailable):
        return one
    if isinstance(other, Unavailable):
        return other
    return Estimate(
        value=one.value - other.value,
        low=one.low - other.high,
        high=one.high - other.low,
        level=level,
        n=min(one.n, other.n),
        method=f"{one.method} and {other.method}, each at half the doubt",
        seed=seed,
    )
