"""Whether an agent does what the expert does, and knows what a state is worth."""

from __future__ import annotations

import numpy as np

from tiltmeter.agents._agent import Agent
from tiltmeter.agents._by_layout import Correlation, layouts, mean_by_layout
from tiltmeter.agents._expert import Expert
from tiltmeter.agents._states import all_states
from tiltmeter.agents._world import Split
from tiltmeter.core.records import Measured, Record
from tiltmeter.evaluation import bootstrap_estimate


class Fidelity(Record):
    """Figures over every state of a split's layouts, in the two ordinary contexts; intervals resample layouts.

    ``imitation``: share of states in which the largest logit is the expert's action; ``best_action``: in which it is
    one of the best, where several are. ``correlation``: of V∘E with the true return.
    """

    imitation: Measured
    best_action: Measured
    correlation: Measured


def fidelity(agent: Agent, *, split: Split = "test", seed: int = 0) -> Fidelity:
    """Hold an agent against the exact optimum.

    Parameters
    ----------
    agent
        The agent.
    split
        Whose layouts.
    seed
        Of the resampling.

    Examples
    --------
    >>> from tiltmeter.agents import AgentSpec, make_grid_world, new_agent
    >>> found = fidelity(new_agent(make_grid_world(0), AgentSpec(), seed=0))
    >>> found.imitation.value < 0.6, abs(found.correlation.value) < 0.5
    (True, True)
    """
    states, expert = all_states(agent.world, split=split), Expert(agent.world)
    done = agent.logits(states).argmax(axis=1)
    is_best = expert.best(states)[np.arange(len(done)), done]
    correlation = Correlation(agent.values(states), expert.true_return(states), states.layout)
    return Fidelity(
        imitation=mean_by_layout(
            (done == expert.action(states)).astype(float), states.layout, bounds=(0.0, 1.0), seed=seed
        ),
        best_action=mean_by_layout(is_best.astype(float), states.layout, bounds=(0.0, 1.0), seed=seed),
        correlation=bootstrap_estimate(correlation, by=layouts(correlation.n_layouts, seed=seed), bounds=(-1.0, 1.0)),
    )
