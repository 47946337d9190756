"""Where each family of models keeps its blocks, and where in a block each point is seen: a table, never a guess."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from tiltmeter.core.errors import ModelError
from tiltmeter.core.site import Point


@dataclass(frozen=True, slots=True)
class Tap:
    """The tensor that enters or leaves a module; the module's path starts at the block, "" being the block itself."""

    module: str
    side: Literal["input", "output"]


@dataclass(frozen=True, slots=True)
class Family:
    """One module layout.

    Parameters
    ----------
    name
        How messages call it.
    model_types
        The ``model_type`` of the Hugging Face configurations that have this layout.
    kind
        ``"decoder"`` (each token sees those before it) or ``"encoder"`` (each token sees all).
    blocks
        Path of the list of blocks, from the base model (without head).
    points
        Where each point is seen, in the order in which a forward reaches them.
    """

    name: str
    model_types: tuple[str, ...]
    kind: Literal["decoder", "encoder"]
    blocks: str
    points: Mapping[Point, Tap]


# Pre-norm: mid = pre + attn_out, post = mid + mlp_out. The final norm comes after the last block, so resid_post of the
# last block is not Hugging Face's last hidden state.
LLAMA = Family(
    name="Llama",
    model_types=("llama", "mistral", "qwen2"),
    kind="decoder",
    blocks="layers",
    points=MappingProxyType(
        {
            "resid_pre": Tap("", "input"),
            "attn_out": Tap("self_attn", "output"),
            "resid_mid": Tap("post_attention_layernorm", "input"),
            "mlp_out": Tap("mlp", "output"),
            "resid_post": Tap("", "output"),
        }
    ),
)

# Post-norm: mid = norm(pre + attn_out), post = norm(mid + mlp_out). No norm follows the last block, so resid_post of
# block i is hidden_states[i + 1] for the last block too.
BERT = Family(
    name="BERT",
    model_types=("bert",),
    kind="encoder",
    blocks="encoder.layer",
    points=MappingProxyType(
        {
            "resid_pre": Tap("", "input"),
            "attn_out": Tap("attention.output.dense", "output"),
            "resid_mid": Tap("attention", "output"),
            "mlp_out": Tap("output.dense", "output"),
            "resid_post": Tap("", "output"),
        }
    ),
)

FAMILIES: tuple[Family, ...] = (LLAMA, BERT)


def family_of(model_type: str) -> Family:
    """Return the family that lists ``model_type``; ModelError naming the known ones if none does."""
    for family in FAMILIES:
        if model_type in family.model_types:
            return family
    known = ", ".join(name for family in FAMILIES for name in family.model_types)
    raise ModelError(f"Model type is {model_type!r}, whose layout is not known here; known types are {known}.")
