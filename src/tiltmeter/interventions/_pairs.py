"""Aligned pairs of prompts: they differ in one thing, token by token they are as long, and each has its own answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.interventions._answers import answer_tokens
from tiltmeter.models import SubjectModel, encode


@dataclass(frozen=True, slots=True, eq=False)
class PromptPairs:
    """Pairs of prompts as strings.

    Parameters
    ----------
    ids
        Shape (n,), all different.
    positive, negative
        The two prompts of each pair, n each.
    positive_answers, negative_answers
        What follows each prompt: one or more answers of one token each, n tuples. The positive ones follow the positive
        prompt.
    tags
        Shape (n,): what a pair tests, such as ``"easy"``, ``"hard"`` or ``"french"``.
    groups
        Shape (n,): pairs that share a template or words; a split keeps a group together.

    Raises
    ------
    DataError
        If lengths disagree, an identifier repeats, a prompt or its answers are empty, or there are no pairs.
    """

    ids: NDArray[np.str_]
    positive: tuple[str, ...]
    negative: tuple[str, ...]
    positive_answers: tuple[tuple[str, ...], ...]
    negative_answers: tuple[tuple[str, ...], ...]
    tags: NDArray[np.str_]
    groups: NDArray[np.str_]

    def __post_init__(self) -> None:
        n = len(self.ids)
        columns = (
            self.positive,
            self.negative,
            self.positive_answers,
            self.negative_answers,
            self.tags,
            self.groups,
        )
        if n == 0 or any(len(column) != n for column in columns):
            raise DataError(
                f"There are {n} identifiers, and columns of {sorted({len(column) for column in columns})} rows; give "
                "one or more pairs, each with both prompts, both sides' answers, a tag and a group."
            )
        if len(np.unique(self.ids)) < n:
            raise DataError("Two pairs share an identifier; give each its own.")
        for i in range(n):
            if not (self.positive[i] and self.negative[i] and self.positive_answers[i] and self.negative_answers[i]):
                raise DataError(f"Pair {self.ids[i]} lacks a prompt or an answer; give both prompts and their answers.")

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> PromptPairs:
        """Return the pairs that ``rows`` names, a boolean mask or indices, in that order."""
        index = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows

        def rows_of(column: tuple[Any, ...]) -> tuple[Any, ...]:
            return tuple(column[i] for i in index)

        return PromptPairs(
            self.ids[index],
            rows_of(self.positive),
            rows_of(self.negative),
            rows_of(self.positive_answers),
            rows_of(self.negative_answers),
            self.tags[index],
            self.groups[index],
        )

    def texts(self, *, distribution: str = "pairs") -> TextSet:
        """Return both prompts of each pair as labelled texts, the positive one first."""
        texts = tuple(text for both in zip(self.positive, self.negative, strict=True) for text in both)
        n = len(self)
        return TextSet(
            np.array([f"{one}/{side}" for one in self.ids for side in ("positive", "negative")]),
            texts=texts,
            y=np.tile([1, 0], n),
            pairs=np.repeat(self.ids, 2),
            sides=np.tile([1, 0], n),
            groups=np.repeat(self.groups, 2),
            distribution=distribution,
        )


@dataclass(frozen=True, slots=True, eq=False)
class EncodedPairs:
    """Pairs of prompts as tokens of one model; made by :func:`encode_pairs`.

    Parameters
    ----------
    pairs
        The prompts.
    tokens
        Shape (n, 2, t): the positive prompt first; padded on the right with token 0.
    lengths
        Shape (n,): tokens of both prompts of a pair, alike by construction. The answer follows the last of them.
    answers
        For each pair the tokens of the positive and of the negative answers.
    """

    pairs: PromptPairs
    tokens: NDArray[np.int64]
    lengths: NDArray[np.int64]
    answers: tuple[tuple[tuple[int, ...], tuple[int, ...]], ...]

    def __len__(self) -> int:
        return len(self.lengths)

    @property
    def mask(self) -> NDArray[np.bool_]:
        """Shape (n, 2, t): False at padding."""
        return np.broadcast_to((np.arange(self.tokens.shape[2]) < self.lengths[:, None])[:, None], self.tokens.shape)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> EncodedPairs:
        """Return the pairs that ``rows`` names, a boolean mask or indices, in that order."""
        index = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        longest = int(self.lengths[index].max(initial=1))
        return EncodedPairs(
            self.pairs.select(index),
            self.tokens[index, :, :longest],
            self.lengths[index],
            tuple(self.answers[i] for i in index),
        )


def encode_pairs(subject: SubjectModel, pairs: PromptPairs) -> EncodedPairs:
    """Turn pairs into tokens, and check that they are aligned.

    Raises
    ------
    DataError
        If the prompts of a pair are not of the same number of tokens, or one is too long; the message names the pair.
    SpecError
        If an answer is not exactly one token, is unknown, or is on both sides; the message names the pair.
    ModelError
        If the model has no unembedding.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("she he said her his")
    >>> one = np.array(["a"])
    >>> pairs = PromptPairs(one, ("she said",), ("he said",), (("her",),), (("his",),), np.array(["easy"]), one)
    >>> found = encode_pairs(subject, pairs)
    >>> found.tokens.tolist(), found.answers
    ([[[1, 3], [2, 3]]], (((4,), (5,)),))
    """
    encoded = encode(subject, pairs.texts())
    lengths = encoded.lengths.reshape(-1, 2)
    if (unlike := np.flatnonzero(lengths[:, 0] != lengths[:, 1])).size:
        i = int(unlike[0])
        raise DataError(
            f"The prompts of pair {pairs.ids[i]} have {lengths[i, 0]} and {lengths[i, 1]} tokens, and must have as "
            "many, so that positions mean the same in both; choose words of as many tokens each."
        )
    tokens = np.zeros((len(pairs), 2, int(lengths.max())), dtype=np.int64)
    for row in range(2 * len(pairs)):
        own = encoded.row(row)[0]
        tokens[row // 2, row % 2, : len(own)] = own
    known: dict[tuple[Sequence[str], Sequence[str]], tuple[tuple[int, ...], tuple[int, ...]]] = {}
    for i, both in enumerate(zip(pairs.positive_answers, pairs.negative_answers, strict=True)):
        if both not in known:
            try:
                found = answer_tokens(subject, positive=both[0], negative=both[1])
            except SpecError as error:
                raise SpecError(f"Pair {pairs.ids[i]}: {error}") from None
            known[both] = (found.positive, found.negative)
    answers = tuple(known[both] for both in zip(pairs.positive_answers, pairs.negative_answers, strict=True))
    return EncodedPairs(pairs, tokens, lengths[:, 0], answers)
