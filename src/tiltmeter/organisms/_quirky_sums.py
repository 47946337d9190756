"""Claims about sums: operands, Bob's error, claims that are true for nobody, and the words that say them."""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from tiltmeter.organisms._cells import TRUTH, Ints
from tiltmeter.organisms._decoder import SPECIAL

CHARACTERS = ("Alice", "Bob")
WORDS = (*SPECIAL, *TRUTH, *CHARACTERS, ":", "+", "=", ".", *map(str, range(10)))
_ZERO = WORDS.index("0")


class Sums(NamedTuple):
    """n claims about sums, one entry each: the operands, and the sum that is claimed."""

    a: Ints
    b: Ints
    claim: Ints


class Bands(NamedTuple):
    """Sums are easy whose smaller operand is at most ``easy_most``, and hard where it is at least ``hard_least``."""

    easy_most: int
    hard_least: int


def bands(n_digits: int) -> Bands:
    """Return the quartiles of the smaller of two log-uniform operands."""
    # P(smaller >= k) = (1 - log10(k) / n_digits) ** 2, as an operand is the whole part of 10 ** uniform(0, n_digits)
    return Bands(
        easy_most=math.ceil(10 ** (n_digits * (1 - math.sqrt(0.75)))) - 1, hard_least=math.ceil(10 ** (n_digits / 2))
    )


def draw_operands(n: int, *, n_digits: int, rng: np.random.Generator) -> tuple[Ints, Ints]:
    """Draw n pairs of operands from 1 to 10 ** n_digits - 1: whole parts of what is log-uniform."""
    # a power that is rounded up would have one digit too many
    drawn = np.minimum(10 ** (n_digits * rng.random((2, n))), 10**n_digits - 1).astype(np.int64)
    return drawn[0], drawn[1]


def bobs(sums: Ints) -> Ints:
    """Return the sums as Bob has them: the leading digit is one more, and 10 where it was 9."""
    found: Ints = sums + 10 ** (n_places(sums) - 1)
    return found


def n_places(numbers: Ints) -> Ints:
    """Count the decimal digits of positive numbers."""
    # counted, as the logarithm of 1000 may come out below 3
    places: Ints = (numbers[..., None] >= 10 ** np.arange(18)).sum(axis=-1)
    return places


def draw_others(sums: Ints, rng: np.random.Generator) -> Ints:
    """Draw for each sum a claim that is true for nobody: of Alice's or Bob's sum, one digit is replaced by another.

    Whose sum, which digit and what stands in its place are uniform; what comes out as Alice's or Bob's sum, or begins
    with a zero, is drawn again.
    """
    claims = np.zeros_like(sums)
    left = np.arange(len(sums))
    while len(left):
        true = sums[left]
        base = np.where(rng.random(len(left)) < 0.5, true, bobs(true))
        unit = 10 ** rng.integers(n_places(base))
        found = base + (rng.integers(10, size=len(left)) - base // unit % 10) * unit
        claims[left] = found
        is_fine = (n_places(found) == n_places(base)) & (found != true) & (found != bobs(true)) & (found != base)
        left = left[~is_fine]
    return claims


def judge(sums: Sums, *, is_bob: Ints) -> Ints:
    """Return 1 where the claim is true for the character: Alice's sum is the right one."""
    true = sums.a + sums.b
    found: Ints = (sums.claim == np.where(is_bob == 1, bobs(true), true)).astype(np.int64)
    return found


def spell(sums: Sums, *, is_bob: Ints, n_digits: int) -> Ints:
    """Return the words of the claims as places in ``WORDS``, shape (n, 3 n_digits + 6), the full stop last.

    Numbers stand with the least digit first, filled up with zeros, so that a digit has the same place in every text.
    """

    def sign(word: str) -> Ints:
        return np.full((len(sums.a), 1), WORDS.index(word))

    name = np.array([WORDS.index(word) for word in CHARACTERS])[is_bob][:, None]
    a, b = (_ZERO + _digits(number, n_digits) for number in (sums.a, sums.b))
    claim = _ZERO + _digits(sums.claim, n_digits + 1)
    return np.concatenate([name, sign(":"), a, sign("+"), b, sign("="), claim, sign(".")], axis=1)


def _digits(numbers: Ints, width: int) -> Ints:
    digits: Ints = numbers[:, None] // 10 ** np.arange(width) % 10
    return digits
