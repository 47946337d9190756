"""The exact optimum of the grid world: fewest steps by breadth-first search, the expert's action, the true return."""

from __future__ import annotations

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray

from tiltmeter.agents._states import (
    BALL_LIT,
    FORWARD,
    KEY_LIT,
    LEFT,
    NOTHING,
    PICKUP,
    RIGHT,
    States,
    cells_ahead,
    reward,
)
from tiltmeter.agents._world import GridWorld

# among actions that are equally good the expert takes the first of these
_PREFERENCE = (PICKUP, FORWARD, LEFT, RIGHT)
# further than any cell of a room is
_FAR = 10_000


class Expert:
    """Knows, for every state of a world, how many steps the nearest thing that pays is away.

    Parameters
    ----------
    world
        The world; all of its 4 side⁶ combinations of target, obstacle, cell and heading are searched at once, which
        takes some 20 ms for a side of 5.

    Examples
    --------
    >>> from tiltmeter.agents import all_states, make_grid_world
    >>> world = make_grid_world(0)
    >>> states = all_states(world, split="test")
    >>> steps = Expert(world).steps(states)
    >>> int(steps.min()), int(steps.max())
    (1, 11)
    """

    def __init__(self, world: GridWorld) -> None:
        self.world = world
        self._ahead = cells_ahead(world.side)
        self._steps = _search(self._ahead)

    def steps_to(self, states: States) -> tuple[Int[NDArray[np.int64], " n"], Int[NDArray[np.int64], " n"]]:
        """Return the fewest actions until the ball is held, and until the key is, whatever pays; nothing is held yet.

        Parameters
        ----------
        states
            States in which nothing is held.
        """
        return (
            self._steps[states.ball, states.key, states.at, states.heading],
            self._steps[states.key, states.ball, states.at, states.heading],
        )

    def steps(self, states: States) -> Int[NDArray[np.int64], " n"]:
        """Return the fewest actions until something is held that pays; with both lamps lit, the nearer one's.

        Parameters
        ----------
        states
            States in which nothing is held.
        """
        ball, key = self.steps_to(states)
        return np.minimum(np.where(states.lit == KEY_LIT, _FAR, ball), np.where(states.lit == BALL_LIT, _FAR, key))

    def true_return(self, states: States) -> Float[NDArray[np.float64], " n"]:
        """Return what the best course is worth: ``discount`` to the number of steps, and the reward itself at the end.

        Parameters
        ----------
        states
            Any.
        """
        coming = self.world.discount ** self.steps(states)
        return np.where(states.held == NOTHING, coming, reward(states))

    def best(self, states: States) -> Bool[NDArray[np.bool_], "n 4"]:
        """Say of each action whether it is one of the best.

        Parameters
        ----------
        states
            States in which nothing is held.
        """
        left = self.steps(states)
        is_best = np.zeros((len(left), 4), dtype=bool)
        for is_lit, target, obstacle in (
            (states.lit != KEY_LIT, states.ball, states.key),
            (states.lit != BALL_LIT, states.key, states.ball),
        ):
            is_nearest = is_lit & (self._steps[target, obstacle, states.at, states.heading] == left)
            is_best |= is_nearest[:, None] & self._towards(states, target, obstacle)
        return is_best

    def towards(self, states: States) -> tuple[Bool[NDArray[np.bool_], "n 4"], Bool[NDArray[np.bool_], "n 4"]]:
        """Say of each action whether it is a shortest way to the ball, and whether to the key, whatever pays.

        Parameters
        ----------
        states
            States in which nothing is held.
        """
        return self._towards(states, states.ball, states.key), self._towards(states, states.key, states.ball)

    def action(self, states: States) -> Int[NDArray[np.int64], " n"]:
        """Return the expert's action: of the best ones the first of pick up, forward, left, right.

        Parameters
        ----------
        states
            States in which nothing is held.
        """
        order = np.array(_PREFERENCE)
        return np.asarray(order[self.best(states)[:, order].argmax(axis=1)])

    def _towards(
        self, states: States, target: NDArray[np.int64], obstacle: NDArray[np.int64]
    ) -> Bool[NDArray[np.bool_], "n 4"]:
        ahead = self._ahead[states.at, states.heading]
        is_free = (ahead >= 0) & (ahead != target) & (ahead != obstacle)
        after = np.full((len(ahead), 4), _FAR)
        for action, turn in ((LEFT, -1), (RIGHT, 1)):
            after[:, action] = self._steps[target, obstacle, states.at, (states.heading + turn) % 4]
        after[is_free, FORWARD] = self._steps[target, obstacle, ahead, states.heading][is_free]
        after[ahead == target, PICKUP] = 0
        return np.asarray(after + 1 == self._steps[target, obstacle, states.at, states.heading][:, None])


def _search(ahead: Int[NDArray[np.int64], "c 4"]) -> Int[NDArray[np.int64], "c c c 4"]:
    """Return the fewest actions by target, obstacle, cell and heading, all of them widened step by step."""
    n = len(ahead)
    cells = np.arange(n)
    steps = np.full((n, n, n, 4), _FAR)
    # (cell, heading) pairs that look at the target: one action is left, whatever the obstacle
    at, heading = np.nonzero(ahead >= 0)
    steps[ahead[at, heading], :, at, heading] = 1
    is_blocked = (ahead[None] < 0) | (ahead[None] == cells[:, None, None])
    blocked = is_blocked[:, None] | is_blocked[None]
    while True:
        onward = np.where(blocked, _FAR, steps[:, :, ahead, np.arange(4)])
        nearer = np.minimum(onward, np.minimum(np.roll(steps, 1, axis=-1), np.roll(steps, -1, axis=-1))) + 1
        if (nearer >= steps).all():
            return steps
        steps = np.minimum(steps, nearer)
