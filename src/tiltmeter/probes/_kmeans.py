"""Two clusters of pair differences."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from sklearn.cluster import KMeans

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.probes._probe import Found, UnsupervisedProbe


def kmeans_differences(
    X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"], *, n_restarts: int = 10, random_state: int = 0
) -> Found:
    """Return the difference of the two centroids of {a − b} and {b − a} over pairs (a, b).

    Each difference enters in both orders, so that the order within pairs is moot and the clusters mirror each other.

    Parameters
    ----------
    X
        Rows.
    pairs
        Row numbers, shape (p, 2).
    n_restarts
        Seedings, of which the tightest clusters are kept.
    random_state
        Seed of the seedings.

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [3.0, 0.1], [5.0, 0.0], [2.0, 0.1]])
    >>> found = kmeans_differences(X, np.array([[0, 1], [2, 3]])).vector
    >>> bool(abs(found[0]) > 40 * abs(found[1]))
    True
    """
    if n_restarts < 1:
        raise ArrayError(f"n_restarts is {n_restarts}; at least one seeding is needed.")
    differences = X[pairs[:, 0]].astype(np.float64) - X[pairs[:, 1]].astype(np.float64)
    scale = float(np.abs(differences).max())
    if scale == 0.0:
        return Found(np.zeros(X.shape[1]), 0.0)
    both = np.concatenate([differences, -differences]) / scale
    first, second = KMeans(2, n_init=n_restarts, random_state=random_state).fit(both).cluster_centers_
    return Found((first - second) * scale, 0.0)


class KMeansDifferences(UnsupervisedProbe):
    """The line between the centroids of two clusters of unlabelled pair differences.

    To :class:`LAT` as clusters are to principal components: no order within pairs can spoil it and no sides are needed,
    but a constant difference between the halves of pairs, such as "yes" against "no", makes the clusters where it is
    larger than the concept.

    Parameters
    ----------
    n_restarts
        Seedings (k-means++), of which the tightest clusters are kept.
    random_state
        Seed of the seedings.

    References
    ----------
    Zou et al., arXiv 2310.01405, section 3.1: one of the alternatives to PCA.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [4.0, 0.1], [1.0, 0.0], [5.0, 0.1]])
    >>> probe = KMeansDifferences().fit(X, pairs=np.array(["p", "p", "q", "q"])).orient(X, np.array([0, 1, 0, 1]))
    >>> bool(probe.direction_[0] > 0.99)
    True
    """

    needs_pairs = True

    def __init__(self, *, n_restarts: int = 10, random_state: int = 0) -> None:
        self.n_restarts = n_restarts
        self.random_state = random_state

    def _find(self, X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"] | None) -> Found:
        if pairs is None:
            raise SpecError("KMeansDifferences needs pairs.")
        return kmeans_differences(X, pairs, n_restarts=self.n_restarts, random_state=self.random_state)
