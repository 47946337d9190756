"""A power law in the tail of a sample: its exponent, where it begins, how well it fits, and its rivals."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import optimize, special

from tiltmeter.core.errors import ArrayError

TailRival = Literal["exponential", "lognormal"]


class PowerLaw(NamedTuple):
    """Density proportional to x^-alpha from ``start`` on, which ``n_tail`` values reach; ``distance`` is their KS."""

    alpha: float
    start: float
    n_tail: int
    distance: float


class TailComparison(NamedTuple):
    """Log-likelihood of the power law over its rival's, per value of the tail, and Vuong's two-sided p-value."""

    ratio: float
    p: float


def fit_power_law(x: Float[NDArray[Any], " n"]) -> PowerLaw:
    """Fit a power law to the tail of a positive sample; the tail begins where it fits best.

    Every distinct value but the largest is tried as the start of the tail. Its exponent is that of maximum likelihood,
    1 + n / Σ log(x / start), and the start with the least Kolmogorov-Smirnov distance is kept.

    Parameters
    ----------
    x
        At least three distinct positive finite values.

    Raises
    ------
    ArrayError
        If there are fewer, or one is not positive and finite.

    Notes
    -----
    Continuous values only. The start is chosen for its fit, so that a small distance says nothing by itself: see
    :func:`power_law_draws`. Cost O(n²).

    References
    ----------
    Clauset, Shalizi and Newman (2009), Power-law distributions in empirical data, equations 3.1 and 3.9.

    Examples
    --------
    >>> x = (1 - np.random.default_rng(0).random(2000)) ** (-1 / 1.5)
    >>> abs(fit_power_law(x).alpha - 2.5) < 0.15
    True
    """
    if not (np.isfinite(x).all() and (x > 0).all()):
        raise ArrayError("A power law is fitted to positive finite values; some are not.")
    ordered = np.sort(x.astype(np.float64))
    starts = np.flatnonzero(np.diff(ordered, prepend=0.0) > 0)
    if len(starts) < 3:
        raise ArrayError(f"{len(starts)} distinct values; a power law needs three or more.")
    logs = np.log(ordered)
    best = PowerLaw(0.0, 0.0, 0, np.inf)
    for first in starts[:-1]:
        over = logs[first:] - logs[first]
        n = len(over)
        rate = n / over.sum()
        below = -np.expm1(-rate * over)
        steps = np.arange(n + 1) / n
        distance = max((steps[1:] - below).max(), (below - steps[:-1]).max())
        if distance < best.distance:
            best = PowerLaw(1 + float(rate), float(ordered[first]), n, float(distance))
    return best


def power_law_draws(
    x: Float[NDArray[Any], " n"], found: PowerLaw, *, n_draws: int, rng: np.random.Generator
) -> Float[NDArray[Any], " b"]:
    """Return the distances of samples that do follow the law, each fitted anew, its start too.

    The share of them that is at least ``found.distance`` is the p-value of the goodness-of-fit test; below 0.1 the
    authors rule the law out.

    Parameters
    ----------
    x
        The sample.
    found
        What :func:`fit_power_law` made of it.
    n_draws
        How many; the p-value has a standard error of at most 1 / (2 √n_draws).
    rng
        Source of randomness.

    Notes
    -----
    A value of a draw lies in the tail with the probability that the sample's do and is then drawn from the law;
    otherwise it is one of the sample's values below the tail. The test takes values to be independent. Eigenvalues are
    not (they repel each other), so that of a spectrum it is a description beside that of a null spectrum, and no proof.

    References
    ----------
    Clauset, Shalizi and Newman (2009), section 4.1.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> x = (1 - rng.random(300)) ** -1.0
    >>> found = fit_power_law(x)
    >>> float((power_law_draws(x, found, n_draws=20, rng=rng) >= found.distance).mean()) > 0.1
    True
    """
    body = x[x < found.start].astype(np.float64)
    n = len(x)
    distances = np.empty(n_draws)
    for draw in range(n_draws):
        n_tail = n if not len(body) else int(rng.binomial(n, found.n_tail / n))
        tail = found.start * (1 - rng.random(n_tail)) ** (-1 / (found.alpha - 1))
        rest = rng.choice(body, n - n_tail) if n > n_tail else body[:0]
        distances[draw] = fit_power_law(np.concatenate([rest, tail])).distance
    return distances


def compare_tail(x: Float[NDArray[Any], " n"], found: PowerLaw, *, rival: TailRival) -> TailComparison:
    """Compare a power law with another law on its tail, by Vuong's likelihood ratio.

    Parameters
    ----------
    x
        The sample.
    found
        What :func:`fit_power_law` made of it.
    rival
        ``"exponential"`` or ``"lognormal"``, each cut off at the start of the tail and fitted to it.

    Returns
    -------
    A ratio above 0 speaks for the power law. A large p-value says that the tail cannot tell the two apart.

    References
    ----------
    Vuong (1989); Clauset, Shalizi and Newman (2009), section 5 and appendix C.

    Examples
    --------
    >>> x = np.random.default_rng(0).exponential(size=2000) + 1
    >>> found = PowerLaw(2.0, 1.0, 2000, 0.0)
    >>> compare_tail(x, found, rival="exponential").ratio < 0
    True
    """
    tail = x[x >= found.start].astype(np.float64)
    logs = np.log(tail / found.start)
    own = np.log(found.alpha - 1) - np.log(found.start) - found.alpha * logs
    if rival == "exponential":
        mean = float((tail - found.start).mean())
        other = -np.log(mean) - (tail - found.start) / mean
    else:
        other = _cut_lognormal(logs) - logs - np.log(found.start)
    difference = own - other
    spread = float(difference.std())
    if spread == 0:
        return TailComparison(0.0, 1.0)
    ratio = float(difference.mean())
    return TailComparison(ratio, float(special.erfc(abs(ratio) * np.sqrt(len(tail) / 2) / spread)))


def _cut_lognormal(logs: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the log density of logs ≥ 0 under a normal that is cut off below 0, at its likeliest centre and scale."""

    def density(at: NDArray[np.float64]) -> NDArray[np.float64]:
        centre, scale = at[0], np.exp(at[1])
        z = (logs - centre) / scale
        return np.asarray(-0.5 * z**2 - 0.5 * np.log(2 * np.pi) - at[1] - special.log_ndtr(centre / scale))

    spread = float(logs.std())
    start = np.array([logs.mean(), np.log(spread)])
    # a centre far below 0 makes it the power law itself, which this bound comes close to
    bounds = [(-30 * logs.max(), logs.max()), (np.log(spread) - 5, np.log(spread) + 5)]
    found = optimize.minimize(lambda at: -density(at).mean(), start, method="Nelder-Mead", bounds=bounds)
    return density(found.x)
