"""Agents in the MiniGrid environment itself, episode by episode."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from tiltmeter.agents._acting import Acting, choose
from tiltmeter.agents._agent import Agent
from tiltmeter.agents._by_layout import mean_by_layout
from tiltmeter.agents._episodes import MOST_STEPS
from tiltmeter.agents._expert import Expert
from tiltmeter.agents._sample import sample_states
from tiltmeter.agents._states import States, all_states
from tiltmeter.agents._world import GridWorld
from tiltmeter.core.errors import MissingExtraError
from tiltmeter.core.records import Measured, Record

if TYPE_CHECKING:
    from tiltmeter.agents._minigrid_env import FetchEnv


class Played(Record):
    """What came of episodes that were played; intervals resample layouts.

    ``reward``: mean reward, which is the share of episodes in which what pays was picked up. ``discounted``: mean of
    ``discount`` to the number of actions until then, 0 where it was not; ``best``: what the best course would have had.
    """

    reward: Measured
    discounted: Measured
    best: Measured
    n_episodes: int


def open_env(world: GridWorld, starts: States | None = None, *, max_steps: int = MOST_STEPS) -> FetchEnv:
    """Open a world as a Gymnasium environment, built on MiniGrid and registered nowhere.

    Parameters
    ----------
    world
        The world.
    starts
        The states in which episodes begin; None for all ordinary ones of the layouts for training.
    max_steps
        After how many actions an episode is cut off.

    Returns
    -------
    The environment. Its observations are those of :func:`observe`, its four actions those of ``ACTIONS``. ``reset``
    draws one of the starts; ``reset(options={"start": i})`` takes the i-th. ``state()`` reads the present state.

    Raises
    ------
    MissingExtraError
        If Gymnasium or MiniGrid is not installed.

    Examples
    --------
    >>> from tiltmeter.agents import make_grid_world
    >>> env = open_env(make_grid_world(0))  # doctest: +SKIP
    >>> seen, _ = env.reset(seed=0)  # doctest: +SKIP
    """
    try:
        from tiltmeter.agents._minigrid_env import FetchEnv
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"The environment needs the extra agents ({error.name} is missing); run pip install 'tiltmeter[agents]'."
        ) from None
    return FetchEnv(world, all_states(world, split="train") if starts is None else starts, max_steps=max_steps)


def play(agent: Agent, *, acting: Acting = "policy", n_episodes: int = 300, seed: int = 0) -> Played:
    """Let an agent act in the environment, in layouts for the test.

    Parameters
    ----------
    agent
        The agent.
    acting
        As in :func:`choose`.
    n_episodes
        How many, each from another state, in the two ordinary contexts.
    seed
        Of the beginnings and of the resampling.

    Raises
    ------
    MissingExtraError
        If the extra is not installed.
    SpecError
        If there is no such way of acting.

    Examples
    --------
    >>> from tiltmeter.agents import make_grid_world, train_agent
    >>> play(train_agent(make_grid_world(0), seed=0), acting="both").reward.value > 0.9  # doctest: +SKIP
    True
    """
    starts = sample_states(agent.world, n_episodes, split="test", seed=seed)
    env = open_env(agent.world, starts)
    paid, discounted = np.zeros(len(starts.at)), np.zeros(len(starts.at))
    for number in range(len(starts.at)):
        env.reset(options={"start": number})
        is_over, n_steps = False, 0
        while not is_over:
            _, got, is_ended, is_cut, _ = env.step(int(choose(agent, env.state(), acting=acting)[0]))
            is_over, n_steps = is_ended or is_cut, n_steps + 1
        paid[number], discounted[number] = got, got * agent.world.discount**n_steps

    def mean(values: NDArray[np.float64]) -> Measured:
        return mean_by_layout(values, starts.layout, bounds=(0.0, 1.0), seed=seed)

    best = Expert(agent.world).true_return(starts)
    return Played(reward=mean(paid), discounted=mean(discounted), best=mean(best), n_episodes=len(starts.at))
