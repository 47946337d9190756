"""Texts to tokens, and which tokens are read."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, ModelError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.models._render import Rendered, render
from tiltmeter.models._subject import SubjectModel

LongTexts = Literal["refuse", "truncate"]
# rows a call to the tokenizer: its answer holds Python lists, some hundred bytes a token
_CHUNK = 1024


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Tokens of n texts.

    Parameters
    ----------
    ids
        Shape (n,), as in the text set.
    tokens
        n arrays of token identifiers, special tokens included.
    read
        n boolean arrays, as long as the tokens: which of them are read. Each has at least one.
    truncated
        Shape (n,): which texts were cut to fit.
    """

    ids: NDArray[np.str_]
    tokens: tuple[NDArray[np.int64], ...]
    read: tuple[NDArray[np.bool_], ...]
    truncated: NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.ids)

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, shape (n,)."""
        return np.array([len(tokens) for tokens in self.tokens], dtype=np.int64)


def encode(
    subject: SubjectModel, texts: TextSet, *, long_texts: LongTexts = "refuse", max_tokens: int | None = None
) -> Encoded:
    """Render and tokenize texts as the model expects them, and mark the tokens that the span rule names.

    Special tokens that the tokenizer or the chat template adds go into the model but are never read: the last token of
    a text is its last content token, before BERT's ``[SEP]``. A marked span is read as every token that overlaps it.
    The assistant's turn is what the chat template adds to the prompt that it would have made for that turn, without
    surrounding white space; messages after it are left out.

    Parameters
    ----------
    subject
        The model, whose tokenizer and context length are used.
    texts
        Texts or chats.
    long_texts
        ``"refuse"`` raises for a text longer than allowed. ``"truncate"`` keeps the special tokens around it and the
        *end* of its content, where the last token is.
    max_tokens
        Most tokens a text may have, special ones included; None (or more) means the model's context.

    Raises
    ------
    DataError
        If a text is too long, has no token to read, or its span lies in a part that was cut off; the message names it.
    ModelError
        If the chat template is missing or does not show the assistant's turn, or the tokenizer cannot tell which
        characters a token covers (only needed for spans).
    SpecError
        If ``max_tokens`` leaves no room for content.

    Examples
    --------
    >>> from tokenizers import Tokenizer, models, pre_tokenizers
    >>> from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast
    >>> from tiltmeter.models import bind
    >>> words = Tokenizer(models.WordLevel({"?": 0, "Rome": 1, "is": 2, "old": 3}, unk_token="?"))
    >>> words.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    >>> config = LlamaConfig(
    ...     vocab_size=4, hidden_size=8, intermediate_size=8, num_hidden_layers=2, num_attention_heads=2
    ... )
    >>> tokenizer = PreTrainedTokenizerFast(tokenizer_object=words, unk_token="?")
    >>> subject = bind(LlamaForCausalLM(config).eval(), tokenizer, name="tiny")
    >>> texts = TextSet(np.array(["a"]), texts=("Rome is old",), span="marked", spans=np.array([[5, 11]]))
    >>> encoded = encode(subject, texts)
    >>> encoded.tokens[0].tolist(), encoded.read[0].tolist()
    ([1, 2, 3], [False, True, True])
    """
    if long_texts not in get_args(LongTexts):
        raise SpecError(f"long_texts is {long_texts!r}; use one of {', '.join(get_args(LongTexts))}.")
    if len(texts) == 0:
        raise DataError(f"{texts.distribution} holds no texts; there is nothing to encode.")
    rendered = render(subject, texts)
    if rendered.spans is not None and not subject.tokenizer.is_fast:
        raise ModelError(
            f"The tokenizer of {subject.name} does not say which characters a token covers; "
            f"the span {texts.span!r} needs a fast tokenizer (a tokenizer.json)."
        )
    limit = subject.context if max_tokens is None else min(max_tokens, subject.context)
    rows = [
        _fit(str(row), _marked(row_tokens), limit=limit, long_texts=long_texts)
        for row, row_tokens in zip(texts.ids, _tokenize(subject.tokenizer, rendered), strict=True)
    ]
    return Encoded(
        texts.ids,
        tuple(row.tokens for row in rows),
        tuple(row.read for row in rows),
        np.array([row.cut for row in rows], dtype=np.bool_),
    )


class _Row(NamedTuple):
    tokens: NDArray[np.int64]
    special: NDArray[np.bool_]
    starts: NDArray[np.int64] | None
    ends: NDArray[np.int64] | None
    span: tuple[int, int] | None


class _Marked(NamedTuple):
    tokens: NDArray[np.int64]
    special: NDArray[np.bool_]
    read: NDArray[np.bool_]
    cut: bool


def _tokenize(tokenizer: Any, rendered: Rendered) -> Iterator[_Row]:  # noqa: ANN401
    # a template writes special tokens into the text, where the tokenizer does not count them as added
    specials = [
        token
        for token, added in tokenizer.added_tokens_decoder.items()
        if added.special and token != tokenizer.unk_token_id
    ]
    for start in range(0, len(rendered.strings), _CHUNK):
        answer = tokenizer(
            rendered.strings[start : start + _CHUNK],
            add_special_tokens=not rendered.templated,
            return_special_tokens_mask=True,
            return_offsets_mapping=rendered.spans is not None,
            return_attention_mask=False,
            padding=False,
            truncation=False,
            verbose=False,
        )
        for i, (ids, mask) in enumerate(zip(answer["input_ids"], answer["special_tokens_mask"], strict=True)):
            tokens = np.array(ids, dtype=np.int64)
            special = np.isin(tokens, specials) if rendered.templated else np.array(mask, dtype=np.bool_)
            if rendered.spans is None:
                yield _Row(tokens, special, None, None, None)
                continue
            offsets = np.array(answer["offset_mapping"][i], dtype=np.int64).reshape(-1, 2)
            first, last = rendered.spans[start + i].tolist()
            yield _Row(tokens, special, offsets[:, 0], offsets[:, 1], (first, last))


def _marked(row: _Row) -> _Marked:
    read = ~row.special
    if row.starts is not None and row.ends is not None and row.span is not None:
        first, last = row.span
        # strict: a token that ends where the span begins does not overlap it, nor does one without characters
        read = read & (row.starts < last) & (row.ends > first) & (row.ends > row.starts)
    return _Marked(row.tokens, row.special, read, cut=False)


def _fit(name: str, row: _Marked, *, limit: int, long_texts: LongTexts) -> _Marked:
    if not row.read.any():
        raise DataError(f"Text {name} has no token to read among its {len(row.tokens)}; change its text or its span.")
    n = len(row.tokens)
    if n <= limit:
        return row
    if long_texts == "refuse":
        raise DataError(
            f"Text {name} has {n} tokens, {limit} are allowed; shorten it, or choose to truncate long texts."
        )
    content = np.flatnonzero(~row.special)
    # the special tokens before and after the content stay: a model without its first token reads something else
    before, after = int(content[0]), n - 1 - int(content[-1])
    room = limit - before - after
    if room < 1:
        raise SpecError(f"A limit of {limit} tokens leaves no room beside {before + after} special ones; raise it.")
    kept = np.concatenate([np.arange(before), np.arange(n - after - room, n)])
    cut = _Marked(row.tokens[kept], row.special[kept], row.read[kept], cut=True)
    if not cut.read.any():
        raise DataError(
            f"Text {name} has {n} tokens, {limit} are allowed, and what is read of it lies in the part cut off; "
            "shorten it."
        )
    return cut
