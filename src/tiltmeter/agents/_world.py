"""The planted grid world: two things to fetch, two lamps that say which of them pays, and layouts divided by group."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Int
from numpy.typing import NDArray
from pydantic import model_validator

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream

Split = Literal["train", "calibration", "test"]
SPLITS: tuple[Split, ...] = ("train", "calibration", "test")

# with fewer pairs of cells a split would hold too few to resample
_LEAST_SIDE = 4
_SHARES = (0.6, 0.2)


class GridWorld(Record):
    """A room of ``side`` × ``side`` cells with a ball and a key in it, and two lamps in its wall.

    Where the ball's lamp is lit, to pick up the ball pays 1 and to pick up the key pays nothing; where the key's lamp
    is lit, it is the other way round. To pick up either ends the episode. What is at ``discount`` ** k is k steps away.

    ``splits`` says, for each unordered pair of cells in the order of :func:`layout_pairs`, in which split the layouts
    are in which ball and key stand there. So a layout and the one with ball and key exchanged are in the same split.
    """

    format_version: Literal[1] = 1
    seed: int
    side: int
    discount: float
    splits: tuple[Split, ...]

    @model_validator(mode="after")
    def _is_whole(self) -> GridWorld:
        if len(self.splits) != self.n_cells * (self.n_cells - 1) // 2:
            raise ValueError(f"{len(self.splits)} splits for a room of side {self.side}")
        return self

    @property
    def n_cells(self) -> int:
        """Cells of the room, walls not counted."""
        return self.side**2


def make_grid_world(seed: int, *, side: int = 5, discount: float = 0.9) -> GridWorld:
    """Make a world; the seed says which pairs of cells are for training, calibration and test.

    Parameters
    ----------
    seed
        A whole number from 0.
    side
        Cells on each side of the room, at least 4.
    discount
        What a reward is worth that is one step further away, between 0 and 1, both excluded.

    Returns
    -------
    The world, with 60 % of the pairs of cells for training and 20 % for each of the others.

    Raises
    ------
    SpecError
        If ``side`` or ``discount`` is out of its range, or the seed is negative.

    Examples
    --------
    >>> world = make_grid_world(0)
    >>> world.n_cells, [world.splits.count(split) for split in ("train", "calibration", "test")]
    (25, [180, 60, 60])
    """
    if side < _LEAST_SIDE:
        raise SpecError(f"side is {side}; give at least {_LEAST_SIDE} cells, so that every split has layouts enough.")
    if not 0 < discount < 1:
        raise SpecError(f"discount is {discount}; give a number between 0 and 1, both excluded.")
    n = side**2 * (side**2 - 1) // 2
    ends = np.floor(np.cumsum(_SHARES) * n + 0.5).astype(int)
    where = np.empty(n, dtype=np.int64)
    where[stream(seed, "grid world", "splits").permutation(n)] = np.searchsorted(ends, np.arange(n), side="right")
    return GridWorld(seed=seed, side=side, discount=discount, splits=tuple(SPLITS[i] for i in where))


def layout_pairs(world: GridWorld) -> Int[NDArray[np.int64], "p 2"]:
    """Return every unordered pair of cells, the lower one first; a cell is its row times ``side`` plus its column.

    Parameters
    ----------
    world
        The world.

    Examples
    --------
    >>> layout_pairs(make_grid_world(0))[:2].tolist()
    [[0, 1], [0, 2]]
    """
    return np.stack(np.triu_indices(world.n_cells, k=1), axis=1)
