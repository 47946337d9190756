"""What a dictionary explains and how many latents it takes, and what noise and random directions would."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Shaped
from numpy.typing import NDArray
from scipy import linalg

from tiltmeter.anatomy._dictionary import Dictionary
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import Resampling, bootstrap_estimate, resampling

# so many units at most are resampled: of more rows, chance makes as many lots
_MOST_UNITS = 2000
# of the Gram matrix of latents: a decoder of latents that are nearly copies must stay finite
_RIDGE = 1e-6


class Lots(NamedTuple):
    """Rows put together in units that are resampled whole: the unit of each row (n,), and the draws over units."""

    of_row: NDArray[np.int64]
    by: Resampling

    def sums(self, values: Float[NDArray[Any], " n"]) -> Float[NDArray[Any], " u"]:
        """Add up the values of each unit."""
        return np.bincount(self.of_row, weights=values.astype(np.float64), minlength=self.by.n_units)


def lots(
    n: int, *, groups: Shaped[NDArray[Any], " n"] | None, n_draws: int = 500, level: float = 0.95, seed: int = 0
) -> Lots:
    """Put rows together in the units that are resampled: groups, or rows, or random lots of them where they are many.

    Examples
    --------
    >>> made = lots(4, groups=np.array(["a", "a", "b", "b"]), n_draws=100)
    >>> made.of_row.tolist(), made.by.unit
    ([0, 0, 1, 1], 'groups')
    """
    of_row = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    n_units = int(of_row.max()) + 1 if n else 0
    if n_units > _MOST_UNITS:
        of_row = (stream(seed, "lots").permutation(n_units) % _MOST_UNITS)[of_row]
        n_units = _MOST_UNITS
    by = resampling(n_units, groups=None, n_draws=n_draws, level=level, seed=seed)
    return Lots(of_row, by._replace(unit="rows" if groups is None else "groups"))


class RowFigures(NamedTuple):
    """Of each row (n,): squared error, squared distance from the mean of all, and how many latents are not zero."""

    error: Float[NDArray[Any], " n"]
    spread: Float[NDArray[Any], " n"]
    active: Float[NDArray[Any], " n"]


def row_figures(dictionary: Dictionary, X: Float[NDArray[Any], "n d"]) -> RowFigures:
    """Return what a dictionary leaves unexplained of each row, and how many latents it takes.

    Examples
    --------
    >>> pair = Dictionary(np.eye(2), np.zeros(2), np.eye(2), np.zeros(2))
    >>> found = row_figures(pair, np.array([[1.0, 2.0], [1.0, -2.0]]))
    >>> found.error.tolist(), found.spread.tolist(), found.active.tolist()
    ([0.0, 4.0], [4.0, 4.0], [2.0, 1.0])
    """
    blocks = [
        (np.square(rows - dictionary.decode(codes), dtype=np.float64).sum(axis=1), (codes > 0).sum(axis=1))
        for rows, codes in dictionary.blocks(X)
    ]
    spread = np.square(X - X.mean(axis=0, dtype=np.float64)).sum(axis=1)
    return RowFigures(
        np.concatenate([error for error, _ in blocks]).astype(np.float64),
        spread.astype(np.float64),
        np.concatenate([count for _, count in blocks]).astype(np.float64),
    )


def unexplained(error: Float[NDArray[Any], " n"], spread: Float[NDArray[Any], " n"], *, by: Lots) -> Measured:
    """Estimate the fraction of variance unexplained, Σ error / Σ spread, with its bootstrap interval over units.

    Examples
    --------
    >>> found = unexplained(np.full(40, 0.5), np.ones(40), by=lots(40, groups=None))
    >>> found.value
    0.5
    """
    top, bottom = by.sums(error), by.sums(spread)
    if not bottom.sum() > 0:
        return Unavailable(reason="the rows do not vary")
    return bootstrap_estimate(lambda weights: (weights @ top) / (weights @ bottom), by=by.by, bounds=(0.0, np.inf))


def mean_count(count: Float[NDArray[Any], " n"], *, by: Lots) -> Measured:
    """Estimate L0, the mean number of latents that are not zero, with its bootstrap interval over units.

    Examples
    --------
    >>> mean_count(np.full(40, 3.0), by=lots(40, groups=None)).value
    3.0
    """
    top, bottom = by.sums(count), by.sums(np.ones(len(count)))
    return bootstrap_estimate(lambda weights: (weights @ top) / (weights @ bottom), by=by.by, bounds=(0.0, np.inf))


def gaussian_like(X: Float[NDArray[Any], "n d"], n: int, *, seed: int = 0) -> Float[NDArray[Any], "m d"]:
    """Draw Gaussian rows with the mean and the covariance of some rows: what a dictionary finds where there is nothing.

    Parameters
    ----------
    X
        Rows whose moments are taken.
    n
        How many to draw.
    seed
        Of the draws.

    Examples
    --------
    >>> rows = np.array([[0.0, 0.0], [2.0, 0.0]])
    >>> noise = gaussian_like(rows, 1000)
    >>> bool(abs(noise[:, 0].mean() - 1) < 0.2), noise[:, 1].tolist() == [0.0] * 1000
    (True, True)
    """
    mean, values, basis = _axes(X)
    half = basis * np.sqrt(np.maximum(values, 0.0))
    drawn = stream(seed, "gaussian like").normal(size=(n, len(mean)))
    return np.asarray(mean + drawn @ half.T, dtype=X.dtype)


def random_dictionary(X: Float[NDArray[Any], "n d"], n_latents: int, *, k: int, seed: int = 0) -> Dictionary:
    """Make a dictionary that learned nothing but its decoder: random directions, of which each row uses the k largest.

    The decoder is the least-squares one for these latents on some rows, so that whatever a trained dictionary explains
    beyond this is owed to its encoder.

    Parameters
    ----------
    X
        Rows on which the decoder is fitted.
    n_latents
        How many directions, f.
    k
        How many of them a row uses, at least 1.
    seed
        Of the directions.

    Notes
    -----
    Directions are drawn in the space in which the rows have unit covariance, as far as they span it: where activations
    are much wider along some axes, isotropic directions would be a poorer rival. A ridge of 1e-6 of the mean squared
    latent keeps the decoder finite. Cost O(n f (d + f) + f³).

    Examples
    --------
    >>> rows = np.random.default_rng(0).normal(size=(200, 4))
    >>> made = random_dictionary(rows, 16, k=4)
    >>> made.kind, int((made.encode(rows) > 0).sum(axis=1).max())
    ('topk', 4)
    """
    mean, values, basis = _axes(X)
    d = len(mean)
    kept = values > 1e-6 * max(values[-1], np.finfo(np.float64).tiny)
    drawn = stream(seed, "random dictionary", n_latents).normal(size=(n_latents, int(kept.sum())))
    # a direction a of white rows reads a / √λ of the rows themselves
    encoder = (drawn / np.linalg.norm(drawn, axis=1, keepdims=True) / np.sqrt(values[kept])) @ basis[:, kept].T
    bare = Dictionary(
        encoder.astype(np.float32),
        (-encoder @ mean).astype(np.float32),
        np.zeros((n_latents, d), dtype=np.float32),
        mean.astype(np.float32),
        kind="topk",
        k=max(1, min(k, n_latents)),
    )
    gram, cross = np.zeros((n_latents, n_latents)), np.zeros((n_latents, d))
    for rows, codes in bare.blocks(X):
        gram += codes.T @ codes
        cross += codes.T @ (rows - mean)
    gram[np.diag_indices(n_latents)] += _RIDGE * max(np.trace(gram) / n_latents, np.finfo(np.float64).tiny)
    decoder = linalg.solve(gram, cross, assume_a="pos").astype(np.float32)
    return Dictionary(bare.encoder, bare.encoder_bias, decoder, bare.decoder_bias, kind="topk", k=bare.k)


def linear_error(
    train: Float[NDArray[Any], "n d"], test: Float[NDArray[Any], "m d"], *, k: int
) -> Float[NDArray[Any], " m"]:
    """Return what the first k principal components of the training rows leave unexplained of each test row.

    Examples
    --------
    >>> rows = np.array([[3.0, 1.0], [-3.0, 1.0], [0.0, 1.0]])
    >>> linear_error(rows, np.array([[1.0, 3.0]]), k=1).tolist()
    [4.0]
    """
    mean, _, basis = _axes(train)
    centred = test - mean
    kept = centred @ basis[:, len(mean) - min(k, len(mean)) :]
    return np.asarray(np.maximum(np.square(centred).sum(axis=1) - np.square(kept).sum(axis=1), 0.0))


class _Axes(NamedTuple):
    """Mean of rows, and variances along their principal axes, which are columns, the smallest first."""

    mean: NDArray[np.float64]
    values: NDArray[np.float64]
    basis: NDArray[np.float64]


def _axes(X: Float[NDArray[Any], "n d"]) -> _Axes:
    d = X.shape[1]
    covariance = np.cov(X.astype(np.float64), rowvar=False, bias=True).reshape(d, d)
    return _Axes(X.mean(axis=0, dtype=np.float64), *linalg.eigh(covariance))
