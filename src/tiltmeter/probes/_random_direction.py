"""A direction that knows nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.numerics import Moments
from tiltmeter.probes._probe import FitsMoments, Found, UnsupervisedProbe


class RandomDirection(FitsMoments, UnsupervisedProbe):
    """A direction drawn uniformly from the sphere: the null that every probe must beat.

    Parameters
    ----------
    random_state
        Seed.

    See Also
    --------
    tiltmeter.evaluation.random_directions : many of them at once, with mean, spread and best.

    Examples
    --------
    >>> float(np.linalg.norm(RandomDirection().fit(np.zeros((2, 3))).direction_).round(6))
    1.0
    """

    def __init__(self, random_state: int = 0) -> None:
        self.random_state = random_state

    def _find(self, X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"] | None) -> Found:  # noqa: ARG002
        return self._draw(X.shape[1])

    def _find_in_moments(self, moments: Moments) -> Found:
        return self._draw(moments.n_features)

    def _draw(self, d: int) -> Found:
        return Found(np.random.default_rng(self.random_state).normal(size=(d,)), 0.0)
