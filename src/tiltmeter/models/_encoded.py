"""Tokens of many texts in flat arrays."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.records import Record
from tiltmeter.data import Span, TextSet
from tiltmeter.models._fingerprint import Fingerprint

LongTexts = Literal["refuse", "truncate_left", "truncate_right"]


class EncodingRule(Record):
    """What decides which tokens of a text go into the model, and which of them are read.

    ``max_tokens`` None stands for the model's context.
    """

    span: Span
    long_texts: LongTexts
    max_tokens: int | None
    skip_first: int


@dataclass(frozen=True, slots=True, eq=False)
class Encoded:
    """Tokens of n texts, one after the other; made by :func:`encode`.

    A token takes five bytes, so that millions of texts fit.

    Parameters
    ----------
    texts
        The rows that were encoded.
    tokens
        Token identifiers of all texts, special tokens included, one text after the other.
    read
        As long as ``tokens``: which of them are read. Each text has at least one.
    offsets
        Shape (n + 1,): text i owns the tokens from ``offsets[i]`` up to ``offsets[i + 1]``.
    truncated
        Shape (n,): which texts were cut to fit.
    rule
        What decided on all this.
    model
        The model for which it was made.
    """

    texts: TextSet
    tokens: NDArray[np.int32]
    read: NDArray[np.bool_]
    offsets: NDArray[np.int64]
    truncated: NDArray[np.bool_]
    rule: EncodingRule
    model: Fingerprint

    def __len__(self) -> int:
        return len(self.truncated)

    @property
    def ids(self) -> NDArray[np.str_]:
        """Identifier of each text, shape (n,)."""
        return self.texts.ids

    @property
    def lengths(self) -> NDArray[np.int64]:
        """Tokens of each text, shape (n,)."""
        return np.diff(self.offsets)

    @property
    def n_read(self) -> NDArray[np.int64]:
        """Tokens of each text that are read, shape (n,), at least 1."""
        return count_by_text(self.read, self.offsets)

    def row(self, i: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
        """Return the tokens of text ``i``, and which of them are read, as views."""
        if not -len(self) <= i < len(self):
            raise IndexError(f"There is no text {i} among {len(self)}.")
        i %= len(self)
        own = slice(int(self.offsets[i]), int(self.offsets[i + 1]))
        return self.tokens[own], self.read[own]

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> Encoded:
        """Return the texts that ``rows`` names, a boolean mask or indices, in that order."""
        texts = self.texts.select(rows)
        index = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        offsets = np.concatenate([[0], np.cumsum(self.lengths[index])])
        # where each token stood: the start of its text, and its place within it
        at = np.repeat(self.offsets[:-1][index] - offsets[:-1], np.diff(offsets)) + np.arange(offsets[-1])
        return Encoded(texts, self.tokens[at], self.read[at], offsets, self.truncated[index], self.rule, self.model)

    def differences(self, model: Fingerprint) -> tuple[str, ...]:
        """Return the fields in which ``model`` would have made other tokens: tokenizer, chat template and context."""
        decisive = {"tokenizer_sha256", "context"}
        if self.texts.messages is not None:
            decisive.add("chat_template_sha256")
        return tuple(field for field in self.model.differences(model) if field in decisive)

    def hashes(self) -> NDArray[np.uint8]:
        """Return a hash of each text's tokens and read marks, shape (n, 16): the first half of a SHA-256.

        Texts that go into the model alike and are read alike have the same hash, whatever their identifiers.
        """
        tokens, read = self.tokens.astype("<i4", copy=False).view(np.uint8).data, self.read.view(np.uint8).data
        found = bytearray()
        for start, stop in pairwise(self.offsets.tolist()):
            # four bytes a token and one a mark: the length of the whole says where the marks begin
            digest = hashlib.sha256(tokens[4 * start : 4 * stop])
            digest.update(read[start:stop])
            found += digest.digest()[:16]
        return np.frombuffer(found, dtype=np.uint8).reshape(-1, 16)


def count_by_text(marks: NDArray[np.bool_], offsets: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return how many marks of each text are set; a text may be empty."""
    counts = np.zeros(len(offsets) - 1, dtype=np.int64)
    # reduceat takes an empty range for one of length 1
    filled = np.diff(offsets) > 0
    if filled.any():
        counts[filled] = np.add.reduceat(marks, offsets[:-1][filled], dtype=np.int64)
    return counts
