"""Episodes of somebody who mostly goes for what pays, and the discounted returns that are seen in them."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.agents._expert import Expert
from tiltmeter.agents._states import ACTIONS, NOTHING, States, all_states, join, reward, step
from tiltmeter.agents._world import GridWorld, Split
from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream

# three times the longest way in a room of side 5
MOST_STEPS = 36


class Episodes(NamedTuple):
    """States of several episodes one after the other, the last state of each included.

    ``returns``: G_t = Σ_k ``discount``^k r(o_(t+k)) as it was seen from there to the end of the episode, which is 0
    where nothing was held in time. ``number``: which episode a state is of, from 0.
    """

    states: States
    returns: Float[NDArray[np.float64], " n"]
    number: Int[NDArray[np.int64], " n"]

    def first(self, n: int) -> Episodes:
        """Return the first ``n`` episodes."""
        kept = self.number < n
        return Episodes(self.states.pick(kept), self.returns[kept], self.number[kept])


def gather_episodes(
    world: GridWorld, n: int, *, seed: int, split: Split = "train", exploration: float = 0.2
) -> Episodes:
    """Let somebody act who takes the expert's action, or with the chance of ``exploration`` any of the four.

    Episodes begin anywhere in a layout of the split, in one of the two ordinary contexts; they end when something is
    held, or after 36 actions. The reward is the fixed predicate :func:`reward` of what is seen, and fires at most once.

    Parameters
    ----------
    world
        The world.
    n
        How many episodes, at least 1.
    seed
        Of the beginnings and of the exploration. Where fewer of the same are wanted, take the ``first`` of many.
    split
        Whose layouts.
    exploration
        From 0, the expert, to 1, mere chance.

    Returns
    -------
    The episodes, in order.

    Raises
    ------
    SpecError
        If ``n`` or ``exploration`` is out of its range.

    Examples
    --------
    >>> from tiltmeter.agents import make_grid_world
    >>> found = gather_episodes(make_grid_world(0), 100, seed=0, exploration=0.0)
    >>> bool((found.returns > 0).all()), bool(found.returns.max() == 1)
    (True, True)
    """
    if n < 1 or not 0 <= exploration <= 1:
        raise SpecError(f"{n} episodes with exploration {exploration} cannot be; give at least 1, and a share.")
    rng, expert = stream(seed, "episodes", split), Expert(world)
    starts = all_states(world, split=split)
    now, alive = starts.pick(rng.integers(len(starts.at), size=n)), np.arange(n)
    seen, times, numbers = [now], [np.zeros(n)], [alive]
    for time in range(1, MOST_STEPS + 1):
        drawn = rng.integers(len(ACTIONS), size=len(alive))
        is_drawn = rng.random(len(alive)) < exploration
        now = step(now, np.where(is_drawn, drawn, expert.action(now)), side=world.side)
        seen, times, numbers = [*seen, now], [*times, np.full(len(alive), float(time))], [*numbers, alive]
        is_going = now.held == NOTHING
        now, alive = now.pick(is_going), alive[is_going]
    states, when, number = join(seen), np.concatenate(times), np.concatenate(numbers)
    paid, end = np.zeros(n), np.zeros(n)
    np.add.at(paid, number, reward(states))
    np.maximum.at(end, number, when)
    order = np.lexsort((when, number))
    returns = paid[number] * world.discount ** (end[number] - when)
    return Episodes(states.pick(order), returns[order], number[order])
