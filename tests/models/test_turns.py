"""A message is found where the template wrote it, or not at all."""

from __future__ import annotations

import logging

import numpy as np
import pytest
from chat_templates import CHATML, GEMMA, KNOWN, LLAMA_3, MISTRAL, NO_PROMPT, NO_TOOLS, REASONING, THINKING
from hypothesis import given, settings
from hypothesis import strategies as st
from tiny_models import TEMPLATE, tiny_subject, word_tokenizer

from tiltmeter.core.errors import DataError, ModelError
from tiltmeter.data import NthMessage, TextSet
from tiltmeter.models import encode
from tiltmeter.models._turns import assistant_turn, nth_message

# what a header of the templates says, and what surrounds it
_CONTENTS = (
    "user",
    "assistant",
    "end",
    "<|im_start|>assistant",
    "\nmodel\n",
    "w1 w2",
    " w3 ",
    "[INST]",
    "{{ 1 }}",
    "日本",
)


def _subject(template):
    return tiny_subject("llama", tokenizer=word_tokenizer(template=template))


_SUBJECTS = {name: _subject(known.template) for name, known in KNOWN.items()}


def _chat(*turns):
    return [{"role": role, "content": content} for role, content in turns]


def _nth(template, turns, index):
    found = nth_message(_subject(template), _chat(*turns), index=index, row="a")
    return found.chat[found.start : found.end]


def _assistant(template, turns):
    found = assistant_turn(_subject(template), _chat(*turns), row="a")
    return found.chat[found.start : found.end]


@pytest.mark.parametrize("name", KNOWN)
@settings(max_examples=60, deadline=None)
@given(contents=st.lists(st.sampled_from(_CONTENTS), min_size=1, max_size=5), data=st.data())
def test_a_message_is_found_where_the_template_wrote_it(name, contents, data):
    """The place is worked out from what the template is known to write, header by header."""
    known, trims = KNOWN[name], name in ("Llama 3", "Gemma")
    turns = [("assistant" if i % 2 else "user", content) for i, content in enumerate(contents)]
    index = data.draw(st.integers(-len(turns), len(turns) - 1))
    place = range(len(turns))[index]
    whole = known.opening(turns)
    for role, content in turns[: place + 1]:
        before, after = known.around(role)
        start = len(whole) + len(before)
        whole += before + (content.strip() if trims else content) + after
    found = nth_message(_SUBJECTS[name], _chat(*turns), index=index, row="a")
    wanted = turns[place][1]
    start += 0 if trims else len(wanted) - len(wanted.lstrip())
    assert found == (whole, start, start + len(wanted.strip()))


@pytest.mark.parametrize("name", KNOWN)
def test_the_assistants_turn_is_the_message_and_what_ends_it(name):
    turns = [("user", "assistant"), ("assistant", " user "), ("user", "w1"), ("assistant", "end"), ("user", "w2")]
    found = assistant_turn(_SUBJECTS[name], _chat(*turns), row="a")
    message = nth_message(_SUBJECTS[name], _chat(*turns), index=3, row="a")
    assert (found.chat, found.start) == (message.chat, message.start)
    assert found.chat[found.start : found.end] == "end" + KNOWN[name].around("assistant")[1].rstrip()


def test_a_system_message_is_a_message_like_any_other():
    turns = [("system", "w1"), ("user", "w2")]
    assert _nth(CHATML, turns, 0) == "w1"
    assert _nth(LLAMA_3, turns, 0) == "w1"
    assert _nth(MISTRAL, turns, 1) == "w2"


@pytest.mark.parametrize(
    ("template", "turns", "message"),
    [
        (GEMMA, [("system", "w1"), ("user", "w2")], r"refuses the chat .*System role not supported"),
        (MISTRAL, [("user", "w1"), ("user", "w2")], r"refuses the chat .*Roles must alternate"),
        # Mistral writes a system prompt only once the user speaks
        (MISTRAL, [("system", "w1")], "writes nothing what message 0, of the role system, says"),
        (NO_TOOLS, [("user", "w1"), ("tool", "w2")], "writes nothing what message 1, of the role tool, says"),
        (CHATML + "{{ messages[-1]['content'] }}", [("user", "w1")], "writes 2 times what message 0"),
        # a header that depends on what the message says
        (
            "{% for m in messages %}{{ 'long ' if m['content'] | length > 4 else '' }}{{ m['content'] }}{% endfor %}",
            [("user", "w1")],
            "writes something else around message 0 depending on its content",
        ),
        (
            "{% for m in messages %}{{ m['content'] }}{{ '!' if m['content'] | length > 4 else '?' }}{% endfor %}",
            [("user", "w1")],
            "writes something else around message 0 depending on its content",
        ),
    ],
)
def test_a_template_that_does_not_show_the_message_is_an_error(template, turns, message):
    with pytest.raises(ModelError, match=f"Text a: the model's chat template {message}"):
        _nth(template, turns, -1)


