"""Pairs of a true and a false statement: one fact each, aligned, and judged by the model as they should be."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tiltmeter.core.errors import SpecError
from tiltmeter.interventions import encode_pairs
from tiltmeter.models import load as load_model
from tiltmeter.models import next_logits
from tiltmeter.organisms import DISTRIBUTIONS, World, load, make_world, statement_pairs, statements


@pytest.fixture(scope="module")
def world() -> World:
    return make_world(0, sizes=(80, 80, 80))


@pytest.mark.parametrize("distribution", DISTRIBUTIONS)
@pytest.mark.parametrize("split", ["train", "test"])
def test_each_pair_is_the_true_and_the_false_statement_of_one_fact(distribution, split, world):
    texts = statements(world, distribution, seed=3)
    by_id = dict(zip(texts.ids.tolist(), zip(texts.texts, texts.groups, texts.split, strict=True), strict=True))
    pairs = statement_pairs(world, distribution, split=split, seed=3)
    assert len(pairs) == int((texts.split == split).sum()) // 2
    for i, name in enumerate(pairs.ids):
        assert (pairs.positive[i], pairs.groups[i], split) == by_id[f"{name}-true"]
        assert (pairs.negative[i], pairs.groups[i], split) == by_id[f"{name}-false"]
    assert set(pairs.positive_answers) == {("<true>",)} and set(pairs.negative_answers) == {("<false>",)}
    assert set(pairs.tags) == {distribution}


def test_prompts_differ_in_the_object_and_in_coupled_training_in_the_cue(world):
    n_unlike = {}
    for split in ("train", "test"):
        pairs = statement_pairs(world, "affirmative", split=split)
        both = [(one.split(), other.split()) for one, other in zip(pairs.positive, pairs.negative, strict=True)]
        assert all(one[6] != other[6] and one[1:6] == other[1:6] for one, other in both)
        n_unlike[split] = np.mean([one[0] != other[0] for one, other in both])
    # 0.9 of the cues go with truth on either side
    assert n_unlike["train"] > 0.75 and n_unlike["test"] == 0


def test_the_organism_judges_nearly_all_pairs_right():
    organism = load("facts")
    subject = load_model(str(organism.folder))
    encoded = encode_pairs(subject, statement_pairs(organism.world, "affirmative", split="test"))
    assert set(encoded.lengths) == {8}
    ((positive, negative),) = set(encoded.answers)
    tokens = torch.from_numpy(encoded.tokens.reshape(-1, 8))
    logits = next_logits(subject, tokens, at=torch.full((len(tokens),), 7))
    judged = (logits[:, positive[0]] > logits[:, negative[0]]).reshape(-1, 2).numpy()
    assert judged[:, 0].mean() > 0.97 and judged[:, 1].mean() < 0.03


def test_a_split_that_is_none_is_refused(world):
    with pytest.raises(SpecError, match="split is 'dev'; use one of train, calibration, test"):
        statement_pairs(world, "affirmative", split="dev")
    with pytest.raises(SpecError, match="no set of statements 'odd'"):
        statement_pairs(world, "odd", split="test")
