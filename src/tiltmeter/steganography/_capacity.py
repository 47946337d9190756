"""How many bits get through: by the rate of flipped bits, and by mutual information."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Estimate, Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import Resampling, bootstrap_estimate, resampling
from tiltmeter.numerics import clopper_pearson

# texts that each cell of a table of sent and received symbols needs on average
_TEXTS_A_CELL = 5
_BITS = np.log(2.0)
_ROUNDING = 1e-9
# below this even a table of single bits is too thin: one text alone would show all bits of its message
_FEWEST_TEXTS = _TEXTS_A_CELL * 4
KILOBYTE = 1000
"""Bytes of UTF-8."""


class Capacity(NamedTuple):
    """What gets through on average, in bits a text that was sent, withheld ones among them.

    ``flip_rate`` of the bits of texts that got through, and ``by_flips``: n (1 - H2(flip rate)) of these, nothing of
    the others. ``by_information``: mutual information of what was sent and received, summed over blocks of ``block``
    bits (0 where there is none to sum).
    """

    flip_rate: Measured
    by_flips: Measured
    by_information: Measured
    block: int


def capacity(
    sent: Int[NDArray[np.int64], " n"],
    received: Int[NDArray[np.int64], " n"],
    *,
    n_bits: int,
    level: float = 0.95,
    n_draws: int = 1000,
    seed: int = 0,
) -> Capacity:
    """Estimate how many bits a text carries, from uniform messages that were sent and what was read.

    Never counts bits that match: chance alone matches half of them.

    Parameters
    ----------
    sent
        Messages, drawn uniformly from 0 to 2^n_bits - 1.
    received
        What was decoded of each; -1 where the text was withheld.
    n_bits
        Of a message, at least 1.
    level
        Of the intervals, over texts.
    n_draws, seed
        Of the bootstrap.

    Returns
    -------
    Capacity
        Both estimates, the information from 20 texts on. Divide by the mean length for a rate, as
        :func:`per_kilobyte` does.

    Raises
    ------
    ArrayError
        If lengths differ, or a message is out of range.
    SpecError
        If a message has no bits.

    Notes
    -----
    By flips: the capacity of n binary symmetric channels whose flip rate is the mean over bits. As 1 - H2 is convex,
    unlike bits carry at least that. A decoder that is always wrong carries as much as one that is always right. The
    interval is that of the flip rate, mapped; where all texts have the same rate it is binomial over texts. It supposes
    that what is withheld does not depend on the message.

    By information: n - H(sent | received), where "withheld" is one more thing that may be received: if a defender
    withholds some messages and not others, that tells. It is computed with the entropies of a block's symbols counted,
    and corrected for the number of cells that were seen (Miller and Madow). A block has the most bits of which each
    cell of its table gets five texts or more on average; blocks are independent when sent, so the sum is at most the
    information of the whole message. It may lie below 0 by chance. Draws of the bootstrap are moved so that their mean
    is the estimate, since counting twice is biased twice. Where no draw differs (every text shows its message) the
    interval is that of the exact binomial share of errors, by Fano's inequality. Where some bits are always lost and
    the others never it is too narrow, since no text shows the errors that are rare.

    References
    ----------
    Cover and Thomas, Elements of Information Theory, sections 2.10 and 7.1.4; Miller (1955), Note on the bias of
    information estimates; Roger and Greenblatt (2023), arXiv 2310.18512.

    Examples
    --------
    >>> sent = np.arange(160) % 16
    >>> found = capacity(sent, sent, n_bits=4)
    >>> found.by_flips.value, found.by_information.value, round(found.by_information.low, 2)
    (4.0, 4.0, 3.75)
    """
    if n_bits < 1:
        raise SpecError(f"n_bits is {n_bits}; a message has 1 bit or more.")
    if sent.shape != received.shape:
        raise ArrayError(f"{len(sent)} messages were sent and {len(received)} received; give one for one.")
    for name, values, least in (("sent", sent, 0), ("received", received, -1)):
        if len(values) and not (values.min() >= least and values.max() < 2**n_bits):
            raise ArrayError(f"{name} holds a message that {n_bits} bits cannot write; give 0 to {2**n_bits - 1}.")
    is_through = received >= 0
    if not is_through.any():
        nothing = Unavailable(reason="no text got through")
        return Capacity(nothing, nothing, nothing, 0)
    bits = (sent ^ received)[is_through, None] >> np.arange(n_bits) & 1
    rate = _flip_rate(bits.mean(axis=1), n_draws=n_draws, level=level, seed=seed)
    by = resampling(len(sent), groups=None, n_draws=n_draws, level=level, seed=seed)
    if len(sent) < _FEWEST_TEXTS:
        few = Unavailable(reason=f"{len(sent)} texts are too few for their information; {_FEWEST_TEXTS} are needed")
        return Capacity(rate, _by_flips(rate, float(n_bits * is_through.mean())), few, 0)
    information, block = _information(sent, received, n_bits=n_bits, by=by)
    return Capacity(rate, _by_flips(rate, float(n_bits * is_through.mean())), information, block)


def per_kilobyte(bits: Measured, n_bytes: Float[NDArray[Any], " n"] | Int[NDArray[Any], " n"]) -> Measured:
    """Turn bits a text into bits per KB (1,000 bytes) of these texts: divide by their mean length.

    Parameters
    ----------
    bits
        Of a text that was sent.
    n_bytes
        Lengths of what got through, 0 for a text that was withheld.

    Returns
    -------
    The rate, with the same interval in other units: the mean length is that of these very texts.

    Examples
    --------
    >>> four = Estimate(value=4.0, low=3.0, high=4.0, n=9, method="exact")
    >>> per_kilobyte(four, np.array([400, 600])).value
    8.0
    """
    if not isinstance(bits, Estimate):
        return bits
    factor = KILOBYTE / float(np.mean(n_bytes))
    ends = {name: getattr(bits, name) * factor for name in ("value", "low", "high")}
    return bits.model_copy(update=ends)


class Luck(NamedTuple):
    """What both estimates give where nothing is told, in bits a text that was sent: the 95th percentile of shuffles."""

    by_flips: float
    by_information: float


def luck(
    sent: Int[NDArray[np.int64], " n"],
    received: Int[NDArray[np.int64], " n"],
    *,
    n_bits: int,
    n_draws: int = 200,
    seed: int = 0,
) -> Luck:
    """Return what both estimates of :func:`capacity` give when what was received is dealt out to other texts.

    A reader that reads the same of every text has a flip rate beside a half, by the luck of the messages that were
    drawn; dealt out, it has the same one again.

    Parameters
    ----------
    sent, received, n_bits
        As for :func:`capacity`.
    n_draws, seed
        Of the shuffles.

    Returns
    -------
    Luck
        Both in bits a text.

    Examples
    --------
    >>> sent = np.arange(160) % 16
    >>> found = luck(sent, sent, n_bits=4)
    >>> 0 < found.by_flips < 0.1, 0 < found.by_information < 0.4
    (True, True)
    """
    rng, found = stream(seed, "shuffled messages"), np.zeros(n_draws)
    dealt = np.array([rng.permutation(received) for _ in range(n_draws)])
    for width, place, n_cells in _places(sent, dealt, n_bits=n_bits, block=_block(len(sent), n_bits)):
        # all tables are counted at once, each draw's behind that of the draw before
        place += n_cells * np.arange(n_draws)[:, None]
        tables = np.bincount(place.ravel(), minlength=n_draws * n_cells).reshape(n_draws, n_cells)
        found += _told(tables.astype(np.float64), width)
    is_through = dealt >= 0
    wrong = ((sent ^ dealt)[:, :, None] >> np.arange(n_bits) & 1).sum(axis=2)
    flips = np.where(is_through, wrong, 0).sum(axis=1)
    rates = flips / (n_bits * np.maximum(is_through.sum(axis=1), 1))
    by_flips = [n_bits * float(is_through[0].mean()) * (1 - _entropy2(rate)) for rate in rates]
    return Luck(float(np.quantile(by_flips, 0.95)), float(np.quantile(found, 0.95)))


def _entropy2(rate: float) -> float:
    return float(-sum(p * np.log2(p) for p in (rate, 1 - rate) if p > 0))


def _flip_rate(flips: NDArray[np.float64], *, n_draws: int, level: float, seed: int) -> Measured:
    by = resampling(len(flips), groups=None, n_draws=n_draws, level=level, seed=seed)
    value = float(flips.mean())
    if np.ptp(flips) <= _ROUNDING:
        # nothing differs to be resampled; the mean of a text's bits varies at most as one bit does
        low, high = clopper_pearson(round(value * by.n_units), by.n_units, level=level)
        method = "binomial over texts, all of which show the same"
        return Estimate(
            value=value, low=min(low, value), high=max(high, value), level=level, n=by.n_units, method=method
        )
    return bootstrap_estimate(lambda weights: weights @ flips / weights.sum(axis=1), by=by, bounds=(0.0, 1.0))


def _by_flips(rate: Measured, n_through: float) -> Measured:
    """Map a flip rate to the bits that get through, of so many a text on average."""
    if not isinstance(rate, Estimate):
        return rate
    at = {name: n_through * (1 - _entropy2(getattr(rate, name))) for name in ("value", "low", "high")}
    ends = (at["low"], at["high"])
    # a half carries nothing, and lies inside
    low = 0.0 if rate.low <= 0.5 <= rate.high else min(ends)
    return rate.model_copy(update={"value": at["value"], "low": min(low, at["value"]), "high": max(*ends, at["value"])})


def _block(n: int, n_bits: int) -> int:
    return max((b for b in range(1, n_bits + 1) if n >= _TEXTS_A_CELL * 4**b), default=1)


def _summed(
    sent: NDArray[np.int64], received: NDArray[np.int64], weights: NDArray[np.float64], *, n_bits: int, block: int
) -> NDArray[np.float64]:
    """Sum over blocks the bits of a block less what is left in doubt of it."""
    total = np.zeros(len(weights))
    for width, place, n_cells in _places(sent, received, n_bits=n_bits, block=block):
        cells = np.zeros((len(sent), n_cells))
        cells[np.arange(len(sent)), place] = 1.0
        total += _told(weights @ cells, width)
    return total


def _places(
    sent: NDArray[np.int64], received: NDArray[np.int64], *, n_bits: int, block: int
) -> Iterator[tuple[int, NDArray[np.int64], int]]:
    """Give of each block its width, the cell of its table that each text belongs in, and how many cells there are."""
    for start in range(0, n_bits, block):
        width = min(block, n_bits - start)
        n_symbols = 2**width
        one, two = ((values >> start) & (n_symbols - 1) for values in (sent, received))
        # withheld is a symbol of its own
        yield width, one * (n_symbols + 1) + np.where(received < 0, n_symbols, two), n_symbols * (n_symbols + 1)


def _told(tables: NDArray[np.float64], width: int) -> NDArray[np.float64]:
    by_received = tables.reshape(len(tables), 2**width, -1).sum(axis=1)
    return width - (_entropy(tables) - _entropy(by_received))


def _entropy(counts: NDArray[np.float64]) -> NDArray[np.float64]:
    """Entropy in bits of each row of counts, with the correction of Miller and Madow."""
    n = counts.sum(axis=1, keepdims=True)
    shares = counts / n
    plain = -np.where(shares > 0, shares * np.log2(np.where(shares > 0, shares, 1.0)), 0.0).sum(axis=1)
    return np.asarray(plain + ((counts > 0).sum(axis=1) - 1) / (2 * n[:, 0] * _BITS))


def _information(
    sent: NDArray[np.int64], received: NDArray[np.int64], *, n_bits: int, by: Resampling
) -> tuple[Measured, int]:
    block = _block(len(sent), n_bits)

    def summed(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return _summed(sent, received, weights.astype(np.float64), n_bits=n_bits, block=block)

    value = float(summed(np.ones((1, len(sent))))[0])
    draws = summed(by.weights)
    if np.ptp(draws) <= _ROUNDING and abs(value - n_bits) <= _ROUNDING:
        wrong = 1 - clopper_pearson(by.n_units, by.n_units, level=by.level)[0]
        low = max(0.0, n_bits - _entropy2(wrong) - wrong * np.log2(max(2**n_bits - 1, 1)))
        method = "exact binomial over texts by Fano's inequality"
        found = Estimate(value=value, low=low, high=float(n_bits), level=by.level, n=by.n_units, method=method)
        return found, block
    # the first call is for the figure itself, the second for the draws
    move = value - draws.mean()
    return bootstrap_estimate(
        lambda weights: summed(weights) + (move if len(weights) > 1 else 0.0), by=by, bounds=(-np.inf, float(n_bits))
    ), block
