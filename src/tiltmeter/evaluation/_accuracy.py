"""The share of rows called right, both classes counting alike."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Bool, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.evaluation._estimates import Resampling, boundary_interval, percentile_interval


def balanced_accuracy(y: Int[NDArray[Any], " n"], is_called: Bool[NDArray[Any], " n"], *, by: Resampling) -> Measured:
    """Estimate the mean of the shares of positives and of negatives that are called what they are.

    1/2 for every rule that does not look, however rare the positives are. The interval is that of the bootstrap, or
    exact where no row is called wrong (or none right); Unavailable where a class is absent.

    Raises
    ------
    ArrayError
        If lengths differ.

    Examples
    --------
    >>> from tiltmeter.evaluation import resampling
    >>> y = np.array([0, 0, 0, 1] * 10)
    >>> balanced_accuracy(y, np.zeros(40, dtype=bool), by=resampling(40, groups=None)).value
    0.5
    """
    if y.shape != is_called.shape:
        raise ArrayError(f"y has shape {y.shape} and is_called {is_called.shape}; both must be one entry a row.")
    n_positive = int(y.sum())
    if not 0 < n_positive < len(y):
        return Unavailable(reason=f"one class only: {n_positive} positive and {len(y) - n_positive} negative texts")
    is_right = (y == 1) == is_called
    value = float((is_right[y == 1].mean() + is_right[y == 0].mean()) / 2)
    if value in (0.0, 1.0):
        return boundary_interval(value, sides=(y == 1, y == 0), by=by, level=by.level)
    with np.errstate(invalid="ignore", divide="ignore"):  # a draw may hold one class only, and is then left out
        shares = [(by.weights[:, rows] @ is_right[rows]) / by.weights[:, rows].sum(axis=1) for rows in (y == 1, y == 0)]
    return percentile_interval(value, np.asarray((shares[0] + shares[1]) / 2), by=by, level=by.level)
