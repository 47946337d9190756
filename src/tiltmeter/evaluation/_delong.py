"""The variance of an AUROC from where each row stands among the rows of the other class, and an interval from it."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy import special


class AreaVariance(NamedTuple):
    """The variance of an AUROC, and the degrees of freedom with which it is known."""

    variance: float
    freedom: float


def area_variance(
    y: Int[NDArray[Any], " n"], scores: Float[NDArray[Any], " n"], *, groups: Shaped[NDArray[Any], " n"] | None
) -> AreaVariance:
    """Return DeLong's variance of an AUROC, summed over groups where groups exist.

    Parameters
    ----------
    y
        Labels 0 and 1, both present.
    scores
        Finite.
    groups
        Rows of a group may repeat each other; None: every row is its own group.

    Returns
    -------
    The variance, and Satterthwaite's degrees of freedom for the two classes. With fewer than two groups that hold a
    class, nothing is known of how that class varies: both are NaN.

    References
    ----------
    DeLong, DeLong and Clarke-Pearson (1988), Comparing the areas under two or more correlated receiver operating
    characteristic curves; Obuchowski (1997), Nonparametric analysis of clustered ROC curve data.
    """
    codes = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_groups = int(codes.max()) + 1
    sums, variances, freedoms = [], [], []
    for label in (1, 0):
        own, other = scores[y == label], np.sort(scores[y != label])
        below = (np.searchsorted(other, own, "left") + np.searchsorted(other, own, "right")) / (2 * len(other))
        of_group = np.bincount(codes[y == label], weights=(below - below.mean()) / len(own), minlength=n_groups)
        holding = len(np.unique(codes[y == label]))
        if holding < 2:
            return AreaVariance(np.nan, np.nan)
        # a negative that stands low raises the area
        sums.append(of_group if label else -of_group)
        variances.append(holding / (holding - 1) * float(of_group @ of_group))
        freedoms.append(holding - 1)
    shared = 2 * n_groups / (n_groups - 1) * float(sums[0] @ sums[1])
    total = sum(variances)
    spread = sum(v**2 / f for v, f in zip(variances, freedoms, strict=True))
    return AreaVariance(max(total + shared, 0.0), total**2 / spread if spread else float(min(freedoms)))


def logit_bounds(area: float, found: AreaVariance, *, level: float) -> tuple[float, float]:
    """Return the interval of an AUROC strictly between 0 and 1, made on the scale of its log-odds, so inside (0, 1)."""
    reach = float(special.stdtrit(found.freedom, (1 + level) / 2)) * np.sqrt(found.variance) / (area * (1 - area))
    middle = special.logit(area)
    return float(special.expit(middle - reach)), float(special.expit(middle + reach))
