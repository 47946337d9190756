"""Directions of one method, each orthogonal to all that it found before."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.numerics import pair_rows
from tiltmeter.probes._ccs import CCS
from tiltmeter.probes._feeding import fit_on
from tiltmeter.probes._probe import LinearProbe
from tiltmeter.probes._recursive_ccs import recursive_ccs


def orthogonal_directions(probe: LinearProbe, data: Activations, *, n_directions: int) -> Float[NDArray[Any], "k d"]:
    """Fit a probe again and again, each time in the orthogonal complement of the directions before.

    CCS goes to :func:`recursive_ccs`, which has no bias and keeps one normalisation throughout. Any other method is
    fitted on the rows in coordinates of the complement, where a penalty on the norm is what it was.

    Returns
    -------
    Orthonormal rows, float64. Fewer than ``n_directions`` where the method found no further one.

    Raises
    ------
    SpecError
        If ``n_directions`` is below 1 or above the width.
    NoDirectionError
        If not even the first is found.
    """
    d = data.X.shape[1]
    if not 1 <= n_directions <= d:
        raise SpecError(f"n_directions is {n_directions}; rows of {d} features have room for 1 to {d}.")
    if not isinstance(probe, LinearProbe):
        raise SpecError(f"{type(probe).__name__} names no direction; give a linear probe.")
    if isinstance(probe, CCS):
        return _by_ccs(probe, data, n_directions)
    rows, basis = data.X.astype(np.float64), np.eye(d)
    found: list[NDArray[Any]] = []
    for _ in range(n_directions):
        try:
            fitted: Any = fit_on(probe, replace(data, X=rows))
        except NoDirectionError:
            if not found:
                raise
            break
        direction = fitted.direction_.astype(np.float64)
        found.append(basis @ direction)
        rows, basis = without(rows, direction), without(basis, direction)
    return np.stack(found)


def without(rows: Float[NDArray[Any], "n d"], direction: Float[NDArray[Any], " d"]) -> Float[NDArray[Any], "n d-1"]:
    """Return rows in orthonormal coordinates of what is orthogonal to a unit direction, by one Householder reflection.

    The reflection takes the direction to an axis, which is then left out. Cost O(n d), and no d × d matrix.
    """
    mirror = direction.copy()
    # away from cancellation
    mirror[0] += 1.0 if direction[0] >= 0 else -1.0
    reflected = rows - np.outer(rows @ mirror, mirror * (2 / (mirror @ mirror)))
    return np.asarray(reflected[:, 1:])


def _by_ccs(probe: CCS, data: Activations, n_directions: int) -> Float[NDArray[Any], "k d"]:
    if data.pairs is None or data.sides is None:
        raise ArrayError("CCS needs pairs and sides, which the activations have not; give them there.")
    found = recursive_ccs(
        data.X,
        pair_rows(data.pairs, n=len(data), sides=data.sides),
        n_directions=n_directions,
        l2=probe.l2,
        n_restarts=probe.n_restarts,
        random_state=probe.random_state,
        normalisation=probe.normalisation,
    )
    return found.directions
