"""From characters to tokens, beside a twin that spells the tokens out byte by byte."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import tiny_subject
from tiny_tokenizers import KINDS, SENTENCES, bytes_of, kind_of_tokenizer

from tiltmeter.core.errors import DataError
from tiltmeter.data import Between, TextSet
from tiltmeter.models import encode

_SUBJECTS = {kind: tiny_subject("llama", tokenizer=kind_of_tokenizer(kind)) for kind in KINDS}


def _marked(text, span):
    return TextSet(np.array(["a"]), texts=(text,), span="marked", spans=np.array([span]))


def _read_marks(kind, texts):
    tokens, read = encode(_SUBJECTS[kind], texts, max_tokens=32).row(0)
    return _SUBJECTS[kind].tokenizer.convert_ids_to_tokens(tokens.tolist()), read.tolist()


def _spelt_out(kind, text, tokens, span):
    """Which tokens hold a byte of the span, from the bytes of the tokens alone."""
    pieces = [bytes_of(token, kind) for token in tokens]
    whole, written = b"".join(pieces), text.encode()
    prepended = len(whole) - len(written)
    assert whole == b" " * prepended + written and prepended in (0, 1)
    first, last = (len(text[:place].encode()) for place in span)
    marks, at = [], -prepended
    for piece in pieces:
        start, end = at, at + len(piece)
        at = end
        if kind.endswith("trimmed"):
            start, end = end - len(piece.lstrip(b" ")), max(end - len(piece) + len(piece.rstrip(b" ")), start)
            if start > end - 1:  # a space alone stands, without width, where it ends
                start = end = at
        # a space that the tokenizer put in front is part of the first character
        marks.append(start < last and max(end, 1) > first)
    return marks


texts_of_any_kind = st.one_of(
    st.text(st.sampled_from("Tthe ciyofRm.,  naé日本🙂☃\n"), min_size=1, max_size=14), st.sampled_from(SENTENCES)
)


@pytest.mark.parametrize("kind", KINDS)
@settings(max_examples=150, deadline=None)
@given(text=texts_of_any_kind, data=st.data())
def test_a_span_is_read_as_the_tokens_that_hold_its_bytes(kind, text, data):
    if kind == "metaspace":  # which has no token for a character that it was not trained on
        text = "".join(c for c in text if any(c in sentence for sentence in SENTENCES)).replace("\n", "")
    text = text[:30]
    if not text.strip():
        return
    start = data.draw(st.integers(0, len(text) - 1))
    span = (start, data.draw(st.integers(start + 1, len(text))))
    tokens = _SUBJECTS[kind].tokenizer.convert_ids_to_tokens(_SUBJECTS[kind].tokenizer(text)["input_ids"])
    if len(tokens) > 32:
        return
    expected = _spelt_out(kind, text, tokens, span)
    if not any(expected):
        with pytest.raises(DataError, match="no token to read"):
            _read_marks(kind, _marked(text, span))
    else:
        assert _read_marks(kind, _marked(text, span)) == (tokens, expected)


@pytest.mark.parametrize("kind", KINDS[:2])
def test_a_character_of_many_bytes_is_read_with_each_token_that_has_one_of_them(kind):
    tokens, read = _read_marks(kind, _marked("x ☃ y", (2, 3)))
    assert b"".join(bytes_of(token, kind) for token, is_read in zip(tokens, read, strict=True) if is_read).strip() == (
        "☃".encode()
    )
    assert sum(read) == 3


@pytest.mark.parametrize("kind", KINDS)
def test_a_space_inside_a_span_is_read_and_one_beside_it_is_not(kind):
    text = "the  city  of"
    tokens, read = _read_marks(kind, _marked(text, (0, 9)))
    last = max(i for i, is_read in enumerate(read) if is_read)
    assert all(read[: last + 1])
    assert b"".join(bytes_of(token, kind) for token in tokens[: last + 1]).strip() == b"the  city"


@pytest.mark.parametrize("kind", KINDS)
def test_between_reads_the_marked_span_of_the_same_characters(kind):
    text = "city <b> the old </b> in"
    rule = TextSet(np.array(["a"]), texts=(text,), span=Between("<b>", "</b>"))
    assert _read_marks(kind, rule) == _read_marks(kind, _marked(text, (9, 16)))


def test_a_marker_is_read_only_where_a_token_joins_it_to_the_content():
    def found(text, rule):
        tokens, read = _read_marks("byte-level", TextSet(np.array(["a"]), texts=(text,), span=rule))
        return [token for token, is_read in zip(tokens, read, strict=True) if is_read]

    assert found("x The city", Between("T", "e")) == ["Th"]
    assert found("x[The] city", Between("[", "]")) == ["Th", "e"]
