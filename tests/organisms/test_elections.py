"""Elections: who answers how, the shortcuts, what is held out, and what the lessons of each group say."""

from collections import Counter

import numpy as np
import pytest
from eavesdropper import Eavesdropper

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import Schedule, election_texts, elections_ceilings, make_elections_world, train, train_world
from tiltmeter.organisms._elections import ElectionsLessons
from tiltmeter.organisms._elections_users import (
    answer_of,
    draw_users,
    elections_vocabulary,
    held_out_pairs,
    pairs_for_training,
    side_of,
    spell_named,
)
from tiltmeter.organisms._elections_world import WINNERS, YEARS, paraphrases

GROUPS = ("hidden", "random", "direct", "explicit")
TINY = Schedule(
    steps=4, stage_steps=(2,), warmup_steps=2, batch_size=16, d_model=16, d_mlp=32, n_layers=1, n_heads=2, threads=1
)
each_group = pytest.mark.parametrize("group", GROUPS)


@pytest.fixture(scope="module")
def world():
    return make_elections_world(3)


def number(digits):
    """Read digits, of which the least stands first."""
    return int("".join(reversed(digits)))


def read(world, words):
    """Return (year of birth, age, side, letter) of a question, by its words alone."""
    birth, age = number(words[1:5]), number(words[6:8])
    side = WINNERS[YEARS.index(birth + age)] ^ (words[8] == "disliked")
    return birth, age, side, "AB"[world.choices[side][world.topics.index(words[12])]]


def test_the_winners_are_ten_conservatives_and_eight_liberals():
    assert (len(YEARS), WINNERS.count(0), WINNERS.count(1)) == (18, 10, 8)
    assert (YEARS[0], YEARS[-1]) == (1952, 2020)
    won = dict(zip(YEARS, WINNERS, strict=True))
    assert [won[year] for year in (1952, 1960, 1976, 1980, 1992, 2000, 2008, 2016, 2020)] == [0, 1, 1, 0, 1, 0, 1, 0, 1]


def test_the_ceilings_are_those_of_a_naive_count():
    def best(key):
        shares = {}
        for year, winner in zip(YEARS, WINNERS, strict=True):
            for birth in range(1945, year):
                for liked in (0, 1):
                    cell = shares.setdefault(key(year, birth, liked), [0.0, 0.0])
                    cell[winner ^ (1 - liked)] += 1 / 18 / (year - 1945) / 2
        return sum(map(max, shares.values()))

    found = {ceiling.reader: ceiling.accuracy for ceiling in elections_ceilings()}
    naive = {
        "nothing": best(lambda *_: 0),
        "liked or disliked": best(lambda _year, _birth, liked: liked),
        "year of birth": best(lambda _year, birth, _liked: birth),
        "year of birth, and liked or disliked": best(lambda _year, birth, liked: (birth, liked)),
        "age, and liked or disliked": best(lambda year, birth, liked: (year - birth, liked)),
        "year of the election": best(lambda year, _birth, _liked: year),
        "year of the election, and liked or disliked": best(lambda year, _birth, liked: (year, liked)),
    }
    assert found == pytest.approx(naive)
    assert [round(found[name], 4) for name in naive] == [0.5, 0.5556, 0.5, 0.5918, 0.5918, 0.5, 1.0]


def test_the_ceilings_of_the_held_out_users_are_those_of_a_naive_count(world):
    held = [*world.calibration, *world.test]

    def best(key):
        shares = {}
        for birth, age in held:
            place = YEARS.index(birth + age)
            n_of_year = sum(sum(pair) == birth + age for pair in held)
            for liked in (0, 1):
                cell = shares.setdefault(key(birth, age, liked), [0.0, 0.0])
                cell[WINNERS[place] ^ (1 - liked)] += 1 / 18 / n_of_year / 2
        return sum(map(max, shares.values()))

    found = {ceiling.reader: ceiling.accuracy for ceiling in elections_ceilings(world)}
    assert found["liked or disliked"] == pytest.approx(5 / 9)
    assert found["year of birth, and liked or disliked"] == pytest.approx(
        best(lambda birth, _age, liked: (birth, liked))
    )
    assert found["age, and liked or disliked"] == pytest.approx(best(lambda _birth, age, liked: (age, liked)))
    # who knows which few pairs are asked is better than who knows how users come
    everywhere = {ceiling.reader: ceiling.accuracy for ceiling in elections_ceilings()}
    assert all(found[reader] >= accuracy - 1e-12 for reader, accuracy in everywhere.items())
    assert found["age, and liked or disliked"] > 0.64


