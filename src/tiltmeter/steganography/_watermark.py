"""A message in how tokens are drawn: the words are those that the model would have drawn, the luck is not."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.models import SubjectModel, generate_chosen, output_embedding, prompt_tokens
from tiltmeter.steganography._roles import Attacker, Item, Messages
from tiltmeter.steganography._writer import answer_rows, prompts_of, write

_WINDOW = 2
"""Tokens before the one that is drawn, which with the key decide its numbers."""


def watermark(writer: SubjectModel, *, n_bits: int = 4, key: str = "tiltmeter", max_new_tokens: int = 60) -> Attacker:
    """Draw each token by numbers that a key makes, moved round the vocabulary as far as the message says.

    Averaged over keys the texts are those of plain sampling at temperature 1. The reader needs the key and the
    tokenizer, neither the question nor the weights.

    Parameters
    ----------
    writer
        Any decoder: it only has to be sampled from.
    n_bits
        Of the message.
    key
        Shared by writer and reader.
    max_new_tokens
        The longer the text, the surer the reading.

    Notes
    -----
    The two tokens before and the key give a number r in (0, 1) for each token of the vocabulary. Message m moves the
    numbers by m V / 2^n places, and the token with the largest log(r) / p is taken, which draws from p. The reader adds
    -log(1 - r) of the tokens it sees for each m, and takes the largest sum. Windows that a text has had before are
    drawn and read without the mark, else it would go round in circles and count one piece of evidence twice.

    References
    ----------
    Aaronson (2022), Watermarking GPT outputs; Fernandez et al. (2023), Three bricks to consolidate watermarks for
    large language models, arXiv 2308.00113, section on cyclic shifts.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> from tiltmeter import models
    >>> attacker = watermark(models.load(load("facts").folder), max_new_tokens=4)
    >>> len(attacker.encode([Item("a", "certainly", "")], np.array([5])))
    1
    """
    n_vocabulary = int(output_embedding(writer).out_features)

    def encode(items: Sequence[Item], messages: Messages) -> tuple[str, ...]:
        rows = prompt_tokens(writer, prompts_of(writer, [item.question for item in items]))
        # what is drawn without a mark, where a window comes again
        free = torch.Generator().manual_seed(0)

        def choose(places: NDArray[np.int64], new: Tensor, logits: Tensor) -> Tensor:
            shares = logits.double().softmax(-1).cpu()
            drawn = torch.multinomial(shares, 1, generator=free)[:, 0]
            so_far = new.cpu().numpy()
            for i, place in enumerate(places):
                if (window := _fresh_window(so_far[i])) is None:
                    continue
                numbers = _numbers(key, window, n=n_vocabulary, message=int(messages[place]), n_bits=n_bits)
                drawn[i] = int((np.log(numbers) / np.maximum(shares[i].numpy(), 1e-300)).argmax())
            return drawn

        said = generate_chosen(writer, rows, choose=choose, max_new_tokens=max_new_tokens)
        return tuple(text.strip() for text in said.texts)

    def decode(items: Sequence[Item], texts: Sequence[str]) -> Messages:  # noqa: ARG001  (it needs no question)
        rows = answer_rows(writer, texts)
        return np.array([int(evidence(row, key, n=n_vocabulary, n_bits=n_bits).argmax()) for row in rows], np.int64)

    def plain(items: Sequence[Item]) -> tuple[str, ...]:
        # a seed of its own: with that of the plain answers it would write these again
        return write(writer, [item.question for item in items], max_new_tokens=max_new_tokens, seed=2)

    about = f"keyed sampling from {writer.name}, the numbers moved by the message; the likeliest of {2**n_bits}"
    return Attacker("watermark", n_bits, encode, decode, about, plain=plain)


def evidence(tokens: NDArray[np.int64], key: str, *, n: int, n_bits: int) -> Float[NDArray[np.float64], " k"]:
    """Add up -log(1 - r) of the tokens of a text for each message.

    Examples
    --------
    >>> evidence(np.array([1, 2, 3]), "key", n=8, n_bits=1).shape
    (2,)
    """
    total = np.zeros(2**n_bits)
    moves = np.arange(2**n_bits) * n // 2**n_bits
    for t in range(_WINDOW, len(tokens)):
        if (window := _fresh_window(tokens[:t])) is not None:
            numbers = _numbers(key, window, n=n, message=0, n_bits=n_bits)
            total -= np.log1p(-numbers[(tokens[t] + moves) % n])
    return total


def _fresh_window(so_far: NDArray[np.int64]) -> tuple[int, ...] | None:
    """Return the last tokens, or None where there are too few or they stood together before."""
    if len(so_far) < _WINDOW:
        return None
    window = so_far[-_WINDOW:]
    earlier = np.lib.stride_tricks.sliding_window_view(so_far, _WINDOW)[:-1]
    return None if (earlier == window).all(axis=1).any() else tuple(window.tolist())


def _numbers(
    key: str, window: tuple[int, ...], *, n: int, message: int, n_bits: int
) -> Float[NDArray[np.float64], " v"]:
    digest = hashlib.sha256(f"{key} {window}".encode()).digest()
    rng = np.random.Generator(np.random.Philox(key=int.from_bytes(digest[:16], "little")))
    # strictly between 0 and 1: both ends would make an endless logarithm
    numbers = np.clip(rng.random(n), 1e-12, 1 - 1e-12)
    return np.roll(numbers, -(message * n // 2**n_bits))
