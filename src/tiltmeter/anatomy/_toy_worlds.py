"""Rows of which it is known what a dictionary ought to find: sparse features, a dozen clusters, or nothing at all."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import special

from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream

WorldKind = Literal["sparse", "correlated", "clusters", "noise", "square"]
WORLDS: tuple[WorldKind, ...] = ("sparse", "correlated", "clusters", "noise", "square")


class ToyWorld(NamedTuple):
    """Rows (n, d), and the planted unit directions (g, d): features, the clusters' centres, or None of neither."""

    X: Float[NDArray[Any], "n d"]
    truth: Float[NDArray[Any], "g d"] | None


def sparse_world(
    n: int,
    *,
    n_features: int = 64,
    d: int = 32,
    n_active: float = 5.0,
    decay: float = 0.99,
    correlated: bool = False,
    seed: int = 0,
) -> ToyWorld:
    """Make rows that are sums of few of many features, more than there are dimensions.

    Feature i is active with a probability proportional to ``decay`` to the power i, ``n_active`` of them on average,
    with a strength between 0 and 1. ``correlated`` features come in company: a multivariate normal draw with a random
    covariance decides which are active. Rows where none is get one at random.

    Parameters
    ----------
    n
        Rows.
    n_features, d
        How many features there are in how many dimensions.
    n_active
        Mean number of active features of a row, before rows without any get one.
    decay
        Ratio of the probabilities of two successive features.
    correlated
        Whether features are active together.
    seed
        Of the features and the rows.

    Returns
    -------
    Rows and features.

    Raises
    ------
    SpecError
        If so many active features would give one a probability above 1.

    References
    ----------
    Sharkey, Braun and Millidge (2022), whose data have 512 features in 256 dimensions.

    Examples
    --------
    >>> world = sparse_world(100)
    >>> world.X.shape, world.truth.shape
    ((100, 32), (64, 32))
    """
    rng = stream(seed, "sparse world")
    features = rng.normal(size=(n_features, d))
    features /= np.linalg.norm(features, axis=1, keepdims=True)
    odds = decay ** np.arange(n_features, dtype=np.float64)
    rates = odds * n_active / odds.sum()
    if rates.max() > 1:
        raise SpecError(f"{n_active:g} active features of {n_features} make the first more than certain; use fewer.")
    draws = _correlated_uniforms(n, n_features, rng) if correlated else rng.random((n, n_features))
    active = draws < rates
    empty = np.flatnonzero(~active.any(axis=1))
    active[empty, rng.integers(n_features, size=len(empty))] = True
    strengths = rng.random((n, n_features)) * active
    return ToyWorld((strengths @ features).astype(np.float32), features)


def _correlated_uniforms(n: int, g: int, rng: np.random.Generator) -> Float[NDArray[Any], "n g"]:
    """Draw from a normal distribution with a random correlation matrix, and return the ranks as shares."""
    half = rng.normal(size=(g, g))
    covariance = half @ half.T
    spread = np.sqrt(np.diag(covariance))
    correlation = covariance / spread / spread[:, None]
    return np.asarray(special.ndtr(rng.normal(size=(n, g)) @ np.linalg.cholesky(correlation).T))


def toy_world(kind: WorldKind, n: int, *, d: int = 32, seed: int = 0) -> ToyWorld:
    """Make rows of one of the worlds on which a sceptic tries dictionaries.

    Parameters
    ----------
    kind
        ``"sparse"`` or ``"correlated"``: 64 features, five active, see :func:`sparse_world`. ``"clusters"``: twelve
        Gaussians of standard deviation 0.1 about random points of unit norm. ``"noise"``: an isotropic Gaussian of
        standard deviation 1/√d. ``"square"``: uniform on the unit square, two-dimensional whatever ``d``.
    n
        Rows.
    d
        Dimensions.
    seed
        Of the world and its rows.

    Returns
    -------
    Rows, and what was planted in them: noise and the square hold nothing.

    Raises
    ------
    SpecError
        If there is no such world.

    Examples
    --------
    >>> [toy_world(kind, 10).X.shape for kind in ("clusters", "noise", "square")]
    [(10, 32), (10, 32), (10, 2)]
    """
    if kind in ("sparse", "correlated"):
        return sparse_world(n, d=d, correlated=kind == "correlated", seed=seed)
    rng = stream(seed, "toy world", kind)
    if kind == "clusters":
        centres = rng.normal(size=(12, d))
        centres /= np.linalg.norm(centres, axis=1, keepdims=True)
        rows = centres[rng.integers(12, size=n)] + 0.1 * rng.normal(size=(n, d))
        return ToyWorld(rows.astype(np.float32), centres)
    if kind == "noise":
        return ToyWorld((rng.normal(size=(n, d)) / np.sqrt(d)).astype(np.float32), None)
    if kind == "square":
        return ToyWorld(rng.random((n, 2)).astype(np.float32), None)
    raise SpecError(f"There is no toy world {kind!r}; use one of {', '.join(WORLDS)}.")
