"""What a direction does: edits of a running model, and directions that a model's own answers name.

Every intervention is one site and one pure function from what the site shows to what it is to show instead.
"""

from tiltmeter.interventions._ablate import Ablate
from tiltmeter.interventions._answer_gradient import Positions, answer_gradient, answer_gradients
from tiltmeter.interventions._answers import Answer, Answers
from tiltmeter.interventions._cde import CDE, cde
from tiltmeter.interventions._cde_search import CDESettings
from tiltmeter.interventions._clean import Clean, clean_runs
from tiltmeter.interventions._erase import Erase
from tiltmeter.interventions._pairs import EncodedPairs, PromptPairs, encode_pairs
from tiltmeter.interventions._steer import Steer, SteerMode
from tiltmeter.interventions._subspace import Directions
from tiltmeter.interventions._swap import Swap
from tiltmeter.interventions._unembedding_difference import unembedding_difference
from tiltmeter.interventions._where import Where

__all__ = [
    "CDE",
    "Ablate",
    "Answer",
    "Answers",
    "CDESettings",
    "Clean",
    "Directions",
    "EncodedPairs",
    "Erase",
    "Positions",
    "PromptPairs",
    "Steer",
    "SteerMode",
    "Swap",
    "Where",
    "answer_gradient",
    "answer_gradients",
    "cde",
    "clean_runs",
    "encode_pairs",
    "unembedding_difference",
]