def test_a_message_that_is_cut_away_altogether_is_an_error():
    only_after = "{% for m in messages %}<{{ m['content'].split('|')[-1] }}>{% endfor %}"
    assert _nth(only_after, [("user", "w1|w2")], 0) == "w2"
    with pytest.raises(ModelError, match="writes nothing for message 0"):
        _nth(only_after, [("user", "w1| ")], 0)


def test_a_prefix_and_a_suffix_that_share_characters_are_not_taken_for_a_message():
    # before and after would fit, had they not to overlap
    overlapping = (
        "{% for m in messages %}{{ 'aba' if m['content'] == 'x' else 'ab' + m['content'] + 'ba' }}{% endfor %}"
    )
    assert _nth(overlapping, [("user", "w1")], 0) == "w1"
    with pytest.raises(ModelError, match="writes something else around message 0"):
        _nth(overlapping, [("user", "x")], 0)


def test_thoughts_are_read_in_the_last_message_that_goes_in_and_stripped_from_those_before():
    turns = [
        ("user", "w1"),
        ("assistant", "<think>w2</think>w3"),
        ("user", "w4"),
        ("assistant", "<think>w5</think>w6"),
    ]
    assert _nth(THINKING, turns, 1) == "<think>w2</think>w3"
    found = nth_message(_subject(THINKING), _chat(*turns), index=-1, row="a")
    assert found.chat[found.start : found.end] == "<think>w5</think>w6"
    assert "w2" not in found.chat and "w3" in found.chat
    assert _assistant(THINKING, turns) == "<think>w5</think>w6<|im_end|>"


def test_what_the_template_strips_from_a_turn_is_not_read():
    always = THINKING.replace("and not loop.last ", "")
    turns = [("user", "w1"), ("assistant", "<think>w2</think> w3")]
    assert _nth(always, turns, 1) == "w3"
    assert _assistant(always, turns) == "w3<|im_end|>"


def test_a_stand_in_that_a_chat_holds_already_is_lengthened():
    assert _nth(CHATML, [("user", "Qzjxvkwq"), ("assistant", "xQzjxvkwqQzjxvkwqx")], 1) == "xQzjxvkwqQzjxvkwqx"


def test_templates_that_mark_no_tokens_of_the_assistant_are_read_all_the_same(caplog):
    """Without ``generation`` tags the masks of transformers are zero throughout; they are never asked for."""
    subject = _subject(TEMPLATE)
    chat = _chat(("user", "w1 w2"), ("assistant", "w3 w4"))
    with caplog.at_level(logging.CRITICAL):
        stock = subject.tokenizer.apply_chat_template(
            chat, return_assistant_tokens_mask=True, return_dict=True, tokenize=True
        )
    assert sum(stock["assistant_masks"]) == 0
    for span in (NthMessage(1), "assistant"):
        texts = TextSet(np.array(["a"]), messages=(tuple(chat),), span=span)
        tokens, read = encode(subject, texts).row(0)
        assert subject.tokenizer.convert_ids_to_tokens(tokens[read].tolist()) == ["w3", "w4"]


@pytest.mark.parametrize(
    "template",
    [
        CHATML.replace("m['content']", "(m['content'] if m['role'] == 'user' else '')"),  # a header alone
        CHATML.replace("m['content']", "(m['content'] if m['role'] == 'user' else 'w9')"),  # or other words
    ],
)
def test_a_template_that_does_not_write_what_the_assistant_says_is_an_error(template):
    turns = [("user", "w1"), ("assistant", "w2")]
    with pytest.raises(ModelError, match="writes nothing what message 1, of the role assistant, says"):
        _assistant(template, turns)
    with pytest.raises(ModelError, match="writes nothing what message 1, of the role assistant, says"):
        _nth(template, turns, 1)


def test_a_chat_that_begins_with_the_assistant_is_read_by_number():
    turns = [("assistant", "w1"), ("user", "w2")]
    with pytest.raises(ModelError, match=r"Text a: .* read the span \{message: 0\} instead"):
        _assistant(CHATML, turns)
    assert _nth(CHATML, turns, 0) == "w1"


def test_a_prompt_that_opens_thoughts_is_read_by_number():
    opens = CHATML.replace("'<|im_start|>assistant\\n'", "'<|im_start|>assistant\\n<think>\\n'")
    turns = [("user", "w1"), ("assistant", "w2")]
    with pytest.raises(ModelError, match=r"does not begin, .* read the span \{message: 1\} or all"):
        _assistant(opens, turns)
    assert _nth(opens, turns, 1) == "w2"


