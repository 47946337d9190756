"""What every way of training a sparse autoencoder is asked for; NumPy alone: peers' environments hold no Tiltmeter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class DictionaryJob(NamedTuple):
    """A file of rows (n, d), one of the decoder (f, d) that all start from, and the course; ``k`` is None for ReLU.

    The loss is the squared error plus ``penalty`` times the sum of the latents, each a sum over a row and a mean over
    rows. Rows are taken in file order, ``batch`` a step.
    """

    rows: str
    start: str
    steps: int
    batch: int
    penalty: float
    k: int | None
    rate: float = 1e-3
    defaults: bool = False

    def load(self) -> tuple[NDArray[np.float32], NDArray[np.float32], NDArray[np.float32]]:
        """The rows, and encoder and decoder at the start: so small an encoder that half the latents add up to a row."""
        decoder = np.load(self.start)
        f, d = decoder.shape
        return np.load(self.rows), decoder * np.float32(min(1.0, 2 * d / f)), decoder


def flat(
    encoder: NDArray[np.float32], decoder: NDArray[np.float32], bias: NDArray[np.float32], centre: NDArray[np.float32]
) -> NDArray[np.float32]:
    """Weights as one row of numbers: encoder and decoder (f, d), bias (f,) and centre (d,)."""
    return np.concatenate([encoder.ravel(), decoder.ravel(), bias, centre])
