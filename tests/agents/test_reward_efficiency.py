"""Test (d) on planted curves: episodes needed are read off, ratios are bounds where a curve never arrives."""

import numpy as np
import pytest

from tiltmeter.agents import (
    AgentSpec,
    Coupling,
    LearningCurve,
    gather_episodes,
    imitate,
    learning_curve,
    make_grid_world,
    new_agent,
    reward_efficiency,
)
from tiltmeter.agents._by_layout import Correlation
from tiltmeter.core.errors import SpecError

SIZES = (10, 100, 1000)
TRUE = np.random.default_rng(0).normal(size=4000)
LAYOUT = np.arange(4000) % 40


def curve(*correlations, sizes=SIZES):
    noise = np.random.default_rng(1).normal(size=4000)
    noise -= TRUE * (noise @ TRUE) / (TRUE @ TRUE)
    heard = [rho * TRUE / TRUE.std() + np.sqrt(1 - rho**2) * noise / noise.std() for rho in correlations]
    return LearningCurve(sizes, tuple(Correlation(one, TRUE, LAYOUT) for one in heard))


def test_episodes_needed_are_read_off_between_sizes_on_a_logarithmic_scale():
    found = reward_efficiency(curve(0.5, 0.7, 0.9), curve(0.2, 0.4, 0.8), level=0.6)
    assert [round(one.value, 2) for one in found.pretrained] == [0.5, 0.7, 0.9]
    assert found.needed[0].value == pytest.approx(10**1.5, rel=0.02)
    assert found.needed[1].value == pytest.approx(10**2.5, rel=0.02)
    assert found.ratio.value == pytest.approx(10, rel=0.03) and not found.is_ratio_a_bound
    assert found.ratio.low <= found.ratio.value <= found.ratio.high


def test_who_never_arrives_gives_a_bound_and_who_is_there_at_once_the_least_size():
    found = reward_efficiency(curve(0.7, 0.8, 0.9), curve(0.1, 0.2, 0.3), level=0.6)
    assert found.needed[0].value == 10 and found.needed[1].kind == "unavailable"
    assert found.ratio.value == 100 and found.is_ratio_a_bound


def test_the_same_curve_twice_saves_nothing_and_the_other_way_round_costs():
    assert reward_efficiency(curve(0.2, 0.5, 0.9), curve(0.2, 0.5, 0.9), level=0.8).ratio.value == 1
    assert reward_efficiency(curve(0.2, 0.4, 0.8), curve(0.5, 0.7, 0.9), level=0.6).ratio.value < 0.2


def test_where_the_pretrained_does_not_arrive_there_is_no_ratio():
    found = reward_efficiency(curve(0.1, 0.2, 0.3), curve(0.5, 0.7, 0.9), level=0.6)
    assert found.ratio.kind == found.needed[0].kind == "unavailable" and found.needed[1].kind == "estimate"


def test_curves_of_other_sizes_and_odd_sizes_are_refused():
    with pytest.raises(SpecError, match="other sizes or layouts"):
        reward_efficiency(curve(0.1, 0.2, 0.3), curve(0.1, 0.2, 0.3, sizes=(1, 2, 3)))
    world = make_grid_world(0, side=4)
    spec = AgentSpec(value_steps=1)
    episodes = gather_episodes(world, 8, seed=0)
    for sizes in ((4, 2), (0, 4), (4, 16), ()):
        with pytest.raises(SpecError, match="of 8 episodes; give rising numbers"):
            learning_curve(new_agent(world, spec, seed=0), episodes, spec=spec, sizes=sizes, seed=0)


@pytest.mark.long
def test_more_episodes_teach_more():
    world = make_grid_world(0, side=4)
    spec = AgentSpec(d_hidden=64, imitation_steps=400, value_steps=300, coupling=Coupling(kind="frozen"))
    episodes = gather_episodes(world, 600, seed=0)
    found = learning_curve(imitate(world, spec, seed=0), episodes, spec=spec, sizes=(5, 600), seed=0)
    few, many = (float(one(np.ones((1, one.n_layouts)))[0]) for one in found.correlations)
    assert many > few + 0.1
