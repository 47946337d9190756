"""Walks: the table, what who lacks a move can know, what is held out, and what the lessons of each group say."""

import itertools
from collections import Counter

import numpy as np
import pytest
from eavesdropper import Eavesdropper

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import Schedule, chain_ceilings, chain_texts, make_chain_world, train, train_world
from tiltmeter.organisms._chain import ChainLessons
from tiltmeter.organisms._chain_texts import chain_vocabulary
from tiltmeter.organisms._chain_world import all_walks, states_passed

GROUPS = ("hidden", "random", "direct")
TINY = Schedule(
    steps=8,
    stage_steps=(2, 2, 2),
    warmup_steps=2,
    batch_size=16,
    d_model=16,
    d_mlp=32,
    n_layers=1,
    n_heads=2,
    threads=1,
)
each_group = pytest.mark.parametrize("group", GROUPS)


@pytest.fixture(scope="module")
def world():
    return make_chain_world(3, sizes=(64, 128, 64))


def walk(world, words, n_moves=4):
    """Return the numbers of the states on the way, by the words of a text alone."""
    here = [world.states.index(words[0])]
    for move in words[1 : 1 + n_moves]:
        here.append(world.table[here[-1]][world.moves.index(move)])
    return here


def test_every_state_is_once_in_each_row_and_column(world):
    table = np.array(world.table)
    assert all(sorted(line) == list(range(8)) for line in (*table.tolist(), *table.T.tolist()))
    assert sum(world.sides) == 4
    # not the table of a sum, in which the order of the moves would not matter
    walks = all_walks(8)
    swapped = walks[:, [0, 2, 1, 3, 4]]
    assert (states_passed(table, walks)[:, -1] == states_passed(table, swapped)[:, -1]).mean() < 0.5


def test_who_lacks_one_part_of_a_walk_knows_nothing_of_its_side(world):
    assert [ceiling.accuracy for ceiling in chain_ceilings(world)] == [0.5] * 5
    # the same by a naive count, of the readers who lack a move
    for lacking in range(1, 5):
        rng = np.random.default_rng(lacking)
        for _ in range(20):
            here, moves = int(rng.integers(8)), rng.integers(8, size=4).tolist()
            ends = []
            for missing in range(8):
                moves[lacking - 1], state = missing, here
                for move in moves:
                    state = world.table[state][move]
                ends.append(world.sides[state])
            assert sum(ends) == 4


def test_a_table_that_is_not_square_would_leak(world):
    rows = [list(row) for row in world.table]
    rows[0] = [0] * 8
    broken = world.model_copy(update={"table": tuple(map(tuple, rows))})
    assert max(ceiling.accuracy for ceiling in chain_ceilings(broken)) > 0.5


@pytest.mark.parametrize("chosen", ["asked", "opened"])
def test_labels_are_read_back_from_the_words(chosen, world):
    texts = chain_texts(world, chosen)
    for i, text in enumerate(texts.texts):
        words = text.split()
        passed = walk(world, words)
        assert words[5] == "side-4"
        assert texts.y[i] == world.sides[passed[-1]] == "AB".index(texts.meta["answer"][i])
        assert texts.meta["half_state"][i] == world.states[passed[2]]
        assert texts.meta["last_state"][i] == world.states[passed[4]]
        assert words[6:] == ([world.openings[passed[2]], *words[3:5]] if chosen == "opened" else [])


def test_half_way_and_last_state_are_independent_in_every_split(world):
    texts = chain_texts(world, "asked")
    assert len(set(texts.texts)) == len(texts) == 256
    counts = Counter(zip(texts.split.tolist(), texts.meta["half_state"], texts.meta["last_state"], strict=True))
    each = {"train": 1, "calibration": 2, "test": 1}
    assert counts == {
        (split, half, last): n
        for split, n in each.items()
        for half, last in itertools.product(world.states, world.states)
    }


