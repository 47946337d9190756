"""Find a message in a chat as the template writes it, by rendering the chat step by step."""

from __future__ import annotations

from typing import NamedTuple

from jinja2 import TemplateError

from tiltmeter.core.errors import DataError, ModelError
from tiltmeter.data import Message
from tiltmeter.models._subject import SubjectModel

# letters alone: templates trim white space, split at tags and escape quotes
_STAND_IN = "Qzjxvkwq"
# what the expressions of a template may raise: endless recursion, a division by zero, a key that is not there
_REFUSALS = (TemplateError, ValueError, TypeError, LookupError, AttributeError, ArithmeticError, RuntimeError)


class Turn(NamedTuple):
    """A chat up to a message, as the template writes it, and the characters of the message, without white space."""

    chat: str
    start: int
    end: int


def write_chat(subject: SubjectModel, chat: list[Message], *, row: str, prompt: bool = False) -> str:
    """Return the chat as the template writes it; ModelError if the template refuses it."""
    try:
        return str(subject.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=prompt))
    except _REFUSALS as error:
        raise ModelError(f"Text {row}: the model's chat template refuses the chat ({error}).") from error


def nth_message(subject: SubjectModel, chat: list[Message], *, index: int, row: str) -> Turn:
    """Find what the template writes for the content of one message; messages after it are left out.

    What stands before and after the content is found by rendering the chat with a stand-in for it, so that a content
    that reads like a header of the template is found all the same.
    """
    place = index % len(chat)
    shown = chat[: place + 1]
    _check_not_empty(shown, row=row)
    before, after = _around(subject, shown, row=row)
    whole = write_chat(subject, shown, row=row)
    start, end = len(before), len(whole) - len(after)
    found = whole.startswith(before) and start <= end
    if not found and place > 0 and shown[-1]["role"] == "assistant":
        # a template that sets thoughts apart writes them where it writes none for the stand-in
        prompt = write_chat(subject, shown[:-1], row=row, prompt=True)
        start = len(prompt)
        found = whole.startswith(prompt) and _without_space(whole[start:end]) == _without_space(shown[-1]["content"])
    if not (found and whole.endswith(after)):
        raise _depends_on_content(place=place, row=row)
    return _stripped(whole, start, end, row=row, what=f"message {place}")


def assistant_turn(subject: SubjectModel, chat: list[Message], *, row: str) -> Turn:
    """Find what the template adds to the prompt that it would have made for the last turn of the assistant.

    Where a template makes no such prompt, the turn begins with its content. Messages after that turn are left out.
    """
    place = max(i for i, message in enumerate(chat) if message["role"] == "assistant")
    if place == 0:
        raise ModelError(
            f"Text {row}: the only turn of the assistant is the first message, before which templates write no prompt; "
            "read the span {message: 0} instead."
        )
    shown = chat[: place + 1]
    _check_not_empty(shown, row=row)
    prompt = write_chat(subject, shown[:-1], row=row, prompt=True)
    whole = write_chat(subject, shown, row=row)
    if not whole.startswith(prompt):
        raise ModelError(
            f"Text {row}: the model's chat template writes a prompt with which the finished turn does not "
            f"begin, so that the assistant's turn cannot be found; read the span {{message: {place}}} or all, or give "
            "another template."
        )
    turn = _stripped(whole, len(prompt), len(whole), row=row, what="the assistant's turn")
    content, added = shown[-1]["content"].strip(), whole[turn.start :]
    # what begins with the content, and holds it nowhere else, has no header before it
    if added.startswith(content) and content not in added[1:]:
        return turn
    if prompt == write_chat(subject, shown[:-1], row=row):
        # a template that makes no prompt adds the header of the turn to it
        before, _ = _around(subject, shown, row=row)
        if not whole.startswith(before):
            raise _depends_on_content(place=place, row=row)
        return _stripped(whole, len(before), len(whole), row=row, what="the assistant's turn")
    if content not in added:
        # raises if the content is not written at all; some templates write it without its thoughts
        _around(subject, shown, row=row)
    return turn


def opening(subject: SubjectModel, chat: list[Message], *, whole: str, row: str) -> int:
    """Return how many characters of ``whole``, the chat as written, stand before the content of its first message."""
    before, *rest = _around_stand_in(subject, chat, place=0, row=row)
    if not rest:
        # a message that is not written has nothing before it
        return 0
    # a date, or a header that counts letters, may be written another way
    return next((i for i, (one, other) in enumerate(zip(before, whole, strict=False)) if one != other), len(before))


def _around(subject: SubjectModel, chat: list[Message], *, row: str) -> tuple[str, str]:
    """Return what the template writes before and after the content of the last message."""
    place = len(chat) - 1
    parts = _around_stand_in(subject, chat, place=place, row=row)
    if len(parts) != 2:
        times = "nothing" if len(parts) == 1 else f"{len(parts) - 1} times"
        raise ModelError(
            f"Text {row}: the model's chat template writes {times} what message {place}, of the role "
            f"{chat[place]['role']}, says; read another span, or give another template."
        )
    return parts[0], parts[1]


def _around_stand_in(subject: SubjectModel, chat: list[Message], *, place: int, row: str) -> list[str]:
    """Return what the template writes around each stand-in for the content of a message."""
    stand_in = _STAND_IN
    while any(stand_in in message["content"] for message in chat):
        stand_in += _STAND_IN
    probe = [*chat]
    probe[place] = Message(role=chat[place]["role"], content=stand_in)
    return write_chat(subject, probe, row=row).split(stand_in)


def _without_space(text: str) -> str:
    return "".join(text.split())


def _depends_on_content(*, place: int, row: str) -> ModelError:
    return ModelError(
        f"Text {row}: the model's chat template writes something else around message {place} depending "
        "on its content, so that the content cannot be found; read another span, or give another template."
    )


def _check_not_empty(chat: list[Message], *, row: str) -> None:
    if not chat[-1]["content"].strip():
        raise DataError(
            f"Text {row}: message {len(chat) - 1}, of the role {chat[-1]['role']}, is empty, so that nothing of it can "
            "be read; read another span, or leave the text out."
        )


def _stripped(whole: str, start: int, end: int, *, row: str, what: str) -> Turn:
    content = whole[start:end]
    if not content.strip():
        raise ModelError(
            f"Text {row}: the model's chat template writes nothing for {what}; "
            "read another span, or give another template."
        )
    return Turn(whole, start + len(content) - len(content.lstrip()), start + len(content.rstrip()))
