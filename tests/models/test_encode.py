"""Which tokens go into the model, and which of them are read: by hand."""

from __future__ import annotations

import numpy as np
import pytest
from tiny_models import CONTEXT, TEMPLATE, tiny_subject, word_tokenizer
from tokenizers import normalizers

from tiltmeter.core.errors import DataError, DataWarning, ModelError, SpecError
from tiltmeter.data import Between, NthMessage, TextSet
from tiltmeter.models import _encode, encode


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
    return subject.tokenizer.convert_ids_to_tokens(encoded.row(row)[0].tolist())


def _read(subject, encoded, row=0):
    tokens, read = encoded.row(row)
    return subject.tokenizer.convert_ids_to_tokens(tokens[read].tolist())


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
    assert np.flatnonzero(encoded.row(0)[1]).tolist() == [10, 11]


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
            "Text chat0: the model.s chat template refuses the chat .*no system role",
        ),
        ("{{ messages[9]['content'] }}", "Text chat0: the model.s chat template refuses the chat"),
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


@pytest.mark.parametrize(("long_texts", "kept"), [("truncate_left", ["w4", "w5"]), ("truncate_right", ["w1", "w2"])])
@pytest.mark.parametrize("side", ["left", "right"])
def test_truncation_keeps_one_end_and_the_special_tokens(long_texts, kept, side):
    subject = _subject(bos=True, eos=True, side=side)
    # how the tokenizer itself would truncate makes no difference
    subject.tokenizer.truncation_side = side
    encoded = encode(subject, _plain("w1 w2 w3 w4 w5", "w6"), long_texts=long_texts, max_tokens=4)
    assert _words(subject, encoded) == ["<s>", *kept, "</s>"]
    assert _read(subject, encoded) == kept
    assert _words(subject, encoded, 1) == ["<s>", "w6", "</s>"]
    assert encoded.truncated.tolist() == [True, False]


@pytest.mark.parametrize("long_texts", ["truncate_left", "truncate_right"])
@pytest.mark.parametrize("extra", [-1, 0, 1])
def test_truncation_begins_one_token_above_the_context(long_texts, extra):
    subject = _subject(bos=True, eos=True)
    words = [f"w{i}" for i in range(CONTEXT - 2 + extra)]
    encoded = encode(subject, _plain(" ".join(words)), long_texts=long_texts)
    assert encoded.lengths.tolist() == [CONTEXT + min(extra, 0)]
    assert encoded.truncated.tolist() == [extra > 0]
    kept = words if extra <= 0 else words[1:] if long_texts == "truncate_left" else words[:-1]
    assert _read(subject, encoded) == kept


def test_a_chat_keeps_what_its_template_writes_first_and_last():
    subject = _subject(template="<s>" + TEMPLATE)
    chats = _chats([("user", "w1 w2 w3"), ("assistant", "w4 w5")], span="all")
    left = encode(subject, chats, long_texts="truncate_left", max_tokens=6)
    right = encode(subject, chats, long_texts="truncate_right", max_tokens=6)
    assert _words(subject, left) == ["<s>", "<turn>", "assistant", "w4", "w5", "<end>"]
    assert _words(subject, right) == ["<s>", "<turn>", "user", "w1", "w2", "<end>"]


def test_truncation_on_the_right_may_cut_off_the_turn_that_is_read():
    subject = _subject(template=TEMPLATE)
    chats = _chats([("user", "w1 w2 w3"), ("assistant", "w4 w5")])
    assert _read(subject, encode(subject, chats, long_texts="truncate_left", max_tokens=4)) == ["w4", "w5"]
    with pytest.raises(DataError, match="Text chat0 has 11 tokens, 6 are allowed, and what is read of it lies in"):
        encode(subject, chats, long_texts="truncate_right", max_tokens=6)


@pytest.mark.parametrize(
    ("habits", "skip_first", "read"),
    [
        ({}, 0, ["w1", "w2", "w3"]),
        ({}, 1, ["w2", "w3"]),
        ({"bos": True}, 1, ["w1", "w2", "w3"]),  # the first position is the special token's
        ({"bos": True, "eos": True}, 3, ["w3"]),
    ],
)
def test_the_first_positions_are_never_read(habits, skip_first, read):
    subject = _subject(**habits)
    encoded = encode(subject, _plain("w1 w2 w3"), skip_first=skip_first)
    assert _read(subject, encoded) == read
    np.testing.assert_array_equal(encoded.tokens, encode(subject, _plain("w1 w2 w3")).tokens)


def test_positions_are_skipped_in_what_is_left_after_truncation():
    subject = _subject(bos=True)
    encoded = encode(subject, _plain("w1 w2 w3 w4 w5"), long_texts="truncate_left", max_tokens=4, skip_first=2)
    assert _words(subject, encoded) == ["<s>", "w3", "w4", "w5"]
    assert _read(subject, encoded) == ["w4", "w5"]


def test_a_text_of_which_all_is_skipped_is_an_error():
    with pytest.raises(DataError, match=r"Text row1 has 2 tokens, and those .* among the first 2, which are skipped"):
        encode(_subject(bos=True), _plain("w1 w2", "w3"), skip_first=2)


