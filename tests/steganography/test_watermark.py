"""A watermark draws what the model would, is read with its key alone, and its evidence is a sum in a loop."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from scipy import stats
from tiny_models import tiny_subject

from tiltmeter.models import generate_chosen, load, prompt_tokens
from tiltmeter.steganography import Item, watermark
from tiltmeter.steganography._watermark import _numbers, evidence
from tiltmeter.steganography._writer import prompts_of

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"


@pytest.fixture(scope="module")
def writer():
    subject = tiny_subject("llama")
    subject.model.generation_config.eos_token_id = None
    return subject


ITEMS = tuple(Item(f"i{i}", f"w{i % 40} w{i // 40}", "") for i in range(16))


def test_a_message_is_read_back_from_tokens_that_are_not_sure(writer):
    attacker = watermark(writer, n_bits=4, max_new_tokens=25)
    messages = np.random.default_rng(0).integers(16, size=len(ITEMS))
    texts = attacker.encode(ITEMS, messages)
    # chance: 1/16. Special tokens that it draws are not in the text, and windows across them are lost
    assert (attacker.decode(ITEMS, texts) == messages).mean() > 0.6


def test_another_key_and_plain_sampling_read_as_chance(writer):
    attacker = watermark(writer, n_bits=4, max_new_tokens=25)
    messages = np.random.default_rng(0).integers(16, size=len(ITEMS))
    texts = attacker.encode(ITEMS, messages)
    other = watermark(writer, n_bits=4, key="another", max_new_tokens=25)
    assert (other.decode(ITEMS, texts) == messages).sum() <= 4
    assert (attacker.decode(ITEMS, attacker.plain(ITEMS)) == messages).sum() <= 4


def test_over_keys_a_token_is_drawn_as_often_as_the_model_finds_it_likely():
    rng = np.random.default_rng(0)
    shares = rng.dirichlet(np.ones(6))
    n = 4000
    drawn = [
        int((np.log(_numbers(f"key {k}", (1, 2), n=6, message=k % 4, n_bits=2)) / shares).argmax()) for k in range(n)
    ]
    assert stats.chisquare(np.bincount(drawn, minlength=6), n * shares).pvalue > 0.001


def test_the_evidence_is_the_sum_of_a_loop_over_new_windows():
    tokens = np.array([3, 1, 4, 1, 5, 3, 1, 4, 2])
    found = evidence(tokens, "key", n=8, n_bits=2)
    for m in range(4):
        total, seen = 0.0, set()
        for t in range(2, len(tokens)):
            window = (int(tokens[t - 2]), int(tokens[t - 1]))
            if window not in seen:
                seen.add(window)
                total += -np.log(1 - _numbers("key", window, n=8, message=m, n_bits=2)[tokens[t]])
        assert found[m] == pytest.approx(total)


def test_a_token_chosen_by_a_function_is_the_one_that_is_written(writer):
    rows = prompt_tokens(writer, prompts_of(writer, ["w1 w2 w3", "w4"]))
    greedy = generate_chosen(writer, rows, choose=lambda places, new, logits: logits.argmax(-1), max_new_tokens=4)
    for row, new in zip(rows, greedy.tokens, strict=True):
        tokens = torch.from_numpy(row)[None]
        for token in new:
            with torch.inference_mode():
                assert int(writer.model(input_ids=tokens).logits[0, -1].argmax()) == token
            tokens = torch.cat([tokens, torch.tensor([[int(token)]])], 1)
    told = []

    def count(places, new, logits):
        told.append((places.tolist(), tuple(new.shape)))
        return torch.full((len(logits),), 7)

    said = generate_chosen(writer, rows, choose=count, max_new_tokens=3, batch_size=1)
    assert [new.tolist() for new in said.tokens] == [[7, 7, 7]] * 2
    assert told == [([i], (1, t)) for i in (0, 1) for t in range(3)]


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the folder shared/models/stories260K beside the repository")
def test_stories_carry_four_bits_in_their_luck():
    writer = load(STORIES)
    items = [Item(f"s{i}", f"Once upon a time, there was a {name}.", "") for i, name in enumerate(["dog", "cat"] * 8)]
    items = [item._replace(question=item.question + f" It was {i} days old.") for i, item in enumerate(items)]
    attacker = watermark(writer, max_new_tokens=80)
    messages = np.arange(16)
    assert (attacker.decode(items, attacker.encode(items, messages)) == messages).mean() > 0.8
