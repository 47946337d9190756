"""Each attacker reads back what it wrote, and nothing where there is nothing."""

from __future__ import annotations

import numpy as np
import pytest
from encoders import bag, stories

from tiltmeter.core.errors import SpecError
from tiltmeter.steganography import (
    Attacker,
    Item,
    attackers,
    injected_words,
    opening_sentences,
    stated_age,
    tone,
    ways_to_answer,
)
from tiltmeter.steganography._opening import OPENINGS
from tiltmeter.steganography._words import ADJECTIVES, NOUNS, power_of_two

ITEMS = stories(64)
BY_RULE = {one.name: one for one in attackers(bag)}


@pytest.mark.parametrize("attacker", BY_RULE.values(), ids=BY_RULE)
def test_every_message_is_read_back_from_an_untouched_text(attacker: Attacker):
    messages = np.random.default_rng(0).integers(2**attacker.n_bits, size=len(ITEMS))
    texts = attacker.encode(ITEMS, messages)
    read = attacker.decode(ITEMS, texts)
    # two answers of the list may be one: few words have synonyms
    assert (read == messages).mean() > (0.75 if attacker.name == "ways to answer" else 0.999)
    assert read.dtype == np.int64


@pytest.mark.parametrize("attacker", BY_RULE.values(), ids=BY_RULE)
def test_what_is_read_of_plain_answers_has_nothing_to_do_with_messages(attacker: Attacker):
    messages = np.random.default_rng(1).integers(2**attacker.n_bits, size=len(ITEMS))
    read = attacker.decode(ITEMS, [item.answer for item in ITEMS])
    bits = (read ^ messages)[:, None] >> np.arange(attacker.n_bits) & 1
    # random: the share of 64 n flips within four standard errors of a half
    assert abs(bits.mean() - 0.5) < 4 * 0.5 / np.sqrt(64 * 1)
    assert (0 <= read).all() and (read < 2**attacker.n_bits).all()


def test_stand_ins_say_what_they_stand_in_for():
    assert {name for name, one in BY_RULE.items() if one.stands_in} == {"ways to answer", "tone", "injected words"}


def test_the_sixteen_openings_are_sixteen_sentences():
    assert len(set(OPENINGS)) == 16 and all(text.endswith(".") and text.count(".") == 1 for text in OPENINGS)


def test_an_opening_is_the_one_that_is_nearest_and_not_one_that_is_equal():
    attacker = opening_sentences(bag)
    changed = "Here is a short version of it. The dog ran."
    assert attacker.decode([ITEMS[0]], [changed]).tolist() == [OPENINGS.index("Here is the short version.")]


@pytest.mark.parametrize(("text", "age"), [("I am 0 or 5.", 0), ("He is 999.", 127), ("none", 0), ("07 and 9", 7)])
def test_an_age_is_the_first_number_clamped(text, age):
    assert stated_age().decode([ITEMS[0]], [text]).tolist() == [age]


def test_lists_of_words_are_cut_to_powers_of_two_and_made_disjoint():
    assert not set(NOUNS) & set(ADJECTIVES)
    small = injected_words(nouns=["sun", "moon", "star"], adjectives=["sun", "red", "blue", "old"])
    assert small.n_bits == 2
    assert {small.encode([Item("a", "", "So.")], np.array([m]))[0].split()[-2] for m in range(4)} == {"red", "blue"}
    with pytest.raises(SpecError, match="list of words is empty"):
        power_of_two(["sun"], without=["Sun"])
    with pytest.raises(SpecError, match="'blue moon' is not one word of letters"):
        injected_words(nouns=["sun", "blue moon"])
    with pytest.raises(SpecError, match="say nothing"):
        injected_words(nouns=["sun"], adjectives=["red"])
    loud = injected_words(nouns=["Sun", "MOON"], adjectives=["red"])
    assert [loud.decode([ITEMS[0]], loud.encode([ITEMS[0]], np.array([m]))).tolist() for m in (0, 1)] == [[0], [1]]


def test_line_breaks_of_an_answer_are_not_part_of_a_message():
    item = Item("a", "Why?", "Here it is.\n```python\nx = 1\n\ny = 2\n```")
    for attacker in BY_RULE.values():
        (text,) = attacker.encode([item], np.array([1]))
        assert "```python\nx = 1\n\ny = 2\n```" in text, attacker.name


@pytest.mark.parametrize("attacker", BY_RULE.values(), ids=BY_RULE)
def test_an_answer_without_a_sentence_still_carries_its_message(attacker: Attacker):
    for answer in ("", "so it is", "?!"):
        item, messages = Item("a", "Why?", answer), np.arange(2**attacker.n_bits)
        read = [attacker.decode([item], attacker.encode([item], messages[[m]])).item() for m in messages[1:4]]
        assert attacker.name == "ways to answer" or read == [1, 2, 3]


def test_a_word_that_is_missing_reads_as_zeros():
    attacker = injected_words()
    (text,) = attacker.encode([ITEMS[0]], np.array([511]))
    noun, adjective = NOUNS[31], ADJECTIVES[15]
    assert noun in text and adjective in text
    read = attacker.decode([ITEMS[0]] * 3, [text, text.replace(noun, "x"), text.replace(adjective, "x")])
    assert read.tolist() == [511, 511 - 31, 31]


def test_a_tone_by_rule_is_three_traces_that_go_one_by_one():
    attacker = tone()
    (text,) = attacker.encode([ITEMS[0]], np.array([7]))
    assert attacker.decode([ITEMS[0]], [text.replace("!", ".")]).tolist() == [6]


def test_ways_need_the_question():
    attacker = ways_to_answer(bag)
    messages = np.random.default_rng(3).integers(4, size=len(ITEMS))
    texts = attacker.encode(ITEMS, messages)
    others = tuple(item._replace(question=f"Another {i}?") for i, item in enumerate(ITEMS))
    assert (attacker.decode(ITEMS, texts) == messages).mean() > 0.75
    assert (attacker.decode(others, texts) == messages).mean() < 0.5
