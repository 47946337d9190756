"""From pair identifiers to row numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int, Shaped
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError


def pair_rows(pairs: Shaped[NDArray[Any], " n"], *, n: int) -> Int[NDArray[Any], "p 2"]:
    """Return the two rows of each pair, in order of row number within a pair and of identifier among pairs.

    Raises
    ------
    ArrayError
        If an identifier stands on any number of rows but two, is empty (a row without a pair), or lengths differ.

    Examples
    --------
    >>> pair_rows(np.array(["b", "a", "b", "a"]), n=4).tolist()
    [[1, 3], [0, 2]]
    """
    if np.shape(pairs) != (n,):
        raise ArrayError(f"pairs have shape {np.shape(pairs)} for {n} rows; give one identifier a row.")
    names, counts = np.unique(pairs, return_counts=True)
    if "" in names.tolist():  # two rows without a pair must not be taken for one
        raise ArrayError('Some rows have no pair (identifier ""); select the paired rows first.')
    if (counts != 2).any():
        odd = names[counts != 2][0]
        raise ArrayError(f"Pair {str(odd)!r} has {int(counts[counts != 2][0])} rows; every pair needs exactly two.")
    return np.argsort(pairs, kind="stable").reshape(-1, 2)
