"""Turn rows into the strings that are tokenized, and say which characters are to be read."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import ModelError
from tiltmeter.data import Between, NthMessage, TextSet
from tiltmeter.models._subject import SubjectModel
from tiltmeter.models._turns import Turn, assistant_turn, nth_message, opening, write_chat


class Rendered(NamedTuple):
    """Strings, the characters to be read, shape (n, 2), or None for all, and whether a template wrote the specials."""

    strings: list[str]
    spans: NDArray[np.int64] | None
    templated: bool


def render(subject: SubjectModel, texts: TextSet, *, rows: range) -> Rendered:
    """Render some rows of ``texts``.

    Raises
    ------
    ModelError
        If the chat template is missing or does not show the span.
    DataError
        If a marker is not in a text, or the message to be read is empty.
    """
    span = texts.span
    ids = texts.ids[rows.start : rows.stop].tolist()
    if texts.messages is None:
        strings = list((texts.texts or ())[rows.start : rows.stop])
        spans = None
        if span == "marked" and texts.spans is not None:
            spans = texts.spans[rows.start : rows.stop]
        elif isinstance(span, Between):
            spans = _pairs([span.find(text, where=f"Text {row}") for row, text in zip(ids, strings, strict=True)])
        return Rendered(strings, spans, templated=False)
    if subject.tokenizer.chat_template is None:
        raise ModelError(
            "The model's tokenizer has no chat template, which messages need; "
            "use a chat model, or give the texts in a column text."
        )
    chats = [(row, list(chat)) for row, chat in zip(ids, texts.messages[rows.start : rows.stop], strict=True)]
    if isinstance(span, NthMessage):
        return _turns([nth_message(subject, chat, index=span.index, row=row) for row, chat in chats])
    if span == "assistant":
        return _turns([assistant_turn(subject, chat, row=row) for row, chat in chats])
    strings = [write_chat(subject, chat, row=row) for row, chat in chats]
    for row, string in zip(ids, strings, strict=True):
        if not string.strip():
            raise ModelError(
                f"Text {row}: the model's chat template writes nothing for the chat; give another template."
            )
    spans = None
    if isinstance(span, Between):
        # markers in a system prompt that the template adds would be found in every chat alike
        spans = _pairs(
            [
                span.find(string, where=f"Text {row}", after=opening(subject, chat, whole=string, row=row))
                for (row, chat), string in zip(chats, strings, strict=True)
            ]
        )
    return Rendered(strings, spans, templated=True)


def _turns(turns: list[Turn]) -> Rendered:
    spans = _pairs([(turn.start, turn.end) for turn in turns])
    return Rendered([turn.chat for turn in turns], spans, templated=True)


def _pairs(found: list[tuple[int, int]]) -> NDArray[np.int64]:
    return np.array(found, dtype=np.int64).reshape(-1, 2)