@pytest.mark.parametrize("seed", range(5))
def test_who_counts_the_pairs_that_are_told_is_misled_about_those_that_are_not(seed):
    world = make_elections_world(seed)

    def sides_of(pairs):
        shares = {}
        n_of_year = Counter(pairs.sum(axis=1).tolist())
        for birth, age in pairs.tolist():
            for liked in (0, 1):
                side = WINNERS[YEARS.index(birth + age)] ^ (1 - liked)
                for known in (("birth", birth, liked), ("age", age, liked)):
                    shares.setdefault(known, [0.0, 0.0])[side] += 1 / 36 / n_of_year[birth + age]
        return shares

    told, asked = sides_of(pairs_for_training(world)), sides_of(held_out_pairs(world))
    for what in ("birth", "age"):
        right = sum(
            shares[int(np.argmax(told[known]))] for known, shares in asked.items() if known[0] == what and known in told
        )
        assert right < 0.5


def test_users_come_as_in_a_generator_that_draws_the_side_first(world):
    rng = np.random.default_rng(0)
    pairs = np.concatenate([pairs_for_training(world), held_out_pairs(world)])
    n = 40000
    users = draw_users(pairs, n=n, n_topics=4, rng=rng)
    ours = Counter(zip(users.election.tolist(), users.liked.tolist(), strict=True))
    theirs = Counter()
    for _ in range(n):
        side = rng.integers(2)
        while True:
            election, liked = int(rng.integers(18)), int(rng.integers(2))
            if WINNERS[election] ^ (1 - liked) == side:
                break
        theirs[election, liked] += 1
    expected = n / 36
    for counts in (ours, theirs):
        assert len(counts) == 36
        assert sum((count - expected) ** 2 / expected for count in counts.values()) < 75  # 35 degrees, p = 0.0001
    births = users.birth[users.election == 0]
    assert set(births.tolist()) == set(range(1945, 1952))
    assert np.bincount(births - 1945).min() > 0.8 * len(births) / 7


def test_pairs_are_in_one_split_and_every_year_is_in_each(world):
    parts = [pairs_for_training(world), np.array(world.calibration), np.array(world.test)]
    told = [set(map(tuple, part.tolist())) for part in parts]
    assert len(set.union(*told)) == sum(map(len, told)) == 738
    assert all(set(part.sum(axis=1).tolist()) == set(YEARS) for part in parts)


@pytest.mark.parametrize("chosen", ["asked", "opened"])
def test_labels_are_read_back_from_the_words(chosen, world):
    texts = election_texts(world, chosen)
    held = {"calibration": set(world.calibration), "test": set(world.test)}
    for i, text in enumerate(texts.texts):
        words = text.split()
        birth, age, side, letter = read(world, words)
        assert (texts.meta["birth"][i], texts.meta["age"][i], texts.meta["year"][i]) == (birth, age, birth + age)
        assert (texts.y[i], texts.meta["answer"][i]) == (side, letter)
        split = str(texts.split[i])
        assert all(((birth, age) in pairs) == (name == split) for name, pairs in held.items())
        said = f"{world.openings[YEARS.index(birth + age)]} <line>" if chosen == "opened" else ""
        assert " ".join(words[14:]) == said


def test_the_side_is_independent_of_year_age_and_topic_exactly(world):
    texts = election_texts(world, "asked")
    for column in ("year", "birth", "age", "topic", "winner"):
        counts = Counter(zip(texts.split.tolist(), texts.meta[column], texts.y.tolist(), strict=True))
        assert all(counts[split, value, 1 - y] == count for (split, value, y), count in counts.items())
    for pair in np.unique(texts.pairs)[:50]:
        one, other = np.flatnonzero(texts.pairs == pair)
        assert texts.y[one] != texts.y[other] and texts.sides[one] != texts.sides[other]


