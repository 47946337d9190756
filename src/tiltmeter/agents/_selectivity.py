"""Test (b): whether a gate or a direction that is taken away changes values and choices in one context only."""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, NamedTuple

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.agents._acting import successors
from tiltmeter.agents._agent import Agent
from tiltmeter.agents._by_layout import mean_by_layout
from tiltmeter.agents._context import gradients
from tiltmeter.agents._nets import GatedValue
from tiltmeter.agents._sample import sample_states
from tiltmeter.agents._states import ACTIONS, BALL_LIT, KEY_LIT
from tiltmeter.agents._world import Split
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Measured, Record
from tiltmeter.core.seeds import stream

Part = Literal["gate", "gradient direction"]
# values lie about 0 to 1 in single precision; two actions that change nothing are worth the same but for rounding
_DECIMALS = 5
# from z to the value that is left
_Cut = Callable[[Tensor], Tensor]


class Ablation(Record):
    """What is lost with one part, on held-out layouts; intervals resample layouts.

    ``context`` is the one that the part was found to belong to on the calibration split, by what its loss does to
    choices. ``value_own`` and ``value_other``: mean absolute change of the value in that context and in the other;
    ``choice_own`` and ``choice_other``: share of states in which the best action by lookahead changes. ``selectivity``:
    the difference of these two shares, scene by scene.
    """

    context: Literal["ball", "key"]
    value_own: Measured
    value_other: Measured
    choice_own: Measured
    choice_other: Measured
    selectivity: Measured


class Selectivity(Record):
    """The most selective part of its kind, and the most selective of as many random directions, drawn ``n_null`` times.

    Which part is the most selective is decided on the calibration split, for parts and random directions alike.
    ``null``: mean and largest selectivity of the random ones on the test split.
    """

    part: Part
    n_parts: int
    ablation: Ablation
    null: tuple[float, float]
    n_null: int


class _Scenes(NamedTuple):
    """Scenes in both contexts: the layout, z of each (c, n, d), and z after each action (c, n, a, d)."""

    layout: NDArray[np.int64]
    z: Tensor
    after: Tensor


class _Effects(NamedTuple):
    """What a cut changes in each context and scene, (2, n) each."""

    value: Float[NDArray[np.float64], "2 n"]
    choice: Float[NDArray[np.float64], "2 n"]

    @property
    def lead(self) -> float:
        """By how much more choices change in the ball's context."""
        return float((self.choice[0] - self.choice[1]).mean())


def ablation_selectivity(
    agent: Agent, *, part: Part, n_scenes: int = 1000, n_null: int = 20, seed: int = 0
) -> Selectivity:
    """Take parts of what an agent values away, one at a time, and see in which context it shows.

    Parameters
    ----------
    agent
        The agent.
    part
        ``"gate"``: a gated part of the value adds nothing any more. ``"gradient direction"``: z is put to its mean
        along one of the principal directions of ∂V/∂z (right singular vectors of the gradients, as many as gates).
    n_scenes
        How many scenes of each split are looked at, in both contexts.
    n_null
        How many times as many random directions are drawn.
    seed
        Of the draws and of the resampling.

    Raises
    ------
    SpecError
        If there is no such part, gates are asked for of a head that has none, or there is no random draw.

    Examples
    --------
    >>> from tiltmeter.agents import AgentSpec, make_grid_world, new_agent
    >>> agent = new_agent(make_grid_world(0), AgentSpec(head="softmax"), seed=0)
    >>> found = ablation_selectivity(agent, part="gate", n_scenes=200, n_null=2)
    >>> found.n_parts, found.ablation.context in ("ball", "key")
    (4, True)
    """
    if part not in ("gate", "gradient direction"):
        raise SpecError(f"There is no part {part!r}; use gate or gradient direction.")
    if n_null < 1:
        raise SpecError(f"n_null is {n_null}; draw random directions once or more.")
    told, asked = (_scenes(agent, split, n_scenes, seed=seed) for split in ("calibration", "test"))
    center = told.after.flatten(0, 2).mean(dim=0)
    if part == "gate":
        cuts = _without_gates(agent)
    else:
        cuts = [_without_direction(agent, unit, center) for unit in _principal(agent, n_scenes=n_scenes, seed=seed)]
    rng = stream(seed, "selectivity", "null")
    null: list[float] = []
    for _ in range(n_null):
        drawn = rng.normal(size=(len(cuts), agent.spec.d_state))
        units = torch.from_numpy(drawn / np.linalg.norm(drawn, axis=1, keepdims=True)).float()
        random = [_without_direction(agent, unit, center) for unit in units]
        own, effects = _most_selective(agent, random, told, asked)
        null.append(own * effects.lead)
    return Selectivity(
        part=part,
        n_parts=len(cuts),
        ablation=_judged(*_most_selective(agent, cuts, told, asked), layout=asked.layout, seed=seed),
        null=(float(np.mean(null)), max(null)),
        n_null=n_null,
    )


