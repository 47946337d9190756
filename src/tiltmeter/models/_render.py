"""Turn rows into the strings that are tokenized, and say which characters are to be read."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jinja2 import TemplateError
from numpy.typing import NDArray

from tiltmeter.core.errors import ModelError
from tiltmeter.data import TextSet
from tiltmeter.models._subject import SubjectModel


class Rendered(NamedTuple):
    """Strings, the characters to be read, shape (n, 2), or None for all, and whether a template wrote the specials."""

    strings: list[str]
    spans: NDArray[np.int64] | None
    templated: bool


def render(subject: SubjectModel, texts: TextSet) -> Rendered:
    """Render the rows of ``texts``; ModelError if the chat template is missing or does not show the span."""
    if texts.texts is not None:
        return Rendered(list(texts.texts), texts.spans if texts.span == "marked" else None, templated=False)
    if subject.tokenizer.chat_template is None:
        raise ModelError(
            f"The tokenizer of {subject.name} has no chat template, which messages need; "
            "use a chat model, or give the texts in a column text."
        )
    chats = [(str(row), list(chat)) for row, chat in zip(texts.ids, texts.messages or (), strict=True)]
    if texts.span != "assistant":
        return Rendered([_apply(subject, chat, row=row) for row, chat in chats], None, templated=True)
    turns = [_assistant_turn(subject, chat, row=row) for row, chat in chats]
    spans = np.array([(start, len(whole.rstrip())) for whole, start in turns], dtype=np.int64)
    return Rendered([whole for whole, _ in turns], spans, templated=True)


def _assistant_turn(subject: SubjectModel, chat: list[Any], *, row: str) -> tuple[str, int]:
    """Return the chat up to its last assistant turn, and where that turn begins.

    The turn is what the template adds to the prompt that it would have made for it; templates that mark the
    assistant's tokens themselves often mark none.
    """
    turn = max(i for i, message in enumerate(chat) if message["role"] == "assistant")
    prompt = _apply(subject, chat[:turn], row=row, prompt=True)
    whole = _apply(subject, chat[: turn + 1], row=row)
    if not whole.startswith(prompt):
        raise ModelError(
            f"Text {row}: the chat template of {subject.name} writes a prompt with which the finished turn does not "
            "begin, so that the assistant's turn cannot be found; read the span all, or give another template."
        )
    added = whole[len(prompt) :]
    if not added.strip():
        raise ModelError(
            f"Text {row}: the chat template of {subject.name} writes nothing for the assistant's turn; "
            "read the span all, or give another template."
        )
    return whole, len(prompt) + len(added) - len(added.lstrip())


def _apply(subject: SubjectModel, chat: list[Any], *, row: str, prompt: bool = False) -> str:
    try:
        return str(subject.tokenizer.apply_chat_template(chat, tokenize=False, add_generation_prompt=prompt))
    except (TemplateError, ValueError, TypeError, KeyError, IndexError) as error:
        raise ModelError(f"Text {row}: the chat template of {subject.name} refuses the chat ({error}).") from error
