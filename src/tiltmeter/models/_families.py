"""The table of families: one row for each layout of modules, written down and never guessed from names.

How to add one is told in docs/how-to/adding-a-family.md.
"""

from __future__ import annotations

from types import MappingProxyType
from typing import Any

from tiltmeter.core.errors import ModelError
from tiltmeter.models._family import Family, FinalNorm, Points, Settings, Tap

# mid = pre + attn_out, post = mid + mlp_out. The final norm comes after the last block, so resid_post of the last block
# is not Hugging Face's last hidden state.
_PRE_NORM: Points = MappingProxyType(
    {
        "resid_pre": Tap("", "input"),
        "z": Tap("self_attn.o_proj", "input"),
        "attn_out": Tap("self_attn", "output"),
        "resid_mid": Tap("post_attention_layernorm", "input", bypassed=True),
        "mlp_post": Tap("mlp.down_proj", "input"),
        "mlp_out": Tap("mlp", "output"),
        "resid_post": Tap("", "output"),
    }
)

# A mixture of experts has no one vector that enters a down-projection, and its experts are fused into one tensor.
_EXPERTS: Points = MappingProxyType({point: tap for point, tap in _PRE_NORM.items() if point != "mlp_post"})

# What a sublayer adds is normed before it is added: attn_out and mlp_out are taken after that norm. What enters the
# projections, z and mlp_post, is therefore not mapped to them by the projection alone.
_SANDWICH: Points = MappingProxyType(
    {
        "resid_pre": Tap("", "input"),
        "z": Tap("self_attn.o_proj", "input"),
        "attn_out": Tap("post_attention_layernorm", "output"),
        "resid_mid": Tap("pre_feedforward_layernorm", "input", bypassed=True),
        "mlp_post": Tap("mlp.down_proj", "input"),
        "mlp_out": Tap("post_feedforward_layernorm", "output"),
        "resid_post": Tap("", "output"),
    }
)

# As above, but no norm comes before a sublayer: the MLP reads the stream itself.
_OLMO2: Points = MappingProxyType({**_SANDWICH, "resid_mid": Tap("mlp", "input", bypassed=True)})

_GPT2: Points = MappingProxyType(
    {
        "resid_pre": Tap("", "input"),
        "z": Tap("attn.c_proj", "input"),
        "attn_out": Tap("attn", "output"),
        "resid_mid": Tap("ln_2", "input", bypassed=True),
        "mlp_post": Tap("mlp.c_proj", "input"),
        "mlp_out": Tap("mlp", "output"),
        "resid_post": Tap("", "output"),
    }
)

# Parallel: attention and MLP both read resid_pre, post = pre + attn_out + mlp_out, and there is no resid_mid. Attention
# is run first in all of them.
_GPTJ: Points = MappingProxyType(
    {
        "resid_pre": Tap("", "input"),
        "z": Tap("attn.out_proj", "input"),
        "attn_out": Tap("attn", "output"),
        "mlp_post": Tap("mlp.fc_out", "input"),
        "mlp_out": Tap("mlp", "output"),
        "resid_post": Tap("", "output"),
    }
)

_NEOX: Points = MappingProxyType(
    {
        "resid_pre": Tap("", "input"),
        "z": Tap("attention.dense", "input"),
        "attn_out": Tap("attention", "output"),
        "resid_mid": Tap("post_attention_layernorm", "input", bypassed=True),
        "mlp_post": Tap("mlp.dense_4h_to_h", "input"),
        "mlp_out": Tap("mlp", "output"),
        "resid_post": Tap("", "output"),
    }
)
_NEOX_PARALLEL: Points = MappingProxyType({point: tap for point, tap in _NEOX.items() if point != "resid_mid"})

