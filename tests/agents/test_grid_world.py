"""The planted grid world: layouts by group, what is seen, what actions do, what pays."""

import numpy as np
import pytest

from tiltmeter.agents import GridWorld, all_states, layout_pairs, make_grid_world, observe, reward, step
from tiltmeter.core.errors import SpecError

MOVES = {0: (1, 0), 1: (0, 1), 2: (-1, 0), 3: (0, -1)}


@pytest.fixture(scope="module")
def world():
    return make_grid_world(3)


def naive_step(ball, key, at, heading, held, action, side):
    """One state, in coordinates."""
    if held:
        return at, heading, held
    x, y = at % side, at // side
    dx, dy = MOVES[heading]
    ahead = (x + dx, y + dy)
    cell = ahead[1] * side + ahead[0] if 0 <= ahead[0] < side and 0 <= ahead[1] < side else None
    if action == 0:
        heading = {0: 3, 1: 0, 2: 1, 3: 2}[heading]
    elif action == 1:
        heading = {0: 1, 1: 2, 2: 3, 3: 0}[heading]
    elif action == 2 and cell is not None and cell not in (ball, key):
        at = cell
    elif action == 3 and cell is not None:
        held = 1 if cell == ball else 2 if cell == key else 0
    return at, heading, held


def test_actions_do_what_a_walk_in_coordinates_does(world):
    rng = np.random.default_rng(0)
    states = all_states(world, split="test")
    states = states.pick(rng.integers(len(states.at), size=3000))
    for _ in range(4):
        actions = rng.integers(4, size=len(states.at))
        after = step(states, actions, side=5)
        for i in range(0, len(actions), 10):
            told = [int(column[i]) for column in (states.ball, states.key, states.at, states.heading, states.held)]
            found = tuple(int(column[i]) for column in (after.at, after.heading, after.held))
            assert found == naive_step(*told, int(actions[i]), 5)
        states = after
    assert (states.held > 0).any()


def test_ball_and_key_exchanged_are_of_one_group_and_groups_of_one_split(world):
    sets = {split: all_states(world, split=split) for split in ("train", "calibration", "test")}
    groups = {split: set(states.layout.tolist()) for split, states in sets.items()}
    assert sum(map(len, groups.values())) == len(set().union(*groups.values())) == len(layout_pairs(world))
    states = sets["train"]
    assert np.array_equal(states.layout, states._replace(ball=states.key, key=states.ball).layout)
    cells = {(min(a, b), max(a, b)) for a, b in zip(states.ball.tolist(), states.key.tolist(), strict=True)}
    assert len(cells) == len(groups["train"]) == 180


def test_each_state_stands_once_and_nobody_stands_on_a_thing(world):
    states = all_states(world, split="test", lit=(0, 1, 2))
    assert len({tuple(map(int, row)) for row in zip(*states, strict=True)}) == len(states.at) == 60 * 2 * 23 * 4 * 3
    assert not ((states.at == states.ball) | (states.at == states.key)).any() and not states.held.any()


def test_what_is_seen_tells_every_state_apart(world):
    states = all_states(world, split="calibration", lit=(0, 1, 2)).pick(slice(3000))
    seen = observe(states, side=5)
    assert len(np.unique(seen, axis=0)) == len(seen)
    for i in (0, 17, 2999):
        by_hand = np.zeros(83)
        by_hand[[states.ball[i], 25 + states.key[i], 50 + states.at[i], 75 + states.heading[i]]] = 1
        by_hand[79:81] = {0: (1, 0), 1: (0, 1), 2: (1, 1)}[int(states.lit[i])]
        assert np.array_equal(seen[i], by_hand)
    held = observe(states._replace(held=np.ones_like(states.held)), side=5)
    assert not held[:, :25].any() and held[:, 81].all() and not held[:, 82].any()


@pytest.mark.parametrize(
    ("lit", "held", "pays"), [(0, 1, 1), (0, 2, 0), (1, 1, 0), (1, 2, 1), (2, 1, 1), (2, 2, 1), (0, 0, 0), (2, 0, 0)]
)
def test_what_pays_is_what_the_lit_lamp_stands_for(world, lit, held, pays):
    one = all_states(world, split="test").pick([5])
    assert reward(one._replace(lit=np.array([lit]), held=np.array([held]))).tolist() == [pays]


def test_a_world_follows_from_its_seed_and_what_is_odd_is_refused(world):
    assert make_grid_world(3) == world != make_grid_world(4)
    assert GridWorld.model_validate_json(world.model_dump_json()) == world
    with pytest.raises(SpecError, match="side is 3; give at least 4"):
        make_grid_world(0, side=3)
    with pytest.raises(SpecError, match=r"discount is 1\.0"):
        make_grid_world(0, discount=1.0)
    with pytest.raises(SpecError, match="split 'val'"):
        all_states(world, split="val")
    with pytest.raises(ValueError, match="3 splits for a room of side 5"):
        GridWorld(seed=0, side=5, discount=0.9, splits=("train", "test", "test"))
