"""The grid world as a MiniGrid environment. It needs the extra ``agents``, so only functions import this file."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces
from minigrid.core.grid import Grid
from minigrid.core.mission import MissionSpace
from minigrid.core.world_object import Ball, Key, Wall
from minigrid.minigrid_env import MiniGridEnv
from numpy.typing import NDArray

from tiltmeter.agents._states import (
    BALL,
    BALL_LIT,
    BOTH_LIT,
    KEY,
    KEY_LIT,
    NOTHING,
    PICKUP,
    States,
    observe,
    reward,
    width,
)
from tiltmeter.agents._world import GridWorld

# the ball's lamp and the key's, as bricks of the upper wall: where in it, and in which colour when lit
_LAMPS = ((1, "red"), (2, "blue"))
_DARK = "grey"


class FetchEnv(MiniGridEnv):  # type: ignore[misc]
    """One room of a world, with states drawn from a list; what is seen is everything, in symbols.

    Four of MiniGrid's actions are left: turn left, turn right, go forward, pick up. Picking something up ends the
    episode, and pays 1 or 0.
    """

    def __init__(self, world: GridWorld, starts: States, *, max_steps: int) -> None:
        self._world = world
        self._starts = starts
        self._next: int | None = None
        super().__init__(
            MissionSpace(mission_func=_mission), grid_size=world.side + 2, max_steps=max_steps, see_through_walls=True
        )
        self.action_space = spaces.Discrete(PICKUP + 1)
        self.observation_space = spaces.Box(0.0, 1.0, shape=(width(world.side),), dtype=np.float32)

    def reset(
        self, *, seed: int | None = None, options: dict[str, Any] | None = None
    ) -> tuple[NDArray[np.float32], dict[str, Any]]:
        """Begin an episode: at the state whose number stands in ``options["start"]``, else at one that is drawn."""
        self._next = (options or {}).get("start")
        found: tuple[NDArray[np.float32], dict[str, Any]] = super().reset(seed=seed)
        return found

    def step(self, action: int) -> tuple[NDArray[np.float32], float, bool, bool, dict[str, Any]]:
        """Do one of the four actions."""
        seen, _, _, is_cut, facts = super().step(action)
        is_over = self.carrying is not None
        return seen, float(reward(self.state())[0]), is_over, is_cut and not is_over, facts

    def state(self) -> States:
        """Read the state off the room as it stands, one row."""
        found = {
            type(thing): thing.init_pos for thing in (*self.grid.grid, self.carrying) if isinstance(thing, Ball | Key)
        }
        held = {Ball: BALL, Key: KEY}.get(type(self.carrying), NOTHING)
        lit = [self.grid.get(column, 0).color != _DARK for column, _ in _LAMPS]
        context = BOTH_LIT if all(lit) else (BALL_LIT if lit[0] else KEY_LIT)
        cells = (self._cell(found[Ball]), self._cell(found[Key]), self._cell(self.agent_pos))
        return States(*(np.array([int(one)]) for one in (*cells, self.agent_dir, context, held)))

    def gen_obs(self) -> NDArray[np.float32]:
        """Return what is seen, which is everything."""
        return np.asarray(observe(self.state(), side=self._world.side)[0])

    def _gen_grid(self, width: int, height: int) -> None:
        number = int(self.np_random.integers(len(self._starts.at))) if self._next is None else self._next
        one = self._starts.pick(number)
        self.grid = Grid(width, height)
        self.grid.wall_rect(0, 0, width, height)
        for (column, colour), dark in zip(_LAMPS, (KEY_LIT, BALL_LIT), strict=True):
            self.grid.set(column, 0, Wall(_DARK if one.lit == dark else colour))
        self.put_obj(Ball("green"), *self._place(one.ball))
        self.put_obj(Key("yellow"), *self._place(one.key))
        self.agent_pos, self.agent_dir = self._place(one.at), int(one.heading)
        self.mission = _mission()

    def _place(self, cell: Any) -> tuple[int, int]:  # noqa: ANN401  (a NumPy integer)
        row, column = divmod(int(cell), self._world.side)
        return column + 1, row + 1

    def _cell(self, place: Any) -> int:  # noqa: ANN401  (a pair of integers, as MiniGrid keeps them)
        return (int(place[1]) - 1) * self._world.side + int(place[0]) - 1


def _mission() -> str:
    return "fetch what the lit lamp stands for"
