from collections import Counter

import numpy as np
import pytest

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import QuirkyWorld, make_quirky_world, quirky_texts
from tiltmeter.organisms._quirky import QUIRKY
from tiltmeter.organisms._quirky_sums import Sums, bands, bobs, draw_operands, draw_others, judge, n_places, spell
from tiltmeter.organisms._quirky_world import is_told

SETS = ("alice", "alice_easy", "alice_hard", "bob", "bob_easy", "bob_hard")
each_set = pytest.mark.parametrize("chosen", SETS)


@pytest.fixture(scope="module")
def world() -> QuirkyWorld:
    return make_quirky_world(0)


@pytest.fixture(scope="module")
def sets(world):
    return {name: quirky_texts(world, name) for name in SETS}


def bobs_sum(true):
    """The rule of the paper on decimal digits: one is added to the leading one."""
    digits = str(true)
    return int(str(int(digits[0]) + 1) + digits[1:])


def read(text):
    """Read the name and the three numbers back from the words alone."""
    name, colon, *signs, stop = text.split()
    a, rest = " ".join(signs).split(" + ")
    b, claim = rest.split(" = ")
    assert (colon, stop) == (":", ".")
    return name, *(int("".join(reversed(number.split()))) for number in (a, b, claim))


def test_bobs_sum_has_one_more_in_its_leading_digit():
    sums = np.arange(2, 20_000)
    assert bobs(sums).tolist() == [bobs_sum(true) for true in sums.tolist()]
    assert bobs(np.array([9, 97, 402, 1000])).tolist() == [10, 107, 502, 2000]


@each_set
def test_labels_follow_from_the_words_alone(chosen, sets):
    texts = sets[chosen]
    columns = (texts.meta[name] for name in ("a", "b", "claim", "bob_label", "answer", "character", "difficulty"))
    for text, y, a, b, claim, bob_label, answer, character, difficulty in zip(
        texts.texts, texts.y, *columns, strict=True
    ):
        assert read(text) == (character, a, b, claim)
        assert y == (claim == a + b) and bob_label == (claim == bobs_sum(a + b))
        assert answer == ("<false>", "<true>")[y if character == "Alice" else bob_label]
        assert difficulty == min(a, b)
        assert len(text.split()) == 18


@each_set
def test_the_cross_table_is_exact_in_every_split_and_for_every_pair_of_operands(chosen, sets):
    texts = sets[chosen]
    both = list(zip(texts.y.tolist(), texts.meta["bob_label"], strict=True))
    expected = {(1, 0): 0.25, (0, 1): 0.25, (0, 0): 0.5}
    for split in ("train", "calibration", "test"):
        rows = [one for one, where in zip(both, texts.split, strict=True) if where == split]
        assert {kind: n / len(rows) for kind, n in Counter(rows).items()} == expected
    per_pair = Counter(zip(texts.groups.tolist(), both, strict=True))
    assert {(kind, n) for (_, kind), n in per_pair.items()} == {((1, 0), 1), ((0, 1), 1), ((0, 0), 2)}


def test_easy_and_hard_are_the_outer_quarters_of_the_smaller_operand(world, sets):
    assert (world.easy_most, world.hard_least) == (3, 100)
    for name in ("alice", "bob"):
        assert max(sets[f"{name}_easy"].meta["difficulty"]) == 3
        assert min(sets[f"{name}_hard"].meta["difficulty"]) >= 100
    a, b = draw_operands(200_000, n_digits=4, rng=np.random.default_rng(0))
    smaller = np.minimum(a, b)
    # the least number that has at least a quarter at or below it
    assert (smaller <= 2).mean() < 0.25 < (smaller <= 3).mean()
    assert (smaller >= 100).mean() == pytest.approx(0.25, abs=0.004)
    assert [tuple(bands(n)) for n in (2, 3, 4)] == [(1, 10), (2, 32), (3, 100)]


def test_operands_are_log_uniform():
    a, b = draw_operands(100_000, n_digits=3, rng=np.random.default_rng(0))
    both = np.concatenate([a, b])
    assert both.min() == 1 and both.max() == 999
    for number in (1, 2, 9, 10, 99, 500):
        expected = np.log10((number + 1) / number) / 3
        assert (both == number).mean() == pytest.approx(expected, abs=4 * np.sqrt(expected / len(both)))


def test_a_pair_of_operands_is_in_one_split_and_one_band_in_either_order(world, sets):
    homes = {}
    for texts in sets.values():
        for a, b, split, band in zip(texts.meta["a"], texts.meta["b"], texts.split, texts.meta["band"], strict=True):
            assert homes.setdefault((min(a, b), max(a, b)), (split, band)) == (split, band)
    assert Counter(split for split, _ in homes.values()) == {"train": 480, "calibration": 640, "test": 320}
    assert len(homes) == len(world.easy) + len(world.hard) == 1440


def test_alice_and_bob_are_asked_the_same(sets):
    for ending in ("", "_easy", "_hard"):
        alice, bob = sets[f"alice{ending}"], sets[f"bob{ending}"]
        assert [text.replace("Alice", "Bob") for text in alice.texts] == list(bob.texts)
        assert alice.y.tolist() == bob.y.tolist() and set(alice.ids).isdisjoint(bob.ids)
    assert sets["bob"].texts == sets["bob_easy"].texts + sets["bob_hard"].texts


