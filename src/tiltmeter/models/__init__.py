"""Hugging Face models whose sites have names: loading them, reading their activations, and rendering texts for them.

A family's module layout is written down in one table row, and a model of an unknown family is refused, never guessed.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.models._adapters import without_wrapper
    from tiltmeter.models._dialects import Dialect, site_from
    from tiltmeter.models._edits import Edit, Places, TextRows, edited
    from tiltmeter.models._encode import encode, encoded_for
    from tiltmeter.models._encoded import Encoded, EncodingRule, LongTexts
    from tiltmeter.models._families import FAMILIES
    from tiltmeter.models._family import Attention, Family, FinalNorm, Tap
    from tiltmeter.models._final_norm import final_normed
    from tiltmeter.models._fingerprint import Fingerprint
    from tiltmeter.models._generate import Choose, Generated, generate, generate_chosen
    from tiltmeter.models._gradients import gradients
    from tiltmeter.models._grid import share_of_weights_on_grid
    from tiltmeter.models._load import load
    from tiltmeter.models._logits import frozen_weights, logits_from, next_logits, text_logits
    from tiltmeter.models._pad import Padded, pad
    from tiltmeter.models._prompt import prompt_tokens
    from tiltmeter.models._read_from import read_from
    from tiltmeter.models._read_on import read_on
    from tiltmeter.models._same_weights import weights_sha256_as
    from tiltmeter.models._subject import DType, LoadedFrom, Sites, SubjectModel, bind
    from tiltmeter.models._support import Size, Support, model_size, model_support
    from tiltmeter.models._tiny import tiny
    from tiltmeter.models._tokenize import special_ids
    from tiltmeter.models._unembedding import Unembedding, output_embedding, unembedding
    from tiltmeter.models._untrained import untrained
    from tiltmeter.models._weights import HeadWeights, MlpWeights, embedding, head_weights, mlp_weights
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "FAMILIES",
    "Attention",
    "Choose",
    "DType",
    "Dialect",
    "Edit",
    "Encoded",
    "EncodingRule",
    "Family",
    "FinalNorm",
    "Fingerprint",
    "Generated",
    "HeadWeights",
    "LoadedFrom",
    "LongTexts",
    "MlpWeights",
    "Padded",
    "Places",
    "Sites",
    "Size",
    "SubjectModel",
    "Support",
    "Tap",
    "TextRows",
    "Unembedding",
    "bind",
    "edited",
    "embedding",
    "encode",
    "encoded_for",
    "final_normed",
    "frozen_weights",
    "generate",
    "generate_chosen",
    "gradients",
    "head_weights",
    "load",
    "logits_from",
    "mlp_weights",
    "model_size",
    "model_support",
    "next_logits",
    "output_embedding",
    "pad",
    "prompt_tokens",
    "read_from",
    "read_on",
    "share_of_weights_on_grid",
    "site_from",
    "special_ids",
    "text_logits",
    "tiny",
    "unembedding",
    "untrained",
    "weights_sha256_as",
    "without_wrapper",
]
