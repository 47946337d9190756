"""Whether the score follows a nuisance instead of the label."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.evaluation._estimates import Resampling, boundary_interval, percentile_interval
from tiltmeter.evaluation._ranking import auroc, auroc_draws


def nuisance_auroc(
    y: Int[NDArray[Any], " n"],
    scores: Float[NDArray[Any], " n"],
    *,
    nuisance: Int[NDArray[Any], " n"],
    by: Resampling,
) -> Measured:
    """Estimate how well the score tells the nuisance within rows of one label, averaged over both labels.

    0.5 where the score does not depend on the nuisance once the label is known, whatever their coupling; near 1 (or
    0) where it follows the nuisance. Unavailable where some label never occurs with both values of the nuisance.

    Examples
    --------
    >>> from tiltmeter.evaluation import resampling
    >>> y, cue = np.tile([0, 0, 1, 1], 25), np.tile([0, 1], 50)
    >>> nuisance_auroc(y, cue + 0.1 * y, nuisance=cue, by=resampling(100, groups=None)).value
    1.0
    """
    if len(np.unique(nuisance)) < 2:
        return Unavailable(reason="all texts have the same value of the nuisance")
    values, draws = [], []
    for label in (0, 1):
        rows = y == label
        if len(np.unique(nuisance[rows])) < 2:
            return Unavailable(reason=f"texts with label {label} all have the same value of the nuisance")
        values.append(auroc(nuisance[rows], scores[rows]))
        draws.append(auroc_draws(nuisance[rows], scores[rows], weights=by.weights[:, rows]))
    value = float(np.mean(values))
    if value in (0.0, 1.0):
        sides = [(y == label) & (nuisance == side) for label in (0, 1) for side in (0, 1)]
        return boundary_interval(value, sides=sides, by=by, level=by.level)
    return percentile_interval(value, np.mean(draws, axis=0), by=by, level=by.level)
