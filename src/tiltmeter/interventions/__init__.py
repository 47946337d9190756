"""What a direction does: edits of a running model, and directions that a model's own answers name.

Every intervention is one site and one pure function from what the site shows to what it is to show instead.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.interventions._ablate import Ablate
    from tiltmeter.interventions._answer_gradient import Positions, answer_gradient, answer_gradients
    from tiltmeter.interventions._answers import Answer, Answers, AnswerTokens, answer_tokens
    from tiltmeter.interventions._budgets import activation_norm, kl_budget, norm_budget
    from tiltmeter.interventions._causal_baselines import causal_baselines
    from tiltmeter.interventions._causal_methods import CAUSAL_BASELINES, CausalMethod, PairRows, cde_method
    from tiltmeter.interventions._cde import CDE, cde
    from tiltmeter.interventions._cde_search import CDESettings
    from tiltmeter.interventions._clean import Clean, clean_runs
    from tiltmeter.interventions._controls import Controls, RandomScores, Tested
    from tiltmeter.interventions._coordinate_search import (
        CoordinateSearch,
        FoundTokens,
        continuation_loss,
        coordinate_search,
        score_loss,
    )
    from tiltmeter.interventions._erase import Erase
    from tiltmeter.interventions._fluency import fluency
    from tiltmeter.interventions._four_tests import FourTests, Manipulation, Termination, four_tests
    from tiltmeter.interventions._gguf import read_gguf, write_gguf
    from tiltmeter.interventions._indirect_effect import IndirectEffect, indirect_effect
    from tiltmeter.interventions._kl_effects import kl_effects
    from tiltmeter.interventions._layer_effects import LayerEffect, LayerEffects, PairScores, effects_by_layer
    from tiltmeter.interventions._open_steering import open_steering
    from tiltmeter.interventions._pair_effects import Effects
    from tiltmeter.interventions._pairs import EncodedPairs, PromptPairs, encode_pairs
    from tiltmeter.interventions._prompt_budget import prompt_budget
    from tiltmeter.interventions._scrub import Scrub, StreamingFitter, scrub
    from tiltmeter.interventions._scrub_damage import ModelQuality, QualityChange, ScrubDamage, scrub_damage
    from tiltmeter.interventions._side_by_side import Ways, side_by_side
    from tiltmeter.interventions._steer import Steer, SteerMode
    from tiltmeter.interventions._steering_vectors import SteeringVectors, steering_vectors
    from tiltmeter.interventions._strength_sweep import Question, strength_sweep
    from tiltmeter.interventions._subspace import Directions
    from tiltmeter.interventions._swap import Swap
    from tiltmeter.interventions._swap_effects import ablation_effects, swap_effects
    from tiltmeter.interventions._template_families import PAIR_FAMILIES
    from tiltmeter.interventions._templates import PairFamily
    from tiltmeter.interventions._templates_sampled import SampledPairs, Sifted, sample_pairs
    from tiltmeter.interventions._trial import Ability, Recovery
    from tiltmeter.interventions._unembedding_difference import unembedding_difference
    from tiltmeter.interventions._where import Where
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "CAUSAL_BASELINES",
    "CDE",
    "PAIR_FAMILIES",
    "Ability",
    "Ablate",
    "Answer",
    "AnswerTokens",
    "Answers",
    "CDESettings",
    "CausalMethod",
    "Clean",
    "Controls",
    "CoordinateSearch",
    "Directions",
    "Effects",
    "EncodedPairs",
    "Erase",
    "FoundTokens",
    "FourTests",
    "IndirectEffect",
    "LayerEffect",
    "LayerEffects",
    "Manipulation",
    "ModelQuality",
    "PairFamily",
    "PairRows",
    "PairScores",
    "Positions",
    "PromptPairs",
    "QualityChange",
    "Question",
    "RandomScores",
    "Recovery",
    "SampledPairs",
    "Scrub",
    "ScrubDamage",
    "Sifted",
    "Steer",
    "SteerMode",
    "SteeringVectors",
    "StreamingFitter",
    "Swap",
    "Termination",
    "Tested",
    "Ways",
    "Where",
    "ablation_effects",
    "activation_norm",
    "answer_gradient",
    "answer_gradients",
    "answer_tokens",
    "causal_baselines",
    "cde",
    "cde_method",
    "clean_runs",
    "continuation_loss",
    "coordinate_search",
    "effects_by_layer",
    "encode_pairs",
    "fluency",
    "four_tests",
    "indirect_effect",
    "kl_budget",
    "kl_effects",
    "norm_budget",
    "open_steering",
    "prompt_budget",
    "read_gguf",
    "sample_pairs",
    "score_loss",
    "scrub",
    "scrub_damage",
    "side_by_side",
    "steering_vectors",
    "strength_sweep",
    "swap_effects",
    "unembedding_difference",
    "write_gguf",
]
