"""Texts to tokens, and which tokens are read."""

from __future__ import annotations

import warnings
from dataclasses import replace
from typing import Any, get_args

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, DataWarning, ModelError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.models._encoded import Encoded, EncodingRule, LongTexts
from tiltmeter.models._render import render
from tiltmeter.models._subject import SubjectModel
from tiltmeter.models._tokenize import Chunk, inner, tokenize

# rows a call to the tokenizer: its answer holds Python lists, some hundred bytes a token
_CHUNK = 1024


def encode(
    subject: SubjectModel,
    texts: TextSet,
    *,
    long_texts: LongTexts = "refuse",
    max_tokens: int | None = None,
    skip_first: int = 0,
) -> Encoded:
    """Render and tokenize texts as the model expects them, and mark the tokens that the span rule names.

    Special tokens that the tokenizer or the chat template adds go into the model but are never read, and in chats
    neither are tokens of white space alone at either end of what is read: the last token of a text is its last content
    token, before BERT's ``[SEP]`` and before the line break that ChatML writes after ``<|im_end|>``. A span of
    characters is read as every token that overlaps it. The assistant's turn is what the chat template adds to the
    prompt that it would have made for that turn; a message is found by rendering the chat with and without a stand-in
    for it. Messages after them are left out.

    Parameters
    ----------
    subject
        The model, whose tokenizer and context length are used; how the tokenizer pads and truncates is not.
    texts
        Texts or chats.
    long_texts
        ``"refuse"`` raises for a text longer than allowed. ``"truncate_left"`` drops tokens from the start of its
        content and keeps the end, where the last token is; ``"truncate_right"`` keeps the start. The special tokens
        around the content stay either way.
    max_tokens
        Most tokens a text may have, special ones included; None (or more) means the model's context.
    skip_first
        So many positions at the start of each sequence are never read, special tokens counted: models park attention
        there, at activations that dwarf all others.

    Returns
    -------
    The tokens of all texts, in the order of the texts.

    Raises
    ------
    DataError
        If a text is too long, has no token to read, its span lies in a part that was cut off or skipped, the marker of
        a span is not in it, or the message to be read is empty; the message names it.
    ModelError
        If the chat template is missing or does not show the message, or the tokenizer cannot tell which characters a
        token covers (only needed for spans) or which tokens are special.
    SpecError
        If ``max_tokens`` leaves no room for content, or an option is none that can be.

    Warns
    -----
    DataWarning
        If plain texts begin with the special token that the tokenizer puts first, so that they go in with two of it.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> texts = TextSet(np.array(["a"]), texts=("Rome is old",), span="marked", spans=np.array([[5, 11]]))
    >>> tokens, read = encode(subject, texts).row(0)
    >>> tokens.tolist(), read.tolist()
    ([1, 2, 3], [False, True, True])
    """
    if long_texts not in get_args(LongTexts):
        raise SpecError(f"long_texts is {long_texts!r}; use one of {', '.join(get_args(LongTexts))}.")
    if max_tokens is not None and max_tokens < 1:
        raise SpecError(f"max_tokens is {max_tokens}; give 1 or more, or None for the model's context.")
    if skip_first < 0:
        raise SpecError(f"skip_first is {skip_first}; give how many positions are not read, 0 or more.")
    if len(texts) == 0:
        raise DataError(f"{texts.distribution} holds no texts; there is nothing to encode.")
    # a limit that the context sets anyway is none
    own = None if max_tokens is None or max_tokens >= subject.context else max_tokens
    rule = EncodingRule(span=texts.span, long_texts=long_texts, max_tokens=own, skip_first=skip_first)
    limit = subject.context if own is None else own
    chunks = [
        _encode_chunk(subject, texts, range(start, min(start + _CHUNK, len(texts))), rule=rule, limit=limit)
        for start in range(0, len(texts), _CHUNK)
    ]
    encoded = Encoded(
        texts,
        np.concatenate([chunk.tokens for chunk in chunks]),
        np.concatenate([chunk.read for chunk in chunks]),
        np.concatenate([[0], np.cumsum(np.concatenate([chunk.lengths for chunk in chunks]))]),
        np.concatenate([chunk.cut for chunk in chunks]),
        rule,
        subject.fingerprint,
    )
    if texts.messages is None:
        _warn_of_two_first(encoded, subject.tokenizer)
    return encoded


def encoded_for(subject: SubjectModel, texts: TextSet | Encoded) -> Encoded:
    """Return the tokens of texts as a model is to read them: encoded, or checked if they are tokens already.

    Parameters
    ----------
    subject
        The model.
    texts
        Texts or chats, encoded without options, or what :func:`encode` made of them.

    Returns
    -------
    The tokens of all texts.

    Raises
    ------
    SpecError
        If the tokens were made for a model with another tokenizer, chat template or context.
    DataError, ModelError
        As :func:`encode`.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("Rome is old")
    >>> once = encoded_for(subject, TextSet(np.array(["a"]), texts=("Rome",)))
    >>> encoded_for(subject, once) is once
    True
    """
    if isinstance(texts, TextSet):
        return encode(subject, texts)
    if differing := texts.differences(subject.fingerprint):
        raise SpecError(
            f"The tokens were made for {texts.model.name}, and {subject.name} differs from it in "
            f"{', '.join(differing)}; encode the texts with the model that is to read them."
        )
    return texts


