"""Whether rows are fresh: not those that fitted a probe, nor those on which its layer or method was chosen."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Shaped
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, DataError


def require_fresh(
    calibration: Shaped[NDArray[Any], " n"],
    *,
    fitted: Shaped[NDArray[Any], " f"],
    chosen: Shaped[NDArray[Any], " c"] | None = None,
) -> None:
    """Refuse calibration rows that fitted the probe, or that chose its layer or method.

    A threshold promises nothing of fresh rows if it was set on such ones: the probe's scores of the rows that fitted it
    are further from the boundary than those of others.

    Parameters
    ----------
    calibration
        What identifies each row that a threshold or a calibration of probabilities is to be set on, shape (n,):
        identifiers of rows, or better of groups, since a text of the same group is not fresh either.
    fitted
        The same of the rows that fitted the probe.
    chosen
        The same of the rows on which its layer and method were chosen; None: no others than those that fitted it.

    Raises
    ------
    DataError
        If a row is not fresh; the message says how many are not, the first of them, and why.
    ArrayError
        If there is nothing in ``fitted``, which would pass anything.

    Examples
    --------
    >>> require_fresh(np.array(["c", "d"]), fitted=np.array(["a", "b"]))
    >>> require_fresh(np.array(["b", "c", "d"]), fitted=np.array(["a", "b"]))
    Traceback (most recent call last):
    ...
    tiltmeter.core.errors.DataError: 1 of 3 calibration rows (the first is 'b') also fitted the probe, so that a \
threshold set on them would say nothing about fresh ones; set it on rows that did not.
    """
    if not len(fitted):
        raise ArrayError("fitted is empty; give what identifies the rows that fitted the probe.")
    for used, what in ((fitted, "fitted the probe"), (chosen, "chose the probe's layer or method")):
        if used is None:
            continue
        stale = np.flatnonzero(np.isin(calibration, used))
        if len(stale):
            raise DataError(
                f"{len(stale)} of {len(calibration)} calibration rows (the first is {str(calibration[stale[0]])!r}) "
                f"also {what}, so that a threshold set on them would say nothing about fresh ones; "
                "set it on rows that did not."
            )
