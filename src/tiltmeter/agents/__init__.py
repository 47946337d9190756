"""Small agents in a grid world: an encoder, an action decoder and a value head, and what tells shards of value apart.

Acting is learned from demonstrations, value from a sparse reward, and both are held against the exact optimum.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.agents._acting import choose, lookahead
    from tiltmeter.agents._agent import Agent, new_agent
    from tiltmeter.agents._conflict import PredictionGap, conflict_states, prediction_gap
    from tiltmeter.agents._context import ContextDependence, context_dependence
    from tiltmeter.agents._episodes import Episodes, gather_episodes
    from tiltmeter.agents._expert import Expert
    from tiltmeter.agents._fidelity import Fidelity, fidelity
    from tiltmeter.agents._learn import imitate, learn_value, train_agent
    from tiltmeter.agents._play import Played, open_env, play
    from tiltmeter.agents._readings import Readings, encoder_readings
    from tiltmeter.agents._reward_efficiency import Efficiency, LearningCurve, learning_curve, reward_efficiency
    from tiltmeter.agents._saved import read_agent, save_agent
    from tiltmeter.agents._selectivity import Ablation, Selectivity, ablation_selectivity
    from tiltmeter.agents._spec import AgentSpec, Coupling
    from tiltmeter.agents._states import ACTIONS, States, all_states, observe, reward, step
    from tiltmeter.agents._world import GridWorld, layout_pairs, make_grid_world
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "ACTIONS",
    "Ablation",
    "Agent",
    "AgentSpec",
    "ContextDependence",
    "Coupling",
    "Efficiency",
    "Episodes",
    "Expert",
    "Fidelity",
    "GridWorld",
    "LearningCurve",
    "Played",
    "PredictionGap",
    "Readings",
    "Selectivity",
    "States",
    "ablation_selectivity",
    "all_states",
    "choose",
    "conflict_states",
    "context_dependence",
    "encoder_readings",
    "fidelity",
    "gather_episodes",
    "imitate",
    "layout_pairs",
    "learn_value",
    "learning_curve",
    "lookahead",
    "make_grid_world",
    "new_agent",
    "observe",
    "open_env",
    "play",
    "prediction_gap",
    "read_agent",
    "reward",
    "reward_efficiency",
    "save_agent",
    "step",
    "train_agent",
]
