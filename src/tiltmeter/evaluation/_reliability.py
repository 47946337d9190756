"""How far probabilities can be taken at their word: expected calibration error, and the table behind it."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy import stats

from tiltmeter.core.calibration import ReliabilityBin
from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.evaluation._estimates import FEWEST_UNITS, Resampling, named, share
from tiltmeter.evaluation._ranking import check_labelled_scores
from tiltmeter.numerics import clopper_pearson

Bins = Literal["equal_mass", "equal_width"]


def expected_calibration_error(
    y: Int[NDArray[Any], " n"],
    probabilities: Float[NDArray[Any], " n"],
    *,
    by: Resampling,
    bins: Bins = "equal_mass",
    n_bins: int = 10,
) -> Measured:
    """Estimate how far probabilities are from what happens: the mean distance over bins, weighted by their rows.

    Parameters
    ----------
    y
        Labels 0 and 1.
    probabilities
        Shape (n,), in [0, 1].
    by
        The draws, over groups where groups exist.
    bins
        Between the quantiles of the probabilities (``equal_mass``), or of one width each. A probability on an edge
        belongs to the bin below it.
    n_bins
        How many.

    Returns
    -------
    The sum over bins of |positives − sum of probabilities|, by the number of rows. ``Unavailable`` where there is one
    class only, or too few units to resample.

    Raises
    ------
    ArrayError
        If lengths differ, a label is not 0 or 1, or a probability is not in [0, 1].

    Notes
    -----
    The figure itself is too high by its own noise: that of right probabilities is above 0 on any finite sample. With d
    the bins' distances, δ the true ones and stars for resamples, the low end is |d|₁ less the upper quantile of
    |d* − d|₁, since |δ|₁ ≥ |d|₁ − |d − δ|₁; so it reaches 0 for right probabilities as often as it says. The high end
    is |d|₁ and as far again as the lower quantile of |d*|₁ lies below its mean, since |δ|₁ ≤ E|d|₁. Both are wider than
    need be. What is covered is the error in these bins: that of finer ones is larger.

    References
    ----------
    Naeini, Cooper and Hauskrecht (2015), Obtaining well calibrated probabilities using Bayesian binning; Nixon et al.
    (2019), Measuring calibration in deep learning, for bins of equal mass.

    Examples
    --------
    >>> from tiltmeter.evaluation import resampling
    >>> y = np.array([0, 1, 1, 1] * 25)
    >>> found = expected_calibration_error(y, np.full(100, 0.5), by=resampling(100, groups=None))
    >>> found.value, 0.1 < found.low < 0.25 < found.high < 0.4
    (0.25, True)
    """
    _check(y, probabilities)
    if len(np.unique(y)) < 2:
        return Unavailable(reason=f"one class only: {int(y.sum())} positive and {int((1 - y).sum())} negative texts")
    if by.n_units < FEWEST_UNITS:
        return Unavailable(reason=f"{by.n_units} {by.unit} are too few to resample; {FEWEST_UNITS} are needed")
    edges = _edges(probabilities, bins, n_bins)
    bin_of = np.searchsorted(edges[1:-1], probabilities)
    p = probabilities.astype(np.float64)
    # column b holds the excess of positives of each row in bin b
    excess = np.zeros((len(y), len(edges) - 1))
    excess[np.arange(len(y)), bin_of] = y - p
    off = excess.mean(axis=0)
    value = float(np.abs(off).sum())
    drawn = (by.weights @ excess) / by.weights.sum(axis=1, keepdims=True)
    figures = np.abs(drawn).sum(axis=1)
    tail = (1 - by.level) / 2
    stretch = float(stats.t.ppf(1 - tail, by.n_units - 1) / stats.norm.ppf(1 - tail))
    below = stretch * float(np.quantile(np.abs(drawn - off).sum(axis=1), 1 - tail))
    over = stretch * float(figures.mean() - np.quantile(figures, tail))
    if not below:
        # every unit shows no error at all, which the bootstrap takes for certain
        over = clopper_pearson(0, by.n_units, level=by.level)[1]
    return Estimate(
        value=value,
        low=max(value - below, 0.0),
        high=min(value + over, 1.0),
        level=by.level,
        n=by.n_units,
        method=named("bootstrap with both ends on the safe side", by),
        seed=by.seed,
    )


def reliability_table(
    y: Int[NDArray[Any], " n"],
    probabilities: Float[NDArray[Any], " n"],
    *,
    groups: Shaped[NDArray[Any], " n"] | None = None,
    bins: Bins = "equal_mass",
    n_bins: int = 10,
    level: float = 0.95,
) -> tuple[ReliabilityBin, ...]:
    """Return, bin by bin, the mean probability beside the share of positives, with intervals that hold together.

    Each is the exact binomial one of :func:`share` at 1 − (1 − ``level``) / (number of bins), so that with probability
    ``level`` none of them misses. Empty bins are left out.

    Raises
    ------
    ArrayError
        If lengths differ, a label is not 0 or 1, or a probability is not in [0, 1].

    Examples
    --------
    >>> y = np.array([0, 0, 0, 1, 1, 1])
    >>> p = np.array([0.1, 0.1, 0.2, 0.8, 0.9, 0.9])
    >>> [(b.n, round(b.predicted, 2), b.positive.value) for b in reliability_table(y, p, n_bins=2)]
    [(3, 0.13, 0.0), (3, 0.87, 1.0)]
    """
    _check(y, probabilities)
    edges = _edges(probabilities, bins, n_bins)
    bin_of = np.searchsorted(edges[1:-1], probabilities)
    filled = np.unique(bin_of)
    table = []
    for number in filled:
        rows = bin_of == number
        inside = None if groups is None else groups[rows]
        table.append(
            ReliabilityBin(
                low=float(edges[number]),
                high=float(edges[number + 1]),
                n=int(rows.sum()),
                predicted=float(probabilities[rows].mean()),
                positive=share(y[rows] == 1, groups=inside, level=1 - (1 - level) / len(filled)),
            )
        )
    return tuple(table)


def _check(y: Int[NDArray[Any], " n"], probabilities: Float[NDArray[Any], " n"]) -> None:
    check_labelled_scores(y, probabilities)
    if len(probabilities) and (probabilities.min() < 0 or probabilities.max() > 1):
        raise ArrayError(
            f"probabilities reach from {probabilities.min():g} to {probabilities.max():g}; they must lie in [0, 1]."
        )


def _edges(probabilities: Float[NDArray[Any], " n"], bins: Bins, n_bins: int) -> Float[NDArray[Any], " edges"]:
    if n_bins < 1:
        raise ArrayError(f"n_bins is {n_bins}; at least one bin is needed.")
    shares = np.linspace(0, 1, n_bins + 1)
    if bins == "equal_width" or not len(probabilities):
        return shares
    return np.asarray(np.quantile(probabilities, shares))
