"""Rows become strings; a marker that is not there is named, with its text."""

from __future__ import annotations

import numpy as np
import pytest
from chat_templates import CHATML, DEFAULT_SYSTEM, NO_TOOLS, THINKING
from tiny_models import TEMPLATE, tiny_subject, word_tokenizer

from tiltmeter.core.errors import DataError, ModelError
from tiltmeter.data import Between, NthMessage, TextSet
from tiltmeter.models._render import render

_SUBJECT = tiny_subject("llama", tokenizer=word_tokenizer(template=CHATML))


def _chats(*chats, span="all"):
    messages = tuple(tuple({"role": role, "content": content} for role, content in chat) for chat in chats)
    return TextSet(np.array([f"chat{i}" for i in range(len(chats))]), messages=messages, span=span)


def _shown(texts, *, subject=_SUBJECT, rows=None):
    rendered = render(subject, texts, rows=rows or range(len(texts)))
    if rendered.spans is None:
        return rendered.strings
    return [text[start:end] for text, (start, end) in zip(rendered.strings, rendered.spans.tolist(), strict=True)]


def test_some_rows_are_rendered_with_their_own_spans():
    spans = np.array([[0, 2], [3, 5], [0, 5]])
    texts = TextSet(np.array(["a", "b", "c"]), texts=("w1 w2", "w3 w4", "w5 w6"), span="marked", spans=spans)
    assert _shown(texts, rows=range(1, 3)) == ["w4", "w5 w6"]
    # marks that the rule does not ask for are left alone
    unread = TextSet(texts.ids, texts=texts.texts, spans=spans)
    assert render(_SUBJECT, unread, rows=range(3)).spans is None


def test_a_plain_text_is_not_put_into_a_template():
    rendered = render(_SUBJECT, TextSet(np.array(["a"]), texts=("w1",)), rows=range(1))
    assert (rendered.strings, rendered.spans, rendered.templated) == (["w1"], None, False)
    assert render(_SUBJECT, _chats([("user", "w1")]), rows=range(1)).templated


@pytest.mark.parametrize(
    ("text", "content"),
    [
        ("w1 <think> w2 w3 </think> w4", "w2 w3"),
        ("<think>w1</think> <think>w2</think>", "w1"),  # the first of several
        ("</think> w1 <think>w2</think>", "w2"),  # an end before the start is none
        ("<think>w1 <think> w2</think></think>", "w1 <think> w2"),  # no nesting
        ("<think>\n w1\n</think>", "w1"),
    ],
)
def test_between_two_strings_is_read_in_texts_and_in_chats(text, content):
    rule = Between("<think>", "</think>")
    assert _shown(TextSet(np.array(["a"]), texts=(text,), span=rule)) == [content]
    assert _shown(_chats([("user", "w9"), ("assistant", text)], span=rule)) == [content]


def test_markers_may_be_what_the_template_writes():
    chat = [("user", "w1 w2"), ("assistant", "w3")]
    assert _shown(_chats(chat, span=Between("<|im_start|>assistant", "<|im_end|>"))) == ["w3"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("w1 </think>", "Text chat1: '<think>', after which it is read, is not in it"),
        ("<think> w1", "Text chat1: no '</think>', up to which it is read, follows the first '<think>'"),
        ("</think> <think> w1", "no '</think>'"),
        ("<think> \n</think>", "nothing stands between the first '<think>' and the next '</think>'"),
    ],
)
def test_a_marker_that_is_not_in_a_chat_is_named_with_it(content, message):
    good = [("user", "<think>w1</think>")]
    with pytest.raises(DataError, match=message):
        _shown(_chats(good, [("user", content)], span=Between("<think>", "</think>")))


def test_a_marker_that_the_template_strips_is_not_in_the_chat():
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=THINKING))
    chat = [("user", "w1"), ("assistant", "<think>w2</think>w3"), ("user", "w4")]
    with pytest.raises(DataError, match="'<think>', after which it is read, is not in it"):
        _shown(_chats(chat, span=Between("<think>", "</think>")), subject=subject)


