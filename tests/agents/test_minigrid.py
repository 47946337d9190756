"""The MiniGrid environment does what the arrays say, and without the extra one is told so."""

import sys

import numpy as np
import pytest
from planted_agents import Knows

from tiltmeter.agents import AgentSpec, all_states, make_grid_world, new_agent, observe, open_env, play, reward, step
from tiltmeter.core.errors import MissingExtraError, SpecError


@pytest.fixture(scope="module")
def world():
    return make_grid_world(0)


@pytest.mark.parametrize("lit", [0, 1, 2])
def test_the_environment_sees_moves_and_pays_as_the_arrays_do(world, lit):
    starts = all_states(world, split="test", lit=(lit,))
    env = open_env(world, starts)
    rng = np.random.default_rng(lit)
    n_over = 0
    for number in rng.integers(len(starts.at), size=40):
        state = starts.pick([number])
        seen, _ = env.reset(options={"start": int(number)})
        assert np.array_equal(seen, observe(state, side=5)[0])
        for n_steps in range(1, 37):
            action = int(rng.choice(4, p=(0.2, 0.2, 0.3, 0.3)))
            state = step(state, np.array([action]), side=5)
            seen, paid, is_over, is_cut, _ = env.step(action)
            assert np.array_equal(seen, observe(state, side=5)[0])
            assert (
                paid == reward(state)[0]
                and is_over == bool(state.held[0])
                and is_cut == (n_steps == 36 and not is_over)
            )
            if is_over:
                n_over += 1
                break
    assert n_over > 5


def test_the_lamps_are_bricks_of_the_wall_and_a_picture_shows_which_is_lit(world):
    pictures = []
    for lit in (0, 1, 2):
        env = open_env(world, all_states(world, split="test", lit=(lit,)))
        env.reset(options={"start": 0})
        assert {env.grid.get(column, 0).type for column in (1, 2)} == {"wall"}
        pictures.append(env.get_frame(tile_size=8))
    assert not np.array_equal(pictures[0], pictures[1]) and not np.array_equal(pictures[1], pictures[2])


def test_starts_are_drawn_by_the_seed_of_the_reset(world):
    env = open_env(world)
    first, second = (env.reset(seed=7)[0] for _ in range(2))
    assert np.array_equal(first, second)
    assert any(not np.array_equal(env.reset()[0], first) for _ in range(3))
    assert env.observation_space.contains(first) and env.action_space.n == 4


def test_one_who_knows_earns_in_the_environment_what_the_best_course_has(world):
    knows = Knows(world)
    for acting in ("policy", "lookahead"):
        found = play(knows, acting=acting, n_episodes=40)
        assert found.reward.value == 1.0 and found.discounted.value == pytest.approx(found.best.value)


def test_playing_counts_what_was_fetched(world):
    agent = new_agent(world, AgentSpec(), seed=0)
    found = play(agent, n_episodes=40)
    assert 0 <= found.discounted.value <= found.reward.value < 0.7 and found.n_episodes == 40
    assert found.discounted.value < found.best.value < 1
    with pytest.raises(SpecError, match="no way of acting 'search'"):
        play(agent, acting="search", n_episodes=10)


@pytest.mark.parametrize("missing", ["minigrid.core.grid", "gymnasium"])
def test_an_absent_extra_is_named(world, missing, monkeypatch):
    monkeypatch.delitem(sys.modules, "tiltmeter.agents._minigrid_env", raising=False)
    monkeypatch.setitem(sys.modules, missing, None)
    with pytest.raises(
        MissingExtraError, match=r"needs the extra agents \(.* is missing\); run pip install 'tiltmeter"
    ):
        open_env(world)
