"""What several folders of tests need: a tiny random model on disk, and texts for it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jaxtyping import config
from threadpoolctl import threadpool_limits

WORDS = ["the", "city", "of", "is", "in", "not", ".", "<s>", "</s>", "<unk>"] + [f"w{i}" for i in range(40)]


@pytest.fixture(scope="session")
def tiny_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the folder of a random two-block Llama with a word tokenizer and a context of 32 tokens."""
    import torch
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

    folder = tmp_path_factory.mktemp("tiny") / "model"
    tokenizer = Tokenizer(models.WordLevel({word: i for i, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, unk_token="<unk>", eos_token="</s>", pad_token="</s>", model_max_length=32
    ).save_pretrained(folder)
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        max_position_embeddings=32,
    )
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture
def write_rows(tmp_path: Path) -> Callable[..., Path]:
    """Return a function that writes rows as JSON lines."""

    def write(rows: list[dict[str, Any]], *, name: str = "texts.jsonl") -> Path:
        path = tmp_path / name
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        return path

    return write


@pytest.fixture
def rows() -> list[dict[str, Any]]:
    """Return 40 groups of a true and a false text each, told apart by their third word."""
    made = []
    for i in range(40):
        for label, word in ((1, "w38"), (0, "w39")):
            text = f"w{i % 30} w{i // 30} is {word} ."
            made.append({"text": text, "label": label, "group": f"g{i}", "pair": f"p{i}"})
    return made


@pytest.fixture(scope="session", autouse=True)
def _one_blas_thread() -> Iterator[None]:
    """Keep small products on one thread: on a busy machine, threads that wait for each other take 100 times as long."""
    with threadpool_limits(1, user_api="blas"):
        yield


@pytest.fixture
def without_run_time_types() -> Iterator[None]:
    """Let arguments of a wrong type or shape through, as they are for a user: the code itself must answer them."""
    config.update("jaxtyping_disable", True)
    yield
    config.update("jaxtyping_disable", False)
