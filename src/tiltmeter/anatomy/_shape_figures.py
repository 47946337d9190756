"""The figures of a sample with their intervals: kurtosis, straightness, power, and the number of parts."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray
from scipy import special

from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.shape import Looks
from tiltmeter.evaluation import Resampling, bootstrap_estimate
from tiltmeter.numerics import LogHistogram, excess_kurtosis, fit_family, power_error, power_sums, straightness

# so many values must carry the sum of fourth powers: with fewer the interval of the kurtosis was seen to hold the truth
# in 75 to 93 % of samples where it should in 95 % (benchmarks/shape.py)
_FEWEST_CARRIERS = 1000
# a unit that alone has more of that sum is one of few, or of a tail heavier than that of any generalised normal
_HEAVY_UNIT = 0.02


class Units(NamedTuple):
    """Which unit each value belongs to, which values fits are made on, and the draws over all and held-out units.

    ``n_free``: how many units there were before they were put together.
    """

    codes: Int[NDArray[Any], " n"]
    fitted: Bool[NDArray[Any], " n"]
    by: Resampling
    held_by: Resampling
    n_free: int


def kurtosis_of(
    x: NDArray[np.float64], units: Units, *, power: Measured, kept: NDArray[np.bool_] | None = None
) -> Measured:
    """Estimate the excess kurtosis of the values that are kept; its method says where the interval is too narrow."""
    inside = slice(None) if kept is None else kept
    n_units = units.by.weights.shape[1]
    sums = power_sums(x[inside], units=units.codes[inside])
    # a unit whose values were all outliers has none left
    sums = np.pad(sums, ((0, n_units - len(sums)), (0, 0)))
    found = bootstrap_estimate(lambda weights: excess_kurtosis(sums, weights=weights), by=units.by)
    is_sure = isinstance(power, Estimate) and units.n_free * _carriers(power.value) >= _FEWEST_CARRIERS
    if not isinstance(found, Estimate) or (is_sure and sums[:, 4].max() <= _HEAVY_UNIT * sums[:, 4].sum()):
        return found
    return found.model_copy(update={"method": f"{found.method.removesuffix(', approximate')}, approximate"})


def _carriers(power: float) -> float:
    """Return the share of values that carry the sum of fourth powers, E[z⁴]² / E[z⁸], of a generalised normal.

    By the fitted power and not by the sample's own powers: these are small by chance where the kurtosis is, so that a
    rule on them would leave the intervals that hold least often without a mark.
    """
    return float(np.exp(2 * special.gammaln(5 / power) - special.gammaln(1 / power) - special.gammaln(9 / power)))


def straightness_of(histogram: LogHistogram, of: Literal["square", "absolute"], by: Resampling) -> Measured:
    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        found = straightness(histogram, weights=weights)
        return found.square if of == "square" else found.absolute

    return bootstrap_estimate(statistic, by=by, bounds=(0.0, 1.0))


def power_of(x: NDArray[np.float64], units: Units, *, level: float) -> Measured:
    fitted = fit_family(x, "generalised_normal")
    error, n_units = power_error(fitted, x, units=units.codes)
    if n_units < 8 or not np.isfinite(error):
        return Unavailable(reason=f"{n_units} units are too few for the error of β")
    reach = float(special.stdtrit(n_units - 1, (1 + level) / 2)) * error
    power = fitted.params[0]
    return Estimate(
        value=power,
        low=power * float(np.exp(-reach)),
        high=power * float(np.exp(reach)),
        level=level,
        n=n_units,
        method=f"sandwich over {units.by.unit}, on the scale of logarithms",
    )


def looks_of(power: Measured) -> Looks:
    if not isinstance(power, Estimate):
        return "not known"
    if power.low > 2:
        return "lighter than a normal"
    if power.high < 1:
        return "heavier than exponential"
    # an interval that holds both says nothing
    if power.low <= 1 and power.high >= 2:
        return "not known"
    return "normal" if power.high >= 2 else "exponential" if power.low <= 1 else "between"


def parts_of(kurtosis: Measured, of_one: float) -> tuple[Measured, float | None]:
    if not isinstance(kurtosis, Estimate):
        return kurtosis, None
    if kurtosis.high <= 0:
        return Unavailable(reason="the tail is lighter than a normal's, which no number of heavy parts makes"), None
    if kurtosis.low <= 0:
        least = of_one / kurtosis.high
        return Unavailable(reason=f"the kurtosis may be 0: {least:.3g} parts or more, of which there may be any"), least
    ends = {"value": kurtosis.value, "low": kurtosis.high, "high": kurtosis.low}
    return kurtosis.model_copy(update={key: of_one / value for key, value in ends.items()}), None