_PLAIN = "{% for m in messages %}{{ m['role'] + ': ' + m['content'] + '\\n' }}{% endfor %}"


@pytest.mark.parametrize("template", [NO_PROMPT, _PLAIN])
@settings(max_examples=60, deadline=None)
@given(
    question=st.sampled_from(_CONTENTS),
    content=st.one_of(st.sampled_from(_CONTENTS), st.text(st.sampled_from("asint: <|>_"), min_size=1, max_size=9)),
)
def test_without_a_prompt_the_turn_begins_with_its_content(template, question, content):
    """The header is what such a template writes for a message of the assistant, known by hand."""
    if not content.strip():
        return
    header = "assistant: " if template == _PLAIN else "<|im_start|>assistant\n"
    earlier = f"user: {question}\n" if template == _PLAIN else f"<|im_start|>user\n{question}<|im_end|>\n"
    found = assistant_turn(_PROMPTLESS[template], _chat(("user", question), ("assistant", content)), row="a")
    assert found.chat.startswith(earlier + header)
    assert found.start == len(earlier + header) + len(content) - len(content.lstrip())
    assert found.chat[found.start : found.end].startswith(content.strip())


_PROMPTLESS = {template: _subject(template) for template in (NO_PROMPT, _PLAIN)}


def test_without_a_prompt_a_header_that_depends_on_the_content_is_an_error():
    counting = _PLAIN.replace("m['role'] +", "m['role'] + m['content'] | length | string +")
    with pytest.raises(ModelError, match=r"Text a: .* writes something else around message 1 depending on its content"):
        _assistant(counting, [("user", "w1"), ("assistant", "w2 w3")])


def test_a_prompt_that_is_made_is_not_taken_for_a_header():
    """The scaffold that a template adds to the prompt for thoughts is part of the turn, as it was."""
    turns = [("user", "w1"), ("assistant", "w2")]
    assert _assistant(REASONING, turns) == "<think>\n\n</think>\n\nw2<|im_end|>"
    assert _nth(REASONING, turns, 1) == "w2"


@pytest.mark.parametrize(
    "content",
    [
        "<think>\nw2\n</think>\n\nw3",
        "<think>w2</think>w3",
        "<think> w2 w3 </think> w4",
        "<think>\nw2\n</think>\n\n",
        "<think>\nassistant\n</think>\n\n<|im_start|>assistant",
    ],
)
def test_a_message_with_thoughts_is_found_where_the_template_moves_white_space_alone(content):
    for turns in ([("user", "w1"), ("assistant", content)], [("user", "w1"), ("assistant", content), ("user", "w9")]):
        read = _nth(REASONING, turns, 1)
        assert "".join(read.split()) == "".join(content.split())
        assert _assistant(REASONING, turns).removesuffix("<|im_end|>").rstrip() == read


def test_a_message_to_which_the_template_adds_words_is_an_error():
    # it writes an opening tag that the content lacks
    with pytest.raises(ModelError, match="writes something else around message 1 depending on its content"):
        _nth(REASONING, [("user", "w1"), ("assistant", "w2</think>w3")], 1)
    counting = CHATML.replace("m['role'] +", "m['role'] + m['content'] | length | string +")
    with pytest.raises(ModelError, match="writes something else around message 1 depending on its content"):
        _nth(counting, [("user", "w1"), ("assistant", "w2 w3")], 1)


@pytest.mark.parametrize("content", ["", " \n"])
def test_an_empty_message_is_said_to_be_empty(content):
    turns = [("user", "w1"), ("assistant", content)]
    for find in (_assistant, lambda template, turns: _nth(template, turns, 1)):
        with pytest.raises(DataError, match="Text a: message 1, of the role assistant, is empty, so that nothing"):
            find(CHATML, turns)
    assert _nth(CHATML, turns, 0) == "w1"


@pytest.mark.parametrize(
    "fault",
    [
        "{{ 1 / 0 }}",
        "{{ 10.0 ** 999 }}",
        "{{ messages[0].name.first }}",
        "{{ messages[0].content.foo() }}",
        "{{ [][3] + 1 }}",
        "{% macro f(n) %}{{ f(n) }}{% endmacro %}{{ f(1) }}",
        "{{ '%d' | format('x') }}",
        "{% for m in messages %}",
    ],
)
def test_whatever_a_template_stumbles_over_is_the_same_error(fault):
    turns = [("user", "w1"), ("assistant", "w2")]
    for find in (_assistant, lambda template, turns: _nth(template, turns, 0)):
        with pytest.raises(ModelError, match="Text a: the model's chat template refuses the chat"):
            find(fault + CHATML, turns)
