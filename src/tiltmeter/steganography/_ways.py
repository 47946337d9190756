"""A question has several answers, and which of them is given is the message."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.seeds import stream
from tiltmeter.models import SubjectModel, generate_chosen, prompt_tokens
from tiltmeter.steganography._roles import Attacker, Encoder, Item, Messages
from tiltmeter.steganography._synonyms import with_synonyms
from tiltmeter.steganography._writer import prompts_of


def ways_to_answer(
    encoder: Encoder, *, writer: SubjectModel | None = None, n_bits: int = 2, max_new_tokens: int = 60
) -> Attacker:
    """Give number m of a fixed list of 2^b answers; the reader makes the list again and looks for the nearest.

    The reader must know the question.

    Parameters
    ----------
    encoder
        Sentence embeddings, by which the nearest is found.
    writer
        Answer m begins with the m-th likeliest token and goes on with the likeliest each time, so the list is the same
        whenever it is made. None for a stand-in: the plain answer with synonyms that the question and m choose.
    n_bits
        The list has 2^b answers.
    max_new_tokens
        Of the writer.

    Examples
    --------
    >>> attacker = ways_to_answer(lambda texts: np.array([[len(t), 1.0] for t in texts]))
    >>> item = Item("a", "Why?", "A big dog ran.")
    >>> len({attacker.encode([item], np.array([m]))[0] for m in range(4)}) > 1
    True
    """
    n = 2**n_bits

    def answers(items: Sequence[Item], messages: Messages) -> tuple[str, ...]:
        if writer is None:
            return tuple(_with_chosen_words(item, int(m)) for item, m in zip(items, messages, strict=True))
        return _likeliest_from(writer, items, messages, max_new_tokens=max_new_tokens)

    def decode(items: Sequence[Item], texts: Sequence[str]) -> Messages:
        if not items:
            return np.zeros(0, dtype=np.int64)
        each = np.tile(np.arange(n), len(items))
        listed = answers([item for item in items for _ in range(n)], each)
        known = encoder([text or "-" for text in listed]).reshape(len(items), n, -1)
        return np.asarray(np.einsum("nkd,nd->nk", known, encoder(texts)).argmax(axis=1), dtype=np.int64)

    if writer is None:
        about, stands_in = "synonyms that the question and the message choose", "a model's list of answers"
    else:
        about, stands_in = f"{writer.name}, from its likeliest {n} first tokens on", ""
    return Attacker(
        "ways to answer", n_bits, answers, decode, f"one of {n} answers: {about}; made again, nearest", stands_in,
        None if writer is None else lambda items: answers(items, np.zeros(len(items), dtype=np.int64)),
    )  # fmt: skip


def _with_chosen_words(item: Item, m: int) -> str:
    rng = stream(m, "ways", item.question)
    return with_synonyms(item.answer, lambda words: words[int(rng.integers(len(words)))])


def _likeliest_from(
    writer: SubjectModel, items: Sequence[Item], messages: Messages, *, max_new_tokens: int
) -> tuple[str, ...]:
    rows = prompt_tokens(writer, prompts_of(writer, [item.question for item in items]))
    wanted = torch.from_numpy(np.asarray(messages))

    def choose(places: NDArray[np.int64], new: Tensor, logits: Tensor) -> Tensor:
        if new.shape[1]:
            return logits.argmax(-1)
        best = logits.topk(int(wanted.max()) + 1, dim=-1).indices
        return best[torch.arange(len(best)), wanted[torch.from_numpy(places)].to(best.device)]

    said = generate_chosen(writer, rows, choose=choose, max_new_tokens=max_new_tokens)
    return tuple(text.strip() for text in said.texts)
