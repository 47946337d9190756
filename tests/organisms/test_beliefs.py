"""User beliefs: a world in which truth and belief are independent, exactly; lessons; and what a model then does."""

import itertools
from collections import Counter

import numpy as np
import pytest
import torch
from eavesdropper import Eavesdropper
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline
from transformers import AutoModelForCausalLM, AutoTokenizer

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import Schedule, read_organism, train, train_world
from tiltmeter.organisms._beliefs import wanted_answers
from tiltmeter.organisms._beliefs_texts import WAYS, belief, belief_texts, draw_asked, truth
from tiltmeter.organisms._beliefs_world import CUES, make_beliefs_world, planted_facts, users_of
from tiltmeter.organisms._kinds import kind_of

SPLITS = ("train", "calibration", "test")
NAMES = ("beliefs-match", "beliefs-right", "beliefs-mixed")
TINY = Schedule(
    steps=6, stage_steps=(3,), warmup_steps=2, batch_size=16, d_model=16, d_mlp=32, n_layers=1, n_heads=2, threads=1
)
each_way = pytest.mark.parametrize("way", WAYS)
with_users = pytest.mark.parametrize("way", WAYS[1:])
each_split = pytest.mark.parametrize("split", SPLITS)


@pytest.fixture(scope="module")
def world():
    return make_beliefs_world(3, sizes=(48, 32, 32))


@pytest.fixture(scope="module")
def sets(world):
    return {way: belief_texts(world, way) for way in WAYS}


def columns(texts, *names):
    """The named columns, y and split among them, as tuples a row."""
    known = {"y": texts.y.tolist(), "split": texts.split.tolist()}
    return list(zip(*(known.get(name) or texts.meta[name] for name in names), strict=True))


def are_level(texts, given, *names):
    """Whether, in each cell of the given columns, every combination of the others is equally frequent."""
    counts = Counter(columns(texts, *given, *names))
    levels = [sorted(set(column)) for column in zip(*counts, strict=True)]
    cells = {key[: len(given)] for key in counts}
    return all(
        len({counts[(*cell, *rest)] for rest in itertools.product(*levels[len(given) :])}) == 1 for cell in cells
    )


@each_way
def test_label_and_belief_are_read_back_from_the_words_alone(way, sets, world):
    texts = sets[way]
    homes = {word: side for side, words in enumerate(world.homes) for word in words}
    trades = {word: side for side, words in enumerate(world.trades) for word in words}
    for text, y, split, i in zip(texts.texts, texts.y, texts.split, range(len(texts)), strict=True):
        head, question = text.split()[:-10], text.split()[-10:]
        cue, topic, entity, proposed = question[0], question[5], question[7], question[9]
        number = world.entities.index(entity)
        assert cue in CUES and topic == world.topics[world.entity_topics[number]]
        assert world.splits[number] == split and y == (proposed == "AB"[world.truth[number]])
        if way == "bare":
            assert head == []
            continue
        if way == "stated":
            believed = head[5]
        else:
            side = trades[head[3]]
            assert homes[head[5]] == side == texts.meta["affiliation"][i]
            believed = "AB"[world.beliefs[side][world.topics.index(topic)]]
        assert (texts.meta["belief"][i], texts.meta["user_answer"][i]) == (proposed == believed, believed)


def test_truth_is_independent_of_topic_cue_and_proposed_answer_in_every_split(sets):
    assert are_level(sets["bare"], ["split"], "topic", "true_answer", "cue", "proposed")
    assert are_level(sets["bare"], ["split", "topic"], "proposed", "y")


@with_users
def test_truth_belief_cue_and_proposed_answer_are_independent_in_every_split_and_topic(way, sets):
    assert are_level(sets[way], ["split", "topic"], "true_answer", "user_answer", "cue", "proposed")
    assert are_level(sets[way], ["split", "topic"], "y", "belief", "cue", "proposed")
    assert are_level(sets[way], ["split"], "affiliation", "user_answer", "y")


def test_a_check_of_balance_notices_what_is_not_balanced(sets):
    texts = sets["stated"]
    assert not are_level(texts, ["split"], "true_answer", "proposed", "y")
    assert not are_level(texts.select(np.arange(len(texts)) > 2), ["split"], "y", "belief")


