"""What every way of fitting LEACE is asked for; NumPy alone, since peers' environments hold no Tiltmeter."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray


class ErasureJob(NamedTuple):
    """Files of rows (n, d) and labels (n,), and whether a peer takes its own defaults for shrinkage and trace."""

    rows: str
    labels: str
    defaults: bool = False

    def load(self) -> tuple[NDArray[np.floating], NDArray[np.int64]]:
        """The rows in the dtype of the job, and the labels."""
        return np.load(self.rows), np.load(self.labels)
