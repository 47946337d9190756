"""Find a message in a chat as the template writes it, by rendering the chat step by step."""

from __future__ import annotations

from typing import NamedTuple

from jinja2 import TemplateError

from tiltmeter.core.errors import ModelError
from tiltmeter.data import Message
from tiltmeter.models._subject import SubjectModel

# letters alone: templates trim white space, split at tags and escape quotes
_STAND_IN = "Qzjxvkwq"


class Turn(NamedTuple):
    """A chat up to a message, as the template writes it, and the characters of the message, without white space."""

    chat: str
    start: int
    end: int


def write_chat(subject: SubjectModel, chat: list[Message], *, row: str, prompt: bool = False) -> str:
    """Return the chat as the template writes it; ModelError if the template refuses it."""
    try:
        return str(subject.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=prompt))
    except (TemplateError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelError(f"Text {row}: the chat template of {subject.name} refuses the chat ({error}).") from error


def nth_message(subject: SubjectModel, chat: list[Message], *, index: int, row: str) -> Turn:
    """Find what the template writes for the content of one message; messages after it are left out.

    What stands before and after the content is found by rendering the chat with a stand-in for it, so that a content
    that reads like a header of the template is found all the same.
    """
    place = index % len(chat)
    before, after = _around(subject, chat[: place + 1], row=row)
    whole = write_chat(subject, chat[: place + 1], row=row)
    end = len(whole) - len(after)
    if not (whole.startswith(before) and whole.endswith(after) and len(before) <= end):
        raise ModelError(
            f"Text {row}: the chat template of {subject.name} writes something else around message {place} depending "
            "on its content, so that the content cannot be found; read another span, or give another template."
        )
    return _stripped(whole, len(before), end, subject=subject, row=row, what=f"message {place}")


def assistant_turn(subject: SubjectModel, chat: list[Message], *, row: str) -> Turn:
    """Find what the template adds to the prompt that it would have made for the last turn of the assistant.

    Messages after that turn are left out.
    """
    place = max(i for i, message in enumerate(chat) if message["role"] == "assistant")
    if place == 0:
        raise ModelError(
            f"Text {row}: the only turn of the assistant is the first message, before which templates write no prompt; "
            "read the span {message: 0} instead."
        )
    prompt = write_chat(subject, chat[:place], row=row, prompt=True)
    whole = write_chat(subject, chat[: place + 1], row=row)
    if not whole.startswith(prompt):
        raise ModelError(
            f"Text {row}: the chat template of {subject.name} writes a prompt with which the finished turn does not "
            f"begin, so that the assistant's turn cannot be found; read the span {{message: {place}}} or all, or give "
            "another template."
        )
    turn = _stripped(whole, len(prompt), len(whole), subject=subject, row=row, what="the assistant's turn")
    if chat[place]["content"].strip() not in whole[turn.start :]:
        # raises if the content is not written at all; some templates write it without its thoughts
        _around(subject, chat[: place + 1], row=row)
    return turn


def _around(subject: SubjectModel, chat: list[Message], *, row: str) -> tuple[str, str]:
    """Return what the template writes before and after the content of the last message."""
    *earlier, last = chat
    stand_in = _STAND_IN
    while any(stand_in in message["content"] for message in chat):
        stand_in += _STAND_IN
    probe = write_chat(subject, [*earlier, Message(role=last["role"], content=stand_in)], row=row)
    times = probe.count(stand_in)
    if times != 1:
        raise ModelError(
            f"Text {row}: the chat template of {subject.name} writes "
            f"{'nothing' if times == 0 else f'{times} times'} what message {len(earlier)}, of the role "
            f"{last['role']}, says; read another span, or give another template."
        )
    before, after = probe.split(stand_in)
    return before, after


def _stripped(whole: str, start: int, end: int, *, subject: SubjectModel, row: str, what: str) -> Turn:
    content = whole[start:end]
    if not content.strip():
        raise ModelError(
            f"Text {row}: the chat template of {subject.name} writes nothing for {what}; "
            "read another span, or give another template."
        )
    return Turn(whole, start + len(content) - len(content.lstrip()), start + len(content.rstrip()))
