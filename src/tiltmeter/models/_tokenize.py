"""Tokens of texts that are rendered: which are special, and which are read."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from itertools import chain
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import ModelError
from tiltmeter.models._encoded import count_by_text
from tiltmeter.models._render import Rendered
from tiltmeter.models._subject import SubjectModel


@dataclass(frozen=True, slots=True, eq=False)
class Chunk:
    """Some texts, one after the other: their tokens, which are special, which are read; lengths and cuts by text."""

    tokens: NDArray[np.int32]
    special: NDArray[np.bool_]
    read: NDArray[np.bool_]
    lengths: NDArray[np.int64]
    cut: NDArray[np.bool_]

    @property
    def offsets(self) -> NDArray[np.int64]:
        return np.concatenate([[0], np.cumsum(self.lengths)])

    @property
    def positions(self) -> NDArray[np.int64]:
        """The place of each token in its text."""
        return np.arange(len(self.tokens)) - np.repeat(self.offsets[:-1], self.lengths)

    def unread(self) -> int | None:
        """Return the first text of which nothing is read."""
        bare = np.flatnonzero(count_by_text(self.read, self.offsets) == 0)
        return int(bare[0]) if len(bare) else None


def tokenize(subject: SubjectModel, rendered: Rendered, *, ids: NDArray[np.str_]) -> Chunk:
    """Tokenize strings, and mark what is read of them; ModelError if the tokenizer does not tell special tokens."""
    answer = subject.tokenizer(
        rendered.strings,
        add_special_tokens=not rendered.templated,
        return_special_tokens_mask=not rendered.templated,
        return_offsets_mapping=rendered.spans is not None,
        return_attention_mask=False,
        padding=False,
        truncation=False,
        verbose=False,
    )
    lengths = np.array([len(tokens) for tokens in answer["input_ids"]], dtype=np.int64)
    total = int(lengths.sum())
    tokens = np.fromiter(chain.from_iterable(answer["input_ids"]), dtype=np.int32, count=total)
    if rendered.templated:
        # a template writes special tokens into the text, where the tokenizer does not count them as added
        special = np.isin(tokens, special_ids(subject.tokenizer))
    else:
        masks = answer["special_tokens_mask"]
        marked = np.array([len(mask) for mask in masks], dtype=np.int64)
        if (wrong := np.flatnonzero(marked != lengths)).size:
            first = int(wrong[0])
            raise ModelError(
                f"The model's tokenizer makes {lengths[first]} tokens of text {ids[first]}, but says of "
                f"{marked[first]} whether they are special; mend its get_special_tokens_mask."
            )
        special = np.fromiter(chain.from_iterable(masks), dtype=np.bool_, count=total)
    read = ~special
    if rendered.spans is not None:
        read &= _overlaps(answer["offset_mapping"], np.repeat(rendered.spans, lengths, axis=0))
    chunk = Chunk(tokens, special, read, lengths, np.zeros(len(lengths), dtype=np.bool_))
    # templates surround turns with white space, which says the same of every text
    return replace(chunk, read=inner(read, chunk, tokenizer=subject.tokenizer)) if rendered.templated else chunk


def inner(marks: NDArray[np.bool_], chunk: Chunk, *, tokenizer: Any) -> NDArray[np.bool_]:  # noqa: ANN401
    """Return the marks of each text without those at either end that are on tokens of white space alone."""
    places = np.flatnonzero(marks)
    bounds = np.searchsorted(places, chunk.offsets)
    low, high = bounds[:-1].copy(), bounds[1:].copy()
    for end, last, step in ((low, 0, 1), (high, -1, -1)):
        texts = np.flatnonzero(low < high)
        while len(texts):
            texts = texts[_is_space(chunk.tokens[places[end[texts] + last]], tokenizer)]
            end[texts] += step
            texts = texts[low[texts] < high[texts]]
    found = np.zeros_like(marks)
    order = np.arange(len(places))
    counts = np.diff(bounds)
    found[places[(order >= np.repeat(low, counts)) & (order < np.repeat(high, counts))]] = True
    return found


def special_ids(tokenizer: Any) -> list[int]:  # noqa: ANN401
    """Return the identifiers of the tokens that are no content wherever they stand.

    One that stands for unknown words is content, unless templates write it: GPT-NeoX has a single token for everything.

    Parameters
    ----------
    tokenizer
        A model's.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> tokenizer = tiny("Rome is old").tokenizer
    >>> tokenizer.all_special_ids, special_ids(tokenizer)
    ([0], [])
    """
    written = {tokenizer.bos_token_id, tokenizer.eos_token_id, tokenizer.sep_token_id, tokenizer.cls_token_id}
    return [
        token
        for token, added in tokenizer.added_tokens_decoder.items()
        if added.special and (token != tokenizer.unk_token_id or token in written)
    ]


def _is_space(tokens: NDArray[np.int32], tokenizer: Any) -> NDArray[np.bool_]:  # noqa: ANN401
    kinds, which = np.unique(tokens, return_inverse=True)
    blank: NDArray[np.bool_] = np.array([not tokenizer.decode([kind]).strip() for kind in kinds.tolist()], np.bool_)
    return blank[which]


def _overlaps(covered: Iterable[Iterable[tuple[int, int]]], spans: NDArray[np.int64]) -> NDArray[np.bool_]:
    """Return which tokens have characters of the span, shape (t, 2), that stands beside each of them."""
    ends = np.fromiter(chain.from_iterable(chain.from_iterable(covered)), dtype=np.int64, count=2 * len(spans))
    # strict: a token that ends where the span begins does not overlap it; one that covers no characters, as a single
    # space may, counts where it stands inside
    found: NDArray[np.bool_] = (ends[0::2] < spans[:, 1]) & (ends[1::2] > spans[:, 0])
    return found
