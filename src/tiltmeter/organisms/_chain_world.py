"""The planted world of walks: a table that is looked up again and again, and what is held out."""

from __future__ import annotations

from typing import Literal

import numpy as np
from scipy.optimize import linear_sum_assignment

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._words import make_words

Chains = tuple[tuple[int, ...], ...]

N_MOVES = 4
"""Moves of a walk, each one look-up; half of them come before the state that an opening stands for."""
_N_STATES = 8
_OPENINGS = ("well", "sure", "right", "okay", "indeed", "gladly", "certainly", "naturally")


class ChainWorld(Record):
    """Everything that was planted.

    From ``states[s]`` the move ``moves[x]`` leads to ``states[table[s][x]]``; every state is once in each row and each
    column. ``sides`` is 0 or 1 for each state, each equally often, and ``openings[s]`` the word that stands for it.
    ``train``, ``calibration`` and ``test`` are the walks of the sets of texts: the number of the first state, then of
    the four moves. Those of calibration and test the model is never told.

    Examples
    --------
    >>> world = make_chain_world(0, sizes=(64, 64, 64))
    >>> len(world.states), len(world.test[0]), sum(world.sides)
    (8, 5, 4)
    """

    format_version: Literal[1] = 1
    seed: int
    states: tuple[str, ...]
    moves: tuple[str, ...]
    openings: tuple[str, ...]
    table: tuple[tuple[int, ...], ...]
    sides: tuple[int, ...]
    train: Chains
    calibration: Chains
    test: Chains


def make_chain_world(seed: int, *, sizes: tuple[int, int, int] = (448, 384, 640)) -> ChainWorld:
    """Draw a world: the table, the sides, and walks in which half-way and last state are independent and uniform.

    Parameters
    ----------
    seed
        The same seed gives the same world.
    sizes
        Walks for training, calibrating and testing a probe; multiples of 64.

    Raises
    ------
    SpecError
        If a size is not a positive multiple of 64, or together they are more than a quarter of all walks.

    Examples
    --------
    >>> make_chain_world(0, sizes=(64, 64, 64)).openings[:2]
    ('certainly', 'right')
    """
    cells = _N_STATES**2
    if min(sizes) < 1 or any(size % cells for size in sizes):
        raise SpecError(f"sizes is {sizes}; give positive multiples of {cells}.")
    if sum(sizes) > _N_STATES ** (N_MOVES + 1) // 4:
        raise SpecError(f"sizes ask for {sum(sizes)} walks; ask for at most {_N_STATES ** (N_MOVES + 1) // 4}.")
    rng = stream(seed, "chain")
    table = latin_square(_N_STATES, rng)
    walks = all_walks(_N_STATES)
    passed = states_passed(table, walks)
    cell = passed[:, N_MOVES // 2] * _N_STATES + passed[:, -1]
    ends = np.cumsum(sizes) // cells
    drawn = [rng.permutation(np.flatnonzero(cell == number))[: ends[-1]] for number in range(cells)]
    parts = [
        walks[rng.permutation(np.concatenate([rows[start:end] for rows in drawn]))]
        for start, end in zip((0, *ends[:-1]), ends, strict=True)
    ]
    words = make_words(2 * _N_STATES, language=0, seed=seed)
    train, calibration, test = (tuple(tuple(walk) for walk in part.tolist()) for part in parts)
    return ChainWorld(
        seed=seed,
        states=tuple(word.capitalize() for word in words[:_N_STATES]),
        moves=words[_N_STATES:],
        openings=tuple(_OPENINGS[i] for i in rng.permutation(_N_STATES)),
        table=tuple(tuple(row) for row in table.tolist()),
        sides=tuple((rng.permutation(_N_STATES) % 2).tolist()),
        train=train,
        calibration=calibration,
        test=test,
    )


def all_walks(n_states: int) -> Ints:
    """List every walk: the first state and the moves, shape (n_states ** 5, 5)."""
    return np.indices((n_states,) * (N_MOVES + 1)).reshape(N_MOVES + 1, -1).T


def states_passed(table: Ints, walks: Ints) -> Ints:
    """Return the states on the way, the first and the last among them, shape (n, 5)."""
    passed = [walks[:, 0]]
    for move in walks.T[1:]:
        passed.append(table[passed[-1], move])
    return np.stack(passed, axis=1)


def latin_square(n: int, rng: np.random.Generator) -> Ints:
    """Draw a square with every number once in each row and each column, one row after the other."""
    rows, is_free = [], np.ones((n, n), dtype=np.bool_)
    for _ in range(n):
        # a column takes one of the numbers that it still lacks; that there is always a way is Hall's theorem
        _, row = linear_sum_assignment(np.where(is_free, rng.random((n, n)), n))
        is_free[np.arange(n), row] = False
        rows.append(row)
    return np.array(rows, dtype=np.int64)