def _scenes(agent: Agent, split: Split, n: int, *, seed: int) -> _Scenes:
    scenes = sample_states(agent.world, n, split=split, lit=(BALL_LIT,), seed=seed)
    both = [scenes._replace(lit=np.full_like(scenes.lit, lit)) for lit in (BALL_LIT, KEY_LIT)]
    z = np.stack([agent.encode(states) for states in both])
    after = np.stack([agent.encode(successors(states, side=agent.world.side)) for states in both])
    shape = (len(both), -1, len(ACTIONS), agent.spec.d_state)
    return _Scenes(scenes.layout, torch.from_numpy(z), torch.from_numpy(after.reshape(shape)))


def _principal(agent: Agent, *, n_scenes: int, seed: int) -> Tensor:
    """Return the first right singular vectors of the gradients on the calibration split, as many as gates."""
    states = sample_states(agent.world, n_scenes, split="calibration", seed=seed)
    basis = np.linalg.svd(gradients(agent, states), full_matrices=False).Vh
    return torch.from_numpy(basis[: agent.spec.n_gates]).float()


def _without_gates(agent: Agent) -> list[_Cut]:
    head = agent.head
    if not isinstance(head, GatedValue):
        raise SpecError(f"The agent's head is {agent.spec.head}, which has no gates; ask for gradient direction.")

    def without(number: int) -> _Cut:
        def value(z: Tensor) -> Tensor:
            added = head.contributions(z)
            return added.sum(dim=1) - added[:, number]

        return value

    return [without(number) for number in range(agent.spec.n_gates)]


def _without_direction(agent: Agent, unit: Tensor, center: Tensor) -> _Cut:
    def value(z: Tensor) -> Tensor:
        found: Tensor = agent.head(z - ((z - center) @ unit)[:, None] * unit)
        return found

    return value


@torch.no_grad()
def _effects(agent: Agent, cut: _Cut, scenes: _Scenes) -> _Effects:
    def change(z: Tensor) -> tuple[Tensor, Tensor]:
        flat = z.flatten(0, -2)
        return agent.head(flat).reshape(z.shape[:-1]), cut(flat).reshape(z.shape[:-1])

    before, left = change(scenes.z)
    before_after, left_after = change(scenes.after)
    return _Effects(
        (left - before).abs().double().numpy(),
        (_best(left_after) != _best(before_after)).double().numpy(),
    )


def _best(values: Tensor) -> Tensor:
    """Return the best action of each state; of values that rounding alone tells apart, the first."""
    return values.round(decimals=_DECIMALS).argmax(dim=-1)


def _most_selective(agent: Agent, cuts: list[_Cut], told: _Scenes, asked: _Scenes) -> tuple[int, _Effects]:
    """Return the sign of the context (1 for the ball's) of the most selective cut, and its effects on what is asked."""
    leads = [_effects(agent, cut, told).lead for cut in cuts]
    best = int(np.argmax(np.abs(leads)))
    return (1 if leads[best] >= 0 else -1), _effects(agent, cuts[best], asked)


def _judged(own: int, effects: _Effects, *, layout: NDArray[np.int64], seed: int) -> Ablation:
    mine, other = (0, 1) if own > 0 else (1, 0)

    def mean(values: NDArray[np.float64], low: float, high: float) -> Measured:
        return mean_by_layout(values, layout, bounds=(low, high), seed=seed)

    return Ablation(
        context="ball" if own > 0 else "key",
        value_own=mean(effects.value[mine], 0.0, np.inf),
        value_other=mean(effects.value[other], 0.0, np.inf),
        choice_own=mean(effects.choice[mine], 0.0, 1.0),
        choice_other=mean(effects.choice[other], 0.0, 1.0),
        selectivity=mean(effects.choice[mine] - effects.choice[other], -1.0, 1.0),
    )
