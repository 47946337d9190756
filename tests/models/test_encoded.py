"""Flat tokens: the same as row by row, compact, and hashed by what goes in."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import WORDS, tiny_subject, word_tokenizer

from tiltmeter.core.errors import DataError
from tiltmeter.data import Between, NthMessage, TextSet
from tiltmeter.models import Encoded, EncodingRule, _encode, encode

_SUBJECT = tiny_subject("llama", tokenizer=word_tokenizer(bos=True, eos=True))
_TEXTS = TextSet(
    np.array(["a", "b", "c", "d"]),
    texts=("w1 w2 w3", "w4", "w1 w2 w3", "w5 w6"),
    y=np.array([0, 1, 0, 1]),
    groups=np.array(["g", "g", "h", "h"]),
)

rows_of_words = st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=12), min_size=1, max_size=9)


def _twin(text: str, *, long_texts: str, limit: int, skip_first: int) -> tuple[list[int], list[bool]] | None:
    """One text by lists; None where nothing is left to read."""
    tokenizer = _SUBJECT.tokenizer
    content = tokenizer(text, add_special_tokens=False)["input_ids"]
    room = limit - 2
    content = content[:room] if long_texts == "truncate_right" else content[max(0, len(content) - room) :]
    tokens = [tokenizer.bos_token_id, *content, tokenizer.eos_token_id]
    read = [0 < i < len(tokens) - 1 and i >= skip_first for i in range(len(tokens))]
    return (tokens, read) if any(read) else None


@pytest.mark.long
@settings(max_examples=200, deadline=None)
@given(
    rows=rows_of_words,
    long_texts=st.sampled_from(["truncate_left", "truncate_right"]),
    limit=st.integers(3, 14),
    skip_first=st.integers(0, 4),
    chunk=st.integers(1, 5),
)
def test_flat_tokens_are_those_of_each_text_alone(rows, long_texts, limit, skip_first, chunk):
    strings = tuple(" ".join(words) for words in rows)
    texts = TextSet(np.array([f"r{i}" for i in range(len(strings))]), texts=strings)
    expected = [_twin(text, long_texts=long_texts, limit=limit, skip_first=skip_first) for text in strings]
    options = {"long_texts": long_texts, "max_tokens": limit, "skip_first": skip_first}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(_encode, "_CHUNK", chunk)
        if None in expected:
            with pytest.raises(DataError, match=f"Text r{expected.index(None)} has .* are skipped"):
                encode(_SUBJECT, texts, **options)
            return
        encoded = encode(_SUBJECT, texts, **options)
    found = [tuple(values.tolist() for values in encoded.row(i)) for i in range(len(encoded))]
    assert found == expected
    assert encoded.lengths.tolist() == [len(tokens) for tokens, _ in found]
    assert encoded.n_read.tolist() == [sum(read) for _, read in found]
    assert encoded.truncated.tolist() == [len(words) + 2 > limit for words in rows]


def test_a_token_takes_five_bytes():
    encoded = encode(_SUBJECT, _TEXTS)
    assert (encoded.tokens.dtype, encoded.read.dtype) == (np.int32, np.bool_)
    assert encoded.tokens.nbytes + encoded.read.nbytes == 5 * encoded.lengths.sum()
    assert encoded.tokens.base is None  # nothing larger is kept alive behind it


def test_rows_are_views_and_one_that_is_not_there_is_an_error():
    encoded = encode(_SUBJECT, _TEXTS)
    tokens, read = encoded.row(-1)
    assert np.shares_memory(tokens, encoded.tokens) and np.shares_memory(read, encoded.read)
    np.testing.assert_array_equal(tokens, encoded.row(3)[0])
    for i in (4, -5):
        with pytest.raises(IndexError, match=f"no text {i} among 4"):
            encoded.row(i)


@pytest.mark.parametrize("rows", [np.array([3, 0, 0 + 1]), np.array([True, False, False, True]), np.array([2])])
def test_a_selection_is_what_encoding_the_selection_gives(rows):
    chosen, direct = encode(_SUBJECT, _TEXTS).select(rows), encode(_SUBJECT, _TEXTS.select(rows))
    for name in ("tokens", "read", "offsets", "truncated", "ids", "lengths", "n_read"):
        np.testing.assert_array_equal(getattr(chosen, name), getattr(direct, name))
    assert chosen.texts.fingerprint() == direct.texts.fingerprint()
    assert chosen.rule == direct.rule


def test_selecting_nothing_leaves_nothing():
    empty = encode(_SUBJECT, _TEXTS).select(np.zeros(4, dtype=bool))
    assert len(empty) == len(empty.tokens) == len(empty.hashes()) == len(empty.n_read) == 0
    assert empty.offsets.tolist() == [0]


def test_a_hash_is_of_the_tokens_and_of_what_is_read():
    encoded = encode(_SUBJECT, _TEXTS)
    hashes = encoded.hashes()
    tokens, read = encoded.row(1)
    content = b"".join(int(token).to_bytes(4, "little") for token in tokens) + bytes(read.tolist())
    assert hashes[1].tobytes() == hashlib.sha256(content).digest()[:16]
    assert hashes[0].tobytes() == hashes[2].tobytes()
    assert len({one.tobytes() for one in hashes}) == 3
    np.testing.assert_array_equal(encoded.select(np.array([2, 3])).hashes(), hashes[2:])
    skipped = encode(_SUBJECT, _TEXTS.select(np.array([0])), skip_first=2)
    np.testing.assert_array_equal(skipped.tokens, encoded.row(0)[0])
    assert skipped.hashes()[0].tobytes() != hashes[0].tobytes()


def test_tokens_and_marks_cannot_be_taken_for_each_other():
    def hash_of(tokens, read):
        made = encode(_SUBJECT, _TEXTS)
        offsets = np.array([0, len(tokens)])
        texts = _TEXTS.select(np.array([0]))
        return (
            Encoded(
                texts,
                np.array(tokens, np.int32),
                np.array(read, bool),
                offsets,
                np.array([False]),
                made.rule,
                made.model,
            )
            .hashes()[0]
            .tobytes()
        )

    # the bytes of one token and of four marks
    assert hash_of([0x01010101], [True]) != hash_of([0x01010101], [False])
    assert hash_of([1, 0], [True, True]) != hash_of([1], [True])


@pytest.mark.parametrize("span", ["all", "marked", NthMessage(-2), Between("<think>", "</think>")])
def test_a_rule_survives_json(span):
    rule = EncodingRule(span=span, long_texts="truncate_left", max_tokens=None, skip_first=1)
    again = EncodingRule.model_validate_json(rule.model_dump_json())
    assert again == rule
    assert again.span == span and type(again.span) is type(span)


def test_the_rule_says_what_was_asked_for():
    encoded = encode(_SUBJECT, _TEXTS, long_texts="truncate_right", max_tokens=9, skip_first=1)
    assert encoded.rule.model_dump(mode="json") == {
        "span": "all",
        "long_texts": "truncate_right",
        "max_tokens": 9,
        "skip_first": 1,
    }
