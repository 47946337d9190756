"""Linear artificial tomography: the first principal direction of unlabelled pair differences."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy import linalg

from tiltmeter.core.errors import SpecError
from tiltmeter.numerics import Moments
from tiltmeter.probes._probe import FitsMoments, Found, UnsupervisedProbe, one_of


def lat(X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"]) -> Found:
    """Return the top eigenvector of Σ (a − b)(a − b)ᵀ over pairs (a, b): uncentred, so the order in a pair is moot.

    Of the two unit vectors, the one whose largest coordinate is positive; labels must tell which is meant.

    Parameters
    ----------
    X
        Rows.
    pairs
        Row numbers, shape (p, 2).

    Examples
    --------
    >>> X = np.array([[1.0, 0.0], [3.0, 0.1], [5.0, 0.0], [2.0, 0.1]])
    >>> found = lat(X, np.array([[0, 1], [2, 3]])).vector
    >>> bool(abs(found[0]) > 0.99)
    True
    """
    differences = X[pairs[:, 0]].astype(np.float64) - X[pairs[:, 1]].astype(np.float64)
    return Found(first_direction(differences), 0.0)


def lat_shuffled(
    X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"], *, is_centred: bool, rng: np.random.Generator
) -> Found:
    """Return the published sample version: swap each pair at random, subtract the mean difference or not, PCA.

    Centring is safe here only because the order is random.

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(8, 3))
    >>> lat_shuffled(X, np.arange(8).reshape(4, 2), is_centred=True, rng=np.random.default_rng(1)).vector.shape
    (3,)
    """
    swaps = rng.choice([-1.0, 1.0], size=len(pairs))
    differences = swaps[:, None] * (X[pairs[:, 0]].astype(np.float64) - X[pairs[:, 1]].astype(np.float64))
    return Found(first_direction(differences - differences.mean(axis=0) if is_centred else differences), 0.0)


def first_direction(differences: Float[NDArray[Any], "p d"]) -> Float[NDArray[Any], " d"]:
    p, d = differences.shape
    scale = float(np.abs(differences).max())
    if scale == 0.0:
        return np.zeros(d)
    differences = differences / scale  # tiny activations must not underflow when squared
    if d <= p:
        return _signed(_top(differences.T @ differences))
    return _signed(differences.T @ _top(differences @ differences.T))


def _first_of_moment(second_moment: Float[NDArray[Any], "d d"]) -> Float[NDArray[Any], " d"]:
    scale = float(np.abs(second_moment).max())
    return _signed(_top(second_moment / scale)) if scale > 0 else np.zeros(len(second_moment))


def _top(matrix: Float[NDArray[Any], "m m"]) -> Float[NDArray[Any], " m"]:
    last = len(matrix) - 1
    return np.asarray(linalg.eigh(matrix, subset_by_index=(last, last))[1][:, 0])


def _signed(vector: Float[NDArray[Any], " d"]) -> Float[NDArray[Any], " d"]:
    return np.asarray(vector * np.sign(vector[np.argmax(np.abs(vector))]))


class LAT(FitsMoments, UnsupervisedProbe):
    """The first principal direction of the differences within unlabelled pairs.

    It finds a concept only where the squared shift within pairs exceeds the largest variance of pair differences from
    any other cause; the mean difference, which has labels, needs only to exceed the noise of a mean. In return it
    takes no labels until ``orient``. Cost O(p d²).

    The default, the uncentred second moment of the differences, is the expectation over all shuffles of the order
    within pairs, so no order can spoil it. The published sample version shuffles once and then centres. Centring
    differences whose order was *not* shuffled removes exactly the mean difference, which is the concept: this class
    refuses it.

    Parameters
    ----------
    order
        ``"any"`` (default): uncentred, independent of the order within pairs. ``"shuffled"``: swap each pair at
        random first, as published.
    is_centred
        Whether to subtract the mean difference; needs ``order="shuffled"``.
    random_state
        Seed of the shuffle.

    Raises
    ------
    SpecError
        From ``fit`` and ``fit_moments``, if ``is_centred`` without ``order="shuffled"``; from ``fit_moments``, if
        ``order="shuffled"``, which needs the pairs one by one.

    References
    ----------
    Zou et al., arXiv 2310.01405, section 3.1.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [4.0, 0.1], [1.0, 0.0], [5.0, 0.1]])
    >>> probe = LAT().fit(X, pairs=np.array(["p", "p", "q", "q"]))
    >>> probe.as_direction().sign
    'unknown'
    >>> probe.orient(X, np.array([0, 1, 0, 1])).as_direction().sign
    1
    """

    needs_pairs = True

    def __init__(
        self, *, order: Literal["any", "shuffled"] = "any", is_centred: bool = False, random_state: int = 0
    ) -> None:
        self.order = order
        self.is_centred = is_centred
        self.random_state = random_state

    def _find(self, X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"] | None) -> Found:
        if pairs is None:
            raise SpecError("LAT needs pairs.")
        one_of("order", self.order, ("any", "shuffled"))
        if self.order == "shuffled":
            return lat_shuffled(X, pairs, is_centred=self.is_centred, rng=np.random.default_rng(self.random_state))
        self._refuse_centring()
        return lat(X, pairs)

    def _find_in_moments(self, moments: Moments) -> Found:
        one_of("order", self.order, ("any", "shuffled"))
        if self.order == "shuffled":
            raise SpecError(
                'LAT with order="shuffled" swaps each pair, which moments no longer hold; use order="any", its '
                "expectation over all shuffles, or fit on the rows."
            )
        self._refuse_centring()
        return Found(_first_of_moment(moments.pair_differences().second_moment), 0.0)

    def _refuse_centring(self) -> None:
        if self.is_centred:
            raise SpecError(
                "LAT with is_centred=True would subtract the mean difference, which is the concept, from pairs in the "
                'order given; use order="shuffled", or leave the differences uncentred.'
            )
