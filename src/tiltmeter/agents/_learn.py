"""How an agent learns: to act from demonstrations, and what is worth something from the returns of episodes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import chain

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from tiltmeter.agents._agent import Agent, new_agent
from tiltmeter.agents._episodes import Episodes, gather_episodes
from tiltmeter.agents._expert import Expert
from tiltmeter.agents._spec import AgentSpec
from tiltmeter.agents._states import all_states
from tiltmeter.agents._world import GridWorld
from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream

_WARMUP_STEPS = 100


def imitate(world: GridWorld, spec: AgentSpec, *, seed: int) -> Agent:
    """Teach an encoder and an action decoder what the expert does: L_SSL = -log D(E(o))[a].

    Every state of every layout for training, in the two ordinary contexts, is a demonstration.

    Parameters
    ----------
    world
        The world.
    spec
        Sizes and course; its value head stays untrained.
    seed
        Of the weights and the batches.

    Returns
    -------
    The agent. On one thread the same seed gives the same weights, bit for bit.

    Examples
    --------
    >>> from tiltmeter.agents import make_grid_world
    >>> agent = imitate(make_grid_world(0, side=4), AgentSpec(imitation_steps=5), seed=0)
    >>> agent.spec.imitation_steps
    5
    """
    agent = new_agent(world, spec, seed=seed)
    draw = _demonstrations(agent, seed=seed)

    def loss() -> Tensor:
        seen, actions = draw()
        return functional.cross_entropy(agent.decoder(agent.encoder(seen)), actions)

    _descend(loss, (agent.encoder, agent.decoder), spec, steps=spec.imitation_steps, rate=spec.imitation_rate)
    return agent


def learn_value(agent: Agent, episodes: Episodes, *, spec: AgentSpec | None = None, seed: int) -> Agent:
    """Teach a new value head the returns that were seen: L_V = (V(E(o_t)) - G_t)².

    Parameters
    ----------
    agent
        What it starts from, taught by :func:`imitate` or untrained; it is not changed.
    episodes
        Where the returns come from.
    spec
        Form of the head, coupling and course; None for the agent's own. Sizes of the encoder cannot change.
    seed
        Of the head's weights and the batches.

    Returns
    -------
    A new agent.

    Raises
    ------
    SpecError
        If ``spec`` asks for other sizes than the agent has.

    Examples
    --------
    >>> from tiltmeter.agents import make_grid_world
    >>> world = make_grid_world(0, side=4)
    >>> untrained = new_agent(world, AgentSpec(value_steps=5), seed=0)
    >>> agent = learn_value(untrained, gather_episodes(world, 8, seed=0), seed=0)
    >>> agent.head is untrained.head
    False
    """
    chosen = agent.spec if spec is None else spec
    sizes = [(one.d_state, one.d_hidden) for one in (agent.spec, chosen)]
    if sizes[0] != sizes[1]:
        raise SpecError(f"The spec asks for a state and hidden layers of {sizes[1]}, and the agent has {sizes[0]}.")
    learner = agent.with_new_head(chosen, seed=seed)
    coupling = chosen.coupling
    seen, returns = learner.see(episodes.states), torch.from_numpy(episodes.returns.astype(np.float32))
    rng = stream(seed, "value", "batches")
    draw = _demonstrations(learner, seed=seed) if coupling.needs_demonstrations else None

    def loss() -> Tensor:
        rows = torch.from_numpy(rng.integers(len(returns), size=chosen.batch_size))
        z = learner.encoder(seen[rows])
        missed = functional.mse_loss(learner.head(z if coupling.value_moves_encoder else z.detach()), returns[rows])
        if draw is None:
            return missed
        shown, actions = draw()
        told = functional.cross_entropy(learner.decoder(learner.encoder(shown)), actions)
        return told + (coupling.weight if coupling.kind == "joint" else 1.0) * missed

    trained: list[nn.Module] = [learner.head]
    if coupling.kind != "frozen":
        trained.append(learner.encoder)
    if coupling.needs_demonstrations:
        trained.append(learner.decoder)
    _descend(loss, trained, chosen, steps=chosen.value_steps, rate=chosen.value_rate)
    return learner


def train_agent(world: GridWorld, spec: AgentSpec | None = None, *, n_episodes: int = 4096, seed: int) -> Agent:
    """Make an agent whole: it imitates the expert, and then learns a value from episodes.

    Parameters
    ----------
    world
        The world.
    spec
        None for the usual one.
    n_episodes
        How many episodes the value is learned from.
    seed
        Of everything.

    References
    ----------
    Silver et al. (2016), "Mastering the game of Go with deep neural networks and tree search": a policy by imitation,
    then a value by regression on outcomes.

    Examples
    --------
    >>> from tiltmeter.agents import make_grid_world
    >>> agent = train_agent(
    ...     make_grid_world(0, side=4), AgentSpec(imitation_steps=5, value_steps=5), n_episodes=8, seed=0
    ... )
    >>> agent.spec.coupling.kind
    'joint'
    """
    agent = imitate(world, AgentSpec() if spec is None else spec, seed=seed)
    return learn_value(agent, gather_episodes(world, n_episodes, seed=seed), seed=seed)


def _demonstrations(agent: Agent, *, seed: int) -> Callable[[], tuple[Tensor, Tensor]]:
    """Return what draws a batch of observations and the expert's actions."""
    states = all_states(agent.world, split="train")
    seen, actions = agent.see(states), torch.from_numpy(Expert(agent.world).action(states))
    rng = stream(seed, "demonstrations", "batches")

    def draw() -> tuple[Tensor, Tensor]:
        rows = torch.from_numpy(rng.integers(len(actions), size=agent.spec.batch_size))
        return seen[rows], actions[rows]

    return draw


def _descend(
    loss: Callable[[], Tensor],
    nets: Sequence[nn.Module],
    spec: AgentSpec,
    *,
    steps: int,
    rate: float,
) -> None:
    """Bring a loss down; the rate rises for some steps and then falls by half a cosine to a hundredth."""
    optimizer = torch.optim.AdamW(
        chain.from_iterable(net.parameters() for net in nets), lr=rate, weight_decay=spec.weight_decay, fused=True
    )
    for net in nets:
        net.train()
    for number in range(steps):
        fall = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * number / steps))
        optimizer.param_groups[0]["lr"] = rate * min(1.0, (number + 1) / _WARMUP_STEPS) * fall
        optimizer.zero_grad()
        loss().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    for net in nets:
        net.eval()
