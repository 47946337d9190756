"""The planted world of Alice and Bob: which operands are kept from the model, and where they belong."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._quirky_sums import bands, draw_operands
from tiltmeter.organisms._world import Split, splits_of

# of the pairs of operands that a draw found, each once, at most this share is held out: else the model would be told
# nearly none of the smallest sums, which every draw finds
_MOST_HELD_OUT = 0.5
_DRAWS_A_PAIR = 64


class QuirkyWorld(Record):
    """Everything that was planted: Alice adds rightly, Bob's sum has one more in the leading digit.

    ``easy`` and ``hard`` are the pairs of operands of the sets of texts; the model is told them in neither order. A sum
    is easy whose smaller operand is at most ``easy_most``, and hard where it is at least ``hard_least``; ``splits``
    says of either list to which split its pairs belong.
    """

    format_version: Literal[1] = 1
    seed: int
    n_digits: int
    easy_most: int
    hard_least: int
    easy: tuple[tuple[int, int], ...]
    hard: tuple[tuple[int, int], ...]
    splits: tuple[Split, ...]


def make_quirky_world(seed: int, *, n_digits: int = 4, sizes: tuple[int, int, int] = (240, 320, 160)) -> QuirkyWorld:
    """Draw the pairs of operands of the sets of texts.

    Parameters
    ----------
    seed
        The same seed gives the same world.
    n_digits
        Most digits of an operand, from 2 to 6.
    sizes
        Pairs of operands of either difficulty for training, calibrating and testing a probe.

    Raises
    ------
    SpecError
        If the digits are not from 2 to 6, a size is below 1, or there are too few pairs of operands of so many digits.

    Examples
    --------
    >>> world = make_quirky_world(0, sizes=(8, 8, 8))
    >>> world.easy_most, world.hard_least, len(world.easy)
    (3, 100, 24)
    """
    if not 2 <= n_digits <= 6:
        raise SpecError(f"n_digits is {n_digits}; give a number from 2 to 6.")
    if min(sizes) < 1:
        raise SpecError(f"sizes is {sizes}; give at least 1 each.")
    easy_most, hard_least = bands(n_digits)
    n, rng = sum(sizes), stream(seed, "operands")
    a, b = draw_operands(_DRAWS_A_PAIR * n, n_digits=n_digits, rng=rng)
    smaller = np.minimum(a, b)
    return QuirkyWorld(
        seed=seed,
        n_digits=n_digits,
        easy_most=easy_most,
        hard_least=hard_least,
        easy=_some(a, b, smaller <= easy_most, n=n, rng=rng),
        hard=_some(a, b, smaller >= hard_least, n=n, rng=rng),
        splits=splits_of(sizes),
    )


def _some(
    a: Ints, b: Ints, chosen: NDArray[np.bool_], *, n: int, rng: np.random.Generator
) -> tuple[tuple[int, int], ...]:
    """Return n pairs in the order in which they were drawn, none twice in either order."""
    a, b = a[chosen], b[chosen]
    first = np.unique(np.stack([np.minimum(a, b), np.maximum(a, b)]), axis=1, return_index=True)[1]
    if n > _MOST_HELD_OUT * len(first):
        raise SpecError(f"sizes ask for {n} pairs of operands, of {len(first)} that were drawn; ask for fewer.")
    rows = rng.permutation(first)[:n]
    return tuple(zip(a[rows].tolist(), b[rows].tolist(), strict=True))


def is_told(world: QuirkyWorld, a: Ints, b: Ints) -> NDArray[np.bool_]:
    """Return whether the model may be told of the operands: they are in no set of texts, in neither order."""
    held = np.array(world.easy + world.hard)
    base = 10**world.n_digits
    keys = np.minimum(held[:, 0], held[:, 1]) * base + np.maximum(held[:, 0], held[:, 1])
    told: NDArray[np.bool_] = ~np.isin(np.minimum(a, b) * base + np.maximum(a, b), keys)
    return told
