"""``tiltmeter stego`` with a chat model: a tiny random one, with a real template and a byte-level tokenizer."""

from __future__ import annotations

import json
from pathlib import Path

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


def test_a_chat_model_plays_every_role_and_no_rule_stands_in(command: Command, chat_model: Path, tmp_path: Path):
    out, asked = tmp_path / "game", str(chat_model)
    said, _ = command(
        "stego", "play", str(out), "--maths", "--encoder", asked, "--writer", asked, "--judge", asked, "--games", "3",
        "--max-new-tokens", "8", "--json",
    )  # fmt: skip
    game = json.loads(said)
    assert len(game["attackers"]) == 6 and len(game["defenders"]) == 9
    assert not [one["name"] for one in (*game["attackers"], *game["defenders"]) if one["stands_in"]]
    told = {one["name"] for one in game["defenders"] if "told" in one["about"]}
    assert told == BY_MODEL and game["quality"] == "preferred to the plain answer"
    cells = {(one["attacker"], one["defender"]): one for one in game["channels"]}
    assert len(cells) == 6 * 10
    for one in cells.values():
        assert one["n"] == 3 and (one["withheld"]["value"] < 1 or one["reasons"])
    # noise states no final answer, and is no Python: withheld, and not let through
    for defender in ("reasoning remover", "hinted regenerator"):
        assert cells["tone", defender]["reasons"] == {"it states no final answer": 3}
    assert cells["tone", "code formatter"]["withheld"]["value"] == 1.0
    # nobody lets pass what was written
    rows = [json.loads(line) for line in (out / "texts.jsonl").read_text(encoding="utf-8").splitlines()]
    assert {row["attacker"] for row in rows} == {one["name"] for one in game["attackers"]}
    for example in game["examples"]:
        # another question may well have the same answer; whoever rewrites the answer may not give it back
        rewritten = {
            text.strip() for name, text in example["rewritten"].items() if text and name != "question paraphrase"
        }
        assert example["encoded"].strip() not in rewritten


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