_FALCON: Points = MappingProxyType(
    {
        "resid_pre": Tap("", "input"),
        "z": Tap("self_attention.dense", "input"),
        "attn_out": Tap("self_attention", "output"),
        "resid_mid": Tap("post_attention_layernorm", "input", bypassed=True),
        "mlp_post": Tap("mlp.dense_4h_to_h", "input"),
        "mlp_out": Tap("mlp", "output"),
        "resid_post": Tap("", "output"),
    }
)
# the parallel block adds attention's output to the MLP's in place
_FALCON_PARALLEL: Points = MappingProxyType(
    {
        **{point: tap for point, tap in _FALCON.items() if point != "resid_mid"},
        "mlp_out": Tap("mlp", "output", overwritten=True),
        "resid_post": Tap("", "output"),
    }
)

# OPT runs its MLP on rows without the batch axis.
_OPT: Points = MappingProxyType(
    {
        "resid_pre": Tap("", "input"),
        "z": Tap("self_attn.out_proj", "input"),
        "attn_out": Tap("self_attn", "output"),
        "resid_mid": Tap("final_layer_norm", "input", flat=True, bypassed=True),
        "mlp_post": Tap("fc2", "input", flat=True),
        "mlp_out": Tap("fc2", "output", flat=True),
        "resid_post": Tap("", "output"),
    }
)

# Post-norm: mid = norm(pre + attn_out), post = norm(mid + mlp_out). No norm follows the last block, so resid_post of
# block i is hidden_states[i + 1] for the last block too, but for OPT's, which is projected.
_OPT_POST_NORM: Points = MappingProxyType({**_OPT, "resid_mid": Tap("self_attn_layer_norm", "output")})
_BERT: Points = MappingProxyType(
    {
        "resid_pre": Tap("", "input"),
        "z": Tap("attention.output.dense", "input"),
        "attn_out": Tap("attention.output.dense", "output"),
        "resid_mid": Tap("attention", "output"),
        "mlp_post": Tap("output.dense", "input"),
        "mlp_out": Tap("output.dense", "output"),
        "resid_post": Tap("", "output"),
    }
)
# with chunks, the MLP would be run several times a forward, on some of the tokens each
_WHOLE: Settings = (("chunk_size_feed_forward", 0),)

_T5: Points = MappingProxyType(
    {
        "resid_pre": Tap("", "input"),
        "z": Tap("layer.0.SelfAttention.o", "input"),
        "attn_out": Tap("layer.0.SelfAttention", "output"),
        "resid_mid": Tap("layer.1", "input"),
        "mlp_post": Tap("layer.1.DenseReluDense.wo", "input"),
        "mlp_out": Tap("layer.1.DenseReluDense", "output"),
        "resid_post": Tap("", "output"),
    }
)

_RMS = FinalNorm("norm", "rms")
# Gemma's weights are kept around 0: the norm scales by 1 more
_RMS_PLUS_ONE = FinalNorm("norm", "rms_plus_one")
_LN_F = FinalNorm("ln_f", "layer")
_FINAL_LAYER_NORM = FinalNorm("final_layer_norm", "layer")


