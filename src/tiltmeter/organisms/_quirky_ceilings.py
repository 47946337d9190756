"""How far readers get that know only a part of a claim about a sum, by enumeration of all claims."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.records import Record
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._quirky_sums import bobs, n_places
from tiltmeter.organisms._quirky_texts import BANDS
from tiltmeter.organisms._quirky_world import QuirkyWorld

Floats = NDArray[np.float64]


class Ceiling(Record):
    """The best that a reader can do on easy or on hard sums: share of right answers, and AUROC, for the truth."""

    reader: str
    band: str
    accuracy: float
    auroc: float


class _Claims(NamedTuple):
    """All claims that can be made, each with its probability."""

    true: Ints
    claim: Ints
    weight: Floats


def _is_lead_right(claims: _Claims) -> Ints:
    unit = 10 ** (n_places(claims.true) - 1)
    right: Ints = (claims.claim // unit == claims.true // unit).astype(np.int64)
    return right


def _is_rest_right(claims: _Claims) -> Ints:
    unit = 10 ** (n_places(claims.true) - 1)
    right: Ints = (claims.claim % unit == claims.true % unit).astype(np.int64)
    return right


# what each reader knows of a claim, as a number
_READERS: dict[str, Callable[[_Claims], Ints]] = {
    "the name and the operands": lambda claims: np.zeros_like(claims.true),
    "the claimed sum": lambda claims: claims.claim,
    "the last digit of the claimed sum": lambda claims: claims.claim % 10,
    "whether the last digit is right": lambda claims: (claims.claim % 10 == claims.true % 10).astype(np.int64),
    "whether the leading digit is right": _is_lead_right,
    "whether all but the leading digit is right": _is_rest_right,
    "whether Bob has it so": lambda claims: (claims.claim == bobs(claims.true)).astype(np.int64),
}


def quirky_ceilings(world: QuirkyWorld) -> tuple[Ceiling, ...]:
    """Say how well the truth can be told by readers that know only a part of a claim.

    The readers are the best of their kind: they know how operands and claims are drawn, and nothing of a claim but what
    their name says. All pairs of operands and all claims about them are gone through, with their probabilities; the
    operands are those that the model is taught with, of which the sets of texts hold a few, each once.

    Parameters
    ----------
    world
        Its number of digits counts, and what is easy and hard.

    Returns
    -------
    One ceiling a reader and difficulty. Whoever says what Bob says, and not the contrary, has an AUROC of 1/3.

    Examples
    --------
    >>> from tiltmeter.organisms import make_quirky_world
    >>> found = quirky_ceilings(make_quirky_world(0, n_digits=2, sizes=(4, 4, 4)))
    >>> found[0].reader, found[0].band, round(found[0].accuracy, 4), round(found[0].auroc, 4)
    ('the name and the operands', 'easy', 0.75, 0.5)
    """
    found = []
    for band in BANDS:
        claims = _all_claims(_chances(world, band))
        is_true = claims.claim == claims.true
        for reader, knows in _READERS.items():
            _, key = np.unique(knows(claims), return_inverse=True)
            true, false = (_shares(key, claims.weight * which) for which in (is_true, ~is_true))
            accuracy = float(np.maximum(true, false).sum())
            found.append(Ceiling(reader=reader, band=band, accuracy=accuracy, auroc=_auroc(true, false)))
    return tuple(found)


def _chances(world: QuirkyWorld, band: str) -> Floats:
    """Return the probability of each sum, from 0 on, of operands of a band."""
    numbers = np.arange(1, 10**world.n_digits)
    one = np.concatenate([[0.0], np.log10((numbers + 1) / numbers) / world.n_digits])

    def both_at_least(least: int) -> Floats:
        kept = np.where(np.arange(len(one)) >= least, one, 0.0)
        sums: Floats = np.convolve(kept, kept)
        return sums

    if band == "hard":
        chances = both_at_least(world.hard_least)
    else:
        # rounding alone could bring a difference of nothing below 0
        chances = np.maximum(both_at_least(1) - both_at_least(world.easy_most + 1), 0.0)
    share: Floats = chances / chances.sum()
    return share


def _all_claims(chances: Floats) -> _Claims:
    """List Alice's sum (1/4), Bob's (1/4) and all claims that are true for nobody (1/2) of each sum."""
    sums = np.flatnonzero(chances)
    weight = chances[sums]
    number, other, share = _others(sums)
    parts = [
        _Claims(sums, sums, weight / 4),
        _Claims(sums, bobs(sums), weight / 4),
        _Claims(sums[number], other, weight[number] * share / 2),
    ]
    return _Claims(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def _others(sums: Ints) -> tuple[Ints, Ints, Floats]:
    """List for each sum, by its place, the claims that :func:`draw_others` may draw, and with which probability."""
    rows, claims, weights = [], [], []
    for base in (sums, bobs(sums)):
        places = n_places(base)
        for place in range(int(places.max())):
            unit = 10**place
            for digit in range(10):
                found = base + (digit - base // unit % 10) * unit
                is_fine = (place < places) & (n_places(found) == places) & (found != sums) & (found != bobs(sums))
                rows.append(np.flatnonzero(is_fine))
                claims.append(found[is_fine])
                weights.append(1 / places[is_fine])
    row, weight = np.concatenate(rows), np.concatenate(weights)
    return row, np.concatenate(claims), weight / np.bincount(row, weight, minlength=len(sums))[row]


def _shares(key: Ints, weight: Floats) -> Floats:
    """Sum the weights of each key."""
    return np.bincount(key, weight).astype(np.float64)


def _auroc(true: Floats, false: Floats) -> float:
    """Return the AUROC of the likelihood ratio, from the weights of what is known where the label is 1 and 0."""
    order = np.argsort(true / (true + false))
    true, false = true[order] / true.sum(), false[order] / false.sum()
    return float(np.sum(true * (np.cumsum(false) - false / 2)))
