"""Whether the score follows a nuisance instead of the label."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.evaluation._estimates import Resampling
from tiltmeter.evaluation._ranking import rankings


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
    once = np.ones((1, len(y)))
    values, draws = [], []
    for label in (0, 1):
        rows = y == label
        if len(np.unique(nuisance[rows])) < 2:
            return Unavailable(reason=f"texts with label {label} all have the same value of the nuisance")
        values.append(rankings(nuisance[rows], scores[rows], weights=once[:, rows], fpr=1.0).auroc[0])
        draws.append(rankings(nuisance[rows], scores[rows], weights=by.weights[:, rows], fpr=1.0).auroc)
    mean = np.mean(draws, axis=0)
    usable = mean[np.isfinite(mean)]
    if len(usable) < 0.9 * len(mean):
        return Unavailable(reason=f"{by.n_units} {by.unit} are too few to resample")
    tail = (1 - by.level) / 2
    low, high = np.quantile(usable, [tail, 1 - tail])
    return Estimate(
        value=float(np.mean(values)),
        low=float(low),
        high=float(high),
        level=by.level,
        n=by.n_units,
        method=f"percentile bootstrap over {by.unit}",
        seed=by.seed,
    )