def _encode_chunk(subject: SubjectModel, texts: TextSet, rows: range, *, rule: EncodingRule, limit: int) -> Chunk:
    rendered = render(subject, texts, rows=rows)
    if rendered.spans is not None and not subject.tokenizer.is_fast:
        raise ModelError(
            f"The model's tokenizer does not say which characters a token covers; "
            f"the span {texts.span!r} needs a fast tokenizer (a tokenizer.json)."
        )
    ids, tokenizer = texts.ids[rows.start : rows.stop], subject.tokenizer
    whole = tokenize(subject, rendered, ids=ids)
    if (bare := whole.unread()) is not None:
        raise DataError(
            f"Text {ids[bare]} has no token to read among its {whole.lengths[bare]}; change its text or its span."
        )
    chunk = whole
    if (whole.lengths > limit).any():
        if rendered.templated:
            # white space that a template writes after the last turn belongs to its end, which stays
            ends = ~inner(np.ones_like(whole.special), whole, tokenizer=tokenizer)
            whole = replace(whole, special=whole.special | ends)
        chunk = _fit(whole, ids, limit=limit, long_texts=rule.long_texts)
        if rendered.templated:
            # a cut may leave white space at an end, as may positions that are skipped
            chunk = replace(chunk, read=inner(chunk.read, chunk, tokenizer=tokenizer))
    if (bare := chunk.unread()) is not None:
        raise DataError(
            f"Text {ids[bare]} has {whole.lengths[bare]} tokens, {limit} are allowed, and what is read of it lies in "
            "the part cut off; shorten it."
        )
    if rule.skip_first:
        chunk = replace(chunk, read=chunk.read & (chunk.positions >= rule.skip_first))
        if rendered.templated:
            chunk = replace(chunk, read=inner(chunk.read, chunk, tokenizer=tokenizer))
    if (bare := chunk.unread()) is not None:
        raise DataError(
            f"Text {ids[bare]} has {chunk.lengths[bare]} tokens, and those that are read of it are among the first "
            f"{rule.skip_first}, which are skipped; lower skip_first, or leave the text out."
        )
    return chunk


def _fit(chunk: Chunk, ids: NDArray[np.str_], *, limit: int, long_texts: LongTexts) -> Chunk:
    long = chunk.lengths > limit
    first = int(np.argmax(long))
    if long_texts == "refuse":
        raise DataError(
            f"Text {ids[first]} has {chunk.lengths[first]} tokens, {limit} are allowed; shorten it, or choose to "
            "truncate long texts."
        )
    # the special tokens before and after the content stay: a model without its first token reads something else
    offsets, content = chunk.offsets, np.flatnonzero(~chunk.special)
    before = content[np.searchsorted(content, offsets[:-1])] - offsets[:-1]
    after = offsets[1:] - 1 - content[np.searchsorted(content, offsets[1:]) - 1]
    room = limit - before - after
    if (room[long] < 1).any():
        taken = limit - int(room[long].min())
        raise SpecError(f"A limit of {limit} tokens leaves no room beside {taken} special ones; raise it.")
    end = chunk.lengths - after
    low, high = (end - room, end) if long_texts == "truncate_left" else (before, before + room)
    places = chunk.positions

    def beside(values: NDArray[Any]) -> NDArray[Any]:
        return np.repeat(values, chunk.lengths)

    kept = (places < beside(before)) | (places >= beside(end)) | ((places >= beside(low)) & (places < beside(high)))
    kept |= ~beside(long)
    return Chunk(chunk.tokens[kept], chunk.special[kept], chunk.read[kept], np.where(long, limit, chunk.lengths), long)


def _warn_of_two_first(encoded: Encoded, tokenizer: Any) -> None:  # noqa: ANN401
    """Warn of texts that bring the special token that the tokenizer puts first, as chats do that were written out."""
    long = np.flatnonzero(encoded.lengths > 1)
    first = encoded.tokens[encoded.offsets[long]]
    opens = np.isin(first, [token for token in (tokenizer.bos_token_id, tokenizer.cls_token_id) if token is not None])
    if (twice := long[opens & (first == encoded.tokens[encoded.offsets[long] + 1])]).size:
        name = tokenizer.convert_ids_to_tokens(int(encoded.row(int(twice[0]))[0][0]))
        warnings.warn(
            f"{len(twice)} texts of {encoded.texts.distribution}, such as {encoded.ids[twice[0]]}, go into the model "
            f"with {name} twice at their start: they hold what the tokenizer adds; leave it out of them, or give chats "
            "in a column messages.",
            DataWarning,
            stacklevel=3,
        )
