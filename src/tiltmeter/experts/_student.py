"""The student: a tiny transformer that starts from nothing and sees what a teacher said, and no more."""

from __future__ import annotations

import math
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

import numpy as np
import torch
from jaxtyping import Complex, Float, Int
from numpy.typing import NDArray
from pydantic import Field, model_validator
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
# the slowest pair of numbers turns by one radian in about so many words; texts hold fewer
_SLOWEST = 100.0
# so many batches are drawn together and sorted by length; of all rows, long texts would always be learned alone
_BATCHES_SORTED = 8


class StudentSpec(Record):
    """Size of the student and course of its training."""

    d_model: int = Field(default=32, ge=4)
    """Width of a layer, a multiple of twice ``n_heads``."""
    n_layers: int = Field(default=2, ge=1)
    """Layers."""
    n_heads: int = Field(default=4, ge=1)
    """Heads a layer."""
    n_pieces: int = Field(default=1024, ge=16)
    """Rows of the table in which words and their pieces of three letters are looked up."""
    max_words: int = Field(default=48, ge=1)
    """So many first words and marks of a text are read."""
    steps: int = Field(default=2500, ge=1)
    """Steps of the training."""
    batch_size: int = Field(default=64, ge=1)
    """Texts a step."""
    learning_rate: float = Field(default=5e-3, gt=0)
    """The highest of the schedule."""
    weight_decay: float = Field(default=0.05, ge=0)
    """Of AdamW."""

    @model_validator(mode="after")
    def _heads_are_made_of_pairs(self) -> StudentSpec:
        if self.d_model % (2 * self.n_heads):
            raise ValueError(f"d_model is {self.d_model}; give a multiple of twice n_heads, {2 * self.n_heads}")
        return self


class _Words(NamedTuple):
    """Texts as numbers: words by their place in a vocabulary (0: none), and the pieces of each word of it, padded."""

    words: Int[Tensor, "n t"]
    pieces: Int[Tensor, "v p"]


class _Block(nn.Module):
    """Attention and a feed-forward net, each behind its norm and beside what it adds to."""

    def __init__(self, spec: StudentSpec) -> None:
        super().__init__()
        d = spec.d_model
        self.n_heads = spec.n_heads
        self.norm, self.queries, self.out = nn.LayerNorm(d), nn.Linear(d, 3 * d), nn.Linear(d, d)
        self.feed = nn.Sequential(nn.LayerNorm(d), nn.Linear(d, 2 * d), nn.ReLU(), nn.Linear(2 * d, d))

    def forward(
        self, x: Float[Tensor, "n t d"], *, turns: Complex[Tensor, "t p"], closed: Float[Tensor, "n 1 1 t"]
    ) -> Float[Tensor, "n t d"]:
        heads: Float[Tensor, "n t d"] = self.queries(self.norm(x))
        q, k, v = heads.view(*x.shape[:2], 3, self.n_heads, -1).permute(2, 0, 3, 1, 4)
        # by hand, for on a CPU the fused kernel takes three times as long on heads as small as these
        met = _turned(q, turns) @ _turned(k, turns).transpose(-1, -2) / math.sqrt(q.shape[-1])
        x = x + self.out(((met + closed).softmax(dim=-1) @ v).transpose(1, 2).flatten(2))
        fed: Float[Tensor, "n t d"] = x + self.feed(x)
        return fed


