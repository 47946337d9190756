"""What an encoder holds: probes on z for what pays and how far it is, beside what does not matter."""

from __future__ import annotations

import numpy as np

from tiltmeter.agents._agent import Agent
from tiltmeter.agents._expert import Expert
from tiltmeter.agents._sample import sample_states
from tiltmeter.agents._states import KEY_LIT, States
from tiltmeter.core.records import Measured, Record
from tiltmeter.evaluation import ranking_estimates, resampling
from tiltmeter.probes import Logistic

# the middle of what is found in a room of side 5
_NEAR = 5


class Readings(Record):
    """AUROC of logistic regression on z, fitted on layouts for training and judged on others; layouts are resampled.

    ``context``: the ball's lamp is lit, not the key's. ``paying_is_near``: what pays is at most 5 actions away.
    ``other_is_near``: what does not pay is, which is of no use to who goes for what pays.
    """

    context: Measured
    paying_is_near: Measured
    other_is_near: Measured


def encoder_readings(agent: Agent, *, n_states: int = 4000, seed: int = 0) -> Readings:
    """Read three things from an encoder's output with a linear probe.

    Parameters
    ----------
    agent
        The agent; its decoder and head play no part.
    n_states
        How many states of either split.
    seed
        Of their draw and of the resampling.

    Examples
    --------
    >>> from tiltmeter.agents import AgentSpec, make_grid_world, new_agent
    >>> encoder_readings(new_agent(make_grid_world(0), AgentSpec(), seed=0), n_states=400).context.value > 0.7
    True
    """
    expert = Expert(agent.world)

    def labels(states: States) -> dict[str, np.ndarray]:
        ball, key = expert.steps_to(states)
        is_key = states.lit == KEY_LIT
        return {
            "context": 1 - is_key,
            "paying_is_near": np.where(is_key, key, ball) <= _NEAR,
            "other_is_near": np.where(is_key, ball, key) <= _NEAR,
        }

    told, asked = (sample_states(agent.world, n_states, split=split, seed=seed) for split in ("train", "test"))
    z, fresh = agent.encode(told), agent.encode(asked)
    by = resampling(len(asked.at), groups=asked.layout, n_draws=300, seed=seed)
    truth = labels(asked)
    return Readings(
        **{
            name: ranking_estimates(
                truth[name].astype(np.int64),
                Logistic(penalty_scale="within").fit(z, y.astype(np.int64)).decision_function(fresh),
                fpr=0.1,
                by=by,
            ).auroc
            for name, y in labels(told).items()
        }
    )
