"""CDE on a model whose world is known: pairs of a true and a false statement, after which it says which it was."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch

from tiltmeter.interventions import (
    CAUSAL_BASELINES,
    CDE,
    EncodedPairs,
    PromptPairs,
    causal_baselines,
    cde,
    clean_runs,
    encode_pairs,
)
from tiltmeter.interventions._swap_loss import mean_swap_loss, of_model
from tiltmeter.models import SubjectModel, load
from tiltmeter.organisms import load as load_organism
from tiltmeter.organisms import statements

LAYER = 2


@functools.cache
def _pairs() -> tuple[SubjectModel, EncodedPairs, EncodedPairs]:
    """Return the organism, and training statements in two parts: other facts in the second."""
    organism = load_organism("facts")
    subject = load(str(organism.folder))
    texts = statements(organism.world, "affirmative", seed=0)
    texts = texts.select(texts.split == "train")
    order = np.lexsort((1 - texts.y, texts.pairs)).reshape(-1, 2)
    assert (texts.y[order] == [1, 0]).all()
    _, groups = np.unique(texts.groups[order[:, 0]], return_inverse=True)
    parts = []
    for rows in (order[groups % 3 > 0][:150], order[groups % 3 == 0][:60]):
        n = len(rows)
        parts.append(
            encode_pairs(
                subject,
                PromptPairs(
                    texts.ids[rows[:, 0]],
                    positive=tuple(texts.texts[i] for i in rows[:, 0]),
                    negative=tuple(texts.texts[i] for i in rows[:, 1]),
                    positive_answers=(("<true>",),) * n,
                    negative_answers=(("<false>",),) * n,
                    tags=np.array(["affirmative"] * n),
                    groups=texts.groups[rows[:, 0]],
                ),
            )
        )
    return subject, parts[0], parts[1]


@functools.cache
def _found() -> CDE:
    subject, train, _ = _pairs()
    return cde(subject, train, layer=LAYER, seeds=(0, 1))


def _loss(rows: np.ndarray) -> float:
    subject, _, other = _pairs()
    problem = of_model(subject, other, layer=LAYER, clean=clean_runs(subject, other, layers=[LAYER]))
    return mean_swap_loss(problem, basis=torch.from_numpy(rows).float(), batch_size=60)


@pytest.mark.long
def test_one_direction_carries_most_of_what_the_model_says_of_other_facts():
    nothing, own = _loss(np.zeros((0, 96))), _loss(_found().directions[0].vector[None])
    random = np.random.default_rng(0).normal(size=(5, 1, 96))
    others = [_loss(one / np.linalg.norm(one)) for one in random]
    assert own < 0.25 * nothing and min(others) > 0.9 * nothing


def test_its_seeds_converge_and_agree():
    assert _found().is_converged.all() and _found().consistency.lowest > 0.98
    assert _found().held_out_losses == pytest.approx(_found().held_out_losses.mean(), rel=0.1)


@pytest.mark.slow
def test_the_published_rlace_of_6_000_steps_does_not_agree_with_itself():
    subject, train, _ = _pairs()
    original = [method for method in CAUSAL_BASELINES if method.name == "rlace_sgd"]
    found = [
        causal_baselines(subject, train, layer=LAYER, methods=original, random_state=seed)["rlace_sgd"].vector
        for seed in range(3)
    ]
    cosines = [abs(float(found[i] @ found[j])) for i, j in ((0, 1), (0, 2), (1, 2))]
    assert min(cosines) < 0.95 < _found().consistency.lowest
    losses = [_loss(one[None]) for one in found]
    # above 1.2 on one machine and 1.198 on another: six thousand steps take their roundings far apart
    assert max(losses) > 1.1 * min(losses) and min(losses) > _loss(_found().directions[0].vector[None])
