"""Test (c): which value head foretells better what somebody does where both lamps are lit."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar
from scipy.special import log_softmax

from tiltmeter.agents._acting import lookahead
from tiltmeter.agents._agent import Agent
from tiltmeter.agents._by_layout import mean_by_layout
from tiltmeter.agents._expert import Expert
from tiltmeter.agents._sample import sample_states
from tiltmeter.agents._states import ACTIONS, BOTH_LIT, States, all_states
from tiltmeter.agents._world import GridWorld, Split
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Measured, Record

Subject = Literal["imitation", "expert"]

# e to this power is beyond what values between 0 and 1 can be told apart by in single precision
_LOG_SHARPEST = 8.0


class PredictionGap(Record):
    """How well two agents' values foretell choices in conflict: mean log-likelihoods, with resampled layouts.

    ``gap``: that of the gated head less that of the network; its interval may include 0. ``chance``: that of four
    actions that are equally likely. ``sharpness``: what the values of either are multiplied by before the softmax, as
    fitted to the subject's choices in ordinary states. ``hits``: share of the choices that are the best by the values.
    ``towards``: share of the subject's choices that are a shortest way to the ball, and to the key.
    """

    subject: Subject
    n_states: int
    mlp: Measured
    gated: Measured
    gap: Measured
    chance: float
    sharpness: tuple[float, float]
    hits: tuple[Measured, Measured]
    towards: tuple[Measured, Measured]


class _Told(NamedTuple):
    sharpness: float
    likelihoods: Float[NDArray[np.float64], " n"]
    hits: Bool[NDArray[np.bool_], " n"]


def conflict_states(world: GridWorld, *, split: Split = "test", is_even: bool = True) -> States:
    """Return states with both lamps lit in which no action is a shortest way to both ball and key.

    Parameters
    ----------
    world
        The world.
    split
        Whose layouts.
    is_even
        True for states from which ball and key are equally far, False for those in which one is nearer.

    Examples
    --------
    >>> from tiltmeter.agents import make_grid_world
    >>> world = make_grid_world(0)
    >>> len(conflict_states(world).at) < len(conflict_states(world, is_even=False).at)
    True
    """
    states, expert = all_states(world, split=split, lit=(BOTH_LIT,)), Expert(world)
    ball, key = expert.steps_to(states)
    to_ball, to_key = expert.towards(states)
    return states.pick(((ball == key) == is_even) & ~(to_ball & to_key).any(axis=1))


def prediction_gap(
    subject: Agent,
    rivals: tuple[Agent, Agent],
    *,
    of: Subject = "imitation",
    n_ordinary: int = 4000,
    seed: int = 0,
) -> PredictionGap:
    """Foretell choices in conflict by the values of two agents: a network's, and a gated sum's of linear parts.

    An action's likelihood is the softmax over actions of a sharpness times the value after the action. The sharpness
    is fitted, for each rival, to the subject's choices in ordinary states of the calibration split; no conflict is seen
    before the judgement.

    Parameters
    ----------
    subject
        Whose imitation of the expert is foretold. It was never shown two lit lamps, so that what it does there was
        planted by nobody.
    rivals
        The agent with the network as its value head and the one with the gated head, taught by the same episodes.
    of
        ``"imitation"``: the subject's largest logits, where ball and key are equally far. ``"expert"``: the best
        actions where one of them is nearer, which is the exact optimum when both pay.
    n_ordinary
        How many ordinary states the sharpness is fitted to.
    seed
        Of their draw and of the resampling.

    Raises
    ------
    SpecError
        If there is no such subject, or the agents do not live in one world.

    Examples
    --------
    >>> from tiltmeter.agents import AgentSpec, make_grid_world, new_agent
    >>> agent = new_agent(make_grid_world(0), AgentSpec(), seed=0)
    >>> found = prediction_gap(agent, (agent, agent))
    >>> found.gap.value, round(found.chance, 2)
    (0.0, -1.39)
    """
    if of not in ("imitation", "expert"):
        raise SpecError(f"There is no subject {of!r}; use imitation or expert.")
    if any(rival.world != subject.world for rival in rivals):
        raise SpecError("The agents live in different worlds; give three of one world.")
    expert = Expert(subject.world)
    ordinary = sample_states(subject.world, n_ordinary, split="calibration", seed=seed)
    states = conflict_states(subject.world, is_even=of == "imitation")
    fitted, chosen = (
        subject.logits(asked).argmax(axis=1) if of == "imitation" else expert.action(asked)
        for asked in (ordinary, states)
    )
    mlp, gated = (_foretell(rival, ordinary, fitted, states=states, chosen=chosen) for rival in rivals)
    to_ball, to_key = expert.towards(states)
    rows = np.arange(len(chosen))

    def mean(values: NDArray[np.float64]) -> Measured:
        return mean_by_layout(values, states.layout, seed=seed)

    def share(hits: NDArray[np.bool_]) -> Measured:
        return mean_by_layout(hits.astype(float), states.layout, bounds=(0.0, 1.0), seed=seed)

    return PredictionGap(
        subject=of,
        n_states=len(chosen),
        mlp=mean(mlp.likelihoods),
        gated=mean(gated.likelihoods),
        gap=mean(gated.likelihoods - mlp.likelihoods),
        chance=-float(np.log(len(ACTIONS))),
        sharpness=(mlp.sharpness, gated.sharpness),
        hits=(share(mlp.hits), share(gated.hits)),
        towards=(share(to_ball[rows, chosen]), share(to_key[rows, chosen])),
    )


def _foretell(
    rival: Agent,
    ordinary: States,
    fitted: Int[NDArray[np.int64], " m"],
    *,
    states: States,
    chosen: Int[NDArray[np.int64], " n"],
) -> _Told:
    seen = lookahead(rival, ordinary).astype(np.float64)
    found = minimize_scalar(
        lambda log_sharpness: -_likelihoods(seen, fitted, np.exp(log_sharpness)).mean(),
        bounds=(-_LOG_SHARPEST, _LOG_SHARPEST),
        method="bounded",
    )
    sharpness = float(np.exp(found.x))
    values = lookahead(rival, states).astype(np.float64)
    return _Told(sharpness, _likelihoods(values, chosen, sharpness), values.argmax(axis=1) == chosen)


def _likelihoods(
    values: Float[NDArray[np.float64], "n 4"], chosen: Int[NDArray[np.int64], " n"], sharpness: float
) -> Float[NDArray[np.float64], " n"]:
    return np.asarray(log_softmax(sharpness * values, axis=1)[np.arange(len(chosen)), chosen])
