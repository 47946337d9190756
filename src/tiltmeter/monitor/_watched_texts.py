"""The texts of one generation as they grow: which tokens are theirs, and what each was given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.models import Places


class TokenScores(NamedTuple):
    """What one forward read.

    ``tokens``: identifiers (b, t), None where the model was given embeddings. ``is_text``: (b, t), False at padding and
    from the end of a text on. ``scores``, ``running``: (b, t, k), one column a monitor in the order of the watch.
    ``past``: how many columns, padding included, were read before.
    """

    tokens: Tensor | None
    is_text: Tensor
    scores: Tensor
    running: Tensor
    past: int


class WatchedText(NamedTuple):
    """One text that the model read while it was watched, special tokens included.

    ``tokens``: identifiers, shape (t,); -1 where the model was given embeddings. ``n_prompt``: how many of them the
    prompt had. ``scores``, ``running``: by monitor, shape (t,): the score of each token alone, and of the text up to it
    (NaN where the monitor does not read). ``final``: by monitor, the running score at the end; NaN where nothing was
    read. ``raised_at``: by monitor, the first token after which its running score was above its running threshold.
    """

    id: str
    tokens: NDArray[np.int64]
    n_prompt: int
    scores: dict[str, NDArray[np.float64]]
    running: dict[str, NDArray[np.float64]]
    final: dict[str, float]
    raised_at: dict[str, int]


class TextsSoFar:
    """The texts of one generation, or of forwards one after the other.

    ``n_prompt``: columns of the prompts, padding included; None outside of a generation, where all of the first forward
    is prompt. ``is_end``: which identifiers end a generated text, shape (v,).
    """

    def __init__(self, ids: Sequence[str], *, n_prompt: int | None, is_end: Tensor) -> None:
        self.ids = tuple(ids)
        self.n_prompt = n_prompt
        self.is_end = is_end
        self.steps: list[TokenScores] = []
        self.mask: Tensor | None = None
        self.has_ended = torch.zeros(len(self.ids), dtype=torch.bool)
        self._read: list[NDArray[np.int64]] | None = None

    @property
    def n_read(self) -> int:
        """Columns read so far, padding included."""
        return self.steps[-1].past + self.steps[-1].is_text.shape[1] if self.steps else 0

    def goes_on(self, places: Places) -> bool:
        """Tell whether a forward reads these texts on: with what was kept of them, or all of them again."""
        if not self.steps:
            return True
        n_read, (b, t) = self.n_read, places.shape
        again = places.past == 0 and len(self.steps) == 1 and t > n_read
        return b == len(self.ids) and (places.past == n_read or again)

    def is_text(self, places: Places) -> Tensor:
        """Return which tokens of a forward belong to a text, shape (b, t): no padding, and nothing from its end on."""
        b, t = places.shape
        if self.n_prompt is None:
            self.n_prompt = places.past + t
        tokens, self.mask = places.tokens, places.mask
        if tokens is not None and self.is_end.device != tokens.device:
            self.is_end, self.has_ended = self.is_end.to(tokens.device), self.has_ended.to(tokens.device)
        if t == 1 and tokens is not None and places.past >= self.n_prompt:
            # as nearly always: the next token of each text
            self.has_ended = self.has_ended | self.is_end[tokens[:, 0]]
            return ~self.has_ended[:, None]
        found = torch.ones(b, t, dtype=torch.bool) if places.mask is None else places.mask[:, -t:].bool()
        if tokens is None or places.past + t <= self.n_prompt:
            return found
        gone = (self.is_end[tokens] & self.is_generated(places).to(tokens.device)).cumsum(1).bool()
        if places.past:
            gone = gone | self.has_ended[:, None]
        elif bool(self.has_ended.any()):
            # without a cache the whole text comes again, and ended where it ended
            before = self.steps[-1].is_text.to(tokens.device)
            before = torch.nn.functional.pad(before, (0, t - before.shape[1]))
            gone = gone | (self.has_ended[:, None] & ~before)
        self.has_ended = gone[:, -1]
        return found.to(tokens.device) & ~gone

    def is_generated(self, places: Places) -> Tensor:
        """Return which columns of a forward were generated, shape (t,)."""
        return torch.arange(places.past, places.past + places.shape[1]) >= (self.n_prompt or 0)

    def close(self, rows: Tensor) -> None:
        """End texts here: what comes next is none of theirs."""
        self.has_ended = self.has_ended | rows.to(self.has_ended.device)

    def add(self, step: TokenScores) -> None:
        """Keep what a forward read; without a cache it reads everything again, and replaces what was read before."""
        if step.past == 0:
            self.steps.clear()
        self.steps.append(step)
        self._read = None

    def read_tokens(self) -> list[NDArray[np.int64]]:
        """Return the identifiers of what was read of each text so far, -1 where they are not known."""
        # every alarm of a forward asks, and all steps are joined for it
        if self._read is None:
            is_text = torch.cat([step.is_text for step in self.steps], dim=1).cpu().numpy()
            tokens = torch.cat([_known(step) for step in self.steps], dim=1).cpu().numpy()
            self._read = [own[kept] for own, kept in zip(tokens, is_text, strict=True)]
        return self._read

    def texts(self, names: Sequence[str], *, raised_at: Sequence[dict[str, int]]) -> list[WatchedText]:
        """Return what is known of each text."""
        is_text = torch.cat([step.is_text for step in self.steps], dim=1).cpu().numpy()
        scores = torch.cat([step.scores for step in self.steps], dim=1).cpu().numpy().astype(np.float64)
        running = torch.cat([step.running for step in self.steps], dim=1).cpu().numpy().astype(np.float64)
        columns = np.arange(self.steps[0].past, self.steps[0].past + is_text.shape[1])
        found, tokens = [], self.read_tokens()
        for row, id_ in enumerate(self.ids):
            kept = is_text[row]
            so_far = {name: running[row, kept, k] for k, name in enumerate(names)}
            found.append(
                WatchedText(
                    id_,
                    tokens[row],
                    int((kept & (columns < (self.n_prompt or 0))).sum()),
                    {name: scores[row, kept, k] for k, name in enumerate(names)},
                    so_far,
                    {name: _last(values) for name, values in so_far.items()},
                    dict(raised_at[row]),
                )
            )
        return found


def _known(step: TokenScores) -> Tensor:
    return torch.full(step.is_text.shape, -1) if step.tokens is None else step.tokens


def _last(running: NDArray[Any]) -> float:
    known = running[~np.isnan(running)]
    return float(known[-1]) if len(known) else float("nan")
