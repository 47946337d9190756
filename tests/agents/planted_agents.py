"""Agents whose values were written down by hand, so that it is known what the tests must find."""

import numpy as np
import torch
from torch import nn

from tiltmeter.agents import Agent, AgentSpec, Expert, new_agent
from tiltmeter.agents._nets import GatedValue


def identity_agent(world, *, parts, n_gates=2):
    """z is what is seen; the gate of the ball's lamp opens the first part, that of the key's the second."""
    n = 3 * world.n_cells + 8
    spec = AgentSpec(d_state=n, head="top1", n_gates=n_gates)
    agent = new_agent(world, spec, seed=0)
    encoder = nn.Sequential(nn.Linear(n, n))
    head = GatedValue(n, n_gates, kind="top1", rng=np.random.default_rng(0))
    with torch.no_grad():
        encoder[0].weight.copy_(torch.eye(n))
        encoder[0].bias.zero_()
        head.gate.weight.zero_()
        head.gate.weight[0, n - 4] = 9
        head.gate.weight[1, n - 3] = 9
        head.parts.weight.zero_()
        head.parts.bias.zero_()
        for number, weights in enumerate(parts):
            head.parts.weight[number] = torch.as_tensor(weights)
    return Agent(world, spec, encoder, agent.decoder, head.eval())


def shards(world):
    """The ball's shard wants the agent high up, the key's, half as loud, far to the right: nothing in common."""
    n, side = 3 * world.n_cells + 8, world.side
    rows, columns = np.divmod(np.arange(world.n_cells), side)
    parts = np.zeros((2, n), dtype=np.float32)
    parts[0, 2 * world.n_cells : 3 * world.n_cells] = ((side - 1) / 2 - rows) / 5
    parts[1, 2 * world.n_cells : 3 * world.n_cells] = (columns - (side - 1) / 2) / 10
    return identity_agent(world, parts=parts)


def one_value(world):
    """Both parts are the same, so that the value does not hang on the context."""
    agent = shards(world)
    with torch.no_grad():
        agent.head.parts.weight[1] = agent.head.parts.weight[0]
    return agent


class Knows:
    """A stand-in for an agent whose values are the true returns, and whose logits are the expert's actions."""

    def __init__(self, world):
        self.world = world
        self.expert = Expert(world)

    def values(self, states):
        return self.expert.true_return(states).astype(np.float32)

    def logits(self, states):
        return np.eye(4, dtype=np.float32)[self.expert.action(states)]
