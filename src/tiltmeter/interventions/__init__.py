"""What a direction does: edits of a running model, and directions that a model's own answers name.

Every intervention is one site and one pure function from what the site shows to what it is to show instead.
"""

from tiltmeter.interventions._ablate import Ablate
from tiltmeter.interventions._answer_gradient import Positions, answer_gradient, answer_gradients
from tiltmeter.interventions._answers import Answer, Answers
from tiltmeter.interventions._clean import Clean, clean_runs
from tiltmeter.interventions._erase import Erase
from tiltmeter.interventions._pairs import EncodedPairs, PromptPairs, encode_pairs
from tiltmeter.interventions._perplexity import Perplexity, perplexity
from tiltmeter.interventions._scrub import Scrub, StreamingFitter, scrub
from tiltmeter.interventions._scrub_damage import ModelQuality, QualityChange, ScrubDamage, scrub_damage
from tiltmeter.interventions._steer import Steer, SteerMode
from tiltmeter.interventions._subspace import Directions
from tiltmeter.interventions._swap import Swap
from tiltmeter.interventions._template_families import PAIR_FAMILIES
from tiltmeter.interventions._templates import PairFamily
from tiltmeter.interventions._templates_sampled import SampledPairs, Sifted, sample_pairs
from tiltmeter.interventions._unembedding_difference import unembedding_difference
from tiltmeter.interventions._where import Where

__all__ = [
    "PAIR_FAMILIES",
    "Ablate",
    "Answer",
    "Answers",
    "Clean",
    "Directions",
    "EncodedPairs",
    "Erase",
    "ModelQuality",
    "PairFamily",
    "Perplexity",
    "Positions",
    "PromptPairs",
    "QualityChange",
    "SampledPairs",
    "Scrub",
    "ScrubDamage",
    "Sifted",
    "Steer",
    "SteerMode",
    "StreamingFitter",
    "Swap",
    "Where",
    "answer_gradient",
    "answer_gradients",
    "clean_runs",
    "encode_pairs",
    "perplexity",
    "sample_pairs",
    "scrub",
    "scrub_damage",
    "unembedding_difference",
]
