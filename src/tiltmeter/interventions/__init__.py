"""What a direction does: edits of a running model, and directions that a model's own answers name.

Every intervention is one site and one pure function from what the site shows to what it is to show instead.
"""

from tiltmeter.interventions._ablate import Ablate
from tiltmeter.interventions._answer_gradient import Positions, answer_gradient, answer_gradients
from tiltmeter.interventions._answers import Answer, Answers
from tiltmeter.interventions._causal_baselines import causal_baselines
from tiltmeter.interventions._causal_methods import CAUSAL_BASELINES, CausalMethod, PairRows, cde_method
from tiltmeter.interventions._cde import CDE, cde
from tiltmeter.interventions._cde_search import CDESettings
from tiltmeter.interventions._clean import Clean, clean_runs
from tiltmeter.interventions._erase import Erase
from tiltmeter.interventions._layer_effects import LayerEffect, LayerEffects, PairScores, effects_by_layer
from tiltmeter.interventions._pairs import EncodedPairs, PromptPairs, encode_pairs
from tiltmeter.interventions._steer import Steer, SteerMode
from tiltmeter.interventions._subspace import Directions
from tiltmeter.interventions._swap import Swap
from tiltmeter.interventions._unembedding_difference import unembedding_difference
from tiltmeter.interventions._where import Where

__all__ = [
    "CAUSAL_BASELINES",
    "CDE",
    "Ablate",
    "Answer",
    "Answers",
    "CDESettings",
    "CausalMethod",
    "Clean",
    "Directions",
    "EncodedPairs",
    "Erase",
    "LayerEffect",
    "LayerEffects",
    "PairRows",
    "PairScores",
    "Positions",
    "PromptPairs",
    "Steer",
    "SteerMode",
    "Swap",
    "Where",
    "answer_gradient",
    "answer_gradients",
    "causal_baselines",
    "cde",
    "cde_method",
    "clean_runs",
    "effects_by_layer",
    "encode_pairs",
    "unembedding_difference",
]
