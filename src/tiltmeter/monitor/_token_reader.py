"""Scores of tokens as a forward passes a site, and what they are pooled to so far."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from tiltmeter.core.activations import Pooling
from tiltmeter.core.site import Site
from tiltmeter.models import Places
from tiltmeter.monitor._monitor import Monitor


class TokenReader:
    """An edit that changes nothing: it puts every token at one site to the vectors of the monitors that read there.

    ``opened`` is called first, and tells which tokens each monitor of the watch reads, shape (b, t, k), or None where
    nothing is to be read; those at this site are its ``columns``. ``report`` is called with the products, shape
    (b, t, k of the site).
    """

    def __init__(
        self,
        site: Site,
        monitors: Sequence[Monitor],
        *,
        columns: Sequence[int],
        opened: Callable[[Places], Tensor | None],
        report: Callable[[Tensor], None],
    ) -> None:
        self.site = site
        self._opened, self._report = opened, report
        vectors = [monitor.direction.vector * monitor.direction.sign for monitor in monitors]
        self._vectors = torch.stack([torch.as_tensor(vector, dtype=torch.float32) for vector in vectors], dim=1)
        # those pooled by the highest of each feature, which no product tells: here, and among all of the watch
        self._highest_of = [
            (i, column)
            for i, (monitor, column) in enumerate(zip(monitors, columns, strict=True))
            if monitor.card.reading.pooling == "max"
        ]
        self.begin()

    def begin(self) -> None:
        """Forget the texts before: other ones follow."""
        self._highest: dict[int, Tensor] = {}

    def __call__(self, old: Tensor, places: Places) -> Tensor:
        """Report what the site shows, and return it as it is."""
        is_read = self._opened(places)
        if is_read is None:
            return old
        if self._vectors.device != old.device:
            self._vectors = self._vectors.to(old.device)
        rows = old.detach().float()
        products = rows @ self._vectors
        for i, column in self._highest_of:
            products = torch.cat([products, self._at_highest(rows, is_read[..., column], i)[..., None]], dim=-1)
        self._report(products)
        return old

    def _at_highest(self, rows: Tensor, is_read: Tensor, i: int) -> Tensor:
        so_far = rows.masked_fill(~is_read.to(rows.device)[..., None], -torch.inf).cummax(1).values
        if i in self._highest:
            so_far = torch.maximum(so_far, self._highest[i])
        self._highest[i] = so_far[:, -1:]
        return so_far @ self._vectors[:, i]


class RunningPool:
    """Makes token and running scores of the products of a forward, for all monitors of a watch at once.

    The products come in the order in which the sites report them; ``columns`` says which monitor each belongs to, with
    those at the highest behind those of the tokens of their site.
    """

    def __init__(self, monitors: Sequence[Monitor], *, by_site: Sequence[Sequence[int]]) -> None:
        rules = [monitor.card.reading.pooling for monitor in monitors]
        tokens: dict[int, int] = {}
        highest: dict[int, int] = {}
        at = 0
        for columns in by_site:
            for column in columns:
                tokens[column], at = at, at + 1
            for column in columns:
                if rules[column] == "max":
                    highest[column], at = at, at + 1
        k = range(len(rules))
        self._tokens = torch.tensor([tokens[column] for column in k])
        self._pooled = torch.tensor([highest.get(column, tokens[column]) for column in k])
        self._is_plain = at == len(rules) and self._tokens.tolist() == list(k)
        self._offsets = torch.tensor(
            [float(monitor.direction.offset) * int(monitor.direction.sign) for monitor in monitors],
            dtype=torch.float64,
        )
        self._of: dict[Pooling, Tensor] = {
            rule: torch.tensor([own == rule for own in rules]) for rule in ("mean", "first") if rule in rules
        }
        self.begin()

    def begin(self) -> None:
        """Forget the texts before: other ones follow."""
        self._sums: Tensor | None = None
        self._counts: Tensor | None = None
        self._first: Tensor | None = None

    def __call__(self, products: Tensor, is_read: Tensor) -> tuple[Tensor, Tensor]:
        """Return token scores and running scores, shape (b, t, k) each; these are NaN where a token is not read."""
        if self._offsets.device != products.device:
            self._offsets = self._offsets.to(products.device)
        if self._is_plain:
            scores = running = products + self._offsets
        else:
            scores = products[..., self._tokens] + self._offsets
            running = products[..., self._pooled] + self._offsets
        if "mean" in self._of:
            running = torch.where(self._of["mean"].to(running.device), self._mean(running, is_read), running)
        if "first" in self._of:
            running = torch.where(self._of["first"].to(running.device), self._at_first(running, is_read), running)
        return scores, running.masked_fill(~is_read, torch.nan)

    def _mean(self, scores: Tensor, is_read: Tensor) -> Tensor:
        # of scores, not of activations: the same, since a score is linear
        sums, counts = scores.masked_fill(~is_read, 0.0).cumsum(1), is_read.cumsum(1)
        if self._sums is not None and self._counts is not None:
            sums, counts = sums + self._sums, counts + self._counts
        self._sums, self._counts = sums[:, -1:], counts[:, -1:]
        return sums / counts

    def _at_first(self, scores: Tensor, is_read: Tensor) -> Tensor:
        begun = torch.full_like(scores[:, :1], torch.nan) if self._first is None else self._first
        at = is_read.int().argmax(dim=1, keepdim=True)
        found = scores.gather(1, at).masked_fill(~is_read.any(1, keepdim=True), torch.nan)
        self._first = torch.where(begun.isnan(), found, begun)
        return self._first.expand_as(scores)
