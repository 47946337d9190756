"""Skewness and excess kurtosis: of weighted units, of what unequal scales alone make, and of scales that rows share."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray


class ScaleKurtosis(NamedTuple):
    """Excess kurtosis that normal columns have when they are pooled, from their centres and variances alone.

    ``least`` and ``most``: the smallest and the largest standard deviation of a column.
    """

    excess: float
    least: float
    most: float


def power_sums(x: Float[NDArray[Any], " n"], *, units: Int[NDArray[Any], " n"]) -> Float[NDArray[Any], "b 5"]:
    """Return the sums of the powers 0 to 4 of a standardised sample, a row each unit.

    Enough for the kurtosis under any weights of the units; see :func:`excess_kurtosis`.

    Examples
    --------
    >>> power_sums(np.array([-1.0, 1.0, 1.0, -1.0]), units=np.array([0, 0, 1, 1]))[:, 4].tolist()
    [2.0, 2.0]
    """
    wide = x.astype(np.float64)
    # kurtosis knows no centre or scale; without this, large centres would lose the sums' digits
    z = (wide - wide.mean()) / wide.std()
    powers = [np.ones_like(z), z, z**2, z**3, z**4]
    return np.stack([np.bincount(units, weights=power) for power in powers], axis=1)


def excess_kurtosis(
    sums: Float[NDArray[Any], "n 5"], *, weights: Float[NDArray[Any], "b n"] | None = None
) -> Float[NDArray[Any], " b"]:
    """Return the excess kurtosis of the pooled units, under each weighting.

    m4 / m2² - 3 with central moments; 0 for a normal, 3 for a Laplace. NaN where no variance is left.

    Parameters
    ----------
    sums
        As :func:`power_sums` gives them.
    weights
        One row a weighting; None for all units once.

    Examples
    --------
    >>> x = np.array([-1.0, 1.0, 1.0, -1.0])
    >>> excess_kurtosis(power_sums(x, units=np.arange(4))).tolist()
    [-2.0]
    """
    weights = np.ones((1, len(sums))) if weights is None else weights
    total = weights @ sums
    with np.errstate(invalid="ignore", divide="ignore"):
        one, two, three, four = (total[:, power] / total[:, 0] for power in (1, 2, 3, 4))
        variance = two - one**2
        fourth = four - 4 * one * three + 6 * one**2 * two - 3 * one**4
        return np.asarray(np.where(variance > 0, fourth / variance**2 - 3, np.nan))


def skewness(
    sums: Float[NDArray[Any], "n 5"], *, weights: Float[NDArray[Any], "b n"] | None = None
) -> Float[NDArray[Any], " b"]:
    """Return the skewness of the pooled units, m3 / m2^1.5 with central moments, under each weighting.

    0 for whatever is symmetric, 2 for an exponential on one side. NaN where no variance is left.

    Parameters
    ----------
    sums, weights
        As for :func:`excess_kurtosis`.

    Examples
    --------
    >>> x = np.array([0.0, 0.0, 0.0, 4.0])
    >>> round(float(skewness(power_sums(x, units=np.arange(4)))[0]), 3)
    1.155
    """
    weights = np.ones((1, len(sums))) if weights is None else weights
    total = weights @ sums
    with np.errstate(invalid="ignore", divide="ignore"):
        one, two, three = (total[:, power] / total[:, 0] for power in (1, 2, 3))
        variance = two - one**2
        return np.asarray(np.where(variance > 0, (three - 3 * one * two + 2 * one**3) / variance**1.5, np.nan))


def scale_kurtosis(X: Float[NDArray[Any], "n d"]) -> ScaleKurtosis:
    """Return the excess kurtosis of pooled normal columns that have the centres and variances of these.

    What a pooled sample shows beyond it is not due to columns of different scale.

    Notes
    -----
    The fourth central moment of a mixture of normals with centres c (about the common one) and variances v is
    mean(3 v² + 6 v c² + c⁴). Where all centres agree the excess is 3 Var(v) / mean(v)².

    Examples
    --------
    >>> X = np.random.default_rng(0).normal(size=(4000, 2)) * np.array([1.0, 3.0])
    >>> found = scale_kurtosis(X)
    >>> abs(found.excess - 3 * 16 / 25) < 0.1, abs(found.most - 3) < 0.1
    (True, True)
    """
    wide = X.astype(np.float64)
    centres, variances = wide.mean(axis=0), wide.var(axis=0)
    c = centres - centres.mean()
    variance = (variances + c**2).mean()
    fourth = (3 * variances**2 + 6 * variances * c**2 + c**4).mean()
    low, high = np.sqrt([variances.min(), variances.max()])
    return ScaleKurtosis(float(fourth / variance**2 - 3), float(low), float(high))


def shared_kurtosis(X: Float[NDArray[Any], "n d"]) -> Float[NDArray[Any], " n"]:
    """Return the part of each row in the excess kurtosis that a scale of whole rows would give to every column.

    The mean over rows is the figure. If row i is r_i times normal values, r_i of any distribution, every column has
    excess kurtosis 3 Var(r²) / mean(r²)², and so has the figure; if columns are independent it is 0, however heavy
    their tails.

    Parameters
    ----------
    X
        At least two columns, none constant.

    Notes
    -----
    3 times the mean over pairs of columns of E[a² b²] - 1 - 2 ρ², columns standardised. Normal columns of correlation ρ
    have E[a² b²] = 1 + 2 ρ². Cost O(n d²). Rows must be large in many columns at once to count: it cannot tell a
    common scale from anything else that moves the sizes of many columns together.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(20000, 5))
    >>> r = np.sqrt(rng.exponential(size=(20000, 1)))
    >>> bool(abs(shared_kurtosis(X).mean()) < 0.1), bool(abs(shared_kurtosis(r * X).mean() - 3) < 0.3)
    (True, True)
    """
    wide = X.astype(np.float64)
    z = (wide - wide.mean(axis=0)) / wide.std(axis=0)
    d = z.shape[1]
    pairs = d * (d - 1)
    correlation = z.T @ z / len(z)
    squared = ((correlation**2).sum() - d) / pairs
    sizes = (z**2).sum(axis=1)
    return np.asarray(3 * ((sizes**2 - (z**4).sum(axis=1)) / pairs - 1 - 2 * squared))
