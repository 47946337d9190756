"""A warning where a few coordinates swallow a site: massive activations and attention sinks."""

from __future__ import annotations

import warnings
from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataWarning
from tiltmeter.core.site import Site

_FEW = 3
_MOST = 0.5
# with fewer features, three are a tenth of them or more; with fewer rows, three may hold half of the variance by chance
_LEAST_WIDTH = 32
_LEAST_ROWS = 30


class Spread:
    """The variance of each coordinate at each site, in one pass."""

    def __init__(self) -> None:
        self._n: dict[Site, int] = {}
        self._centre: dict[Site, NDArray[np.float64]] = {}
        self._sum: dict[Site, NDArray[np.float64]] = {}
        self._squares: dict[Site, NDArray[np.float64]] = {}

    def update(self, site: Site, rows: NDArray[np.float32]) -> None:
        """Count the rows of a batch, shape (r, d)."""
        if site not in self._n:
            # any fixed centre near the rows keeps the difference of squares from cancelling
            self._centre[site] = rows.mean(axis=0, dtype=np.float64)
            self._n[site], self._sum[site], self._squares[site] = 0, np.zeros(rows.shape[1]), np.zeros(rows.shape[1])
        centred = rows - self._centre[site]
        self._n[site] += len(rows)
        self._sum[site] += centred.sum(axis=0)
        self._squares[site] += np.square(centred).sum(axis=0)

    def massive(self) -> Mapping[Site, tuple[float, tuple[int, ...]]]:
        """Name the sites where at most three coordinates hold more than half of the variance, and the coordinates.

        They are the fewest that do; the first number is the share that they hold.
        """
        found = {}
        for site, n in self._n.items():
            variance = np.maximum(self._squares[site] / n - np.square(self._sum[site] / n), 0)
            if len(variance) < _LEAST_WIDTH or n < _LEAST_ROWS or not variance.any():
                continue
            largest = np.argsort(-variance)[:_FEW]
            shares = np.cumsum(variance[largest]) / variance.sum()
            if shares[-1] > _MOST:
                n_needed = int((shares <= _MOST).sum()) + 1
                found[site] = (float(shares[n_needed - 1]), tuple(largest[:n_needed].tolist()))
        return found

    def warn(self) -> None:
        """Say so once for all sites, as a :class:`tiltmeter.core.errors.DataWarning`."""
        found = self.massive()
        if not found:
            return
        site, (share, coordinates) = max(found.items(), key=lambda item: item[1][0])
        others = "" if len(found) == 1 else f" (most of {len(found)} such sites)"
        which = ", ".join(map(str, coordinates))
        warnings.warn(
            f"Site {site}{others} has {share:.0%} of its variance in {len(coordinates)} of its coordinates ({which}): "
            "attention sinks or massive activations, which norms, cosines and mean differences then follow. "
            "Standardise the features, or leave out the first positions (skip_first).",
            DataWarning,
            stacklevel=3,
        )
