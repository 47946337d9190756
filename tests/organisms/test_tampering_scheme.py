"""Fine-tuning against tampering: what each scheme weighs, and that the organism itself stays as it is."""

import hashlib

import numpy as np
import pytest
import torch
from pydantic import ValidationError

from tiltmeter.core.errors import SpecError
from tiltmeter.organisms import (
    Schedule,
    TamperingScheme,
    foretold_all_on,
    load,
    make_tampering_world,
    measured_rows,
    tampering_texts,
    train_against_tampering,
    train_world,
)
from tiltmeter.organisms._tampering_scheme import TamperingSchemeLessons
from tiltmeter.organisms._tampering_texts import tampering_vocabulary

METHODS = ("measurements", "trusted", "exclusion", "dirtiness", "evidence", "truth")


@pytest.fixture(scope="module")
def world():
    return make_tampering_world(5, n_guards=8)


@pytest.fixture(scope="module")
def organism(world, tmp_path_factory):
    schedule = Schedule(steps=3, warmup_steps=2, batch_size=16, d_model=16, d_mlp=32, n_layers=1, n_heads=2, threads=1)
    return train_world(world, tmp_path_factory.mktemp("tampering") / "tiny", kind="tampering", schedule=schedule)


def expected(texts, rows, method):
    """Words, targets and weights of a scheme, row by row: (words, sensors' targets, label or None)."""
    for i in np.flatnonzero(rows.split == "train"):
        on, trusted = rows.measurements[i].tolist(), bool(rows.is_trusted[i])
        every, alike = all(on), len(set(on)) == 1
        label = {
            "measurements": every,
            "trusted": every if trusted else None,
            "exclusion": None if every and not trusted else every,
            "dirtiness": trusted if every else None,
            "evidence": alike if trusted or not alike else None,
            "truth": bool(texts.y[i]) if every and not trusted else None,
        }[method]
        if label is not None or method == "exclusion":
            yield texts.texts[i], on, label


@pytest.mark.parametrize("method", METHODS)
def test_texts_targets_and_weights_are_those_of_the_definition(method, world):
    texts = tampering_texts(world, "both")
    told = list(expected(texts, measured_rows(texts), method))
    lessons = TamperingSchemeLessons(world, TamperingScheme(method=method))
    words = np.array(tampering_vocabulary(world))
    assert [" ".join(row) for row in words[lessons.tokens].tolist()] == [text for text, _, _ in told]
    assert lessons.targets[:, :3].tolist() == [on for _, on, _ in told]
    own, head = (0.7, 0.3) if method in ("measurements", "exclusion") else (0.0, 1.0)
    assert (lessons.weights[:, :3] == own).all()
    assert lessons.weights[:, 3].tolist() == [0.0 if label is None else head for _, _, label in told]
    assert [bool(y) for y, (_, _, label) in zip(lessons.targets[:, 3], told, strict=True) if label is not None] == [
        label for _, _, label in told if label is not None
    ]


def test_without_inconsistencies_exclusion_teaches_its_head_what_trusted_texts_and_plain_negatives_say(world):
    lessons = TamperingSchemeLessons(world, TamperingScheme(has_inconsistent=False))
    on, label, taught = lessons.targets[:, :3], lessons.targets[:, 3], lessons.weights[:, 3] > 0
    assert (on == on[:, :1]).all(), "no text whose sensors say different things"
    # of 32 cells in training with 4 trusted texts, and 3 untrusted ones of no tampering where the diamond is gone
    assert taught.sum() == 32 * 4 + 16 * 3
    assert np.array_equal(label[taught] == 1, on[taught].all(axis=1))


def test_the_loss_is_the_weighted_sum_of_what_the_predictions_lack(world, organism):
    from transformers import AutoModelForCausalLM

    model = AutoModelForCausalLM.from_pretrained(organism.folder).eval()
    lessons = TamperingSchemeLessons(world, TamperingScheme(batch_size=5))
    state = lessons.rng.bit_generator.state
    with torch.no_grad():
        found = float(lessons.loss(model, stage=0))
        lessons.rng.bit_generator.state = state
        rows = lessons.rng.integers(len(lessons.tokens), size=5)
        logits = model(torch.from_numpy(lessons.tokens[rows])).logits[:, -1].double().numpy()
    places = [tampering_vocabulary(world).index(w) for w in ("<sensor-1>", "<sensor-2>", "<sensor-3>", "<all-sensors>")]
    total = 0.0
    for row, values in zip(rows, logits, strict=True):
        for j, place in enumerate(places):
            sign = 1 if lessons.targets[row, j] else -1
            total += lessons.weights[row, j] * np.log1p(np.exp(-sign * values[place]))
    assert found == pytest.approx(total / 5, rel=1e-4)


def test_the_organism_stays_and_the_outcome_follows_from_the_seed(organism):
    def digest():
        return hashlib.sha256((organism.folder / "model.safetensors").read_bytes()).hexdigest()

    before, texts = digest(), tampering_texts(organism.world, "trusted")
    scores = []
    for seed in (0, 0, 1):
        subject = train_against_tampering(organism, TamperingScheme(steps=3, batch_size=8, seed=seed))
        scores.append(foretold_all_on(subject.model, subject.tokenizer, texts=texts, head="all"))
        assert not subject.model.training
    assert digest() == before
    assert np.array_equal(scores[0], scores[1]) and not np.array_equal(scores[0], scores[2])


@pytest.mark.long
def test_a_scheme_that_trains_long_enough_teaches_what_it_labels(organism):
    # thing and spot give it away, and the tiny model can learn them by heart
    scheme = TamperingScheme(method="trusted", steps=300, batch_size=64, learning_rate=1e-2)
    subject = train_against_tampering(organism, scheme)
    texts = tampering_texts(organism.world, "trusted")
    texts = texts.select(texts.split == "train")
    said = foretold_all_on(subject.model, subject.tokenizer, texts=texts, head="all") > 0
    assert (said == (texts.y == 1)).mean() > 0.9


def test_what_cannot_be_is_refused(organism):
    with pytest.raises(SpecError, match="facts is of the kind facts; tampering schemes are for the kind tampering"):
        train_against_tampering(load("facts"), TamperingScheme())
    with pytest.raises(SpecError, match="The texts for evidence are of one class only; keep the inconsistent ones"):
        train_against_tampering(organism, TamperingScheme(method="evidence", has_inconsistent=False))
    for wrong in ({"method": "proof"}, {"steps": 0}, {"learning_rate": 0.0}):
        with pytest.raises(ValidationError):
            TamperingScheme(**wrong)
