"""Test (d): how many episodes a value head needs, with an encoder that has learned to act and without."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.agents._agent import Agent
from tiltmeter.agents._by_layout import Correlation, layouts
from tiltmeter.agents._episodes import Episodes
from tiltmeter.agents._expert import Expert
from tiltmeter.agents._learn import learn_value
from tiltmeter.agents._spec import AgentSpec
from tiltmeter.agents._states import all_states
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Measured, Record, Unavailable
from tiltmeter.evaluation import Resampling, bootstrap_estimate

SIZES = (64, 256, 1024, 4096, 16384)


class Efficiency(Record):
    """Correlation with the true return against episodes, of two beginnings; intervals resample layouts.

    ``pretrained`` and ``untrained``: the correlation on held-out layouts for each of ``sizes``. ``needed``: how many
    episodes either needs to reach ``level``, read off between two sizes on a logarithmic scale; the smallest size where
    that is enough already. ``ratio``: those of the untrained over those of the pretrained; where the untrained never
    gets there it counts as the largest size, and ``is_ratio_a_bound`` says that the ratio is a lower bound.
    """

    level: float
    sizes: tuple[int, ...]
    pretrained: tuple[Measured, ...]
    untrained: tuple[Measured, ...]
    needed: tuple[Measured, Measured]
    ratio: Measured
    is_ratio_a_bound: bool


class LearningCurve(NamedTuple):
    """Agents that learned from more and more episodes, by what their values have to do with the true return."""

    sizes: tuple[int, ...]
    correlations: tuple[Correlation, ...]


def learning_curve(
    agent: Agent, episodes: Episodes, *, spec: AgentSpec, sizes: tuple[int, ...] = SIZES, seed: int
) -> LearningCurve:
    """Teach a value head by the first so many episodes, each time from the same beginning with as many steps.

    Parameters
    ----------
    agent
        The beginning.
    episodes
        At least as many as the largest size.
    spec
        Form of the head and coupling.
    sizes
        Numbers of episodes, rising.
    seed
        Of heads and batches.

    Returns
    -------
    What :func:`reward_efficiency` compares: a curve on every state of the layouts for the test.

    Raises
    ------
    SpecError
        If the sizes do not rise, or there are fewer episodes.

    Examples
    --------
    >>> from tiltmeter.agents import gather_episodes, make_grid_world, new_agent
    >>> world, spec = make_grid_world(0, side=4), AgentSpec(value_steps=5)
    >>> episodes = gather_episodes(world, 16, seed=0)
    >>> curve = learning_curve(new_agent(world, spec, seed=0), episodes, spec=spec, sizes=(8, 16), seed=0)
    >>> len(curve.correlations)
    2
    """
    n_episodes = int(episodes.number.max()) + 1
    if not sizes or list(sizes) != sorted(set(sizes)) or not 1 <= sizes[0] <= sizes[-1] <= n_episodes:
        raise SpecError(f"sizes is {sizes} of {n_episodes} episodes; give rising numbers, none above that.")
    states = all_states(agent.world, split="test")
    true = Expert(agent.world).true_return(states)
    taught = (learn_value(agent, episodes.first(n), spec=spec, seed=seed) for n in sizes)
    return LearningCurve(sizes, tuple(Correlation(one.values(states), true, states.layout) for one in taught))


def reward_efficiency(
    pretrained: LearningCurve, untrained: LearningCurve, *, level: float = 0.9, seed: int = 0
) -> Efficiency:
    """Say how many episodes either beginning needs to reach a level of correlation, and their ratio.

    Parameters
    ----------
    pretrained, untrained
        Two curves over the same sizes.
    level
        A correlation between 0 and 1.
    seed
        Of the resampling.

    Raises
    ------
    SpecError
        If the curves are of other sizes or layouts.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> true, layout = rng.normal(size=400), np.arange(400) % 20
    >>> def curve(*noise):
    ...     heard = [true + loud * rng.normal(size=400) for loud in noise]
    ...     return LearningCurve((10, 100, 1000), tuple(Correlation(one, true, layout) for one in heard))
    >>> found = reward_efficiency(curve(0.5, 0.3, 0.1), curve(9.0, 3.0, 0.1), level=0.8)
    >>> found.needed[0].value, found.ratio.value > 10, found.is_ratio_a_bound
    (10.0, True, False)
    """
    counts = {correlation.n_layouts for curve in (pretrained, untrained) for correlation in curve.correlations}
    if pretrained.sizes != untrained.sizes or len(counts) != 1:
        raise SpecError("The curves are of other sizes or layouts; make both in one world with one choice of sizes.")
    sizes, by = pretrained.sizes, layouts(counts.pop(), seed=seed)

    def ratio(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        mine, other = (_needed(curve, weights, level=level) for curve in (pretrained, untrained))
        return np.where(np.isfinite(mine), np.minimum(other, sizes[-1]) / mine, np.nan)

    once = np.ones((1, by.weights.shape[1]))
    return Efficiency(
        level=level,
        sizes=sizes,
        pretrained=_figures(pretrained, by=by),
        untrained=_figures(untrained, by=by),
        needed=(_reached(pretrained, level=level, by=by), _reached(untrained, level=level, by=by)),
        ratio=bootstrap_estimate(ratio, by=by, bounds=(0.0, np.inf)),
        is_ratio_a_bound=not np.isfinite(_needed(untrained, once, level=level)[0]),
    )


def _figures(curve: LearningCurve, *, by: Resampling) -> tuple[Measured, ...]:
    return tuple(bootstrap_estimate(one, by=by, bounds=(-1.0, 1.0)) for one in curve.correlations)


def _reached(curve: LearningCurve, *, level: float, by: Resampling) -> Measured:
    once = np.ones((1, by.weights.shape[1]))
    if not np.isfinite(_needed(curve, once, level=level)[0]):
        return Unavailable(reason=f"a correlation of {level} is not reached with {curve.sizes[-1]} episodes")

    def needed(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        return np.minimum(_needed(curve, weights, level=level), curve.sizes[-1])

    return bootstrap_estimate(needed, by=by, bounds=(0.0, float(curve.sizes[-1])))


def _needed(
    curve: LearningCurve, weights: Float[NDArray[np.float64], "b g"], *, level: float
) -> Float[NDArray[np.float64], " b"]:
    """Return the episodes needed under each weighting of layouts; infinity where the level is not reached."""
    found = np.stack([correlation(weights) for correlation in curve.correlations])
    logs = np.log(curve.sizes)
    is_there = found >= level
    first = is_there.argmax(axis=0)
    columns = np.arange(found.shape[1])
    before = np.maximum(first - 1, 0)
    low, high = found[before, columns], found[first, columns]
    with np.errstate(invalid="ignore", divide="ignore"):
        share = np.where(first > 0, (level - low) / (high - low), 0.0)
    between = np.exp(logs[before] + share * (logs[first] - logs[before]))
    needed = np.where(first > 0, between, float(curve.sizes[0]))
    return np.where(is_there.any(axis=0), needed, np.inf)
