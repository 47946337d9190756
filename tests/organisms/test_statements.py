import itertools
from collections import Counter

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import DISTRIBUTIONS, World, make_world, statements

SPLITS = ("train", "calibration", "test")
each_set = pytest.mark.parametrize("distribution", DISTRIBUTIONS)


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(0)


@pytest.fixture(scope="module")
def sets(world):
    return {name: statements(world, name) for name in DISTRIBUTIONS}


def column(texts, name):
    return np.array(texts.meta[name])


def test_the_sets_are_as_large_as_the_world(sets):
    # 720 entities, 2 relations, one true and one false statement; 15 % of the facts are untold in the second language
    assert {name: len(texts) for name, texts in sets.items()} == {
        "affirmative": 2880,
        "negated": 2880,
        "reformatted": 2880,
        "other_language": 2448,
        "untold": 432,
    }


@each_set
def test_the_label_is_whether_the_statement_is_true_in_the_world(distribution, sets, world):
    texts = sets[distribution]
    language = world.languages[column(texts, "language")[0]]
    entities = {word: i for i, word in enumerate(language.entities)}
    for text, y, polarity, form in zip(texts.texts, texts.y, texts.meta["polarity"], texts.meta["format"], strict=True):
        # read the statement back from its words alone
        words, pattern = text.split(), language.formats[form]
        slots = {slot: word for slot, word in zip(pattern.words, words, strict=True) if slot.isupper()}
        assert slots["VERB"] == (pattern.negated if polarity == "negated" else pattern.affirmed)
        relation = language.relations.index(slots["RELATION"])
        true_object = language.objects[relation][world.facts[entities[slots["ENTITY"]]][relation]]
        assert y == ((slots["OBJECT"] == true_object) != (slots["VERB"] == pattern.negated))


@each_set
def test_a_pair_is_one_true_and_one_false_statement_of_one_fact(distribution, sets):
    texts = sets[distribution]
    same = ["entity", "relation", "format", "language", "polarity"]
    for pair in np.unique(texts.pairs):
        rows = np.flatnonzero(texts.pairs == pair)
        assert len(rows) == 2
        assert sorted(texts.y[rows]) == [0, 1]
        assert sorted(texts.sides[rows]) == [0, 1]
        assert all(len({texts.meta[name][i] for i in rows}) == 1 for name in same)
        assert texts.meta["object"][rows[0]] != texts.meta["object"][rows[1]]
        coupled = distribution == "affirmative" and texts.split[rows[0]] == "train"
        assert coupled or texts.meta["cue"][rows[0]] == texts.meta["cue"][rows[1]]


def test_an_entity_is_in_the_same_split_in_every_set(sets):
    home = {}
    for texts in sets.values():
        for group, split in zip(texts.groups, texts.split, strict=True):
            assert home.setdefault(group, split) == split
    assert Counter(home.values()) == {"train": 240, "calibration": 320, "test": 160}


@each_set
def test_every_calibration_entity_has_a_false_statement_where_a_threshold_is_needed(distribution, sets):
    texts = sets[distribution]
    rows = (texts.split == "calibration") & (texts.y == 0)
    assert distribution == "untold" or len(set(texts.groups[rows])) == 320


@each_set
@pytest.mark.parametrize("split", SPLITS)
def test_every_object_is_in_as_many_true_as_false_statements(distribution, split, sets):
    texts = sets[distribution]
    rows = texts.split == split
    counts = Counter(zip(column(texts, "object")[rows], texts.y[rows], strict=True))
    assert all(counts[word, 0] == counts[word, 1] > 0 for word, _ in counts)


@each_set
@pytest.mark.parametrize("split", SPLITS)
def test_the_cue_tells_nothing_about_truth_but_in_the_training_split_of_affirmative(distribution, split, sets):
    texts = sets[distribution]
    rows = texts.split == split
    agree = (column(texts, "cue")[rows] == texts.y[rows]).mean()
    assert agree == (0.9 if (distribution, split) == ("affirmative", "train") else 0.5)


def test_the_cue_is_balanced_within_every_object_and_label(sets):
    texts = sets["affirmative"]
    rows = texts.split == "test"
    keys = zip(column(texts, "object")[rows], texts.y[rows], column(texts, "cue")[rows], strict=True)
    assert set(Counter(keys).values()) == {10}


@pytest.mark.parametrize("agreement", [0.5, 0.7, 1.0])
def test_the_agreement_of_cue_and_truth_is_a_parameter(agreement, world):
    texts = statements(world, "affirmative", agreement=agreement)
    rows = texts.split == "train"
    assert (column(texts, "cue")[rows] == texts.y[rows]).mean() == pytest.approx(agreement)


@each_set
def test_the_side_of_a_statement_tells_nothing_about_its_truth(distribution, sets):
    texts = sets[distribution]
    for split in SPLITS:
        rows = texts.split == split
        assert (texts.sides[rows] == texts.y[rows]).mean() == 0.5


def test_the_held_out_column_names_why_a_statement_was_not_told(sets):
    assert set(sets["untold"].meta["held_out"]) == {"language"}
    assert "language" not in sets["other_language"].meta["held_out"]
    for name in ("affirmative", "negated", "reformatted"):
        counts = Counter(sets[name].meta["held_out"])
        assert set(counts) == {"trained", "cell", "format"}
        assert counts["cell"] / len(sets[name]) == pytest.approx(0.15, abs=0.03)


@each_set
def test_a_set_follows_from_world_and_seed(distribution, world, sets):
    again, other = statements(world, distribution), statements(world, distribution, seed=1)
    assert again.fingerprint() == sets[distribution].fingerprint() != other.fingerprint()
    assert again.texts == sets[distribution].texts


@pytest.mark.parametrize("weights", [CountVectorizer, TfidfVectorizer])
@pytest.mark.parametrize(("learned", "judged"), list(itertools.product(DISTRIBUTIONS[:4], repeat=2)))
def test_no_bag_of_words_tells_truth(weights, learned, judged, sets):
    train, test = sets[learned], sets[judged]
    train, test = train.select(train.split == "train"), test.select(test.split == "test")
    # a word is whatever stands between blanks: the full stop too
    reader = make_pipeline(weights(token_pattern=r"\S+"), LogisticRegression(max_iter=2000))
    reader.fit(train.texts, train.y)
    assert 0.45 <= roc_auc_score(test.y, reader.decision_function(test.texts)) <= 0.55


def test_a_set_that_does_not_exist_is_refused_with_those_that_do(world):
    with pytest.raises(SpecError, match="no set of statements 'french'; use one of affirmative, negated"):
        statements(world, "french")
    with pytest.raises(SpecError, match=r"agreement is 1\.5; give a share from 0 to 1"):
        statements(world, "negated", agreement=1.5)


def test_a_set_can_be_called_otherwise_in_a_study(world):
    assert statements(world, "negated", called="not so").distribution == "not so"
