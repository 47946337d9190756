"""Runs of labelled texts in which a direction is added, taken away, or left as the only thing that differs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.evaluation import bootstrap_estimate, ranking_estimates
from tiltmeter.interventions._asked import Asked, Said, Statistic, class_gap, tested
from tiltmeter.interventions._constant import wide
from tiltmeter.interventions._controls import Controls, Tested
from tiltmeter.interventions._subspace import replaced
from tiltmeter.models import SubjectModel

# in nats: a tenth more or less of an answer's odds. What is divided by less is mostly rounding and luck
_LEAST_GAP = 0.1

_NOT_TOLD_APART = Unavailable(reason="the answers of the model, as it is, do not tell the labels")

Unit = NDArray[np.float64]


class Ability(NamedTuple):
    """How well the answers tell the labels: mean log-odds of positive minus negative texts (nats), and AUROC."""

    gap: Measured
    auroc: Measured


class Recovery(NamedTuple):
    """What comes back with the direction alone: (gap restored − gap suppressed) / (gap before − gap suppressed).

    It is clipped to 0 and 1. ``n_left_out`` texts have no part in it: no text of the other label is as long.
    """

    regained: Tested | Unavailable
    suppressed: Ability | Unavailable
    restored: Ability | Unavailable
    n_left_out: int


@dataclass(frozen=True, slots=True, eq=False)
class Trial:
    """Texts, what a block gave and what the model said of them, and the random directions to be tried as well."""

    subject: SubjectModel
    texts: Asked
    states: Float[Tensor, "n t d"]
    layer: int
    before: Said
    random: tuple[Unit, ...]
    controls: Controls

    def ability(self, said: Said) -> Ability:
        """Judge what the model said by the labels."""
        by, y = self.texts.resampling(self.controls), self.texts.y
        gap = bootstrap_estimate(lambda weights: class_gap(said.odds, y, weights), by=by)
        return Ability(gap, ranking_estimates(y, said.odds, fpr=1.0, by=by).auroc)

    @property
    def is_known(self) -> bool:
        """Whether the clean model's answers tell the labels."""
        return bool(self._gap(self.before)(np.ones((1, len(self.texts))))[0] >= _LEAST_GAP)

    def manipulated(self, unit: Unit, length: float) -> Tested | Unavailable:
        """Add a vector to every token of negative texts, and subtract it from those of positive ones."""

        def run(one: Unit) -> Said:
            steps = torch.from_numpy(np.where(self.texts.y, -1, 1)[:, None, None] * length * one)
            return self._given(lambda states: states + steps.to(states))

        def effect(said: Said) -> Statistic:
            moved = class_gap_of(self.before.odds - said.odds, self.texts.y)
            return lambda weights: moved(weights) / (2 * self._gap(self.before)(weights))

        if not self.is_known:
            return _NOT_TOLD_APART
        by = self.texts.resampling(self.controls)
        return tested(run(unit), [run(one) for one in self.random], effect, before=self.before, by=by)

    def terminated(self, unit: Unit) -> tuple[Tested | Unavailable, Ability]:
        """Take a component away from every token."""

        def run(one: Unit) -> Said:
            def change(states: Tensor) -> Tensor:
                return replaced(states, torch.zeros_like(states), torch.from_numpy(one).to(states)[None])

            return self._given(change)

        def lost(said: Said) -> Statistic:
            return lambda weights: 1 - (self._gap(said)(weights) / self._gap(self.before)(weights)).clip(0, 1)

        found = run(unit)
        if not self.is_known:
            return _NOT_TOLD_APART, self.ability(found)
        random, by = [run(one) for one in self.random], self.texts.resampling(self.controls)
        return tested(found, random, lost, before=self.before, by=by, bounds=(0.0, 1.0)), self.ability(found)

    def recovered(self, unit: Unit) -> Recovery:
        """Give every token the mean of its position, and restore a component of its own."""
        kept = shared_lengths(self.texts.lengths.numpy(), self.texts.y)
        n_left_out = int((~kept).sum())
        if not kept.any():
            alone = Unavailable(reason="no two texts of different labels have as many tokens")
            return Recovery(alone, alone, alone, n_left_out)
        return self._select(kept)._recovered(unit, n_left_out=n_left_out)

    def _recovered(self, unit: Unit, *, n_left_out: int) -> Recovery:
        means = means_by_position(wide(self.states), self.texts.lengths)
        suppressed = self._given(lambda states: means.to(states))

        def run(one: Unit) -> Said:
            def change(states: Tensor) -> Tensor:
                return replaced(means, states, torch.from_numpy(one).to(states)[None])

            return self._given(change)

        def regained(said: Said) -> Statistic:
            def share(weights: NDArray[np.float64]) -> NDArray[np.float64]:
                nothing = self._gap(suppressed)(weights)
                back, whole = self._gap(said)(weights) - nothing, self._gap(self.before)(weights) - nothing
                # a draw in which there is nothing to regain says nothing
                return np.where(whole > 0, back / np.where(whole > 0, whole, 1), np.nan).clip(0, 1)

            return share

        found = run(unit)
        abilities = self.ability(suppressed), self.ability(found)
        if not self.is_known:
            return Recovery(_NOT_TOLD_APART, *abilities, n_left_out)
        random, by = [run(one) for one in self.random], self.texts.resampling(self.controls)
        result = tested(found, random, regained, before=suppressed, by=by, bounds=(0.0, 1.0))
        return Recovery(result, *abilities, n_left_out)

    def _given(self, change: Callable[[Tensor], Tensor]) -> Said:
        # half precision is computed in single, as by the interventions themselves
        states = change(wide(self.states)).to(self.states.dtype)
        return self.texts.given(self.subject, states, layer=self.layer)

    def _gap(self, said: Said) -> Statistic:
        return class_gap_of(said.odds, self.texts.y)

    def _select(self, rows: Bool[NDArray[Any], " n"]) -> Trial:
        before = Said(*(part[rows] for part in self.before))
        states = self.states[torch.from_numpy(np.flatnonzero(rows)).to(self.states.device)]
        return Trial(self.subject, self.texts.select(rows), states, self.layer, before, self.random, self.controls)


def class_gap_of(values: Float[NDArray[np.float64], " n"], y: Int[NDArray[Any], " n"]) -> Statistic:
    """Return the difference of the class means as a figure of weighted rows."""
    return lambda weights: class_gap(values, y, weights)


def shared_lengths(lengths: Int[NDArray[Any], " n"], y: Int[NDArray[Any], " n"]) -> Bool[NDArray[Any], " n"]:
    """Return which texts are as long as some text of the other label: a mean of one label alone would show it."""
    both = [length for length in np.unique(lengths) if len(np.unique(y[lengths == length])) == 2]
    return np.isin(lengths, both)


def means_by_position(states: Float[Tensor, "n t d"], lengths: Int[Tensor, " n"]) -> Float[Tensor, "n t d"]:
    """Return the mean at each position over the texts of as many tokens."""
    means = torch.zeros_like(states)
    for length in np.unique(lengths.numpy()):
        rows = torch.nonzero(lengths == int(length))[:, 0].to(states.device)
        means[rows] = states[rows].mean(dim=0)
    return means
