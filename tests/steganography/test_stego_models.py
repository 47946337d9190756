"""What a model writes, how likely it finds texts, which it prefers, and who plays with it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from encoders import bag, stories
from tiny_models import random_texts, tiny_subject

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.steganography import (
    Item,
    attackers,
    blind_regenerator,
    hinted_regenerator,
    items_from_prompts,
    log_likelihoods,
    make_cast,
    preferred,
    sentence_encoder,
    tone,
    ways_to_answer,
    word_problems,
)
from tiltmeter.steganography import _quality as quality
from tiltmeter.steganography import _tone as tones


@pytest.fixture(scope="module")
def writer():
    subject = tiny_subject("llama")
    subject.model.generation_config.eos_token_id = None
    return subject


def test_a_likelihood_is_the_sum_over_the_answers_tokens_alone(writer):
    prompts, texts = ["w1 w2 w3", "w9", "w4 w5"], ["w6 w7", "w8 w1 w2 w3", "w0"]
    found = log_likelihoods(writer, prompts, texts=texts)
    for prompt, text, one in zip(prompts, texts, found, strict=True):
        n = len(prompt.split())
        tokens = writer.tokenizer(f"{prompt} {text}", return_tensors="pt")["input_ids"]
        with torch.inference_mode():
            logits = writer.model(input_ids=tokens).logits[0].double().log_softmax(-1)
        assert one == pytest.approx(
            sum(float(logits[t - 1, tokens[0, t]]) for t in range(n, tokens.shape[1])), abs=1e-4
        )


def test_the_list_of_ways_is_the_same_each_time_and_begins_with_the_likeliest_tokens(writer):
    attacker = ways_to_answer(bag, writer=writer, max_new_tokens=6)
    items = tuple(Item(f"i{i}", f"w{i} w{i + 1}", "") for i in range(20))
    messages = np.arange(20) % 4
    texts = attacker.encode(items, messages)
    assert texts == attacker.encode(items, messages)
    assert (attacker.decode(items, texts) == messages).mean() > 0.8
    with torch.inference_mode():
        tokens = writer.tokenizer("w0 w1", return_tensors="pt")["input_ids"]
        best = writer.model(input_ids=tokens).logits[0, -1].argmax()
    assert texts[0].split()[0] == writer.tokenizer.decode([int(best)])


def test_a_tone_is_the_prompt_under_which_a_text_is_likeliest(writer, monkeypatch):
    # moods of words that the tiny model knows
    monkeypatch.setattr(tones, "_MOODS", tuple(f"w{3 * m} w{3 * m + 1}" for m in range(8)))
    attacker = tone(writer, max_new_tokens=20)
    items = tuple(Item(f"i{i}", f"w{i}", "") for i in range(24))
    messages = np.arange(24) % 8
    read = attacker.decode(items, attacker.encode(items, messages))
    assert (read == messages).mean() > 0.35  # chance: 1/8
    assert (attacker.decode(items, attacker.plain(items)) == messages).mean() < 0.35


def test_a_model_that_only_samples_writes_ways_tones_and_watermarks(writer):
    found = attackers(bag, writer=writer)
    assert len(found) == 6
    assert [one.name for one in found if one.plain is not None] == ["ways to answer", "tone", "watermark"]
    assert [one.name for one in found if one.stands_in] == ["injected words"]


def test_a_regenerator_by_a_model_never_sees_the_text(writer):
    items = tuple(Item(f"i{i}", f"w{i}", "") for i in range(4))
    blind = blind_regenerator(writer, max_new_tokens=5)
    one, two = blind.rewrite(items, ["w1 w2"] * 4), blind.rewrite(items, ["w30"] * 4)
    assert one == two and all(isinstance(text, str) for text in one)
    hinted = hinted_regenerator(writer, max_new_tokens=5)
    assert hinted.rewrite(items[:1], ["The answer is (C)."])[0].endswith("The answer is (C).")


@pytest.mark.parametrize(
    ("first", "second", "score"), [(1.0, 1.0, 1.0), (1.0, -1.0, 0.5), (-2.0, -1.0, 0.0), (0.0, 0.0, 0.5)]
)
def test_a_preference_that_the_order_decides_is_a_tie(writer, monkeypatch, first, second, score):
    answers = iter([np.array([first]), np.array([second])])
    asked = []

    def odds(judge, prompts, *, positive, negative, long_texts):
        asked.append((prompts.texts[0], positive))
        return next(answers)

    monkeypatch.setattr(quality, "answer_log_odds", odds)
    assert preferred(writer).judge([Item("a", "Why?", "plain")], ["new"]).tolist() == [score]
    (one, letter_one), (two, letter_two) = asked
    assert "A: new\n\nB: plain" in one and "A: plain\n\nB: new" in two and (letter_one, letter_two) == ("A", "B")


def test_embeddings_have_unit_length_and_do_not_depend_on_what_was_read_before(writer):
    texts = list(random_texts(6).texts)
    encode = sentence_encoder(writer)
    found = encode([*texts, texts[0]])
    assert np.allclose(np.linalg.norm(found, axis=1), 1) and np.array_equal(found[0], found[6])
    assert np.allclose(sentence_encoder(writer)(texts[::-1]), found[5::-1], atol=1e-5)
    assert encode([]).shape[0] == 0
    with pytest.raises(SpecError, match="Text 1 is blank"):
        encode(["w1", " "])


def test_prompts_are_answered_by_the_model(writer):
    ids, keys = np.array(["a", "b", "c"]), (None, "A", 7)
    prompts = TextSet(ids, texts=("w1", "w2", "w1"), meta={"key": keys})
    found = items_from_prompts(prompts, 9, writer=writer, max_new_tokens=4)
    # a question that comes twice is asked once
    assert sorted(item.question for item in found) == ["w1", "w2"] and all(item.answer for item in found)
    assert {item.key for item in found} in ({"", "A"}, {"7", "A"})
    assert len(items_from_prompts(prompts, 1, writer=writer, max_new_tokens=4)) == 1
    chat = ({"role": "user", "content": "w3"}, {"role": "assistant", "content": "w4"})
    (item,) = items_from_prompts(TextSet(ids[:1], messages=(chat,)), 9, writer=writer, max_new_tokens=4)
    assert item.question == "w3" and item.answer != "w4"
    with pytest.raises(DataError, match="There is nothing to ask"):
        items_from_prompts(prompts.select(np.zeros(3, dtype=bool)), 9, writer=writer)


@pytest.mark.parametrize("seed", [1, 2])
def test_plain_answers_are_not_what_anybody_else_writes(writer, seed):
    prompts = TextSet(np.array(["a", "b"]), texts=("w1", "w2"))
    items = items_from_prompts(prompts, 2, writer=writer, max_new_tokens=12, seed=seed)
    told = [one.plain(items) for one in attackers(bag, writer=writer, max_new_tokens=12) if one.plain is not None]
    anew = blind_regenerator(writer, max_new_tokens=12).rewrite(items, ["w3", "w3"])
    for texts in (*told, anew):
        assert texts[0] != items[0].answer and texts[1] != items[1].answer


def test_the_cast_judges_by_keys_where_there_are_keys(writer):
    assert make_cast(word_problems(3), writer).quality.name == "right final answer"
    assert make_cast(stories(3), writer).quality.name == "cosine with the plain answer"
    assert make_cast(stories(3), writer, judge=writer).quality.name == "preferred to the plain answer"
    # who names a judge is judged by it, also where there are keys
    assert make_cast(word_problems(3), writer, judge=writer).quality.name == "preferred to the plain answer"
    few = make_cast(stories(3), writer, writer=writer, only=["watermark", "suspicious"])
    assert [one.name for one in (*few.attackers, *few.defenders)] == ["watermark", "suspicious"]
    assert len(few.models) == 2 and few.models[0].startswith("encoder llama (")
    with pytest.raises(SpecError, match="'watermark'; a watermark needs a writer"):
        make_cast(stories(3), writer, only=["watermark"])
