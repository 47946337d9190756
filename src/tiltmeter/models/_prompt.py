"""Tokens of prompts, after which the model is to speak."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, ModelError
from tiltmeter.data import TextSet
from tiltmeter.models._encode import encode
from tiltmeter.models._encoded import LongTexts
from tiltmeter.models._subject import SubjectModel
from tiltmeter.models._turns import write_chat


def prompt_tokens(
    subject: SubjectModel, prompts: TextSet, *, long_texts: LongTexts = "refuse"
) -> tuple[NDArray[np.int64], ...]:
    """Return the tokens that go into the model so that the next one is its own.

    A plain text ends with its last token of content: special tokens that the tokenizer would put behind it are left
    out. A chat is written by the chat template with the opening of the assistant's turn behind it.

    Parameters
    ----------
    subject
        The model, whose tokenizer, chat template and context are used.
    prompts
        Texts, or chats that end with the user's message. All of each is given, whatever the span.
    long_texts
        ``"refuse"`` raises for a prompt longer than the context. Otherwise tokens are dropped from its start, where a
        question is not; the first token stays if it is the tokenizer's own.

    Returns
    -------
    Token identifiers of each prompt, in order.

    Raises
    ------
    DataError
        If a prompt is too long and long ones are refused, or there are none.
    ModelError
        If chats cannot be written.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> prompts = TextSet(np.array(["a", "b"]), texts=("Rome is", "Rome"))
    >>> [tokens.tolist() for tokens in prompt_tokens(subject, prompts)]
    [[1, 2], [1]]
    """
    if prompts.messages is not None:
        return _of_chats(subject, prompts, long_texts=long_texts)
    whole = TextSet(prompts.ids, texts=prompts.texts, distribution=prompts.distribution)
    encoded = encode(subject, whole, long_texts="refuse" if long_texts == "refuse" else "truncate_left")
    rows = (encoded.row(i) for i in range(len(encoded)))
    return tuple(tokens[: np.flatnonzero(read)[-1] + 1].astype(np.int64) for tokens, read in rows)


def _of_chats(subject: SubjectModel, prompts: TextSet, *, long_texts: LongTexts) -> tuple[NDArray[np.int64], ...]:
    if subject.tokenizer.chat_template is None:
        raise ModelError(
            "The model's tokenizer has no chat template, which messages need; use a chat model, or give plain texts."
        )
    found = []
    for row, chat in zip(prompts.ids.tolist(), prompts.messages or (), strict=True):
        written = write_chat(subject, list(chat), row=row, prompt=True)
        tokens = subject.tokenizer(written, add_special_tokens=False, verbose=False)["input_ids"]
        if not tokens:
            raise ModelError(
                f"Text {row}: the model's chat template writes nothing for the chat; give another template."
            )
        if len(tokens) > subject.context:
            if long_texts == "refuse":
                raise DataError(
                    f"Prompt {row} has {len(tokens)} tokens, {subject.context} are allowed; shorten it, or choose to "
                    "truncate long texts."
                )
            first = tokens[:1] if tokens[0] == subject.tokenizer.bos_token_id else []
            tokens = first + tokens[len(tokens) - subject.context + len(first) :]
        found.append(np.array(tokens, dtype=np.int64))
    return tuple(found)
