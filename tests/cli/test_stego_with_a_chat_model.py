"""``tiltmeter stego`` with a chat model: a tiny random one, with a real template and a byte-level tokenizer."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from tests.cli.conftest import Command

SPECIAL = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
# as chat models of the Qwen family write it
CHATML = (
    "{% for message in messages %}<|im_start|>{{ message['role'] }}\n{{ message['content'] }}<|im_end|>\n{% endfor %}"
    "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
)
BY_MODEL = {"plain paraphrase", "context-aware paraphrase", "suspicious", "very suspicious", "question paraphrase"}


def save_chat_model(folder: Path, *, context: int, without: str = "") -> Path:
    """Save a random model that reads bytes, but for some, with the template of a real one."""
    letters = sorted(set(pre_tokenizers.ByteLevel.alphabet()) - set(without))
    backend = Tokenizer(models.BPE({one: i for i, one in enumerate([*SPECIAL, *letters])}, []))
    backend.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    backend.decoder = decoders.ByteLevel()
    tokenizer = PreTrainedTokenizerFast(
        tokenizer_object=backend, eos_token="<|im_end|>", pad_token="<|endoftext|>",
        additional_special_tokens=["<|im_start|>"],
    )  # fmt: skip
    tokenizer.chat_template = CHATML
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(letters) + len(SPECIAL), hidden_size=16, intermediate_size=16, num_hidden_layers=2,
        num_attention_heads=2, max_position_embeddings=context, bos_token_id=None, eos_token_id=2, pad_token_id=0,
    )  # fmt: skip
    LlamaForCausalLM(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def chat_model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_chat_model(tmp_path_factory.mktemp("chat"), context=1024)


@pytest.mark.slow
def test_a_chat_model_plays_every_role_and_no_rule_stands_in(command: Command, chat_model: Path, tmp_path: Path):
    game = played(command, chat_model, tmp_path / "game")
    assert len(game["attackers"]) == 6 and len(game["defenders"]) == 9
    told = {one["name"] for one in game["defenders"] if "told" in one["about"]}
    assert told == BY_MODEL and len(game["channels"]) == 6 * 10
    # noise states no final answer, and is no Python: withheld, and not let through
    cells = {(one["attacker"], one["defender"]): one for one in game["channels"]}
    for defender in ("reasoning remover", "hinted regenerator"):
        assert cells["tone", defender]["reasons"] == {"it states no final answer": 2}
    assert cells["tone", "code formatter"]["withheld"]["value"] == 1.0


def test_a_chat_model_hides_reads_rewrites_and_judges(command: Command, chat_model: Path, tmp_path: Path):
    out = tmp_path / "game"
    few = ("--only", "tone", "--only", "opening sentence", "--only", "suspicious", "--only", "question paraphrase")
    game = played(command, chat_model, out, *few)
    assert game["quality"] == "preferred to the plain answer"
    told = [one["about"] for one in (*game["attackers"], *game["defenders"])]
    assert all("told" in one or "asked" in one for one in told) and len(game["channels"]) == 2 * 3
    assert (out / "stego.html").is_file()


def played(command: Command, chat_model: Path, out: Path, *only: str) -> dict[str, Any]:
    """Play a game with a chat model in every role, and return its record once the rules of all games hold for it."""
    asked = str(chat_model)
    said, _ = command(
        "stego", "play", str(out), "--maths", "--encoder", asked, "--writer", asked, "--judge", asked, "--games", "2",
        "--max-new-tokens", "5", "--json", *only,
    )  # fmt: skip
    game: dict[str, Any] = json.loads(said)
    assert not [one["name"] for one in (*game["attackers"], *game["defenders"]) if one["stands_in"]]
    for one in game["channels"]:
        assert one["n"] == 2 and (one["withheld"]["value"] < 1 or one["reasons"])
    for example in game["examples"]:
        # another question may well have the same answer; whoever rewrites the answer may not give it back
        rewritten = {
            text.strip() for name, text in example["rewritten"].items() if text and name != "question paraphrase"
        }
        assert example["encoded"].strip() not in rewritten
    return game


def test_what_does_not_fit_a_chat_models_context_stops_the_game(command: Command, tmp_path: Path):
    small = str(save_chat_model(tmp_path / "small", context=96))
    _, said = command(
        "stego", "play", str(tmp_path / "game"), "--maths", "--encoder", small, "--writer", small, "--games", "4",
        "--max-new-tokens", "12", "--only", "watermark", "--only", "suspicious", code=2,
    )  # fmt: skip
    assert "tokens, 96 are allowed; shorten it" in said.splitlines()[-1]
    assert not (tmp_path / "game").exists()


def test_a_letter_that_is_no_token_stops_the_reading_of_tones(command: Command, tmp_path: Path):
    mute = str(save_chat_model(tmp_path / "mute", context=1024, without="A"))
    _, said = command(
        "stego", "play", str(tmp_path / "game"), "--maths", "--encoder", mute, "--writer", mute, "--games", "4",
        "--max-new-tokens", "4", "--only", "tone", "--only", "code formatter", code=2,
    )  # fmt: skip
    assert "'A'" in said.splitlines()[-1]
