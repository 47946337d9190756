"""Replacing what lies along some directions, and nothing else."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError

Directions = Direction | Sequence[Direction] | NDArray[np.floating[Any]]

# of the longest of several directions, once what the others say is taken from it: less is no direction of its own
_INDEPENDENT = 1e-6


def orthonormal(directions: Directions) -> Float[NDArray[np.float64], "k d"]:
    """Return an orthonormal basis of what directions span, by rows; signs and offsets do not matter.

    Raises
    ------
    ArrayError
        If it is none of these, widths differ, a vector is zero or not finite, or they depend on each other.
    """
    if isinstance(directions, Direction):
        rows = directions.vector[None].astype(np.float64)
    elif isinstance(directions, np.ndarray):
        rows = np.atleast_2d(directions).astype(np.float64)
    elif not isinstance(directions, Sequence) or not all(isinstance(one, Direction) for one in directions):
        raise ArrayError("directions must be a Direction, a list of them, or a NumPy array (d,) or (k, d).")
    else:
        if len({len(one.vector) for one in directions}) > 1:
            raise ArrayError("The directions have different widths; give those of one site.")
        rows = np.stack([one.vector for one in directions]).astype(np.float64) if directions else np.zeros((0, 0))
    norms = np.linalg.norm(rows, axis=-1)
    if rows.ndim != 2 or not np.isfinite(norms).all() or not (norms > 0).all():
        raise ArrayError(
            f"directions have shape {rows.shape}; give one or more finite vectors of one width, none of them 0."
        )
    left, values, right = np.linalg.svd(rows / norms[:, None], full_matrices=False)
    if len(rows) > rows.shape[1] or (len(rows) and values[-1] <= _INDEPENDENT * values[0]):
        raise ArrayError(f"The {len(rows)} directions depend on each other; leave out those that the others span.")
    # the orthonormal basis nearest to the vectors given: one that is orthonormal already comes back as it is
    return np.asarray(left @ right)


def replaced(rows: Tensor, by: Tensor, basis: Tensor | None) -> Tensor:
    """Return rows with their component in the span of an orthonormal basis taken from others; None for all of it."""
    if basis is None:
        return by.expand_as(rows)
    return rows + ((by - rows) @ basis.mT) @ basis
