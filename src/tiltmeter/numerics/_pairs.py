"""From pair identifiers to row numbers."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Int, Shaped
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError


def pair_rows(
    pairs: Shaped[NDArray[Any], " n"], *, n: int, sides: Int[NDArray[Any], " n"] | None = None
) -> Int[NDArray[Any], "p 2"]:
    """Return the two rows of each pair: side 0, then side 1, or in order of row number where there are no sides.

    Pairs come in the order of their identifiers.

    Raises
    ------
    ArrayError
        If an identifier stands on any number of rows but two, is empty (a row without a pair), lengths differ, or the
        two members of a pair are not one of side 0 and one of side 1.

    Examples
    --------
    >>> pair_rows(np.array(["b", "a", "b", "a"]), n=4).tolist()
    [[1, 3], [0, 2]]
    >>> pair_rows(np.array(["b", "a", "b", "a"]), n=4, sides=np.array([1, 1, 0, 0])).tolist()
    [[3, 1], [2, 0]]
    """
    if np.shape(pairs) != (n,):
        raise ArrayError(f"pairs have shape {np.shape(pairs)} for {n} rows; give one identifier a row.")
    listed = np.asarray(pairs).tolist()
    if any(one is None or one != one for one in listed):  # two rows without a pair must not be taken for one
        raise ArrayError("Some rows have no pair (identifier None or NaN); select the paired rows first.")
    if len({isinstance(one, str) for one in listed}) > 1:
        raise ArrayError("Some pair identifiers are strings and some are not; use one kind.")
    names, counts = np.unique(pairs, return_counts=True)
    if "" in names.tolist():  # two rows without a pair must not be taken for one
        raise ArrayError('Some rows have no pair (identifier ""); select the paired rows first.')
    if (counts != 2).any():
        odd = names[counts != 2][0]
        raise ArrayError(f"Pair {str(odd)!r} has {int(counts[counts != 2][0])} rows; every pair needs exactly two.")
    members = np.argsort(pairs, kind="stable").reshape(-1, 2)
    if sides is None:
        return members
    if np.shape(sides) != (n,):
        raise ArrayError(f"sides have shape {np.shape(sides)} for {n} rows; give one side a row.")
    of_members = np.asarray(sides)[members]
    if of_members.dtype.kind not in "biuf":
        raise ArrayError(f"sides have dtype {of_members.dtype}; give 0 or 1 a row.")
    is_wrong = (np.sort(of_members, axis=1) != [0, 1]).any(axis=1)
    if is_wrong.any():
        which = int(is_wrong.argmax())
        raise ArrayError(
            f"Pair {str(pairs[members[which, 0]])!r} has sides {of_members[which].tolist()}; "
            "one member must have side 0 and the other 1."
        )
    return np.take_along_axis(members, np.argsort(of_members, axis=1), axis=1)
