"""The student: a tiny transformer that starts from nothing and sees what a teacher said, and no more."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import NDArray
from pydantic import Field
from torch import Tensor, nn
from torch.nn import functional

from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.experts._sentences import parts_of

OnStep = Callable[[int, int], None]

_WARMUP_STEPS = 100
# letters a piece of a word; words are also looked up whole
_PIECE = 3
_ROWS_AT_ONCE = 512


class StudentSpec(Record):
    """Size of the student and course of its training. Of a text the first ``max_words`` words and marks are read.

    ``n_pieces``: rows of the table in which words and their pieces of three letters are looked up.
    """

    d_model: int = Field(default=32, ge=4)
    n_layers: int = Field(default=2, ge=1)
    n_heads: int = Field(default=4, ge=1)
    n_pieces: int = Field(default=1024, ge=16)
    max_words: int = Field(default=48, ge=1)
    steps: int = Field(default=2500, ge=1)
    batch_size: int = Field(default=64, ge=1)
    learning_rate: float = Field(default=5e-3, gt=0)
    weight_decay: float = Field(default=0.05, ge=0)


class _Words(NamedTuple):
    """Texts as numbers: words by their place in a vocabulary (0: none), and the pieces of each word of it, padded."""

    words: Int[Tensor, "n t"]
    pieces: Int[Tensor, "v p"]


class _Net(nn.Module):
    """Word vectors that are sums of pieces, learned places, a transformer, the mean over words, one number."""

    def __init__(self, spec: StudentSpec) -> None:
        super().__init__()
        self.pieces = nn.EmbeddingBag(spec.n_pieces + 1, spec.d_model, mode="mean", padding_idx=spec.n_pieces)
        self.places = nn.Parameter(torch.randn(spec.max_words, spec.d_model) * 0.1)
        layer = nn.TransformerEncoderLayer(
            spec.d_model, spec.n_heads, 2 * spec.d_model, dropout=0.0, activation="relu", batch_first=True,
            norm_first=True,
        )  # fmt: skip
        self.layers = nn.TransformerEncoder(layer, spec.n_layers, enable_nested_tensor=False)
        self.norm = nn.LayerNorm(spec.d_model)
        self.head = nn.Linear(spec.d_model, 1)

    def forward(self, seen: _Words) -> Float[Tensor, " n"]:
        # only the words of the batch are put together, each once
        own_words, place = seen.words.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        is_blank = seen.words == 0
        x = self.pieces(seen.pieces[own_words])[place] + self.places[: seen.words.shape[1]]
        # a text without a word is read as one blank
        is_blank = is_blank & ~(is_blank.all(dim=1, keepdim=True) & (torch.arange(is_blank.shape[1]) == 0))
        x = self.norm(self.layers(x, src_key_padding_mask=is_blank))
        own = (~is_blank).unsqueeze(-1).to(x.dtype)
        logits: Tensor = self.head((x * own).sum(dim=1) / own.sum(dim=1))
        return logits.squeeze(-1)


class Student:
    """A trained student; :func:`train_student` makes one.

    Parameters
    ----------
    net
        Its network.
    spec
        Its size.
    n_demonstrations
        Texts it was taught by.
    cpu_seconds
        Processor time of its training.
    """

    def __init__(self, net: nn.Module, spec: StudentSpec, *, n_demonstrations: int, cpu_seconds: float) -> None:
        self.net, self.spec = net, spec
        self.n_demonstrations, self.cpu_seconds = n_demonstrations, cpu_seconds

    @property
    def n_parameters(self) -> int:
        """How many numbers were learned."""
        return sum(weights.numel() for weights in self.net.parameters())

    def scores(self, texts: Sequence[str]) -> Float[NDArray[np.float64], " n"]:
        """Return the log-odds of label 1 for each text."""
        found = []
        with torch.no_grad():
            for start in range(0, len(texts), _ROWS_AT_ONCE):
                found.append(self.net(_numbered(texts[start : start + _ROWS_AT_ONCE], self.spec)).double().numpy())
        return np.concatenate(found) if found else np.empty(0)

    def predict(self, texts: Sequence[str]) -> Int[NDArray[np.int64], " n"]:
        """Return the label 0 or 1 of each text."""
        return (self.scores(texts) > 0).astype(np.int64)


def train_student(
    texts: Sequence[str],
    taught: Float[NDArray[np.float64], " n"],
    *,
    spec: StudentSpec | None = None,
    seed: int,
    on_step: OnStep = lambda _done, _of: None,
) -> Student:
    """Train a student from random weights on a teacher's outputs.

    It sees the texts and what the teacher said of them: no true label, and nothing of the teacher's weights.

    Parameters
    ----------
    texts
        n demonstrations.
    taught
        The teacher's output for each: a label 0 or 1, or its probability of 1.
    spec
        Size and course; None for the usual one.
    seed
        Of the weights and of the batches.
    on_step
        Called after each step with the number of steps done and their total.

    Returns
    -------
    The student. On one thread the same seed gives the same weights.

    Raises
    ------
    DataError
        If there are no texts.
    ArrayError
        If there is not one output a text, or one is not between 0 and 1.

    Notes
    -----
    The loss is the cross-entropy with the teacher's outputs: cross-entropy with its labels where these are hard, and
    distillation at temperature 1 where they are soft.

    References
    ----------
    Hinton, Vinyals and Dean (2015), "Distilling the knowledge in a neural network", section 2.

    Examples
    --------
    >>> taught = np.array([1.0, 0.0] * 8)
    >>> student = train_student(["good", "bad"] * 8, taught, spec=StudentSpec(d_model=8, steps=40), seed=0)
    >>> student.predict(["good", "bad"]).tolist()
    [1, 0]
    """
    if not len(texts):
        raise DataError("There are no demonstrations; a student needs some texts with the outputs of a teacher.")
    if taught.shape != (len(texts),) or not bool(((taught >= 0) & (taught <= 1)).all()):
        raise ArrayError(f"taught has shape {taught.shape} for {len(texts)} texts; give one number from 0 to 1 each.")
    chosen, began = spec or StudentSpec(), time.process_time()
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Net(chosen)
    seen, target = _numbered(texts, chosen), torch.from_numpy(taught.astype(np.float32))
    optimizer = torch.optim.AdamW(
        net.parameters(), lr=chosen.learning_rate, weight_decay=chosen.weight_decay, fused=True
    )
    rng = stream(seed, "student", "batches")
    order: list[int] = []
    for step in range(chosen.steps):
        if len(order) < min(chosen.batch_size, len(texts)):
            order += rng.permutation(len(texts)).tolist()
        rows = torch.tensor([order.pop() for _ in range(min(chosen.batch_size, len(texts)))])
        fall = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / chosen.steps))
        optimizer.param_groups[0]["lr"] = chosen.learning_rate * min(1.0, (step + 1) / _WARMUP_STEPS) * fall
        batch = seen.words[rows]
        loss = functional.binary_cross_entropy_with_logits(
            net(seen._replace(words=batch[:, : int((batch > 0).any(dim=0).sum().clamp(min=1))])), target[rows]
        )
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        on_step(step + 1, chosen.steps)
    net.eval()
    return Student(net, chosen, n_demonstrations=len(texts), cpu_seconds=time.process_time() - began)


def _numbered(texts: Sequence[str], spec: StudentSpec) -> _Words:
    known: dict[str, int] = {"": 0}
    rows = [[known.setdefault(part, len(known)) for part in parts_of(text)[: spec.max_words]] for text in texts]
    words = torch.zeros(len(rows), max([1, *map(len, rows)]), dtype=torch.long)
    for place, row in enumerate(rows):
        words[place, : len(row)] = torch.tensor(row, dtype=torch.long)
    pieces = [_pieces(word, spec.n_pieces) for word in known]
    padded = torch.full((len(known), max(map(len, pieces))), spec.n_pieces)
    for place, own in enumerate(pieces):
        padded[place, : len(own)] = torch.tensor(own)
    return _Words(words, padded)


def _pieces(word: str, n_pieces: int) -> list[int]:
    """Return the rows of a word: its own, and those of its pieces; a hash that is the same in every process."""
    framed = f"<{word}>"
    found = [framed, *(framed[i : i + _PIECE] for i in range(len(framed) - _PIECE + 1))]
    return [zlib.crc32(piece.encode()) % n_pieces for piece in found]
