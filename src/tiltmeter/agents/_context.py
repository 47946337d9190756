"""Test (a): does what an agent values hang on the context? Gradients of V where one lamp is lit, and the other."""

from __future__ import annotations

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.agents._agent import Agent
from tiltmeter.agents._by_layout import mean_by_layout
from tiltmeter.agents._sample import sample_states
from tiltmeter.agents._states import BALL_LIT, KEY_LIT, States
from tiltmeter.core.records import Measured, Record
from tiltmeter.core.seeds import stream


class ContextDependence(Record):
    """Mean cosines between gradients ∂V/∂z at held-out states; intervals resample layouts.

    ``same_scene``: of one scene with the ball's lamp lit and with the key's. ``across``: of two scenes drawn at random,
    one in each context. ``within``: of the same two scenes in one and the same context. ``difference``: within less
    across, which is above 0 where gradients of one context are more alike than chance makes any two.
    """

    same_scene: Measured
    across: Measured
    within: Measured
    difference: Measured


def context_dependence(agent: Agent, *, n_scenes: int = 2000, seed: int = 0) -> ContextDependence:
    """Compare the gradients of the value head in the two contexts, on layouts for the test.

    Parameters
    ----------
    agent
        The agent.
    n_scenes
        How many scenes are drawn, at least 2: layout, order of ball and key, cell and heading.
    seed
        Of the draw and of the resampling.

    Returns
    -------
    The cosines. A gradient of 0 has a cosine of 0 with anything.

    Notes
    -----
    Any network's gradient varies from state to state, so a low cosine between contexts says nothing on its own:
    ``within`` is what it must be held against.

    References
    ----------
    Pope and Turner (2022), "The shard theory of human values", and a comment there that asks what it predicts beyond
    "the value is a network".

    Examples
    --------
    >>> from tiltmeter.agents import AgentSpec, make_grid_world, new_agent
    >>> found = context_dependence(new_agent(make_grid_world(0), AgentSpec(), seed=0), n_scenes=500)
    >>> found.within.value > found.across.value - 0.1
    True
    """
    scenes = sample_states(agent.world, n_scenes, split="test", lit=(BALL_LIT,), seed=seed)
    other = stream(seed, "context", "pairs").permutation(len(scenes.at))
    ball, key = (gradients(agent, scenes._replace(lit=np.full_like(scenes.lit, lit))) for lit in (BALL_LIT, KEY_LIT))
    across = ((ball * key[other]).sum(axis=1) + (key * ball[other]).sum(axis=1)) / 2
    within = ((ball * ball[other]).sum(axis=1) + (key * key[other]).sum(axis=1)) / 2

    def mean(values: NDArray[np.float64], limit: float = 1.0) -> Measured:
        return mean_by_layout(values, scenes.layout, bounds=(-limit, limit), seed=seed)

    return ContextDependence(
        same_scene=mean((ball * key).sum(axis=1)),
        across=mean(across),
        within=mean(within),
        difference=mean(within - across, 2.0),
    )


def gradients(agent: Agent, states: States) -> Float[NDArray[np.float64], "n d"]:
    """Return ∂V/∂z at each state, of length 1; of length 0 where V is flat."""
    z = torch.from_numpy(agent.encode(states)).requires_grad_()
    # a state's value hangs on its own z only, so that the gradient of the sum holds that of each
    (found,) = torch.autograd.grad(agent.head(z).sum(), z)
    slopes = found.numpy().astype(np.float64)
    lengths = np.linalg.norm(slopes, axis=1, keepdims=True)
    return slopes / np.where(lengths > 0, lengths, 1.0)
