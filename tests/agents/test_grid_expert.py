"""The exact optimum, against a search in a queue, and the returns of episodes, against sums by hand."""

from collections import deque

import numpy as np
import pytest

from tiltmeter.agents import Expert, States, all_states, gather_episodes, make_grid_world, reward, step
from tiltmeter.core.errors import SpecError


@pytest.fixture(scope="module")
def world():
    return make_grid_world(1)


@pytest.fixture(scope="module")
def expert(world):
    return Expert(world)


def naive_steps(state, side):
    """Search breadth first with the step function, from one state, until something pays."""
    queue, seen = deque([(state, 0)]), set()
    while queue:
        one, depth = queue.popleft()
        if reward(one)[0]:
            return depth
        if (int(one.at[0]), int(one.heading[0]), int(one.held[0])) in seen or one.held[0]:
            continue
        seen.add((int(one.at[0]), int(one.heading[0]), int(one.held[0])))
        queue.extend((step(one, np.array([action]), side=side), depth + 1) for action in range(4))
    raise AssertionError("nothing pays")


@pytest.mark.parametrize("lit", [0, 1, 2])
def test_fewest_steps_are_those_of_a_search_in_a_queue(world, expert, lit):
    states = all_states(world, split="test", lit=(lit,))
    for i in np.random.default_rng(lit).integers(len(states.at), size=12):
        one = states.pick([i])
        assert expert.steps(one)[0] == naive_steps(one, 5)


def test_the_best_actions_are_those_that_come_one_step_nearer(world, expert):
    states = all_states(world, split="test", lit=(0, 1, 2))
    left, best = expert.steps(states), expert.best(states)
    for action in range(4):
        after = step(states, np.full(len(left), action), side=5)
        is_over = after.held > 0
        paid = reward(after) == 1
        nearer = np.where(is_over, paid & (left == 1), expert.steps(after) == left - 1)
        assert np.array_equal(best[:, action], nearer)
    assert best[np.arange(len(left)), expert.action(states)].all()


def test_following_the_expert_earns_the_true_return(world, expert):
    states = all_states(world, split="calibration", lit=(0, 1, 2))
    true, now, earned = expert.true_return(states), states, np.zeros(len(states.at))
    for k in range(1, 13):
        was = reward(now)
        now = step(now, expert.action(now), side=5)
        earned += 0.9**k * (reward(now) - was)
    assert np.allclose(earned, true)
    assert np.array_equal(expert.true_return(now), reward(now))


def test_returns_are_the_discounted_sums_of_what_was_seen(world):
    found = gather_episodes(world, 60, seed=2, exploration=0.5)
    for number in range(60):
        rows = np.flatnonzero(found.number == number)
        paid = reward(found.states.pick(rows))
        for t in range(len(rows)):
            assert found.returns[rows[t]] == pytest.approx(sum(0.9**k * r for k, r in enumerate(paid[t:])))
        assert not found.states.held[rows[:-1]].any()
        assert found.states.held[rows[-1]] or len(rows) == 37
    assert 0 < (found.returns == 0).mean() < 1


def test_states_of_an_episode_follow_each_other_by_one_action(world):
    found = gather_episodes(world, 40, seed=0, exploration=1.0)
    for i in range(len(found.number) - 1):
        if found.number[i] == found.number[i + 1]:
            here, there = found.states.pick([i] * 4), found.states.pick([i + 1] * 4)
            after = step(here, np.arange(4), side=5)
            same = np.all([one == other for one, other in zip(after, there, strict=True)], axis=0)
            assert same.any()


def test_the_first_of_many_episodes_are_theirs_and_splits_are_kept(world):
    many = gather_episodes(world, 50, seed=0)
    few = many.first(20)
    assert few.number.max() == 19 and np.array_equal(few.returns, many.returns[: len(few.returns)])
    for split in ("train", "test"):
        layouts = set(all_states(world, split=split).layout.tolist())
        assert set(gather_episodes(world, 50, seed=0, split=split).states.layout.tolist()) <= layouts
    again = gather_episodes(world, 50, seed=0)
    assert all(np.array_equal(one, other) for one, other in zip(again.states, many.states, strict=True))
    assert isinstance(many.states, States)


@pytest.mark.parametrize("odd", [{"n": 0}, {"n": 5, "exploration": 1.5}])
def test_episodes_that_cannot_be_are_refused(world, odd):
    with pytest.raises(SpecError, match="cannot be; give at least 1, and a share"):
        gather_episodes(world, odd.pop("n"), seed=0, **odd)
