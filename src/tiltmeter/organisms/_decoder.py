"""The small decoder that every organism is, and its tokenizer: one token a word."""

from __future__ import annotations

from collections.abc import Sequence

from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tiltmeter.organisms._schedule import Schedule

PAD, UNKNOWN, END = "<pad>", "<unk>", "<eos>"
SPECIAL = (PAD, UNKNOWN, END)
"""What every vocabulary begins with."""


def new_decoder(words: Sequence[str], schedule: Schedule, *, context: int) -> LlamaForCausalLM:
    """Make an untrained model; its weights come from PyTorch's generator as it stands."""
    config = LlamaConfig(
        vocab_size=len(words),
        hidden_size=schedule.d_model,
        intermediate_size=schedule.d_mlp,
        num_hidden_layers=schedule.n_layers,
        num_attention_heads=schedule.n_heads,
        max_position_embeddings=context,
        tie_word_embeddings=True,
        # half of 1 / sqrt(d_model) = 0.1; the usual 0.02 is meant for far wider models
        initializer_range=0.05,
        pad_token_id=words.index(PAD),
        bos_token_id=None,
        eos_token_id=words.index(END),
        # the plain kernel is faster than the fused one at ten tokens
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config)
    model.train()
    return model


def word_tokenizer(words: Sequence[str], *, context: int) -> PreTrainedTokenizerFast:
    """Make a tokenizer of one token a word, divided by spaces; nothing is put in front of a text."""
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(words)}, unk_token=UNKNOWN))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token=PAD,
        unk_token=UNKNOWN,
        eos_token=END,
        clean_up_tokenization_spaces=False,
        model_input_names=["input_ids", "attention_mask"],
        model_max_length=context,
    )