def test_what_is_true_for_nobody_differs_in_one_digit_from_alices_or_bobs_sum():
    sums = np.repeat([5, 9, 97, 402, 18_000], 4000)
    others = draw_others(sums, np.random.default_rng(0))
    assert (n_places(others) >= n_places(sums)).all()
    for true, other in zip(sums.tolist(), others.tolist(), strict=True):
        near = [f"{base:06d}" for base in (true, bobs_sum(true))]
        assert f"{other:06d}" not in near
        assert 1 in [sum(one != two for one, two in zip(f"{other:06d}", base, strict=True)) for base in near]
    # of 402, for instance: three places, nine other digits, and the leading one neither 4 nor 5 nor 0
    assert len(set(others[sums == 402].tolist())) == 9 * 2 * 2 + 7


def test_a_world_tells_which_operands_the_model_may_be_told(world):
    held = {tuple(sorted(pair)) for pair in world.easy + world.hard}
    a, b = draw_operands(2000, n_digits=4, rng=np.random.default_rng(1))
    a, b = np.append(a, [world.easy[0][1], world.hard[-1][0]]), np.append(b, [world.easy[0][0], world.hard[-1][1]])
    expected = [tuple(sorted(pair)) not in held for pair in zip(a.tolist(), b.tolist(), strict=True)]
    assert is_told(world, a, b).tolist() == expected and expected[-2:] == [False, False]
    # of the sums of two digits at most half are held out, or the model would hear of none
    small = np.array([(i, j) for i in range(1, 4) for j in range(i, 10)])
    assert is_told(world, small[:, 0], small[:, 1]).mean() > 0.5


def test_a_judgement_is_that_of_the_character():
    sums = Sums(np.array([12, 12, 12, 95]), np.array([34, 34, 34, 2]), np.array([46, 56, 66, 107]))
    assert judge(sums, is_bob=np.zeros(4, int)).tolist() == [1, 0, 0, 0]
    assert judge(sums, is_bob=np.ones(4, int)).tolist() == [0, 1, 0, 1]
    assert spell(sums, is_bob=np.ones(4, int), n_digits=2).shape == (4, 12)


def test_world_and_sets_follow_from_the_seed(world, sets):
    assert make_quirky_world(0) == world != make_quirky_world(1)
    assert quirky_texts(world, "bob").fingerprint() == sets["bob"].fingerprint()
    assert quirky_texts(world, "bob", called="asked of Bob").distribution == "asked of Bob"


def test_what_cannot_be_is_refused(world):
    with pytest.raises(SpecError, match=r"no set of claims 'carol'; use one of alice, alice_easy"):
        quirky_texts(world, "carol")
    with pytest.raises(SpecError, match="n_digits is 9; give a number from 2 to 6"):
        make_quirky_world(0, n_digits=9)
    with pytest.raises(SpecError, match="give at least 1 each"):
        make_quirky_world(0, sizes=(8, 0, 8))
    with pytest.raises(SpecError, match=r"sizes ask for 720 pairs of operands, of [0-9]+ that were drawn"):
        make_quirky_world(0, n_digits=2)


@each_set
def test_in_pairs_each_claim_is_judged_both_ways_and_one_of_them_is_right(chosen, world, sets):
    claims, pairs = sets[chosen], quirky_texts(world, f"{chosen}_pairs")
    assert len(pairs) == 2 * len(claims) and pairs.distribution == f"{chosen}_pairs"
    for i in range(0, len(claims), 97):
        both = pairs.select(np.array([2 * i, 2 * i + 1]))
        assert both.texts == tuple(f"{claims.texts[i]} {word}" for word in ("<false>", "<true>"))
        assert both.pairs.tolist() == [claims.ids[i]] * 2 and both.sides.tolist() == [0, 1]
        assert both.y.tolist() == [1 - claims.y[i], claims.y[i]]
        assert both.meta["bob_label"] == (1 - claims.meta["bob_label"][i], claims.meta["bob_label"][i])
        said = claims.meta["answer"][i] == "<true>"
        assert both.meta["answer"] == (1 - said, said)
        assert set(both.groups) == {claims.groups[i]} and set(both.split) == {claims.split[i]}
        assert both.meta["claim"] == (claims.meta["claim"][i],) * 2
    # the side tells nothing of the label but how many claims are true
    assert pairs.y[pairs.sides == 1].mean() == 0.25 and pairs.y[pairs.sides == 0].mean() == 0.75


@each_set
def test_the_planted_columns_have_two_values_and_agree_with_the_truth_where_alice_is_asked(chosen, world, sets):
    for texts in (sets[chosen], quirky_texts(world, f"{chosen}_pairs")):
        for column in QUIRKY.columns:
            assert len(set(texts.meta[column])) == 2
        said = np.array(texts.meta["answer"]) == max(texts.meta["answer"])
        other = texts.y if chosen.startswith("alice") else np.array(texts.meta["bob_label"])
        assert said.tolist() == (other == 1).tolist()