class _Net(nn.Module):
    """Word vectors that are sums of pieces, a transformer with rotary places, the mean over words, one number.

    Su et al. (2021), "RoFormer", for the places: queries and keys are turned by an angle that grows with the place, so
    that only the distance between two words counts.
    """

    def __init__(self, spec: StudentSpec) -> None:
        super().__init__()
        self.pieces = nn.EmbeddingBag(spec.n_pieces + 1, spec.d_model, mode="mean", padding_idx=spec.n_pieces)
        self.layers = nn.ModuleList(_Block(spec) for _ in range(spec.n_layers))
        self.norm = nn.LayerNorm(spec.d_model)
        self.head = nn.Linear(spec.d_model, 1)
        self.turns: Complex[Tensor, "t p"]
        n_pairs = spec.d_model // spec.n_heads // 2
        angles = torch.arange(spec.max_words)[:, None] * _SLOWEST ** (-torch.arange(n_pairs) / n_pairs)
        self.register_buffer("turns", torch.polar(torch.ones_like(angles), angles))

    def forward(self, seen: _Words) -> Float[Tensor, " n"]:
        # only the words of the batch are put together, each once
        own_words, place = seen.words.unique(return_inverse=True)  # type: ignore[no-untyped-call]
        is_blank = seen.words == 0
        x = self.pieces(seen.pieces[own_words])[place]
        # a text without a word is read as one blank
        is_blank = is_blank & ~(is_blank.all(dim=1, keepdim=True) & (torch.arange(is_blank.shape[1]) == 0))
        closed = torch.zeros_like(is_blank, dtype=x.dtype).masked_fill(is_blank, -torch.inf)[:, None, None]
        for layer in self.layers:
            x = layer(x, turns=self.turns[: x.shape[1]], closed=closed)
        x = self.norm(x)
        own = (~is_blank).unsqueeze(-1).to(x.dtype)
        logits: Tensor = self.head((x * own).sum(dim=1) / own.sum(dim=1))
        return logits.squeeze(-1)


def _turned(x: Float[Tensor, "n h t e"], turns: Complex[Tensor, "t p"]) -> Float[Tensor, "n h t e"]:
    pairs = torch.view_as_complex(x.reshape(*x.shape[:-1], -1, 2))
    return torch.view_as_real(pairs * turns).flatten(-2)


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
        If there is not one output a text, one is not between 0 and 1, or the training ran away to infinite weights.

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
    >>> student = train_student(["good", "bad"] * 8, taught, spec=StudentSpec(d_model=8, steps=80), seed=0)
    >>> student.predict(["good", "bad"]).tolist()
    [1, 0]
    """
    if not len(texts):
        raise DataError("There are no demonstrations; a student needs some texts with the outputs of a teacher.")
    if taught.shape != (len(texts),) or not bool(((taught >= 0) & (taught <= 1)).all()):
        raise ArrayError(f"taught has shape {taught.shape} for {len(texts)} texts; give one number from 0 to 1 each.")
    chosen, began = spec or StudentSpec(), time.process_time()
    rate = chosen.learning_rate
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        net = _Net(chosen)
    seen, target = _numbered(texts, chosen), torch.from_numpy(taught.astype(np.float32))
    optimizer = torch.optim.AdamW(net.parameters(), lr=rate, weight_decay=chosen.weight_decay, fused=True)
    lengths = (seen.words > 0).sum(dim=1).numpy()
    batches = _batches(lengths, size=chosen.batch_size, rng=stream(seed, "student", "batches"))
    for step in range(chosen.steps):
        rows = torch.from_numpy(next(batches))
        fall = 0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * step / chosen.steps))
        optimizer.param_groups[0]["lr"] = rate * min(1.0, (step + 1) / _WARMUP_STEPS) * fall
        words = seen.words[rows]
        words = words[:, : max(1, int((words > 0).any(dim=0).sum()))]
        loss = functional.binary_cross_entropy_with_logits(net(seen._replace(words=words)), target[rows])
        optimizer.zero_grad()
        loss.backward()  # type: ignore[no-untyped-call]
        nn.utils.clip_grad_norm_(net.parameters(), 1.0)
        optimizer.step()
        on_step(step + 1, chosen.steps)
    if not all(bool(weights.isfinite().all()) for weights in net.parameters()):
        raise ArrayError(f"The student's weights are no longer finite; lower learning_rate, which is {rate:g}.")
    net.eval()
    return Student(net, chosen, n_demonstrations=len(texts), cpu_seconds=time.process_time() - began)


def _batches(
    lengths: Int[NDArray[np.int64], " n"], *, size: int, rng: np.random.Generator
) -> Iterator[Int[NDArray[np.int64], " b"]]:
    """Yield rows for ever, each once in a pass; texts of like length stand together, so that little is padded."""
    while True:
        order = rng.permutation(len(lengths))
        for start in range(0, len(order), _BATCHES_SORTED * size):
            drawn = order[start : start + _BATCHES_SORTED * size]
            drawn = drawn[np.argsort(lengths[drawn], kind="stable")]
            found = np.array_split(drawn, math.ceil(len(drawn) / size))
            yield from (found[at] for at in rng.permutation(len(found)))


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