def test_a_message_is_counted_from_either_end_of_each_chat():
    chats = ([("user", "w1"), ("assistant", "w2")], [("user", "w3"), ("assistant", "w4"), ("user", "w5")])
    assert _shown(_chats(*chats, span=NthMessage(0))) == ["w1", "w3"]
    assert _shown(_chats(*chats, span=NthMessage(-1))) == ["w2", "w5"]
    rendered = render(_SUBJECT, _chats(*chats, span=NthMessage(0)), rows=range(2))
    assert "w2" not in rendered.strings[0]  # later messages are left out


@pytest.mark.parametrize("span", ["all", "assistant", NthMessage(0), Between("w", "w")])
def test_messages_without_a_template_are_an_error(span):
    subject = tiny_subject("llama", tokenizer=word_tokenizer())
    with pytest.raises(ModelError, match="tokenizer has no chat template, which messages need"):
        _shown(_chats([("user", "w1"), ("assistant", "w2")], span=span), subject=subject)


def test_an_error_names_the_row_among_many():
    alternating = TEMPLATE.replace(
        "{% for m in messages %}",
        "{% for m in messages %}{% if m['role'] == 'tool' %}{{ raise_exception('no tools') }}{% endif %}",
    )
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=alternating))
    chats = _chats([("user", "w1")], [("tool", "w1")], span=NthMessage(0))
    with pytest.raises(ModelError, match=r"Text chat1: .* refuses the chat \(no tools\)"):
        _shown(chats, subject=subject)


_TAGS_IN_PROMPT = DEFAULT_SYSTEM.replace("You help.", "Think in <think> tags </think> first.")


@pytest.mark.parametrize(
    ("template", "turns", "content"),
    [
        (_TAGS_IN_PROMPT, [("user", "w1"), ("assistant", "<think>w2</think>w3")], "w2"),
        (_TAGS_IN_PROMPT, [("user", "<think>w1</think>"), ("assistant", "<think>w2</think>w3")], "w1"),
        # a system prompt of the chat's own is one of its messages
        (_TAGS_IN_PROMPT, [("system", "<think>w0</think>"), ("user", "<think>w1</think>")], "w0"),
        (_TAGS_IN_PROMPT.replace("first.", "<think>again</think>"), [("user", "<think>w2</think>")], "w2"),
    ],
)
def test_markers_in_a_prompt_that_the_template_adds_are_passed_over(template, turns, content):
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=template))
    assert _shown(_chats(turns, span=Between("<think>", "</think>")), subject=subject) == [content]


def test_a_marker_in_a_prompt_that_the_template_adds_is_not_in_the_chat():
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=_TAGS_IN_PROMPT))
    with pytest.raises(DataError, match="Text chat0: '<think>', after which it is read, is not in it"):
        _shown(_chats([("user", "w1")], span=Between("<think>", "</think>")), subject=subject)


def test_the_header_of_the_first_message_may_be_a_marker():
    chat = [("user", "w1"), ("assistant", "w2"), ("user", "w3")]
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=_TAGS_IN_PROMPT))
    assert _shown(_chats(chat, span=Between("<|im_start|>user", "<|im_end|>")), subject=subject) == ["w1"]


def test_a_header_that_depends_on_the_message_still_hides_the_prompt_before_it():
    counting = _TAGS_IN_PROMPT.replace("m['role'] + '\\n'", "m['role'] + m['content'] | length | string + '\\n'")
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=counting))
    chat = [("user", "w1"), ("assistant", "<think>w2</think>")]
    assert "user2" in render(subject, _chats(chat), rows=range(1)).strings[0]
    assert _shown(_chats(chat, span=Between("<think>", "</think>")), subject=subject) == ["w2"]


def test_markers_are_found_where_the_first_message_is_not_written():
    subject = tiny_subject("llama", tokenizer=word_tokenizer(template=NO_TOOLS))
    chat = [("tool", "w1"), ("user", "<think>w2</think>")]
    assert _shown(_chats(chat, span=Between("<think>", "</think>")), subject=subject) == ["w2"]


@pytest.mark.parametrize("span", ["all", Between("w", "w")])
def test_a_template_that_writes_nothing_is_an_error(span):
    silent = tiny_subject("llama", tokenizer=word_tokenizer(template=CHATML.replace("in messages", "in []")))
    with pytest.raises(ModelError, match="Text chat1: the model's chat template writes nothing for the chat"):
        render(silent, _chats([("user", "w1")], [("user", "w2")], span=span), rows=range(1, 2))