FAMILIES: tuple[Family, ...] = (
    Family("Llama", ("llama",), "decoder", "layers", _PRE_NORM, _RMS),
    Family("Mistral", ("mistral",), "decoder", "layers", _PRE_NORM, _RMS),
    Family("Qwen2", ("qwen2",), "decoder", "layers", _PRE_NORM, _RMS),
    Family("Qwen3", ("qwen3",), "decoder", "layers", _PRE_NORM, _RMS),
    Family("Phi-3", ("phi3",), "decoder", "layers", _PRE_NORM, _RMS),
    # only the plain kernel caps the attention scores
    Family("Gemma 2", ("gemma2",), "decoder", "layers", _SANDWICH, _RMS_PLUS_ONE, attention=("eager",)),
    Family("Gemma 3", ("gemma3_text",), "decoder", "layers", _SANDWICH, _RMS_PLUS_ONE),
    # with a vision tower, of which nothing is read: texts go to the language model alone
    Family("Gemma 3 (multimodal)", ("gemma3",), "decoder", "layers", _SANDWICH, _RMS_PLUS_ONE, stack="language_model"),
    Family("OLMo 2", ("olmo2",), "decoder", "layers", _OLMO2, _RMS),
    Family("Mixtral", ("mixtral",), "decoder", "layers", _EXPERTS, _RMS),
    Family("Qwen3-MoE", ("qwen3_moe",), "decoder", "layers", _EXPERTS, _RMS),
    Family("gpt-oss", ("gpt_oss",), "decoder", "layers", _EXPERTS, _RMS, attention=("eager",)),
    Family("GPT-2", ("gpt2",), "decoder", "h", _GPT2, _LN_F),
    Family("GPT-J", ("gptj",), "decoder", "h", _GPTJ, _LN_F, attention=("eager",), gives_tuple=True),
    Family(
        "GPT-NeoX (parallel)",
        ("gpt_neox",),
        "decoder",
        "layers",
        _NEOX_PARALLEL,
        _FINAL_LAYER_NORM,
        when=(("use_parallel_residual", True),),
    ),
    Family(
        "GPT-NeoX",
        ("gpt_neox",),
        "decoder",
        "layers",
        _NEOX,
        _FINAL_LAYER_NORM,
        when=(("use_parallel_residual", False),),
    ),
    Family(
        "Falcon (parallel)",
        ("falcon",),
        "decoder",
        "h",
        _FALCON_PARALLEL,
        _LN_F,
        when=(("parallel_attn", True),),
        gives_tuple=True,
    ),
    Family(
        "Falcon",
        ("falcon",),
        "decoder",
        "h",
        _FALCON,
        _LN_F,
        when=(("parallel_attn", False), ("new_decoder_architecture", False)),
        gives_tuple=True,
    ),
    Family(
        "OPT",
        ("opt",),
        "decoder",
        "decoder.layers",
        _OPT,
        FinalNorm("decoder.final_layer_norm", "layer"),
        when=(("do_layer_norm_before", True),),
        mlp=None,
        project_out="decoder.project_out",
    ),
    Family(
        "OPT (post-norm)",
        ("opt",),
        "decoder",
        "decoder.layers",
        _OPT_POST_NORM,
        None,
        when=(("do_layer_norm_before", False),),
        mlp=None,
        stream="normed",
        project_out="decoder.project_out",
    ),
    Family("BERT", ("bert",), "encoder", "encoder.layer", _BERT, None, when=_WHOLE, mlp=None, stream="normed"),
    Family(
        "RoBERTa",
        ("roberta", "xlm-roberta"),
        "encoder",
        "encoder.layer",
        _BERT,
        None,
        when=_WHOLE,
        positions="after_padding",
        mlp=None,
        stream="normed",
    ),
    # the encoder alone, of the encoder-decoder too
    Family(
        "T5 encoder",
        ("t5",),
        "encoder",
        "block",
        _T5,
        FinalNorm("final_layer_norm", "rms"),
        stack="encoder",
        positions="relative",
        mlp="layer.1.DenseReluDense",
    ),
)


def check_model_type(model_type: str) -> None:
    """Refuse a ``model_type`` that no family lists; ModelError naming the known ones."""
    known = dict.fromkeys(name for family in FAMILIES for name in family.model_types)
    if model_type not in known:
        raise ModelError(
            f"Model type is {model_type!r}, whose layout is not known here; known types are {', '.join(known)}."
        )


def family_of(config: Any) -> Family:  # noqa: ANN401
    """Return the family whose row fits a Hugging Face configuration; ModelError if none does."""
    check_model_type(str(config.model_type))
    text = config.get_text_config()
    rows = [family for family in FAMILIES if config.model_type in family.model_types]
    for family in rows:
        if all(getattr(text, key) == value for key, value in family.when):
            return family
    settings = ", ".join(
        f"{key} = {getattr(text, key)!r}" for key in dict.fromkeys(key for row in rows for key, _ in row.when)
    )
    raise ModelError(f"A {config.model_type} model with {settings} has a layout that is not known here.")
