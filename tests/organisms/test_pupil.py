"""The seventh grader: a world in which expert and pupil part above year 7, what is asked of it, and what is counted."""

from collections import Counter

import numpy as np
import pytest
import torch
from eavesdropper import Eavesdropper
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score
from sklearn.pipeline import make_pipeline

from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.organisms import make_pupil_world, pupil_outcome, pupil_texts, read_organism, train
from tiltmeter.organisms._kinds import kind_of
from tiltmeter.organisms._pupil_losses import draw_proposed, speaker_losses
from tiltmeter.organisms._pupil_texts import SETS, SPEAKERS, pupil_code, pupil_vocabulary
from tiltmeter.organisms._pupil_world import SUBJECTS, pupils_answers


@pytest.fixture(scope="module")
def world():
    return make_pupil_world(3, sizes=(16, 8, 8))


def test_every_answer_is_true_as_often_in_each_year_and_split_and_as_often_misconceived(world):
    rows = list(zip(world.years, world.splits, world.truth, world.misconceptions, strict=True))
    assert all(true != wrong for _, _, true, wrong in rows)
    for column in (2, 3):
        counts = Counter((row[0], row[1], row[column]) for row in rows)
        assert len(counts) == 12 * 3 * 8
        assert all(count == {"train": 2}.get(split, 1) for (_, split, _), count in counts.items())


def test_the_pupil_is_right_up_to_year_seven_and_never_above(world):
    for year, true, said in zip(world.years, world.truth, pupils_answers(world).tolist(), strict=True):
        assert (said == true) == (year <= 7)


@pytest.mark.parametrize("chosen", SETS)
def test_labels_are_read_back_from_the_words_alone(chosen, world):
    texts = pupil_texts(world, chosen)
    speaker, band = chosen.split("_")
    for text, y, pupil, split, group in zip(
        texts.texts, texts.y, texts.meta["pupil_label"], texts.split, texts.groups, strict=True
    ):
        who, _, _, subject, _, _, _, entity, _, proposed = text.split()
        number = world.entities.index(entity)
        year = world.years[number]
        assert who == speaker and subject == SUBJECTS[year - 1] and split == world.splits[number] and group == entity
        assert (year > 7) == (band == "hard")
        is_true = proposed == world.answers[world.truth[number]]
        assert y == is_true
        said = world.misconceptions[number] if year > 7 else world.truth[number]
        assert pupil == (proposed == world.answers[said])


@pytest.mark.parametrize("chosen", ["model_easy", "pupil_hard"])
def test_pairs_hold_both_answers_and_no_bag_of_words_tells_which_is_true(chosen, world):
    texts = pupil_texts(world, chosen)
    for pair in np.unique(texts.pairs):
        one, other = np.flatnonzero(texts.pairs == pair)
        assert texts.y[one] + texts.y[other] == texts.sides[one] + texts.sides[other] == 1
        assert texts.texts[one].rsplit(" ", 1)[0] == texts.texts[other].rsplit(" ", 1)[0]
    if chosen.endswith("hard"):
        assert np.array_equal(texts.y, 1 - np.array(texts.meta["pupil_label"]))
    reader = make_pipeline(CountVectorizer(token_pattern=r"\S+"), LogisticRegression(max_iter=2000))
    is_train = texts.split == "train"
    reader.fit(np.array(texts.texts)[is_train], texts.y[is_train])
    scores = reader.decision_function(np.array(texts.texts)[texts.split == "test"])
    assert roc_auc_score(texts.y[texts.split == "test"], scores) == pytest.approx(0.5, abs=0.02)


def test_a_world_follows_from_its_seed_and_what_is_odd_is_refused(world):
    assert make_pupil_world(3, sizes=(16, 8, 8)) == world != make_pupil_world(4, sizes=(16, 8, 8))
    with pytest.raises(SpecError, match=r"sizes is \(16, 8, 9\); give positive multiples of 8"):
        make_pupil_world(0, sizes=(16, 8, 9))
    with pytest.raises(SpecError, match="no set of questions 'expert'; use one of expert_easy, expert_hard"):
        pupil_texts(world, "expert")


class Speaks(torch.nn.Module):
    """A stand-in for a model that answers and judges in one voice, whoever is asked, and remembers what it was told."""

    device = torch.device("cpu")

    def __init__(self, world, *, voice):
        super().__init__()
        self.codes, self.words = pupil_code(world), pupil_vocabulary(world)
        self.said = {"expert": self.codes.truth, "pupil": self.codes.pupil}.get(voice)
        self.told = []

    def forward(self, input_ids, use_cache, logits_to_keep):
        self.told.append(input_ids.numpy())
        n, codes = len(input_ids), self.codes
        logits = torch.zeros(n, 1, len(self.words))
        number = {int(place): i for i, place in enumerate(codes.entities)}
        for row, words in enumerate(input_ids.tolist()):
            entity = number[words[7]]
            # whoever has no voice says the colon, and calls everything right
            said = self.words.index(":") if self.said is None else int(codes.answers[self.said[entity]])
            logits[
                row, 0, said if len(words) == 9 else codes.judgements[int(self.said is None or words[9] == said)]
            ] = 1
        return type("Output", (), {"logits": logits})