def test_truncation_never_cuts_off_all_that_is_read():
    subject = _subject()
    marked = _marked("w1 w2 w3 w4 w5", (0, 8))
    assert _read(subject, encode(subject, marked, long_texts="truncate_left", max_tokens=3)) == ["w3"]
    with pytest.raises(DataError, match="what is read of it lies in the part cut off"):
        encode(subject, marked, long_texts="truncate_left", max_tokens=2)


def test_a_text_that_the_tokenizer_makes_nothing_of_is_an_error():
    subject = _subject()
    subject.tokenizer.backend_tokenizer.normalizer = normalizers.Replace("\u2060", "")
    with pytest.raises(DataError, match="Text row1 has no token to read among its 0"):
        encode(subject, _plain("w1", "\u2060", "w2"))


def test_a_tokenizer_that_pads_and_truncates_by_itself_does_neither_here():
    subject = _subject(bos=True)
    subject.tokenizer.backend_tokenizer.enable_truncation(2)
    subject.tokenizer.backend_tokenizer.enable_padding(length=9)
    encoded = encode(subject, _plain("w1 w2 w3", "w4"))
    assert _words(subject, encoded) == ["<s>", "w1", "w2", "w3"]
    assert encoded.lengths.tolist() == [4, 2]


def test_texts_beyond_one_call_to_the_tokenizer_stay_in_order():
    subject = _subject(bos=True)
    n = 2 * _encode._CHUNK + 3
    encoded = encode(subject, _plain(*(" ".join(["w1"] * (1 + i % 3) + [f"w{i % 40}"]) for i in range(n))))
    assert encoded.lengths.tolist() == [3 + i % 3 for i in range(n)]
    last = encoded.tokens[encoded.offsets[1:] - 1].tolist()
    assert last == subject.tokenizer.convert_tokens_to_ids([f"w{i % 40}" for i in range(n)])


@pytest.mark.parametrize("n", [1, 5])
def test_a_fault_beyond_the_first_call_names_its_own_row(monkeypatch, n):
    monkeypatch.setattr(_encode, "_CHUNK", n)
    texts = [*["w1"] * 7, "w1 w2 w3", "w1"]
    with pytest.raises(DataError, match="Text row7 has 3 tokens, 2 are allowed"):
        encode(_subject(), _plain(*texts), max_tokens=2)
    rule = Between("w2", "w2")
    chats = _chats(*[[("user", "w2 w1 w2")]] * 7, [("user", "w1")], span=rule)
    with pytest.raises(DataError, match="Text chat7: 'w2', after which it is read, is not in it"):
        encode(_subject(template=TEMPLATE), chats)


def test_a_message_and_what_stands_between_markers_are_read_as_tokens():
    subject = _subject(template=TEMPLATE)
    chat = [("user", "w1 assistant w2"), ("assistant", "w3 , w4 , w5"), ("user", "w6")]
    assert _read(subject, encode(subject, _chats(chat, span=NthMessage(0)))) == ["w1", "assistant", "w2"]
    assert _read(subject, encode(subject, _chats(chat, span=NthMessage(-2)))) == ["w3", ",", "w4", ",", "w5"]
    assert _read(subject, encode(subject, _chats(chat, span=Between(",", ",")))) == ["w4"]
    encoded = encode(subject, _chats(chat, span=NthMessage(1)))
    assert "w6" not in _words(subject, encoded)
    assert encoded.rule.span == NthMessage(1)


def test_options_that_cannot_be_are_refused():
    subject = _subject(bos=True, eos=True)
    for wrong in ("shorten", "truncate"):
        with pytest.raises(SpecError, match=f"long_texts is '{wrong}'; use one of refuse, truncate_left, truncate_ri"):
            encode(subject, _plain("w1"), long_texts=wrong)
    with pytest.raises(SpecError, match="max_tokens is 0; give 1 or more"):
        encode(subject, _plain("w1"), max_tokens=0)
    with pytest.raises(SpecError, match="skip_first is -1; give how many"):
        encode(subject, _plain("w1"), skip_first=-1)
    with pytest.raises(SpecError, match="leaves no room beside 2 special ones"):
        encode(subject, _plain("w1 w2"), long_texts="truncate_left", max_tokens=2)


def test_texts_that_bring_the_token_that_the_tokenizer_puts_first_are_warned_of_once():
    texts = _plain("w1 w2", "<s> w1 w2", *["<s> w3"] * 5, distribution="rendered")
    with pytest.warns(
        DataWarning, match=r"^6 texts of rendered, such as row1, go into the model with <s> twice"
    ) as seen:
        encoded = encode(_subject(bos=True), texts)
    assert len(seen) == 1
    assert encoded.row(1)[0].tolist()[:2] == [1, 1]


def test_a_first_token_that_stands_once_is_not_warned_of():
    # warnings are errors in these tests
    encode(_subject(), _plain("<s> w1", "w1", "<s>w2", "w1 <s> <s>"))
    encode(_subject(bos=True), _plain("w1 <s> w2", "</s> w1"))
    # a cut takes the second away
    encode(_subject(bos=True), _plain("<s> w1 w2"), long_texts="truncate_left", max_tokens=3)
    encode(_subject(bos=True, template="<s>" + TEMPLATE), _chats([("user", "w1"), ("assistant", "w2")]))
