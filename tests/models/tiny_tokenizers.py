"""Tokenizers of the kinds that models have, trained on a few sentences, and the bytes that each token stands for."""

from __future__ import annotations

import copy
import re
from functools import cache

from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers
from transformers import PreTrainedTokenizerFast

SENTENCES = (
    "The city of Rome is in Italy, and the city of Oslo is in Norway.",
    "Is the old city in the north? No: it is in the south.",
    "naïve café, Größe, 日本語, Привет, 🙂🙂",
    "   two  spaces\nand a line break",
)
CHAT_TOKENS = (
    "<|im_start|>",
    "<|im_end|>",
    "<|start_header_id|>",
    "<|end_header_id|>",
    "<|eot_id|>",
    "<start_of_turn>",
    "<end_of_turn>",
)
KINDS = ("byte-level", "byte-level, trimmed", "metaspace", "byte fallback")


@cache
def _backend(kind: str) -> Tokenizer:
    match kind:
        case "byte-level" | "byte-level, trimmed":
            backend = Tokenizer(models.BPE())
            backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
            backend.decoder = decoders.ByteLevel()
            trainer = trainers.BpeTrainer(
                vocab_size=330, initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()), show_progress=False
            )
            if kind.endswith("trimmed"):
                backend.post_processor = processors.ByteLevel(add_prefix_space=False, trim_offsets=True)
        case "metaspace":
            backend = Tokenizer(models.Unigram())
            backend.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="first")
            backend.decoder = decoders.Metaspace(prepend_scheme="first")
            trainer = trainers.UnigramTrainer(
                vocab_size=120, unk_token="<unk>", special_tokens=["<unk>"], show_progress=False
            )
        case "byte fallback":
            alphabet = sorted(set("".join(SENTENCES[:2])))
            names = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256)), "▁", *(c for c in alphabet if c != " ")]
            names += ["▁t", "▁th", "▁the", "it", "is"]
            merges = [("▁", "t"), ("▁t", "h"), ("▁th", "e"), ("i", "t"), ("i", "s")]
            backend = Tokenizer(
                models.BPE(
                    {name: i for i, name in enumerate(names)},
                    merges,
                    unk_token="<unk>",
                    byte_fallback=True,
                    fuse_unk=True,
                )
            )
            backend.normalizer = normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")])
            backend.decoder = decoders.Sequence(
                [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), decoders.Strip(" ", 1, 0)]
            )
            return backend
        case _:
            raise ValueError(kind)
    backend.train_from_iterator(SENTENCES, trainer)
    return backend


def kind_of_tokenizer(kind: str) -> PreTrainedTokenizerFast:
    return PreTrainedTokenizerFast(tokenizer_object=_backend(kind), unk_token=None if "level" in kind else "<unk>")


def chat_tokenizer(kind: str, template: str) -> PreTrainedTokenizerFast:
    """Return a tokenizer that holds the tokens of the templates, of which none is added on its own."""
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=copy.deepcopy(_backend(kind)),
        unk_token=None if "level" in kind else "<unk>",
        bos_token="<s>",
        eos_token="</s>",
        additional_special_tokens=list(CHAT_TOKENS),
    )
    tokenizer.chat_template = template
    return tokenizer


def _printable() -> dict[str, int]:
    """Byte-level tokenizers write each byte as a character that can be printed."""
    own = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in own]
    return {chr(byte): byte for byte in own} | {chr(256 + i): byte for i, byte in enumerate(others)}


_PRINTABLE = _printable()


def bytes_of(token: str, kind: str) -> bytes:
    if token in CHAT_TOKENS or token in ("<s>", "</s>", "<unk>"):
        return token.encode()
    if "level" in kind:
        return bytes(_PRINTABLE[character] for character in token)
    if found := re.fullmatch(r"<0x(..)>", token):
        return bytes([int(found[1], 16)])
    return token.replace("▁", " ").encode()