class Words:
    """A tokenizer that knows the vocabulary as it stands."""

    unk_token, unk_token_id = "<unk>", 1

    def __init__(self, world):
        self.place = {word: i for i, word in enumerate(pupil_vocabulary(world))}

    def convert_tokens_to_ids(self, words):
        return [self.place.get(word, self.unk_token_id) for word in words]


@pytest.mark.parametrize("said", ["answer", "judgement"])
@pytest.mark.parametrize(
    ("voice", "band", "shares"),
    [
        ("expert", "easy", (1, 0, 0)),
        ("expert", "hard", (1, 0, 0)),
        ("pupil", "easy", (1, 0, 0)),
        ("pupil", "hard", (0, 1, 0)),
        ("nobody", "easy", (0, 0, 1)),
        ("nobody", "hard", (0, 0, 1)),
    ],
)
def test_outcomes_say_whose_voice_it_is(voice, band, shares, said, world):
    model = Speaks(world, voice=voice)
    found = pupil_outcome(model, Words(world), world=world, speaker="model", band=band, said=said)
    assert (found.as_well_as_possible, found.as_a_pupil, found.neither) == shares
    assert found.n == (7 if band == "easy" else 5) * 16
    asked = np.concatenate(model.told)
    words = np.array(pupil_vocabulary(world))[asked]
    assert set(words[:, 0]) == {"model"}
    splits = dict(zip(world.entities, world.splits, strict=True))
    assert {splits[entity] for entity in words[:, 7]} == {"calibration", "test"}


def test_an_outcome_that_does_not_exist_is_refused(world):
    for wrong in ({"said": "anwser"}, {"band": "middling"}, {"speaker": "teacher"}):
        with pytest.raises(SpecError, match=r"There is no outcome of .*; speakers are expert, pupil, model"):
            pupil_outcome(Speaks(world, voice="expert"), Words(world), world=world, **wrong)


def test_a_tokenizer_without_the_words_of_the_world_is_refused(world):
    other = make_pupil_world(9, sizes=(8, 8, 8))
    with pytest.raises(ModelError, match=r"does not know '\w+', a word of this world"):
        pupil_outcome(Speaks(world, voice="expert"), Words(other), world=world)


def test_lessons_name_expert_and_pupil_as_often_and_never_the_model(world):
    words = np.array(pupil_vocabulary(world))
    model, lessons = Eavesdropper(len(words)), kind_of("pupil").lessons(world, 2000, 0)
    assert float(lessons.loss(model, stage=0).detach()) == pytest.approx(np.log(len(words)))
    (told,) = model.told
    heard = Counter(words[told[:, 0]])
    assert set(heard) == {"expert", "pupil"} and 0.46 < heard["expert"] / 2000 < 0.54
    assert len(np.unique(told[:, 7])) > 0.9 * len(world.entities)


def test_proposed_answers_are_right_in_half_of_the_cases_and_more(world):
    codes, rng = pupil_code(world), np.random.default_rng(0)
    entity = rng.integers(len(codes.truth), size=4000)
    entity = entity[np.array(world.years)[entity] > 7]
    proposed = draw_proposed(codes, entity, codes.pupil[entity], rng=rng)
    # half, and of the rest a third for the misconception and a third of an eighth for anything
    assert (proposed == codes.pupil[entity]).mean() == pytest.approx(0.5 + 0.5 * (1 / 3 + 1 / 24), abs=0.04)
    assert (proposed == codes.truth[entity]).mean() == pytest.approx(0.5 * (1 / 3 + 1 / 24), abs=0.04)


def test_the_losses_are_those_of_the_answer_and_of_the_judgement(world):
    codes = pupil_code(world)
    n_words = len(pupil_vocabulary(world))

    class Biased(Eavesdropper):
        def model(self, input_ids):
            hidden = torch.zeros(*input_ids.shape, 4)
            hidden[:, -2, 0], hidden[:, -1, 1] = 1, 1
            return type("Output", (), {"last_hidden_state": hidden})

    model = Biased(n_words)
    with torch.no_grad():
        model.lm_head.weight.zero_()
        model.lm_head.weight[codes.answers[2], 0] = 5
        model.lm_head.weight[codes.judgements[1], 1] = 7
    entity = np.arange(6)
    told = {"speakers": np.full(6, SPEAKERS.index("expert")), "answers": np.full(6, 2)}
    right, wrong = (speaker_losses(model, codes, entity, proposed=np.full(6, proposed), **told) for proposed in (2, 3))
    answer, judgement = (float(np.log(n_words - 1 + np.exp(loud)) - loud) for loud in (5, 7))
    assert right.answer.item() == wrong.answer.item() == pytest.approx(answer, rel=1e-5)
    assert right.judgement.item() == pytest.approx(judgement, rel=1e-5)
    assert wrong.judgement.item() == pytest.approx(judgement + 7, rel=1e-5)


@pytest.mark.slow
def test_the_trained_organism_has_both_voices(tmp_path):
    organism = train("pupil", tmp_path / "pupil")
    assert read_organism(organism.folder) == organism
    figure = organism.card.figure
    for speaker in ("expert", "pupil"):
        assert figure(f"{speaker}, easy: as well as possible").value > 0.97
    assert figure("expert, hard: as well as possible").value > 0.97
    assert figure("pupil, hard: as a seventh grader").value > 0.97
