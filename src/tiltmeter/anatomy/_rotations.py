"""Rotations drawn evenly: what a null turns by."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray


def rotations(d: int, n_draws: int, *, rng: np.random.Generator) -> Float[NDArray[Any], "b d d"]:
    """Draw rotations and reflections of d dimensions evenly (by Haar's measure).

    Examples
    --------
    >>> (turn,) = rotations(3, 1, rng=np.random.default_rng(0))
    >>> bool(np.allclose(turn @ turn.T, np.eye(3)))
    True
    """
    basis, triangle = np.linalg.qr(rng.normal(size=(n_draws, d, d)))
    # uniform only with the signs of the triangle's diagonal (Mezzadri 2007)
    signs = np.where(np.diagonal(triangle, axis1=1, axis2=2) < 0, -1.0, 1.0)
    return np.asarray(basis * signs[:, None, :])
