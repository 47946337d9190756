"""Which tokens go into the model, and which of them are read: by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import CONTEXT, TEMPLATE, tiny_subject, word_tokenizer

from tiltmeter.core.errors import DataError, ModelError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.models import encode


def _subject(**habits):
    return tiny_subject("llama", tokenizer=word_tokenizer(**habits))


def _plain(*texts, **columns):
    return TextSet(np.array([f"row{i}" for i in range(len(texts))]), texts=texts, **columns)


def _marked(text, span):
    return _plain(text, span="marked", spans=np.array([span]))


def _chats(*chats, span="assistant"):
    ids = np.array([f"chat{i}" for i in range(len(chats))])
    messages = tuple(tuple({"role": role, "content": content} for role, content in chat) for chat in chats)
    return TextSet(ids, messages=messages, span=span)


def _words(subject, encoded, row=0):
    return subject.tokenizer.convert_ids_to_tokens(encoded.tokens[row].tolist())


def _read(subject, encoded, row=0):
    return subject.tokenizer.convert_ids_to_tokens(encoded.tokens[row][encoded.read[row]].tolist())


@pytest.mark.parametrize(
    ("habits", "words"),
    [
        ({}, ["w1", "w2"]),
        ({"bos": True}, ["<s>", "w1", "w2"]),
        ({"bos": True, "eos": True}, ["<s>", "w1", "w2", "</s>"]),
        ({"pad": False, "side": "left"}, ["w1", "w2"]),
    ],
)
def test_special_tokens_go_in_and_are_not_read(habits, words):
    subject = _subject(**habits)
    encoded = encode(subject, _plain("w1 w2", "w3"))
    assert _words(subject, encoded) == words
    assert _read(subject, encoded) == ["w1", "w2"]
    assert _read(subject, encoded, 1) == ["w3"]
    assert encoded.lengths.tolist() == [len(words), len(words) - 1]
    assert not encoded.truncated.any()


def test_an_unknown_word_is_content():
    subject = _subject(bos=True, template=TEMPLATE)
    assert _read(subject, encode(subject, _plain("never w1 seen"))) == ["<unk>", "w1", "<unk>"]
    assert "<unk>" in _read(subject, encode(subject, _chats([("user", "hm"), ("assistant", "never w1 seen")])))


@pytest.mark.parametrize(
    ("span", "read"),
    [
        ((0, 2), ["w1"]),
        ((3, 5), ["w2"]),
        ((2, 5), ["w2"]),  # the space before a word belongs to no token
        ((3, 6), ["w2", ","]),  # tokens that touch
        ((5, 6), [","]),
        ((4, 8), ["w2", ",", "w3"]),  # a token that overlaps counts whole
        ((0, 13), ["w1", "w2", ",", "w3", "w4"]),
    ],
)
def test_a_marked_span_reads_every_token_that_overlaps_it(span, read):
    subject = _subject(bos=True, eos=True)
    assert _read(subject, encode(subject, _marked("w1 w2, w3  w4", span))) == read


def test_a_span_is_of_characters_not_bytes():
    subject = _subject()
    assert _read(subject, encode(subject, _marked("äöü w7 w8", (4, 6)))) == ["w7"]


def test_a_span_without_a_token_is_an_error():
    with pytest.raises(DataError, match="Text row0 has no token to read among its 2"):
        encode(_subject(), _marked("w1  w2", (2, 4)))


def test_a_text_without_a_token_is_an_error():
    subject = _subject(bos=True)
    texts = _plain("w1", "w2")
    object.__setattr__(texts, "texts", ("w1", " "))  # past the check of the text set
    with pytest.raises(DataError, match="Text row1 has no token to read"):
        encode(subject, texts)
    with pytest.raises(DataError, match="holds no texts"):
        encode(subject, texts.select(np.array([], dtype=np.int64)))


def test_the_assistants_turn_is_what_the_template_adds_to_its_prompt():
    subject = _subject(template=TEMPLATE)
    encoded = encode(
        subject,
        _chats(
            [("user", "w1 w2"), ("assistant", "w3 w4")],
            [("system", "w1"), ("user", "w2"), ("assistant", "w3"), ("user", "w4"), ("assistant", "w5 , w6")],
            [("user", "w1"), ("assistant", "w2"), ("user", "w3 w4 w5")],
        ),
    )
    assert _read(subject, encoded, 0) == ["w3", "w4"]
    assert _read(subject, encoded, 1) == ["w5", ",", "w6"]
    assert _read(subject, encoded, 2) == ["w2"]
    assert _words(subject, encoded, 0) == [
        "<turn>",
        "user",
        "w1",
        "w2",
        "<end>",
        "<turn>",
        "assistant",
        "w3",
        "w4",
        "<end>",
    ]
    assert _words(subject, encoded, 2)[-2:] == ["w2", "<end>"]


def test_the_same_words_in_another_turn_are_not_read():
    subject = _subject(template=TEMPLATE)
    encoded = encode(subject, _chats([("user", "w3 w4 assistant w3 w4"), ("assistant", "w3 w4")]))
    assert np.flatnonzero(encoded.read[0]).tolist() == [10, 11]


def test_a_template_adds_its_own_specials_and_the_tokenizer_none():
    subject = _subject(bos=True, template="<s>" + TEMPLATE)
    encoded = encode(subject, _chats([("user", "w1"), ("assistant", "w2")], span="all"))
    assert _words(subject, encoded).count("<s>") == 1
    assert _read(subject, encoded) == ["user", "w1", "assistant", "w2"]


@pytest.mark.parametrize(
    ("template", "message"),
    [
        (None, "has no chat template, which messages need"),
        (
            "{{ raise_exception('no system role') }}",
            "Text chat0: the chat template .* refuses the chat .*no system role",
        ),
        ("{{ messages[9]['content'] }}", "Text chat0: the chat template .* refuses the chat"),
        # the prompt ends in something that a finished turn lacks, as reasoning templates do
        (
            TEMPLATE.replace("<turn> assistant {% endif", "<turn> assistant w0 {% endif"),
            "the finished turn does not begin",
        ),
        # the assistant's turn is not written
        (
            "{% for m in messages %}{% if m['role'] == 'user' %}{{ m['content'] }} {% endif %}{% endfor %}",
            "writes nothing for the assistant's turn",
        ),
    ],
)
def test_a_template_that_does_not_show_the_turn_is_an_error(template, message):
    with pytest.raises(ModelError, match=message):
        encode(_subject(template=template), _chats([("user", "w1"), ("assistant", "w2")]))


def test_a_turn_of_special_tokens_alone_is_an_error():
    with pytest.raises(DataError, match="Text chat0 has no token to read"):
        encode(_subject(template=TEMPLATE), _chats([("user", "w1"), ("assistant", "<end>")]))


def test_a_tokenizer_without_offsets_reads_whole_texts_but_no_spans(monkeypatch):
    subject = _subject()
    monkeypatch.setattr(type(subject.tokenizer), "is_fast", False)
    assert _read(subject, encode(subject, _plain("w1 w2"))) == ["w1", "w2"]
    with pytest.raises(ModelError, match="needs a fast tokenizer"):
        encode(subject, _marked("w1 w2", (0, 2)))


def test_a_text_at_the_limit_fits_and_one_beyond_is_refused():
    subject = _subject(bos=True)
    assert subject.context == CONTEXT
    fits, long = " ".join(["w1"] * (CONTEXT - 1)), " ".join(["w1"] * CONTEXT)
    assert encode(subject, _plain(fits)).lengths.tolist() == [CONTEXT]
    with pytest.raises(DataError, match=f"Text row1 has {CONTEXT + 1} tokens, {CONTEXT} are allowed"):
        encode(subject, _plain(fits, long))
    with pytest.raises(DataError, match="has 3 tokens, 2 are allowed"):
        encode(subject, _plain("w1 w2"), max_tokens=2)


def test_the_context_is_the_smaller_of_model_and_tokenizer():
    subject = _subject()
    subject.tokenizer.model_max_length = 7
    assert subject.context == 7
    subject.tokenizer.model_max_length = 10**30
    assert subject.context == CONTEXT


def test_truncation_keeps_the_end_and_the_special_tokens():
    subject = _subject(bos=True, eos=True)
    encoded = encode(subject, _plain("w1 w2 w3 w4 w5", "w6"), long_texts="truncate", max_tokens=4)
    assert _words(subject, encoded) == ["<s>", "w4", "w5", "</s>"]
    assert _read(subject, encoded) == ["w4", "w5"]
    assert _words(subject, encoded, 1) == ["<s>", "w6", "</s>"]
    assert encoded.truncated.tolist() == [True, False]


def test_truncation_never_cuts_off_all_that_is_read():
    subject = _subject()
    marked = _marked("w1 w2 w3 w4 w5", (0, 8))
    assert _read(subject, encode(subject, marked, long_texts="truncate", max_tokens=3)) == ["w3"]
    with pytest.raises(DataError, match="what is read of it lies in the part cut off"):
        encode(subject, marked, long_texts="truncate", max_tokens=2)


def test_options_that_cannot_be_are_refused():
    subject = _subject(bos=True, eos=True)
    with pytest.raises(SpecError, match="long_texts is 'shorten'"):
        encode(subject, _plain("w1"), long_texts="shorten")
    with pytest.raises(SpecError, match="leaves no room beside 2 special ones"):
        encode(subject, _plain("w1 w2"), long_texts="truncate", max_tokens=2)
