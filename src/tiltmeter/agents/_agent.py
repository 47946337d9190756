"""An agent: encoder, action decoder and value head, asked about many states at once."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor, nn

from tiltmeter.agents._nets import ValueHead, layers, value_head
from tiltmeter.agents._spec import AgentSpec
from tiltmeter.agents._states import ACTIONS, States, observe, width
from tiltmeter.agents._world import GridWorld
from tiltmeter.core.seeds import stream


@dataclass(frozen=True, slots=True)
class Agent:
    """One agent: z = E(o), logits D(z) over the four actions, and a value V(z).

    Parameters
    ----------
    world
        Where it lives.
    spec
        How it was made.
    encoder
        E, from observations (n, w) to states of mind z (n, ``d_state``).
    decoder
        D, from z to logits (n, 4).
    head
        V, from z to values (n,).
    """

    world: GridWorld
    spec: AgentSpec
    encoder: nn.Sequential
    decoder: nn.Sequential
    head: ValueHead

    @torch.no_grad()
    def encode(self, states: States) -> Float[NDArray[np.float32], "n d"]:
        """Return z = E(o) of states, such as a probe can be fitted on.

        Parameters
        ----------
        states
            Any.
        """
        return np.asarray(self.encoder(self.see(states)).numpy())

    @torch.no_grad()
    def logits(self, states: States) -> Float[NDArray[np.float32], "n 4"]:
        """Return D(E(o)): what the imitation of the expert says of each action.

        Parameters
        ----------
        states
            Any.
        """
        return np.asarray(self.decoder(self.encoder(self.see(states))).numpy())

    @torch.no_grad()
    def values(self, states: States) -> Float[NDArray[np.float32], " n"]:
        """Return V(E(o)).

        Parameters
        ----------
        states
            Any.
        """
        return np.asarray(self.head(self.encoder(self.see(states))).numpy())

    def see(self, states: States) -> Tensor:
        """Return the observations as the encoder takes them.

        Parameters
        ----------
        states
            Any.
        """
        return torch.from_numpy(observe(states, side=self.world.side))

    def copied(self) -> Agent:
        """Return a copy whose networks can be trained without changing this one's."""
        return replace(self, encoder=deepcopy(self.encoder), decoder=deepcopy(self.decoder), head=deepcopy(self.head))

    def with_new_head(self, spec: AgentSpec, *, seed: int) -> Agent:
        """Return a copy with an untrained value head of another form.

        Parameters
        ----------
        spec
            Which form; sizes of the encoder must be those that the agent has.
        seed
            Of the weights.
        """
        return replace(self.copied(), spec=spec, head=_head(spec, seed=seed))


def new_agent(world: GridWorld, spec: AgentSpec, *, seed: int) -> Agent:
    """Make an untrained agent.

    Parameters
    ----------
    world
        Where it is to live.
    spec
        Its sizes.
    seed
        Of all weights.

    Returns
    -------
    The agent; the same seed gives the same weights whatever PyTorch's own generator is at.

    Examples
    --------
    >>> from tiltmeter.agents import AgentSpec, all_states, make_grid_world
    >>> world = make_grid_world(0)
    >>> agent = new_agent(world, AgentSpec(d_state=8), seed=0)
    >>> agent.encode(all_states(world, split="test").pick(slice(3))).shape
    (3, 8)
    """
    encoder = layers(
        width(world.side), spec.d_hidden, spec.d_hidden, spec.d_state, rng=stream(seed, "agent", "encoder")
    )
    decoder = layers(spec.d_state, spec.d_hidden, len(ACTIONS), rng=stream(seed, "agent", "decoder"))
    return Agent(world, spec, encoder.eval(), decoder.eval(), _head(spec, seed=seed))


def _head(spec: AgentSpec, *, seed: int) -> ValueHead:
    head = value_head(
        spec.head,
        d_state=spec.d_state,
        d_hidden=spec.d_hidden,
        n_gates=spec.n_gates,
        rng=stream(seed, "agent", "head"),
    )
    head.eval()
    return head
