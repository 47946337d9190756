"""Answers of one token each."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import torch

from tiltmeter.core.errors import SpecError
from tiltmeter.models import SubjectModel, output_embedding

Answer = str | int
Answers = Answer | Sequence[Answer]


class AnswerTokens(NamedTuple):
    """The tokens of the positive and of the negative answers."""

    positive: tuple[int, ...]
    negative: tuple[int, ...]

    @property
    def weights(self) -> torch.Tensor:
        """By what the answers count, positive first: their mean on either side, the negative ones subtracted."""
        sides = ((self.positive, 1), (self.negative, -1))
        return torch.tensor([sign / len(side) for side, sign in sides for _ in side], dtype=torch.float64)

    def facts(self, subject: SubjectModel) -> dict[str, Any]:
        """Return tokens and identifiers, for the record."""
        names = subject.tokenizer.convert_ids_to_tokens
        return {
            side: {"tokens": [str(names(token)) for token in tokens], "ids": list(tokens)}
            for side, tokens in (("positive", self.positive), ("negative", self.negative))
        }


def answer_tokens(subject: SubjectModel, *, positive: Answers, negative: Answers) -> AnswerTokens:
    """Return the tokens of answers.

    Parameters
    ----------
    subject
        A decoder with its unembedding.
    positive, negative
        One or more answers of one token each on either side, as strings or as token numbers.

    Raises
    ------
    ModelError
        If the model gives no answers.
    SpecError
        If an answer is not exactly one token, is unknown, or is on both sides.

    Examples
    --------
    >>> from tiltmeter.models import tiny
    >>> subject = tiny("yes no")
    >>> answer_tokens(subject, positive="yes", negative=["no"])
    AnswerTokens(positive=(1,), negative=(2,))
    """
    # padded up to a round number in many models, beyond what the tokenizer knows
    n_rows = int(output_embedding(subject).out_features)
    found = AnswerTokens(
        _side(subject, positive, which="positive", n_rows=n_rows),
        _side(subject, negative, which="negative", n_rows=n_rows),
    )
    if both := sorted({*found.positive} & {*found.negative}):
        name = subject.tokenizer.convert_ids_to_tokens(both[0])
        raise SpecError(f"Token {both[0]} ({name!r}) is among the positive and the negative answers; leave it out.")
    return found


def _side(subject: SubjectModel, answers: Answers, *, which: str, n_rows: int) -> tuple[int, ...]:
    several = (answers,) if isinstance(answers, str | int) else tuple(answers)
    if not several:
        raise SpecError(f"There are no {which} answers; give at least one.")
    tokens = [_token(subject, answer, n_rows=n_rows) for answer in several]
    return tuple(dict.fromkeys(tokens))


def _token(subject: SubjectModel, answer: Answer, *, n_rows: int) -> int:
    if not isinstance(answer, str):
        if not 0 <= answer < n_rows:
            raise SpecError(f"Answer {answer} is no token of {subject.name}, which has 0 to {n_rows - 1}.")
        return int(answer)
    tokens = _tokenized(subject, answer)
    names = subject.tokenizer.convert_ids_to_tokens(tokens)
    if len(tokens) != 1:
        other = answer[1:] if answer.startswith(" ") else f" {answer}"
        hint = f"write {other!r}, which is one" if len(_tokenized(subject, other)) == 1 else "give a token's number"
        raise SpecError(f"Answer {answer!r} is {len(tokens)} tokens, {names}, and must be exactly one; {hint}.")
    if tokens[0] == subject.tokenizer.unk_token_id and answer != subject.tokenizer.unk_token:
        raise SpecError(
            f"Answer {answer!r} is unknown to the tokenizer of {subject.name}, which makes it {names[0]!r}; "
            "give a word that it knows, or a token's number."
        )
    return tokens[0]


def _tokenized(subject: SubjectModel, answer: str) -> list[int]:
    return [int(token) for token in subject.tokenizer(answer, add_special_tokens=False)["input_ids"]]