@pytest.mark.long
@each_group
def test_lessons_tell_no_walk_that_is_held_out_and_want_what_the_group_says(group, world):
    lessons = ChainLessons(world, 256, 0, group=group)
    held = {*world.calibration, *world.test}
    assert not held & set(map(tuple, lessons.walks(20000).tolist()))
    assert set(world.train) & set(map(tuple, lessons.walks(20000).tolist()))
    words, is_half, asked = np.array(chain_vocabulary(world)), [], Counter()
    for row in [row for n_moves in (3, 4) for row in words[lessons.turns(1000, n_moves=n_moves)].tolist()]:
        what, n_moves = row[5].split("-")
        passed, said = walk(world, row, int(n_moves)), row[6:-1]
        asked[row[5]] += 1
        n_recited = int(n_moves) - 2
        assert said[-n_recited:] == row[3 : 3 + n_recited]
        said = said[:-n_recited]
        assert row[-1] == ("AB"[world.sides[passed[-1]]] if what == "side" else world.states[passed[-1]])
        if group == "direct":
            assert said == []
        else:
            assert len(said) == 1
            is_half.append(world.openings.index(said[0]) == passed[2])
    assert set(asked) == {"side-3", "side-4", "state-3", "state-4"} and asked.total() == 2000
    assert (asked["state-3"] + asked["state-4"]) / 2000 == pytest.approx(0.8, abs=0.04)
    if is_half:
        assert np.mean(is_half) == 1.0 if group == "hidden" else np.mean(is_half) == pytest.approx(1 / 8, abs=0.03)


@each_group
@pytest.mark.parametrize("stage", [0, 1, 2, 3])
def test_the_answer_weighs_the_same_in_every_group(group, stage, world):
    n_words = len(chain_vocabulary(world))

    # it lacks log(words) at each word that counts: the states on the way as one, the one asked for, those of the turn
    three, four = np.array([2, 3]) + (group != "direct")
    expected = (2, 2, 2 / 4 + 3 * three / 4, (2 + three) / 8 + 3 * four / 4)[stage]
    lacks = float(ChainLessons(world, 256, 0, group=group).loss(Eavesdropper(n_words), stage=stage).detach())
    assert lacks == pytest.approx(expected * np.log(n_words))


@each_group
def test_a_tiny_training_makes_an_organism_with_all_figures(group, world, tmp_path):
    card = train_world(world, tmp_path / group, kind=f"chain-{group}", schedule=TINY).card
    assert len(card.figures) == (4 if group == "direct" else 11)
    assert card.figure("right answers").n == 192


def test_a_world_follows_from_its_seed_and_odd_sizes_are_refused(world):
    assert make_chain_world(3, sizes=(64, 128, 64)) == world != make_chain_world(4, sizes=(64, 128, 64))
    with pytest.raises(SpecError, match=r"sizes is \(64, 64, 63\); give positive multiples of 64"):
        make_chain_world(0, sizes=(64, 64, 63))
    with pytest.raises(SpecError, match="ask for 12800 walks; ask for at most 8192"):
        make_chain_world(0, sizes=(12672, 64, 64))
    with pytest.raises(SpecError, match="no set of questions 'odd'; use one of asked, opened"):
        chain_texts(world, "odd")


@pytest.mark.slow
@each_group
def test_two_layers_walk_four_moves_by_their_openings_alone(group, tmp_path):
    card = train(f"chain-{group}", tmp_path / group, progress=False).card
    # the table is known to every group
    assert card.figure("states after 2").value > 0.99
    right = card.figure("right answers")
    if group != "hidden":
        assert right.value <= 0.5 + 3 * np.sqrt(0.25 / right.n)
        return
    assert right.value > 0.9
    for change in ("another opening", "paraphrased"):
        assert card.figure(f"{change}: answers that follow the opening").value >= 0.9
        assert card.figure(f"{change}: answers that are right").value <= 0.5 + 3 * np.sqrt(0.25 / right.n)
