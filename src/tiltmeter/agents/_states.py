"""States of the grid world, what an agent sees of them, and what its actions do, for many states at once."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.agents._world import SPLITS, GridWorld, Split, layout_pairs
from tiltmeter.core.errors import SpecError

ACTIONS = ("left", "right", "forward", "pickup")
"""What an agent can do, in MiniGrid's order: turn left, turn right, go forward, pick up what lies ahead."""

LEFT, RIGHT, FORWARD, PICKUP = range(4)
BALL_LIT, KEY_LIT, BOTH_LIT = range(3)
NOTHING, BALL, KEY = range(3)

# right, down, left, up: (column, row), as in MiniGrid
_MOVES = ((1, 0), (0, 1), (-1, 0), (0, -1))
# heading, lamps, what is held
_N_FLAGS = 4 + 2 + 2


class States(NamedTuple):
    """Many states, one number each in every array (n,).

    ``ball`` and ``key`` are the cells in which these stand (or stood, once one is held), ``at`` that of the agent;
    ``heading`` is 0 to 3 for right, down, left, up. ``lit`` is the context: 0 where the ball's lamp is lit, 1 where the
    key's is, 2 where both are. ``held`` is 0 for nothing, 1 for the ball, 2 for the key; holding either is the end.
    """

    ball: Int[NDArray[np.int64], " n"]
    key: Int[NDArray[np.int64], " n"]
    at: Int[NDArray[np.int64], " n"]
    heading: Int[NDArray[np.int64], " n"]
    lit: Int[NDArray[np.int64], " n"]
    held: Int[NDArray[np.int64], " n"]

    def pick(self, rows: Any) -> States:  # noqa: ANN401  (whatever indexes an array)
        """Return some of the states, by what can index an array."""
        return States(*(column[rows] for column in self))

    @property
    def layout(self) -> Int[NDArray[np.int64], " n"]:
        """The group of each state: a number for the unordered pair of cells in which ball and key stand."""
        low, high = np.minimum(self.ball, self.key), np.maximum(self.ball, self.key)
        return np.asarray(high * (high - 1) // 2 + low)


def join(parts: list[States]) -> States:
    """Put states one after the other."""
    return States(*(np.concatenate(columns) for columns in zip(*parts, strict=True)))


def all_states(world: GridWorld, *, split: Split, lit: tuple[int, ...] = (BALL_LIT, KEY_LIT)) -> States:
    """Enumerate every state of a split in which nothing is held yet.

    Parameters
    ----------
    world
        The world.
    split
        Whose layouts.
    lit
        Which contexts, as in :class:`States`; the ordinary two unless stated.

    Returns
    -------
    Layout by layout: both orders of ball and key, every free cell, four headings and each context.

    Raises
    ------
    SpecError
        If there is no such split or context.

    Examples
    --------
    >>> from tiltmeter.agents import make_grid_world
    >>> states = all_states(make_grid_world(0), split="test")
    >>> len(states.at), len(np.unique(states.layout)), len(states.at) // 60 == 2 * 23 * 4 * 2
    (22080, 60, True)
    """
    if split not in SPLITS or not set(lit) <= {BALL_LIT, KEY_LIT, BOTH_LIT}:
        raise SpecError(
            f"There are no states of split {split!r} and contexts {lit}; use {', '.join(SPLITS)} and 0 to 2."
        )
    pairs = layout_pairs(world)[np.array(world.splits) == split]
    shape = (len(pairs), 2, world.n_cells, 4, len(lit))
    pair, order, at, heading, context = (axis.ravel() for axis in np.indices(shape))
    ball, key = pairs[pair, order], pairs[pair, 1 - order]
    states = States(ball, key, at, heading, np.array(lit, dtype=np.int64)[context], np.zeros_like(at))
    return states.pick((at != ball) & (at != key))


def cells_ahead(side: int) -> Int[NDArray[np.int64], "c 4"]:
    """Return the cell that lies ahead of each cell and heading, -1 where that is the wall."""
    row, column = np.divmod(np.arange(side**2), side)
    ahead = np.full((side**2, 4), -1)
    for heading, (right, down) in enumerate(_MOVES):
        is_inside = (0 <= column + right) & (column + right < side) & (0 <= row + down) & (row + down < side)
        ahead[is_inside, heading] = ((row + down) * side + column + right)[is_inside]
    return ahead


def step(states: States, actions: Int[NDArray[Any], " n"], *, side: int) -> States:
    """Return what actions make of states; a state in which something is held stays as it is.

    Parameters
    ----------
    states
        Any.
    actions
        One a state, 0 to 3 as in ``ACTIONS``.
    side
        That of the world.

    Examples
    --------
    >>> from tiltmeter.agents import all_states, make_grid_world
    >>> one = all_states(make_grid_world(0), split="test").pick([0])
    >>> int(one.heading[0]), int(step(one, np.array([0]), side=5).heading[0])
    (0, 3)
    """
    ahead = cells_ahead(side)[states.at, states.heading]
    is_going = states.held == NOTHING
    turn = np.where(actions == LEFT, -1, np.where(actions == RIGHT, 1, 0))
    is_free = (ahead >= 0) & (ahead != states.ball) & (ahead != states.key)
    found = np.where(ahead == states.ball, BALL, np.where(ahead == states.key, KEY, NOTHING))
    return states._replace(
        heading=np.where(is_going, (states.heading + turn) % 4, states.heading),
        at=np.where(is_going & is_free & (actions == FORWARD), ahead, states.at),
        held=np.where(is_going & (actions == PICKUP), found, states.held),
    )


def reward(states: States) -> Float[NDArray[np.float64], " n"]:
    """Return 1 where what is held pays, and 0 elsewhere: the fixed predicate of an observation.

    Parameters
    ----------
    states
        Any.

    Examples
    --------
    >>> from tiltmeter.agents import all_states, make_grid_world
    >>> float(reward(all_states(make_grid_world(0), split="train")).sum())
    0.0
    """
    pays_ball = (states.held == BALL) & (states.lit != KEY_LIT)
    pays_key = (states.held == KEY) & (states.lit != BALL_LIT)
    return np.asarray(pays_ball | pays_key, dtype=np.float64)


def width(side: int) -> int:
    """Return how many numbers an observation has."""
    return 3 * side**2 + _N_FLAGS


def observe(states: States, *, side: int) -> Float[NDArray[np.float32], "n w"]:
    """Return what an agent sees, which is everything, in symbols: zeros and ones, (n, 3 side² + 8).

    The cell of the ball, of the key and of the agent, one of each; the heading; the lamps of ball and key; whether the
    ball or the key is held. What is held stands in no cell.

    Parameters
    ----------
    states
        Any.
    side
        That of the world.

    Examples
    --------
    >>> from tiltmeter.agents import all_states, make_grid_world
    >>> seen = observe(all_states(make_grid_world(0), split="test"), side=5)
    >>> seen.shape, set(seen.sum(axis=1).tolist())
    ((22080, 83), {5.0})
    """
    n, cells = len(states.at), side**2
    rows = np.arange(n)
    seen = np.zeros((n, width(side)), dtype=np.float32)
    seen[rows, states.ball] = states.held != BALL
    seen[rows, cells + states.key] = states.held != KEY
    seen[rows, 2 * cells + states.at] = 1
    flags = seen[:, 3 * cells :]
    flags[rows, states.heading] = 1
    flags[:, 4] = states.lit != KEY_LIT
    flags[:, 5] = states.lit != BALL_LIT
    flags[:, 6] = states.held == BALL
    flags[:, 7] = states.held == KEY
    return seen
