"""What an agent does: as it imitates, as its values say after one step of lookahead, or by both."""

from __future__ import annotations

from typing import Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.special import log_softmax

from tiltmeter.agents._agent import Agent
from tiltmeter.agents._states import ACTIONS, States, step
from tiltmeter.core.errors import SpecError

Acting = Literal["policy", "lookahead", "both"]


def successors(states: States, *, side: int) -> States:
    """Return what each of the four actions makes of each state, the actions of one state next to each other."""
    n = len(states.at)
    return step(states.pick(np.repeat(np.arange(n), len(ACTIONS))), np.tile(np.arange(len(ACTIONS)), n), side=side)


def lookahead(agent: Agent, states: States) -> Float[NDArray[np.float32], "n 4"]:
    """Return the value that the agent sees in what comes of each action.

    Parameters
    ----------
    agent
        The agent.
    states
        States in which nothing is held.

    Examples
    --------
    >>> from tiltmeter.agents import AgentSpec, all_states, make_grid_world, new_agent
    >>> world = make_grid_world(0)
    >>> agent = new_agent(world, AgentSpec(), seed=0)
    >>> lookahead(agent, all_states(world, split="test").pick(slice(3))).shape
    (3, 4)
    """
    return agent.values(successors(states, side=agent.world.side)).reshape(-1, len(ACTIONS))


def choose(agent: Agent, states: States, *, acting: Acting = "policy") -> Int[NDArray[np.int64], " n"]:
    """Return the action that an agent takes in each state.

    Parameters
    ----------
    agent
        The agent.
    states
        States in which nothing is held.
    acting
        ``"policy"``: the largest logit of D. ``"lookahead"``: the largest value after the action. ``"both"``: the
        largest D · exp(V after the action).

    Returns
    -------
    Numbers of ``ACTIONS``; of equals the first.

    Raises
    ------
    SpecError
        If there is no such way of acting.

    Examples
    --------
    >>> from tiltmeter.agents import AgentSpec, all_states, make_grid_world, new_agent
    >>> world = make_grid_world(0)
    >>> agent = new_agent(world, AgentSpec(), seed=0)
    >>> choose(agent, all_states(world, split="test").pick(slice(3)), acting="both").shape
    (3,)
    """
    if acting == "policy":
        merits = agent.logits(states)
    elif acting == "lookahead":
        merits = lookahead(agent, states)
    elif acting == "both":
        merits = log_softmax(agent.logits(states), axis=1) + lookahead(agent, states)
    else:
        raise SpecError(f"There is no way of acting {acting!r}; use policy, lookahead or both.")
    return np.asarray(merits.argmax(axis=1))