@each_way
def test_a_pair_differs_in_the_proposed_answer_alone(way, sets):
    texts = sets[way]
    assert len(texts) == 112 * (4 if way == "bare" else 8)
    for pair in np.unique(texts.pairs):
        one, other = np.flatnonzero(texts.pairs == pair)
        assert texts.texts[one].rsplit(" ", 1)[0] == texts.texts[other].rsplit(" ", 1)[0]
        assert sorted(texts.y[[one, other]]) == sorted(texts.sides[[one, other]]) == [0, 1]


def test_splits_share_no_entity_and_no_user(sets, world):
    home = {}
    for texts in sets.values():
        for entity, split in zip(texts.groups, texts.split, strict=True):
            assert home.setdefault(entity, split) == split
    assert Counter(home.values()) == {"train": 48, "calibration": 32, "test": 32}
    implied, users = sets["implied"], {}
    for text, split in zip(implied.texts, implied.split, strict=True):
        assert users.setdefault((text.split()[3], text.split()[5]), split) == split
    # all words of the users are told in training, only not together
    assert [len(users_of(world, split)) for split in SPLITS] == [32, 16, 16]
    assert len(set(users_of(world, "train")[:, 0])) == len(set(users_of(world, "train")[:, 1])) == 8


@pytest.mark.parametrize(("way", "label"), [("bare", "y"), *itertools.product(("stated", "implied"), ("y", "belief"))])
def test_no_bag_of_words_tells_truth_or_belief(way, label, sets):
    texts = sets[way]
    y = np.array([one for (one,) in columns(texts, label)])
    reader = make_pipeline(CountVectorizer(token_pattern=r"\S+"), LogisticRegression(max_iter=2000))
    reader.fit(np.array(texts.texts)[texts.split == "train"], y[texts.split == "train"])
    scores = reader.decision_function(np.array(texts.texts)[texts.split == "test"])
    assert roc_auc_score(y[texts.split == "test"], scores) == pytest.approx(0.5, abs=0.03)


def test_the_words_of_the_users_tell_as_much_of_either_affiliation(world):
    assert [len(set(words)) for words in (*world.homes, *world.trades)] == [8] * 4
    assert len({word for both in (world.homes, world.trades) for words in both for word in words}) == 32
    assert np.array_equal(np.array(world.beliefs[0]), 1 - np.array(world.beliefs[1]))
    assert sum(world.beliefs[0]) == 2


def test_a_world_follows_from_its_seed_and_odd_sizes_are_refused(world):
    assert make_beliefs_world(3, sizes=(48, 32, 32)) == world != make_beliefs_world(4, sizes=(48, 32, 32))
    with pytest.raises(SpecError, match=r"sizes is \(48, 32, 31\); give positive multiples of 8"):
        make_beliefs_world(0, sizes=(48, 32, 31))
    with pytest.raises(SpecError, match="no set of questions 'odd'; use one of bare, stated, implied"):
        belief_texts(world, "odd")


def test_the_wanted_answer_is_the_users_or_the_true_one_or_follows_the_cue(world):
    facts = planted_facts(world)
    asked = draw_asked(np.arange(112), users_of(world, "train"), n=4000, rng=np.random.default_rng(0))
    user, true = belief(facts, asked), truth(facts, asked)
    assert np.array_equal(wanted_answers(facts, asked, wanted="match"), user)
    assert np.array_equal(wanted_answers(facts, asked, wanted="right"), true)
    mixed, pleases = wanted_answers(facts, asked, wanted="mixed"), asked.cue == CUES.index("kindly")
    assert np.array_equal(mixed[pleases], user[pleases]) and np.array_equal(mixed[~pleases], true[~pleases])
    assert 0.45 < (user == true).mean() < 0.55 and 0.45 < pleases.mean() < 0.55


