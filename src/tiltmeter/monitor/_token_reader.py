"""Scores of tokens as a forward passes a site, and what they are pooled to so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from tiltmeter.core.site import Site
from tiltmeter.models import Places
from tiltmeter.monitor._monitor import Monitor


class Seen(NamedTuple):
    """What a site's monitors gave the tokens of one forward: token and running scores, shape (b, t, k) each.

    Where a token is not read, the running score is NaN.
    """

    tokens: Tensor
    running: Tensor


class TokenReader:
    """An edit that changes nothing: it scores every token at one site, for the monitors that read there.

    ``read`` tells, given the places of a forward, which tokens every monitor of the watch reads, shape (b, t, k); those
    at this site are its ``columns``. ``report`` is called with what was found.
    """

    def __init__(
        self,
        site: Site,
        monitors: Sequence[Monitor],
        *,
        columns: Sequence[int],
        read: Callable[[Places], Tensor],
        report: Callable[[Seen], None],
    ) -> None:
        self.site = site
        self._own, self._read, self._report = list(columns), read, report
        vectors = [monitor.direction.vector * monitor.direction.sign for monitor in monitors]
        self._vectors = torch.stack([torch.as_tensor(vector, dtype=torch.float32) for vector in vectors], dim=1)
        offsets = [float(monitor.direction.offset) * int(monitor.direction.sign) for monitor in monitors]
        self._offsets = torch.tensor(offsets, dtype=torch.float64)
        rules = [monitor.card.reading.pooling for monitor in monitors]
        self._columns = {rule: [k for k, own in enumerate(rules) if own == rule] for rule in dict.fromkeys(rules)}
        self.begin()

    def begin(self) -> None:
        """Forget the texts before: other ones follow."""
        self._sums: Tensor | None = None
        self._counts: Tensor | None = None
        self._first: Tensor | None = None
        self._highest: Tensor | None = None

    def __call__(self, old: Tensor, places: Places) -> Tensor:
        """Score what the site shows, report it, and return it as it is."""
        if self._vectors.device != old.device:
            self._vectors, self._offsets = self._vectors.to(old.device), self._offsets.to(old.device)
        with torch.no_grad():
            wide = old.detach().float()
            scores = wide @ self._vectors + self._offsets
            read = self._read(places).to(old.device)[..., self._own]
            self._report(Seen(scores, self._running(wide, scores, read)))
        return old

    def _running(self, wide: Tensor, scores: Tensor, read: Tensor) -> Tensor:
        # "last": the running score is the token's own
        running = scores
        for rule in self._columns:
            if rule == "last":
                continue
            columns = self._columns[rule]
            own, is_read = scores[..., columns], read[..., columns]
            if rule == "mean":
                pooled = self._mean(own, is_read)
            elif rule == "first":
                pooled = self._at_first(own, is_read)
            else:
                pooled = self._at_highest(wide, is_read, columns)
            running = running.index_copy(2, torch.tensor(columns, device=scores.device), pooled)
        return running.masked_fill(~read, torch.nan)

    def _mean(self, scores: Tensor, is_read: Tensor) -> Tensor:
        # of scores, not of activations: the same, since a score is linear
        sums, counts = scores.masked_fill(~is_read, 0.0).cumsum(1), is_read.cumsum(1)
        if self._sums is not None and self._counts is not None:
            sums, counts = sums + self._sums, counts + self._counts
        self._sums, self._counts = sums[:, -1:], counts[:, -1:]
        return sums / counts

    def _at_first(self, scores: Tensor, is_read: Tensor) -> Tensor:
        begun = scores.new_full((len(scores), 1, scores.shape[2]), torch.nan) if self._first is None else self._first
        at = is_read.int().argmax(dim=1, keepdim=True)
        found = scores.gather(1, at).masked_fill(~is_read.any(1, keepdim=True), torch.nan)
        self._first = torch.where(begun.isnan(), found, begun)
        return self._first.expand_as(scores)

    def _at_highest(self, wide: Tensor, is_read: Tensor, columns: list[int]) -> Tensor:
        # the highest of each feature, as pooling has it, and then the score
        pooled, highest = [], []
        for i, column in enumerate(columns):
            so_far = wide.masked_fill(~is_read[..., i : i + 1], -torch.inf).cummax(1).values
            if self._highest is not None:
                so_far = torch.maximum(so_far, self._highest[i])
            highest.append(so_far[:, -1:])
            pooled.append((so_far @ self._vectors[:, column]).double() + self._offsets[column])
        self._highest = torch.stack(highest)
        return torch.stack(pooled, dim=-1)
