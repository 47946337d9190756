"""Independent random streams from one seed."""

from __future__ import annotations

import hashlib

import numpy as np

from tiltmeter.core.errors import SpecError


def stream(seed: int, *names: str | int) -> np.random.Generator:
    """Return the generator that belongs to ``names`` under ``seed``.

    The same seed and names always give the same stream, and different names give independent ones, so that adding
    a step to a study never changes the random numbers of another step.

    Raises
    ------
    SpecError
        If the seed is negative.

    Examples
    --------
    >>> float(stream(0, "bootstrap").random()) == float(stream(0, "bootstrap").random())
    True
    >>> float(stream(0, "bootstrap").random()) == float(stream(0, "shuffle").random())
    False
    """
    if seed < 0:
        raise SpecError(f"The seed is {seed}; seeds are whole numbers from 0.")
    digest = hashlib.sha256("\x1f".join(map(str, names)).encode()).digest()
    return np.random.default_rng([seed, *np.frombuffer(digest[:16], dtype=np.uint32).tolist()])
