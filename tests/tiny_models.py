"""Tiny random models of every family, tokenizers of every habit, and a plain forward to compare with."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import AutoConfig, AutoModelForCausalLM, AutoModelForTextEncoding, PreTrainedTokenizerFast

from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel, bind

WORDS = tuple(f"w{i}" for i in range(40))
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", "<turn>", "<end>")
CONTEXT = 32
TEMPLATE = (
    "{% for m in messages %}<turn> {{ m['role'] }} {{ m['content'] }} <end>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn> assistant {% endif %}"
)

_SMALL: dict[str, Any] = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "vocab_size": 64,
    "bos_token_id": 1,
    "eos_token_id": 2,
    "pad_token_id": 3,
    # far from the tiny default, under which attention hardly matters
    "initializer_range": 0.3,
}
_GROUPED = {"num_key_value_heads": 2, "head_dim": 8}
# full attention in the last block only, so that both kinds are run; six would be the usual period
_SLIDING = {"sliding_window": 5, "layer_types": ["sliding_attention", "sliding_attention", "full_attention"]}
_EXPERTS = {"num_experts_per_tok": 2, **_GROUPED}
# name: model type, and what its configuration adds to the above
_TABLE: dict[str, tuple[str, dict[str, Any]]] = {
    "llama": ("llama", {}),
    "llama-bidirectional": ("llama", {"is_causal": False}),
    "llama-grouped-tied": ("llama", {**_GROUPED, "tie_word_embeddings": True, "attention_bias": True}),
    "mistral-sliding": ("mistral", {"num_key_value_heads": 2, "sliding_window": 5}),
    "qwen2": ("qwen2", {"num_key_value_heads": 2}),
    "qwen3": ("qwen3", _GROUPED),
    "phi3": ("phi3", {"num_key_value_heads": 2}),
    "phi3-long": (
        "phi3",
        {
            "max_position_embeddings": 4 * CONTEXT,
            "original_max_position_embeddings": CONTEXT,
            "rope_parameters": {
                "rope_type": "longrope",
                "rope_theta": 1e4,
                "short_factor": [1.0, 1.0, 1.0],
                "long_factor": [2.0, 4.0, 8.0],
                "factor": 4.0,
            },
        },
    ),
    "gemma2": ("gemma2", {**_GROUPED, **_SLIDING, "query_pre_attn_scalar": 8}),
    "gemma3": ("gemma3_text", {**_GROUPED, **_SLIDING, "query_pre_attn_scalar": 8}),
    # each time such a configuration is made its window is halved and 1 added: 2 stays
    "gemma3-bidirectional": (
        "gemma3_text",
        {**_GROUPED, **_SLIDING, "sliding_window": 2, "query_pre_attn_scalar": 8, "use_bidirectional_attention": True},
    ),
    "gemma3-multimodal": ("gemma3", {}),
    "olmo2": ("olmo2", {"num_key_value_heads": 2}),
    "mixtral": ("mixtral", {**_EXPERTS, "num_local_experts": 4}),
    "qwen3-moe": ("qwen3_moe", {**_EXPERTS, "num_experts": 4, "moe_intermediate_size": 16, "mlp_only_layers": [1]}),
    "gpt-oss": (
        "gpt_oss",
        {
            **_EXPERTS,
            **_SLIDING,
            "num_local_experts": 4,
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4},
        },
    ),
    "gpt2": ("gpt2", {"n_inner": 40}),
    "gptj": ("gptj", {"n_inner": 40, "rotary_dim": 4}),
    "gpt-neox": ("gpt_neox", {"use_parallel_residual": True}),
    "gpt-neox-sequential": ("gpt_neox", {"use_parallel_residual": False}),
    "falcon": ("falcon", {"ffn_hidden_size": 40, "multi_query": True, "parallel_attn": True, "bias": True}),
    "falcon-new": ("falcon", {"ffn_hidden_size": 40, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "falcon-sequential": (
        "falcon",
        {"ffn_hidden_size": 40, "parallel_attn": False, "multi_query": False, "alibi": True},
    ),
    "opt": ("opt", {"ffn_dim": 40, "word_embed_proj_dim": 24, "init_std": 0.3}),
    "opt-post-norm": (
        "opt",
        {"ffn_dim": 40, "word_embed_proj_dim": 16, "init_std": 0.3, "do_layer_norm_before": False},
    ),
    "bert": ("bert", {}),
    "roberta": ("roberta", {"max_position_embeddings": CONTEXT + 4}),
    "xlm-roberta": ("xlm-roberta", {"max_position_embeddings": CONTEXT + 4}),
    "t5": ("t5", {"d_kv": 8, "d_ff": 40, "initializer_factor": 1.0}),
    "t5-gated": ("t5", {"d_kv": 8, "d_ff": 40, "feed_forward_proj": "gated-gelu", "tie_word_embeddings": False}),
}
FAMILIES = tuple(_TABLE)


def word_tokenizer(
    *, bos: bool = False, eos: bool = False, pad: bool = True, side: str = "right", template: str | None = None
) -> PreTrainedTokenizerFast:
    """One token a word, of known offsets; a comma is a token of its own, so that tokens may touch."""
    vocabulary = {word: i for i, word in enumerate((*SPECIAL, *WORDS, "user", "assistant", "system", ","))}
    backend = Tokenizer(models.WordLevel(vocabulary, unk_token="<unk>"))
    backend.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Punctuation(behavior="isolated")]
    )
    single = ["<s>"] * bos + ["$A"] + ["</s>"] * eos
    if bos or eos:
        backend.post_processor = processors.TemplateProcessing(
            single=" ".join(single), special_tokens=[(name, vocabulary[name]) for name in ("<s>", "</s>")]
        )
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend,
        unk_token="<unk>",
        bos_token="<s>",
        eos_token="</s>",
        pad_token="<pad>" if pad else None,
        additional_special_tokens=["<turn>", "<end>"],
        padding_side=side,
    )
    tokenizer.chat_template = template
    return tokenizer


def tiny_config(family: str) -> Any:
    """Return the configuration of a tiny model."""
    model_type, settings = _TABLE[family]
    if family == "gemma3-multimodal":
        text = {**_SMALL, **_TABLE["gemma3"][1]}
        vision = {"hidden_size": 8, "intermediate_size": 8, "num_hidden_layers": 1, "num_attention_heads": 2}
        return AutoConfig.for_model(
            model_type,
            text_config=text,
            vision_config={**vision, "image_size": 8, "patch_size": 4},
            image_token_index=63,
        )
    small = _SMALL
    if model_type == "t5":
        # it knows no positions, and takes its own names only
        small = {key: value for key, value in _SMALL.items() if not key.startswith(("max_position", "initializer"))}
        small = {**small, "d_model": 24, "num_layers": 3, "num_heads": 4}
    return AutoConfig.for_model(model_type, **{**small, **settings})


def tiny_subject(
    family: str, *, tokenizer: PreTrainedTokenizerFast | None = None, dtype: torch.dtype = torch.float32
) -> SubjectModel:
    torch.manual_seed(0)
    config = tiny_config(family)
    encoder = config.model_type in ("bert", "roberta", "xlm-roberta", "t5")
    model = (AutoModelForTextEncoding if encoder else AutoModelForCausalLM).from_config(config, dtype=dtype)
    with torch.no_grad():
        for module in model.modules():
            # norms that scale, so that before and after a norm cannot be mistaken for each other
            norm = "norm" in type(module).__name__.lower()
            for name, weight in module.named_parameters(recurse=False):
                if norm and name == "weight":
                    weight.uniform_(0.5, 2.0)
                elif name == "bias":
                    # zero in a new model, so that one left out would not be missed
                    weight.uniform_(-0.5, 0.5)
    return bind(model.eval(), tokenizer or word_tokenizer(bos=encoder, eos=encoder), name=family)


def massive_subject() -> SubjectModel:
    """Return a random Llama of 48 features, of which the sixth is massive from the second block on."""
    torch.manual_seed(0)
    config = AutoConfig.for_model("llama", **{**_SMALL, "hidden_size": 48})
    model = AutoModelForCausalLM.from_config(config)
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight[5] *= 300
    return bind(model.eval(), word_tokenizer(), name="massive")


def random_texts(n: int, *, longest: int = 25, seed: int = 0) -> TextSet:
    rng = np.random.default_rng(seed)
    texts = tuple(" ".join(rng.choice(WORDS, rng.integers(1, longest + 1))) for _ in range(n))
    return TextSet(
        np.array([f"t{i}" for i in range(n)]),
        texts=texts,
        y=np.arange(n) % 2,
        pairs=np.array([f"p{i // 2}" for i in range(n)]),
        sides=np.arange(n) % 2,
        groups=np.array([f"g{i // 4}" for i in range(n)]),
    )


def plain_states(subject: SubjectModel, text: str) -> list[np.ndarray]:
    """Hugging Face's hidden states of one text alone, shape (t, d) each."""
    inputs = subject.tokenizer(text, return_tensors="pt")
    with torch.no_grad():
        out = subject.model(
            input_ids=inputs["input_ids"], attention_mask=inputs["attention_mask"], output_hidden_states=True
        )
    return [state[0].float().numpy() for state in out.hidden_states]
