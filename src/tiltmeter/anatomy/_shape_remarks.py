"""What a reader of a sample's figures must know: kinds of values, steps, one value that carries a figure, skewness."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray

from tiltmeter.core.records import Estimate, Measured
from tiltmeter.core.shape import family_name
from tiltmeter.evaluation import Resampling, bootstrap_estimate
from tiltmeter.numerics import POWER_BOUNDS, power_sums, skewness

# of all values, one and the same; a density has none
_STEP = 0.01
# of the sum of fourth powers, in one value; of a Laplace's it is 0.17 among 500 values and 0.03 among 20,000
_ONE_VALUE = 0.2
# of an exponential on one side it is 2
_SKEWED = 0.5


class Mixture(NamedTuple):
    """Held-out lead of a mixture of normals over the normal, and over the best family of one piece."""

    over_normal: Measured
    over_best: Measured
    best: str | None


def remarks(
    x: NDArray[np.float64], *, codes: Int[NDArray[Any], " n"], by: Resampling, power: Measured, mixture: Mixture
) -> Iterator[str]:
    """Say what would mislead a reader of these figures; nothing where nothing would."""
    yield from _on_mixture(mixture)
    values, counts = np.unique(x, return_counts=True)
    if (share := counts.max() / len(x)) > _STEP:
        yield (
            f"{100 * share:.3g} % of all values are exactly {values[counts.argmax()]:.3g}. No density has such a "
            "step: β, R² and likelihoods describe it more than the tail."
        )
    fourth = ((x - x.mean()) / np.ptp(x)) ** 4
    if (part := fourth.max() / fourth.sum()) > _ONE_VALUE:
        yield (
            f"One value makes up {100 * part:.2g} % of the sum of fourth powers: kurtosis and parts rest on it, and "
            "their intervals are too narrow. Where the kurtosis is infinite more values would not change that."
        )
    sums = power_sums(x, units=codes)
    skew = bootstrap_estimate(lambda weights: skewness(sums, weights=weights), by=by)
    if isinstance(skew, Estimate) and abs(skew.value) > _SKEWED and skew.low * skew.high > 0:
        yield (
            f"The values are skewed ({skew.value:.2g} [{skew.low:.2g}, {skew.high:.2g}]), and each family is "
            "symmetric: what they look like mixes two unlike tails."
        )
    low, high = POWER_BOUNDS
    if isinstance(power, Estimate) and not 1.01 * low < power.value < 0.99 * high:
        yield f"β lies at an end of what is searched ({low:g} to {high:g}): no generalised normal fits these values."


def _on_mixture(mixture: Mixture) -> Iterator[str]:
    """Say where normals of several scales are as good an account as the best single family, and the normal is not."""
    over_normal, over_best, best = mixture
    if not isinstance(over_normal, Estimate) or not isinstance(over_best, Estimate) or best is None:
        return
    if over_normal.low > 0 and over_best.high >= 0:
        which = "better than" if over_best.low > 0 else "as well as"
        yield (
            f"A mixture of normals predicts held-out values {which} the best single family "
            f"({family_name(best)}): kinds of values with centres or scales of their own would look like this."
        )