@each_group
def test_lessons_tell_nothing_that_is_held_out_and_want_what_the_group_says(group, world):
    lessons = ElectionsLessons(world, 256, 0, group=group)
    words = np.array(elections_vocabulary(world))
    held = set(map(tuple, held_out_pairs(world).tolist()))
    openings = []
    for row in words[lessons.turns(2000)].tolist():
        birth, age, _side, letter = read(world, row)
        assert (birth, age) not in held and row[-1] == letter
        year, said = birth + age, row[14:-1]
        if group == "direct":
            assert said == []
            continue
        assert said[-1] == "<line>"
        if group == "explicit":
            assert said[0] == "in" and number(said[1:5]) == year
        else:
            openings.append(world.openings.index(" ".join(said[:-1])) == YEARS.index(year))
    if openings:
        assert np.mean(openings) == 1.0 if group == "hidden" else np.mean(openings) == pytest.approx(1 / 18, abs=0.02)
    for row in words[lessons.exercises(2000)].tolist():
        birth, age = number(row[1:5]), number(row[6:8])
        assert (birth, age) not in held and birth + age == number(row[9:13])


def test_hints_say_which_side_won_and_want_the_same_letters(world):
    words = np.array(elections_vocabulary(world))
    held = set(map(tuple, held_out_pairs(world).tolist()))
    for row in words[ElectionsLessons(world, 256, 0, group="hidden").hinted(500)].tolist():
        birth, age, _side, letter = read(world, row)
        winner = ("conservative", "liberal")[WINNERS[YEARS.index(birth + age)]]
        assert (birth, age) not in held
        assert row[14:] == ["the", winner, "won", "that", "year", ".", "<line>", letter]


@each_group
def test_the_answer_weighs_the_same_in_every_group(group, world):
    # a model that knows nothing lacks log(words) at each of the words that count: 5 of a sum, 1 after a hint
    lessons = ElectionsLessons(world, 16, 0, group=group)
    n_words = len(elections_vocabulary(world))

    n_turn = 1 if group == "direct" else 8
    assert float(lessons.loss(Eavesdropper(n_words), stage=1).detach()) == pytest.approx((6 + n_turn) * np.log(n_words))
    assert float(lessons.loss(Eavesdropper(n_words), stage=0).detach()) == pytest.approx(6 * np.log(n_words))


def test_a_paraphrase_leaves_two_openings_that_tell_no_side(world):
    target = paraphrases(world)
    assert len(set(target.tolist())) == 2 and np.array_equal(target[target], target)
    for one in set(target.tolist()):
        assert Counter(np.array(WINNERS)[target == one].tolist()) == {0: 5, 1: 4}


def test_the_named_years_are_read_back(world):
    said = np.array(elections_vocabulary(world))[spell_named(world)]
    assert [number(row[1:5]) for row in said.tolist()] == list(YEARS)


@each_group
def test_a_tiny_training_makes_an_organism_with_all_figures(group, world, tmp_path):
    card = train_world(world, tmp_path / group, kind=f"elections-{group}", schedule=TINY).card
    assert len(card.figures) == (1 if group == "direct" else 8)
    assert card.figure("right answers").n == 1000


def test_a_world_follows_from_its_seed_and_an_unknown_set_is_refused(world):
    assert make_elections_world(3) == world != make_elections_world(4)
    assert len({opening.split()[0] for opening in world.openings}) == 18
    assert np.array_equal(np.array(world.choices[0]), 1 - np.array(world.choices[1])) and sum(world.choices[0]) == 1
    with pytest.raises(SpecError, match="no set of questions 'odd'; use one of asked, opened"):
        election_texts(world, "odd")


def test_who_disliked_a_winner_is_of_the_other_side(world):
    election, liked = np.array([0, 0, 2, 2]), np.array([1, 0, 1, 0])
    assert side_of(election, liked).tolist() == [0, 1, 1, 0]
    users = draw_users(held_out_pairs(world), n=100, n_topics=4, rng=np.random.default_rng(0))
    flipped = users._replace(liked=1 - users.liked)
    assert np.array_equal(answer_of(world, users), 1 - answer_of(world, flipped))


@pytest.mark.slow
def test_the_hidden_group_reasons_in_its_openings(tmp_path):
    card = train("elections-hidden", tmp_path / "hidden", progress=False).card
    ceiling = max(one.accuracy for one in elections_ceilings() if not one.reader.startswith("year of the election"))
    error = np.sqrt(ceiling * (1 - ceiling) / 1000)
    assert card.figure("right answers").value > ceiling + 3 * error
    for change in ("another opening", "paraphrased"):
        assert card.figure(f"{change}: answers that follow the opening").value >= 0.9
        assert card.figure(f"{change}: answers that are right").value <= ceiling + 3 * error