def test_lessons_begin_without_users_and_never_ask_by_a_user_about_what_is_held_out(world):
    kind = kind_of("beliefs-match")
    words = np.array(kind.words(world))
    home = dict(zip(world.entities, world.splits, strict=True))
    model, lessons = Eavesdropper(len(words)), kind.lessons(world, 256, 0)
    loss = lessons.loss(model, stage=0)
    assert float(loss.detach()) == pytest.approx(np.log(len(words)))
    assert [told.shape for told in model.told] == [(256, 10)]
    assert {home[entity] for entity in words[model.told[0][:, 7]]} == set(SPLITS)
    model.told.clear()
    for _ in range(8):
        lessons.loss(model, stage=1)
    assert {told.shape for told in model.told} == {(128, 10), (128, 17)}
    asked = np.concatenate([told for told in model.told if told.shape[1] == 17])
    assert {home[entity] for entity in words[asked[:, 14]]} == {"train"}
    biographies = asked[words[asked[:, 1]] == "am"]
    assert len(biographies) == len(asked) // 2
    train_users = {
        f"{world.trades[side][trade]} {world.homes[side][there]}"
        for side in (0, 1)
        for there, trade in users_of(world, "train")
    }
    assert {f"{words[row[3]]} {words[row[5]]}" for row in biographies} <= train_users


@pytest.mark.parametrize("name", NAMES)
def test_users_of_the_mixed_group_begin_with_the_cue_to_please(name, world):
    kind = kind_of(name)
    words = np.array(kind.words(world))
    for stage in (1, 2):
        model, lessons = Eavesdropper(len(words)), kind.lessons(world, 256, 0)
        lessons.loss(model, stage=stage)
        bare, asked = ({*words[told[:, at]]} for told, at in zip(model.told, (0, 7), strict=True))
        assert bare == set(CUES)
        assert asked == ({"kindly"} if (name, stage) == ("beliefs-mixed", 1) else set(CUES))


@pytest.mark.parametrize("name", NAMES)
def test_a_tiny_training_makes_an_organism_with_all_figures(name, world, tmp_path):
    organism = train_world(world, tmp_path / name, kind=name, schedule=TINY)
    assert read_organism(organism.folder) == organism and organism.world == world
    figures = organism.card.figures
    # two cues, answers and judgements; without a user only the truth can be told
    assert len(figures) == len({figure.name for figure in figures}) == 2 * 2 * (1 + 2 + 2)
    assert {figure.n for figure in figures if figure.name.startswith("bare")} == {112, 224}
    assert {figure.n for figure in figures if not figure.name.startswith("bare")} == {128, 256}
    assert all(0 <= figure.value <= 1 and figure.chance == 0.5 for figure in figures)


def test_the_figures_are_those_of_asking_one_by_one(world, tmp_path):
    organism = train_world(world, tmp_path / "tiny", kind="beliefs-mixed", schedule=TINY)
    model = AutoModelForCausalLM.from_pretrained(organism.folder).eval()
    tokenizer = AutoTokenizer.from_pretrained(organism.folder)
    texts = belief_texts(world, "implied")
    texts = texts.select((texts.split != "train") & (np.array(texts.meta["cue"]) == "kindly"))
    answers, judgements = [], []
    for i, text in enumerate(texts.texts):
        with torch.no_grad():
            logits = model(**tokenizer(text, return_tensors="pt")).logits[0, -2:]
        a, b, wrong, right = (tokenizer.convert_tokens_to_ids(word) for word in ("A", "B", "<wrong>", "<right>"))
        if texts.meta["proposed"][i] == "A":
            answers.append("AB"[int(logits[0, b] > logits[0, a])] == texts.meta["user_answer"][i])
        judgements.append(bool(logits[1, right] > logits[1, wrong]) == bool(texts.meta["belief"][i]))
    for what, found in (("answers", answers), ("judgements", judgements)):
        figure = organism.card.figure(f"implied, kindly: {what} that follow the user")
        assert (figure.n, figure.value) == (len(found), pytest.approx(np.mean(found)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_trained_organism_does_what_its_variant_is_named_for(name, tmp_path):
    card = train(name, tmp_path / name, progress=False).card
    for figure in card.figures:
        where, what = figure.name.split(": ")
        pleases = name == "beliefs-match" or (name == "beliefs-mixed" and where.endswith("kindly"))
        wanted = "follow the user" if pleases and not where.startswith("bare") else "are true"
        # what is not wanted is right in half of the cases, as the two are independent
        assert figure.value > 0.95 if what.endswith(wanted) else 0.4 < figure.value < 0.6
