"""A power law in the spectrum of a matrix, tested, beside the spectra of the same matrix with its entries shuffled."""

from __future__ import annotations

from typing import Any, get_args

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.core.shape import RivalTail, SetKind, Spectrum, TailShape
from tiltmeter.evaluation import share
from tiltmeter.numerics import TailRival, compare_tail, fit_power_law, power_law_draws

# a singular value below this share of the largest is rounding
_ROUNDING = 1e-6
_FEWEST = 20


def tail_shape(
    x: Float[NDArray[Any], " n"], *, n_draws: int = 500, level: float = 0.95, rng: np.random.Generator
) -> TailShape:
    """Fit a power law to the tail of positive values, and test it.

    Parameters
    ----------
    x
        Positive, at least 20.
    n_draws
        Of the goodness-of-fit test. The bootstrap of the exponent has 100.
    level
        Of the intervals.
    rng
        Source of randomness.

    Returns
    -------
    Exponent with a bootstrap interval that pays for the choice of the tail's start; the p-value of the test with the
    interval that its number of draws leaves; the rivals on the same tail.

    Raises
    ------
    ArrayError
        If there are too few values, fewer than three different ones, or one is not positive.
    SpecError
        If there are too few draws, or the level does not lie between 0 and 1.

    Notes
    -----
    A p-value above 0.1 means that the law was not refuted, which short tails (below about 50 values) seldom allow. It
    does not mean that the law is right: look at the rivals. Exponent and test take values to be independent.

    References
    ----------
    Clauset, Shalizi and Newman (2009), Power-law distributions in empirical data.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = tail_shape((1 - rng.random(200)) ** -0.5, n_draws=100, rng=rng)
    >>> found.alpha.low < 3 < found.alpha.high, found.p.value > 0.1
    (True, True)
    """
    if n_draws < 100:
        raise SpecError(f"{n_draws} draws are too few for a p-value; give 100 or more.")
    if not 0 < level < 1:
        raise SpecError(f"The level is {level:g}; it must lie between 0 and 1.")
    if len(x) < _FEWEST:
        raise ArrayError(f"{len(x)} values are too few for a power law in their tail; it needs {_FEWEST}.")
    found = fit_power_law(x)
    again = []
    for _ in range(100):
        drawn = rng.choice(x, len(x))
        if len(np.unique(drawn)) >= 3:
            again.append(fit_power_law(drawn).alpha)
    low, high = np.quantile(again, [(1 - level) / 2, (1 + level) / 2])
    alpha = Estimate(
        value=found.alpha,
        low=min(float(low), found.alpha),
        high=max(float(high), found.alpha),
        level=level,
        n=len(x),
        method="percentile bootstrap over values, the start of the tail chosen anew",
    )
    distances = power_law_draws(x, found, n_draws=n_draws, rng=rng)
    rivals = tuple((rival, compare_tail(x, found, rival=rival)) for rival in get_args(TailRival))
    return TailShape(
        alpha=alpha,
        start=found.start,
        n_tail=found.n_tail,
        share=found.n_tail / len(x),
        distance=found.distance,
        p=share(distances >= found.distance, level=level),
        rivals=tuple(RivalTail(rival=rival, ratio=each.ratio, p=each.p) for rival, each in rivals),
    )


def spectrum_shape(
    W: Float[NDArray[Any], "n d"],
    *,
    name: str = "matrix",
    kind: SetKind = "rows",
    n_nulls: int = 2,
    n_draws: int = 200,
    level: float = 0.95,
    seed: int = 0,
) -> Spectrum | Unavailable:
    """Test whether the squared singular values of a matrix have a tail that follows a power law, and what a null has.

    Parameters
    ----------
    W
        A weight matrix, a gradient, or rows of activations, whose columns are then centred first: their squared
        singular values are the eigenvalues of the covariance, times the number of rows.
    name, kind
        What the record calls it. Weights and gradients of weights are not centred, all else is.
    n_nulls
        Shuffled matrices. Of a weight or gradient all entries change places, which keeps how they are distributed; of
        rows each column is shuffled by itself, which keeps what each column is by itself.
    n_draws, level
        As for :func:`tail_shape`.
    seed
        Of the draws.

    Returns
    -------
    ``Unavailable`` if fewer than 20 singular values are not 0, or all are the same (an orthogonal matrix).

    Raises
    ------
    ArrayError
        If it is no matrix, or a value is not finite.
    SpecError
        If there are fewer than no nulls, too few draws, or the level does not lie between 0 and 1.

    Notes
    -----
    Eigenvalues of one matrix repel each other, so that intervals and p-values, which take them for independent, are
    descriptions: what a shuffled matrix gives beside says how much of them is due to size and entries. Cost: a
    decomposition, and for each draw O(k²) with k singular values.

    Examples
    --------
    >>> W = np.random.default_rng(0).normal(size=(60, 40))
    >>> found = spectrum_shape(W, n_nulls=1, n_draws=100)
    >>> found.n, len(found.nulls), found.tail.n_tail <= 40
    (40, 1, True)
    """
    if W.ndim != 2:
        raise ArrayError(f"{name} has shape {W.shape}; give a matrix.")
    if n_nulls < 0:
        raise SpecError(f"{n_nulls} shuffled matrices cannot be; give 0 or more.")
    if not np.isfinite(W).all():
        raise ArrayError(f"Some values of {name} are not finite.")
    wide = W.astype(np.float64)
    by_column = kind not in ("weights", "gradients")
    values = _squared(wide, is_centred=by_column)
    if len(values) < _FEWEST:
        return Unavailable(reason=f"{name} has {len(values)} singular values that are not 0; the test needs {_FEWEST}")
    if values.min() > (1 - _ROUNDING) * values.max():
        return Unavailable(reason=f"all singular values of {name} are the same, as an orthogonal matrix has them")
    rng = stream(seed, "spectrum", name)
    tail = tail_shape(values, n_draws=n_draws, level=level, rng=rng)
    shuffled = []
    for _ in range(n_nulls):
        mixed = rng.permuted(wide, axis=0) if by_column else rng.permutation(wide.ravel()).reshape(wide.shape)
        shuffled.append(_squared(mixed, is_centred=by_column))
    return Spectrum(
        name=name,
        kind=kind,
        n=len(values),
        tail=tail,
        null_what="each column shuffled by itself" if by_column else "entries shuffled",
        nulls=tuple(tail_shape(each, n_draws=n_draws, level=level, rng=rng) for each in shuffled),
        values=tuple(values.tolist()),
        null_values=tuple(shuffled[0].tolist()) if shuffled else (),
    )


def _squared(W: NDArray[np.float64], *, is_centred: bool) -> NDArray[np.float64]:
    values = np.linalg.svd(W - W.mean(axis=0) if is_centred else W, compute_uv=False)
    return np.asarray(values[values > _ROUNDING * values.max(initial=0.0)] ** 2)
