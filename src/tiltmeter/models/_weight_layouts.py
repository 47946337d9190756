"""Where each family keeps the weights that read from and write to the residual stream: one row a family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal


@dataclass(frozen=True, slots=True)
class WeightLayout:
    """Paths of the projections of a block; the output projection of attention is where the point ``z`` enters.

    Parameters
    ----------
    query_key_value
        Three paths, or one of a fused projection.
    fused
        How one projection holds all three: ``"concatenated"``: all queries, all keys, all values. ``"by_group"``: for
        each head of keys its queries, then its key, then its value. None where there are three.
    mlp_in
        Paths of what reads for the MLP, the gate first; those that a block has count. One that is twice as wide as the
        MLP holds gate and up side by side.
    mlp_out
        Path of the down-projection.
    experts
        Path of fused experts, in blocks that have them.
    experts_store
        ``"rows"``: one row an output, gate and up side by side. ``"columns"``: one column an output, gate and up in
        turn.
    attention_norm, mlp_norm
        Norms before attention and before the MLP, the first that is there; empty where the stream itself is read.
    attention_after, mlp_after
        Norms of what attention and the MLP add, None where it is added as it is.
    project_in
        Path, from the stack, of the map from the embedding's width to the stream's, None if there is none.
    """

    query_key_value: tuple[str, ...]
    mlp_in: tuple[str, ...]
    mlp_out: str
    attention_norm: tuple[str, ...] = ("input_layernorm",)
    mlp_norm: tuple[str, ...] = ("post_attention_layernorm",)
    fused: Literal["concatenated", "by_group"] | None = None
    experts: str | None = None
    experts_store: Literal["rows", "columns"] = "rows"
    attention_after: str | None = None
    mlp_after: str | None = None
    project_in: str | None = None


_SEPARATE = ("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj")
_GATED = ("mlp.gate_proj", "mlp.up_proj")
_LLAMA = WeightLayout(_SEPARATE, _GATED, "mlp.down_proj")
_EXPERTS = WeightLayout(_SEPARATE, _GATED, "mlp.down_proj", experts="mlp.experts")
_GEMMA = WeightLayout(
    _SEPARATE,
    _GATED,
    "mlp.down_proj",
    mlp_norm=("pre_feedforward_layernorm",),
    attention_after="post_attention_layernorm",
    mlp_after="post_feedforward_layernorm",
)
_NEOX = WeightLayout(("attention.query_key_value",), ("mlp.dense_h_to_4h",), "mlp.dense_4h_to_h", fused="by_group")
# With one head of keys, as in its first models, "by_group" is all queries, the key, the value. A parallel block norms
# for both at once, or for each by itself (the new architecture).
_FALCON = WeightLayout(
    ("self_attention.query_key_value",),
    ("mlp.dense_h_to_4h",),
    "mlp.dense_4h_to_h",
    attention_norm=("ln_attn", "input_layernorm"),
    mlp_norm=("ln_mlp", "post_attention_layernorm", "input_layernorm"),
    fused="by_group",
)
_OPT = WeightLayout(
    _SEPARATE,
    ("fc1",),
    "fc2",
    attention_norm=("self_attn_layer_norm",),
    mlp_norm=("final_layer_norm",),
    project_in="decoder.project_in",
)
# the norms come after the sums, and what is read is the stream itself
_OPT_POST_NORM = WeightLayout(
    _SEPARATE, ("fc1",), "fc2", attention_norm=(), mlp_norm=(), project_in="decoder.project_in"
)
_BERT = WeightLayout(
    ("attention.self.query", "attention.self.key", "attention.self.value"),
    ("intermediate.dense",),
    "output.dense",
    attention_norm=(),
    mlp_norm=(),
)

LAYOUTS: Mapping[str, WeightLayout] = MappingProxyType(
    {
        "Llama": _LLAMA,
        "Mistral": _LLAMA,
        "Qwen2": _LLAMA,
        "Qwen3": _LLAMA,
        "Phi-3": WeightLayout(("self_attn.qkv_proj",), ("mlp.gate_up_proj",), "mlp.down_proj", fused="concatenated"),
        "Gemma 2": _GEMMA,
        "Gemma 3": _GEMMA,
        "Gemma 3 (multimodal)": _GEMMA,
        "OLMo 2": WeightLayout(
            _SEPARATE,
            _GATED,
            "mlp.down_proj",
            attention_norm=(),
            mlp_norm=(),
            attention_after="post_attention_layernorm",
            mlp_after="post_feedforward_layernorm",
        ),
        "Mixtral": _EXPERTS,
        "Qwen3-MoE": _EXPERTS,
        "gpt-oss": WeightLayout(_SEPARATE, _GATED, "mlp.down_proj", experts="mlp.experts", experts_store="columns"),
        "GPT-2": WeightLayout(
            ("attn.c_attn",),
            ("mlp.c_fc",),
            "mlp.c_proj",
            attention_norm=("ln_1",),
            mlp_norm=("ln_2",),
            fused="concatenated",
        ),
        "GPT-J": WeightLayout(
            ("attn.q_proj", "attn.k_proj", "attn.v_proj"),
            ("mlp.fc_in",),
            "mlp.fc_out",
            attention_norm=("ln_1",),
            mlp_norm=("ln_1",),
        ),
        "GPT-NeoX (parallel)": _NEOX,
        "GPT-NeoX": _NEOX,
        "Falcon (parallel)": _FALCON,
        "Falcon": _FALCON,
        "OPT": _OPT,
        "OPT (post-norm)": _OPT_POST_NORM,
        "BERT": _BERT,
        "RoBERTa": _BERT,
        "T5 encoder": WeightLayout(
            ("layer.0.SelfAttention.q", "layer.0.SelfAttention.k", "layer.0.SelfAttention.v"),
            ("layer.1.DenseReluDense.wi_0", "layer.1.DenseReluDense.wi_1", "layer.1.DenseReluDense.wi"),
            "layer.1.DenseReluDense.wo",
            attention_norm=("layer.0.layer_norm",),
            mlp_norm=("layer.1.layer_norm",),
        ),
    }
)
