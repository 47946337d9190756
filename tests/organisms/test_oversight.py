"""Oversight schemes: what is labelled and how, and that the organism itself stays as it is."""

import hashlib

import numpy as np
import pytest
import torch
from eavesdropper import Eavesdropper
from pydantic import ValidationError

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import OversightScheme, Schedule, load, make_pupil_world, oversee, pupil_outcome, train_world
from tiltmeter.organisms._oversight import SchemeLessons
from tiltmeter.organisms._pupil_texts import pupil_code, pupil_vocabulary, spell_question
from tiltmeter.organisms._pupil_world import pupils_answers

SHORT = {"n_items": 16, "steps": 3, "batch_size": 8}


@pytest.fixture(scope="module")
def world():
    return make_pupil_world(5, sizes=(16, 8, 8))


@pytest.fixture(scope="module")
def organism(world, tmp_path_factory):
    schedule = Schedule(steps=3, warmup_steps=2, batch_size=16, d_model=16, d_mlp=32, n_layers=1, n_heads=2, threads=1)
    return train_world(world, tmp_path_factory.mktemp("pupil") / "tiny", kind="pupil", schedule=schedule)


@pytest.mark.parametrize(("first", "last"), [(1, 7), (1, 2), (8, 12)])
def test_what_is_labelled_is_of_the_training_split_and_of_the_years_asked_for(first, last, world):
    lessons = SchemeLessons(world, OversightScheme(first_year=first, last_year=last, n_items=30))
    assert len(set(lessons.entities.tolist())) == 30
    years, splits = np.array(world.years)[lessons.entities], np.array(world.splits)[lessons.entities]
    assert set(splits) == {"train"} and first <= years.min() and years.max() <= last
    assert np.array_equal(lessons.labels, np.array(world.truth)[lessons.entities])


def test_labels_are_those_of_the_overseer_but_for_the_wrong_ones(world):
    hard = {"first_year": 8, "last_year": 12, "n_items": 80}
    by_pupil = SchemeLessons(world, OversightScheme(**hard, labelled_by="pupil"))
    assert np.array_equal(by_pupil.labels, pupils_answers(world)[by_pupil.entities])
    for share in (0.1, 0.4, 1.0):
        lessons = SchemeLessons(world, OversightScheme(**hard, wrong_share=share))
        assert (lessons.labels != np.array(world.truth)[lessons.entities]).sum() == round(share * 80)
        assert lessons.labels.min() >= 0 and lessons.labels.max() <= 7


def test_batches_are_in_the_name_of_the_model_and_of_labelled_questions(world):
    words = np.array(pupil_vocabulary(world))
    model = Eavesdropper(len(words))
    lessons = SchemeLessons(world, OversightScheme(n_items=20, batch_size=200))
    lessons.loss(model, stage=0)
    (told,) = model.told
    assert set(words[told[:, 0]]) == {"model"}
    assert set(words[told[:, 7]]) == {world.entities[i] for i in lessons.entities}


def weights(model):
    return {name: value.clone() for name, value in model.state_dict().items()}


def test_the_organism_stays_and_the_outcome_follows_from_the_seed(organism):
    def digest():
        return hashlib.sha256((organism.folder / "model.safetensors").read_bytes()).hexdigest()

    before = digest()
    one, again, other, judging = (
        oversee(organism, OversightScheme(**SHORT, seed=seed, loss=loss))
        for seed, loss in ((0, "answer"), (0, "answer"), (1, "answer"), (0, "judgement"))
    )
    assert digest() == before
    first = weights(one.model)
    assert all(torch.equal(value, first[name]) for name, value in weights(again.model).items())
    for changed in (other, judging):
        assert any(not torch.equal(value, first[name]) for name, value in weights(changed.model).items())
    assert not one.model.training
    found = pupil_outcome(one.model, one.tokenizer, world=organism.world)
    assert found.as_well_as_possible + found.as_a_pupil + found.neither == pytest.approx(1)


def test_a_scheme_that_trains_long_enough_teaches_what_it_labels(organism):
    scheme = OversightScheme(n_items=8, steps=150, batch_size=16, learning_rate=1e-2)
    taught = oversee(organism, scheme)
    lessons = SchemeLessons(organism.world, scheme)
    codes = pupil_code(organism.world)
    tokens = spell_question(codes, lessons.entities, speakers=np.full(8, 2), proposed=lessons.labels)
    with torch.no_grad():
        said = taught.model(torch.from_numpy(tokens[:, :-1])).logits[:, -1].argmax(-1).numpy()
    assert (said == codes.answers[lessons.labels]).mean() == 1


def test_what_cannot_be_is_refused(organism):
    with pytest.raises(SpecError, match="n_items is 17, but years 1 to 1 have 16 questions for training"):
        oversee(organism, OversightScheme(last_year=1, n_items=17))
    with pytest.raises(SpecError, match="facts is of the kind facts; oversight schemes are for the kind pupil"):
        oversee(load("facts"), OversightScheme())
    with pytest.raises(ValidationError, match="first_year is 9, which is after last_year, 3"):
        OversightScheme(first_year=9, last_year=3)
    for wrong in ({"wrong_share": 1.5}, {"last_year": 13}, {"loss": "both"}, {"n_items": 0}):
        with pytest.raises(ValidationError):
            OversightScheme(**wrong)
