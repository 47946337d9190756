"""Geometry of Truth's figure: its formula over whole forwards, its nulls, and on a model whose world is known."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from interventions.asking import all_log_probs, prompt_pairs, questions
from tiny_models import tiny_subject

from tiltmeter import activations, models, organisms, probes
from tiltmeter.core import Activations, Direction, Site
from tiltmeter.core.errors import ArrayError, DataError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.interventions import Controls, indirect_effect
from tiltmeter.interventions._controls import random_bases
from tiltmeter.models import SubjectModel

ANSWERS = ("w20", "w21")
CONTROLS = Controls(n_random=2)
RNG = np.random.default_rng(0)
VECTOR = RNG.normal(size=24)
VECTOR /= np.linalg.norm(VECTOR)
DIRECTION = Direction(VECTOR, site=Site(1, "resid_post"))
# apart by 4 along the direction, and by much more elsewhere
_Y = np.arange(40) % 2
TRAIN = Activations(
    RNG.normal(size=(40, 24)) + np.outer(_Y, 4 * VECTOR + 9 * np.linalg.svd(VECTOR[None])[2][1]),
    ids=np.array([f"a{i}" for i in range(40)]),
    y=_Y,
)

_subject = functools.cache(tiny_subject)


@functools.cache
def _texts(family: str) -> TextSet:
    return questions(_subject(family), n=32, lengths=(4, 7, 6), answers=ANSWERS)


def _difference(
    subject: SubjectModel, tokens: list[int], *, layers: tuple[int, ...], step: np.ndarray, at: int
) -> float:
    def push(old: torch.Tensor) -> torch.Tensor:
        new = old.clone()
        new[0, at] += torch.tensor(step, dtype=old.dtype)
        return new

    p = all_log_probs(subject, tokens, layers=layers, change=push)[-1].exp()
    one, two = subject.tokenizer.convert_tokens_to_ids(list(ANSWERS))
    return float(p[one] - p[two])


def _naive(
    subject: SubjectModel, texts: TextSet, unit: np.ndarray, *, layers: tuple[int, ...], ends: list[int] | None = None
) -> tuple[float, float, float]:
    along = TRAIN.X @ VECTOR
    length = along[TRAIN.y == 1].mean() - along[TRAIN.y == 0].mean()
    before, after = [], []
    for i, text in enumerate(texts.texts):
        tokens = subject.tokenizer(text)["input_ids"]
        at = len(tokens) - 1 if ends is None else ends[i]
        sign = -1 if texts.y[i] else 1
        before.append(_difference(subject, tokens, layers=layers, step=0 * unit, at=at))
        after.append(_difference(subject, tokens, layers=layers, step=sign * length * unit, at=at))
    before, after, y = np.array(before), np.array(after), texts.y
    pd_minus, pd_plus = before[y == 0].mean(), before[y == 1].mean()
    return (
        (after[y == 0].mean() - pd_minus) / (pd_plus - pd_minus),
        (after[y == 1].mean() - pd_plus) / (pd_minus - pd_plus),
        pd_plus - pd_minus,
    )


@pytest.mark.parametrize(("family", "layers"), [("llama", None), ("llama", (2, 0)), ("gpt2", None), ("gemma2", (1, 2))])
def test_the_effect_equals_its_naive_twin(family, layers):
    subject, texts = _subject(family), _texts(family)
    found = indirect_effect(
        subject, texts, direction=DIRECTION, train=TRAIN, answers=ANSWERS, layers=layers, controls=CONTROLS
    )
    where = layers or (1,)
    up, down, gap = _naive(subject, texts, VECTOR, layers=where)
    assert found.to_positive.score.value == pytest.approx(up, abs=2e-4)
    assert found.to_negative.score.value == pytest.approx(down, abs=2e-4)
    assert found.clean_gap.value == pytest.approx(gap, abs=1e-5) and found.layers == tuple(sorted(where))
    assert found.to_positive.score.low < up < found.to_positive.score.high and found.to_positive.score.n == 16
    drawn = [rows[0] for rows in random_bases((1, 24), controls=CONTROLS, name="directions")]
    naive = [_naive(subject, texts, one, layers=where)[:2] for one in drawn]
    np.testing.assert_allclose(found.to_positive.random.values, [one for one, _ in naive], atol=2e-4)
    np.testing.assert_allclose(found.to_negative.random.values, [two for _, two in naive], atol=2e-4)


def test_the_sign_of_the_direction_does_not_matter_and_the_marked_statement_is_pushed():
    subject, texts = _subject("llama"), _texts("llama")
    ends = [len(text.split()[0]) for text in texts.texts]
    marked = replace(texts, span="marked", spans=np.array([[0, end] for end in ends]))
    settings = {"train": TRAIN, "answers": ANSWERS, "controls": CONTROLS}
    found = indirect_effect(subject, marked, direction=DIRECTION, **settings)
    up, down, _ = _naive(subject, texts, VECTOR, layers=(1,), ends=[0] * len(texts))
    assert (found.to_positive.score.value, found.to_negative.score.value) == pytest.approx((up, down), abs=2e-4)
    turned = indirect_effect(subject, marked, direction=replace(DIRECTION, vector=-VECTOR), **settings)
    assert turned.to_positive.score.value == pytest.approx(found.to_positive.score.value, abs=1e-5)
    assert turned.length == pytest.approx(-found.length)


def test_pairs_of_prompts_bring_their_own_answers():
    subject = _subject("llama")
    encoded = prompt_pairs(subject, n=18).select(np.arange(16))
    found = indirect_effect(subject, encoded, direction=DIRECTION, train=TRAIN, controls=CONTROLS)
    assert found.n == 32 and found.to_positive.score.n == 8 and found.clean_gap.low > 0
    with pytest.raises(SpecError, match="leave answers out"):
        indirect_effect(subject, encoded, direction=DIRECTION, train=TRAIN, answers=ANSWERS)


def test_without_a_gap_there_is_no_effect_to_speak_of():
    texts = _texts("llama")
    turned = replace(texts, y=1 - texts.y)
    found = indirect_effect(_subject("llama"), turned, direction=DIRECTION, train=TRAIN, answers=ANSWERS)
    assert found.to_positive.kind == found.to_negative.kind == "unavailable"
    assert found.clean_gap.high < 0


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"direction": Direction(VECTOR)}, SpecError, "site is None; this is measured at a block's output"),
        ({"direction": Direction(VECTOR, site=Site(1, "z"))}, SpecError, "site is 1.z"),
        ({"direction": Direction(VECTOR, site=Site(9, "resid_post"))}, SpecError, "the model has 3 blocks"),
        ({"direction": Direction(np.eye(5)[0], site=Site(1, "resid_post"))}, ArrayError, "width 5, and llama shows"),
        ({"train": replace(TRAIN, y=None)}, DataError, "labels of both kinds"),
        ({"train": replace(TRAIN, X=TRAIN.X[:, :5])}, ArrayError, "width 5"),
        ({"train": replace(TRAIN, offsets=np.arange(41))}, ArrayError, "one a token"),
        ({"answers": None}, SpecError, "Texts have no answers of their own"),
        ({"answers": ("w1 w2", "w3")}, SpecError, "must be exactly one"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(settings, error, message):
    with pytest.raises(error, match=message):
        indirect_effect(
            _subject("llama"),
            _texts("llama"),
            **{"direction": DIRECTION, "train": TRAIN, "answers": ANSWERS, **settings},
        )


def test_on_the_organism_the_mean_difference_carries_statements_over_and_random_ones_do_not():
    organism = organisms.load("facts")
    subject = models.load(str(organism.folder))
    texts = organisms.statements(organism.world, "affirmative")
    train, test = texts.select(texts.split == "train"), texts.select(texts.split == "test")
    train = train.select(np.arange(400))
    acts = activations.collect(subject, train, sites=["1.resid_post"])["1.resid_post"]
    direction = probes.MeanDifference().fit(acts.X, acts.y).as_direction(site=acts.site)
    found = indirect_effect(
        subject,
        test.select(np.arange(128)),
        direction=direction,
        train=acts,
        answers=("<true>", "<false>"),
        controls=Controls(n_random=5),
    )
    for one in (found.to_positive, found.to_negative):
        assert one.score.low > 0.8 and one.random.best < 0.6 and one.unrelated.high < 0.2 * one.moved.low
