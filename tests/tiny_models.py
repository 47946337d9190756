"""Tiny random models of every family, tokenizers of every habit, and a plain forward to compare with."""

from __future__ import annotations

import numpy as np
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, processors
from transformers import (
    BertConfig,
    BertModel,
    LlamaConfig,
    LlamaForCausalLM,
    MistralConfig,
    MistralForCausalLM,
    PreTrainedTokenizerFast,
    Qwen2Config,
    Qwen2ForCausalLM,
)

from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel, bind

WORDS = tuple(f"w{i}" for i in range(40))
SPECIAL = ("<unk>", "<s>", "</s>", "<pad>", "<turn>", "<end>")
CONTEXT = 32
TEMPLATE = (
    "{% for m in messages %}<turn> {{ m['role'] }} {{ m['content'] }} <end>\n{% endfor %}"
    "{% if add_generation_prompt %}<turn> assistant {% endif %}"
)

_SMALL = {
    "hidden_size": 24,
    "intermediate_size": 40,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": CONTEXT,
    "vocab_size": 64,
    # far from the tiny default, under which attention hardly matters
    "initializer_range": 0.3,
}
FAMILIES = ("llama", "llama-grouped-tied", "mistral-sliding", "qwen2", "bert")


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


def tiny_subject(family: str, *, tokenizer: PreTrainedTokenizerFast | None = None) -> SubjectModel:
    torch.manual_seed(0)
    match family:
        case "llama":
            model = LlamaForCausalLM(LlamaConfig(**_SMALL))
        case "llama-grouped-tied":
            model = LlamaForCausalLM(
                LlamaConfig(**_SMALL, num_key_value_heads=2, head_dim=8, tie_word_embeddings=True, attention_bias=True)
            )
        case "mistral-sliding":
            model = MistralForCausalLM(MistralConfig(**_SMALL, num_key_value_heads=2, sliding_window=5))
        case "qwen2":
            model = Qwen2ForCausalLM(Qwen2Config(**_SMALL, num_key_value_heads=2))
        case "bert":
            model = BertModel(BertConfig(**_SMALL))
        case _:
            raise ValueError(family)
    encoder = family == "bert"
    with torch.no_grad():
        # norms that scale, so that before and after a norm cannot be mistaken for each other
        for name, weight in model.named_parameters():
            if "norm" in name.lower():
                weight.uniform_(0.5, 2.0)
    return bind(model.eval(), tokenizer or word_tokenizer(bos=encoder, eos=encoder), name=family)


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
