"""Correlation, manipulation, termination, recovery: each over whole forwards, beside its nulls and side effects."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from interventions.asking import all_log_probs, block_states, prompt_pairs, questions
from tiny_models import random_texts, tiny_subject

from tiltmeter import activations, models, organisms, probes
from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.evaluation import auroc
from tiltmeter.interventions import Ablate, Controls, FourTests, Steer, fluency, four_tests
from tiltmeter.interventions._controls import random_bases
from tiltmeter.models import SubjectModel

ANSWERS = ("w20", "w21")
CONTROLS = Controls(n_random=2)
VECTOR = np.random.default_rng(1).normal(size=24)
VECTOR /= np.linalg.norm(VECTOR)
DIRECTION = Direction(VECTOR, site=Site(1, "resid_post"), sign=1)
NEUTRAL = random_texts(36, longest=8)
NEUTRAL = NEUTRAL.select(np.array([" " in text for text in NEUTRAL.texts]))
DRAWN = [rows[0] for rows in random_bases((1, 24), controls=CONTROLS, name="directions")]

_subject = functools.cache(tiny_subject)


@functools.cache
def _texts(family: str) -> TextSet:
    """Texts of two lengths, and two of a length that only one label has."""
    found = questions(_subject(family), n=32, lengths=(4, 6), answers=ANSWERS)
    odd = ("w1 w2 w3 w4 w5 w6 w7 w8 w9", "w9 w8 w7 w6 w5 w4 w3 w2 w1")
    return TextSet(
        np.array([*found.ids, "odd0", "odd1"]),
        texts=(*found.texts, *odd),
        y=np.array([*found.y, 1, 1]),
        groups=np.array([*found.groups, "g16", "g16"]),
    )


@functools.cache
def _found(family: str) -> FourTests:
    return four_tests(
        _subject(family),
        _texts(family),
        direction=DIRECTION,
        neutral=NEUTRAL,
        answers=ANSWERS,
        strengths=(0.5, 2.0),
        controls=CONTROLS,
    )


def _tokens(subject: SubjectModel, texts: TextSet) -> list[list[int]]:
    return [subject.tokenizer(text)["input_ids"] for text in texts.texts]


def _odds(subject: SubjectModel, tokens: list[int], states: torch.Tensor) -> float:
    one, two = subject.tokenizer.convert_tokens_to_ids(list(ANSWERS))
    found = all_log_probs(subject, tokens, layers=(1,), change=lambda old: states)[-1]
    return float(found[one] - found[two])


def _gap(odds: list[float], y: np.ndarray) -> float:
    return np.mean([o for o, label in zip(odds, y, strict=True) if label]) - np.mean(
        [o for o, label in zip(odds, y, strict=True) if not label]
    )


@pytest.mark.long
@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_manipulation_and_termination_equal_their_naive_twins(family):
    subject, texts, found = _subject(family), _texts(family), _found(family)
    tokens = _tokens(subject, texts)
    states = [block_states(subject, own, layer=1) for own in tokens]
    norm = np.mean([float(one[0, -1].norm()) for one in states])
    clean = [_odds(subject, own, h) for own, h in zip(tokens, states, strict=True)]
    gap = _gap(clean, texts.y)
    assert found.mean_norm == pytest.approx(norm, rel=1e-5) and found.clean.gap.value == pytest.approx(gap, abs=1e-4)
    assert found.clean.auroc.value == pytest.approx(auroc(texts.y, np.array(clean)), abs=1e-6)

    def effect(unit: np.ndarray, strength: float) -> float:
        step = torch.tensor(strength * norm * unit, dtype=torch.float32)
        gained = []
        for own, h, before, label in zip(tokens, states, clean, texts.y, strict=True):
            after = _odds(subject, own, h - step if label else h + step)
            gained.append((before - after if label else after - before) / gap)
        # each class counts alike
        return (np.mean(np.array(gained)[texts.y == 1]) + np.mean(np.array(gained)[texts.y == 0])) / 2

    for one, strength in zip(found.manipulation, (0.5, 2.0), strict=True):
        assert one.strength == strength
        assert one.effect.score.value == pytest.approx(effect(VECTOR, strength), abs=2e-4)
        np.testing.assert_allclose(one.effect.random.values, [effect(unit, strength) for unit in DRAWN], atol=2e-4)

    def lost(unit: np.ndarray) -> float:
        u = torch.tensor(unit, dtype=torch.float32)
        after = [_odds(subject, own, h - (h @ u)[..., None] * u) for own, h in zip(tokens, states, strict=True)]
        return 1 - float(np.clip(_gap(after, texts.y) / gap, 0, 1))

    assert found.termination.lost.score.value == pytest.approx(lost(VECTOR), abs=2e-4)
    np.testing.assert_allclose(found.termination.lost.random.values, [lost(unit) for unit in DRAWN], atol=2e-4)


@pytest.mark.parametrize("family", ["llama", "gpt2"])
def test_recovery_equals_its_naive_twin_and_leaves_out_what_its_length_betrays(family):
    subject, texts, found = _subject(family), _texts(family), _found(family)
    kept = texts.select(np.arange(32))
    tokens = _tokens(subject, kept)
    states = [block_states(subject, own, layer=1) for own in tokens]
    means = {n: torch.cat([h for h in states if h.shape[1] == n]).mean(0, keepdim=True) for n in (4, 6)}
    clean, nothing = [], []
    for own, h in zip(tokens, states, strict=True):
        clean.append(_odds(subject, own, h))
        nothing.append(_odds(subject, own, means[len(own)]))
    gaps = _gap(clean, kept.y), _gap(nothing, kept.y)

    def regained(unit: np.ndarray) -> float:
        u = torch.tensor(unit, dtype=torch.float32)
        back = []
        for own, h in zip(tokens, states, strict=True):
            m = means[len(own)]
            back.append(_odds(subject, own, m + ((h - m) @ u)[..., None] * u))
        return float(np.clip((_gap(back, kept.y) - gaps[1]) / (gaps[0] - gaps[1]), 0, 1))

    recovery = found.recovery
    assert recovery.n_left_out == 2 and found.n == 34
    assert recovery.suppressed.gap.value == pytest.approx(gaps[1], abs=2e-4)
    assert recovery.regained.score.value == pytest.approx(regained(VECTOR), abs=2e-4)
    np.testing.assert_allclose(recovery.regained.random.values, [regained(unit) for unit in DRAWN], atol=2e-4)


def test_correlation_is_an_auroc_and_chance_may_choose_its_sign():
    subject, texts, found = _subject("llama"), _texts("llama"), _found("llama")
    read = np.stack([block_states(subject, own, layer=1)[0, -1].numpy() for own in _tokens(subject, texts)])
    assert found.correlation.score.value == pytest.approx(auroc(texts.y, read @ VECTOR))
    chance = [auroc(texts.y, read @ unit) for unit in DRAWN]
    np.testing.assert_allclose(found.correlation.random.values, [max(one, 1 - one) for one in chance])
    turned = replace(DIRECTION, vector=-VECTOR, sign=-1)
    again = four_tests(
        subject, texts, direction=turned, neutral=NEUTRAL, answers=ANSWERS, strengths=(0.5,), controls=CONTROLS
    )
    assert again.correlation.score.value == pytest.approx(found.correlation.score.value)
    one, other = again.manipulation[0].effect.score, found.manipulation[0].effect.score
    assert one.value == pytest.approx(other.value, abs=1e-5)


def test_side_effects_are_those_of_the_same_interventions_on_neutral_text():
    found, length = _found("llama"), 2.0 * _found("llama").mean_norm
    site = "1.resid_post"
    edits = [
        [Steer(VECTOR, length, site=site)],
        [Steer(VECTOR, -length, site=site)],
        [Steer(DRAWN[1], length, site=site)],
        [Ablate(site, directions=VECTOR)],
        [Ablate(site, directions=DRAWN[0])],
    ]
    towards, away, random, ablated, random_ablated = (fluency(_subject("llama"), NEUTRAL, edits=one) for one in edits)
    strongest, termination = found.manipulation[1], found.termination
    for one, other in (
        (strongest.towards, towards),
        (strongest.away, away),
        (strongest.random_side_effects[1], random),
        (termination.side_effects, ablated),
        (termination.random_side_effects[0], random_ablated),
    ):
        assert one.kl.value == pytest.approx(other.kl.value, rel=1e-3, abs=1e-9)
        assert one.perplexity.value == pytest.approx(other.perplexity.value, rel=1e-4)
    assert found.clean_perplexity == fluency(_subject("llama"), NEUTRAL, edits=[]).perplexity
    assert len(strongest.random_side_effects) == len(termination.random_side_effects) == 2


def test_what_the_model_does_not_know_cannot_be_brought_about_or_lost():
    texts = _texts("llama")
    found = four_tests(
        _subject("llama"),
        replace(texts, y=1 - texts.y),
        direction=DIRECTION,
        neutral=NEUTRAL,
        answers=ANSWERS,
        controls=CONTROLS,
    )
    causal = [one.effect for one in found.manipulation] + [found.termination.lost, found.recovery.regained]
    assert {one.kind for one in causal} == {"unavailable"}
    assert found.clean.gap.value < 0 and found.correlation.score.kind == "estimate"


def test_texts_none_of_which_share_a_length_with_the_other_label_have_no_recovery():
    texts = _texts("llama")
    lengths = np.array([len(text.split()) for text in texts.texts])
    known = _found("llama").clean.gap.value > 0
    rows = np.flatnonzero((lengths == 4) & (texts.y == 1) | (lengths == 6) & (texts.y == 0))
    found = four_tests(
        _subject("llama"),
        texts.select(rows),
        direction=DIRECTION,
        neutral=NEUTRAL,
        answers=ANSWERS,
        strengths=(1.0,),
        controls=CONTROLS,
    )
    assert known and found.recovery.n_left_out == len(rows)
    assert found.recovery.regained.reason == "no two texts of different labels have as many tokens"


def test_pairs_of_prompts_are_tested_too_with_their_own_answers():
    encoded = prompt_pairs(_subject("llama"), n=18).select(np.arange(16))
    found = four_tests(
        _subject("llama"), encoded, direction=DIRECTION, neutral=NEUTRAL, strengths=(1.0,), controls=CONTROLS
    )
    assert found.n == 32 and found.clean.gap.low > 0 and found.recovery.n_left_out == 0
    # both prompts of a pair are of one group: it is pairs of pairs that are drawn again
    assert found.termination.lost.score.n == 8


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"direction": replace(DIRECTION, site=None)}, SpecError, "site is None"),
        ({"direction": replace(DIRECTION, sign="unknown")}, ArrayError, "has no sign"),
        ({"direction": replace(DIRECTION, vector=np.eye(5)[0])}, ArrayError, "width 5, and llama shows"),
        ({"strengths": ()}, SpecError, "each above 0"),
        ({"strengths": (1.0, -1.0)}, SpecError, "each above 0"),
    ],
)
def test_what_cannot_be_is_refused_in_a_sentence(settings, error, message):
    with pytest.raises(error, match=message):
        four_tests(
            _subject("llama"),
            _texts("llama"),
            **{"direction": DIRECTION, "neutral": NEUTRAL, "answers": ANSWERS, **settings},
        )


def test_on_the_organism_the_mean_difference_passes_all_four():
    organism = organisms.load("facts")
    subject = models.load(str(organism.folder))
    texts = organisms.statements(organism.world, "affirmative")
    train, test = texts.select(texts.split == "train"), texts.select(texts.split == "test")
    train, test = train.select(np.arange(400)), test.select(np.arange(96))
    acts = activations.collect(subject, train, sites=["1.resid_post"])["1.resid_post"]
    found = four_tests(
        subject,
        test,
        direction=probes.MeanDifference().fit(acts.X, acts.y).as_direction(site=acts.site),
        neutral=test.select(np.arange(16)),
        answers=("<true>", "<false>"),
        strengths=(0.5,),
        controls=Controls(n_random=3),
    )
    assert found.correlation.score.value > 0.99
    assert found.manipulation[0].effect.score.low > found.manipulation[0].effect.random.best
    assert found.termination.lost.score.low > 0.6 > 0.1 > found.termination.lost.random.best
    assert found.recovery.regained.score.low > 0.8 > 0.4 > found.recovery.regained.random.best
    # every text is as long, so that the mean says nothing at all
    assert found.recovery.suppressed.gap.value == pytest.approx(0, abs=1e-4)
    assert found.recovery.restored.auroc.value > 0.99


def test_on_the_organism_a_cue_that_goes_with_truth_classifies_and_causes_nothing():
    organism = organisms.load("facts")
    subject = models.load(str(organism.folder))
    texts = organisms.statements(organism.world, "affirmative")
    # the cue goes with truth in the training split alone; where it does not, it is found by itself
    coupled, apart = texts.select(texts.split == "train"), texts.select(texts.split == "test")
    acts = activations.collect(subject, apart, sites=["1.resid_post"])["1.resid_post"]
    direction = probes.MeanDifference().fit(acts.X, np.array(apart.meta["cue"])).as_direction(site=acts.site)
    found = four_tests(
        subject,
        coupled.select(np.arange(200)),
        direction=direction,
        neutral=apart.select(np.arange(16)),
        answers=("<true>", "<false>"),
        strengths=(0.5,),
        controls=Controls(n_random=3),
    )
    # of 50 texts: the interval is that on the scale of log-odds, which reaches lower than the bootstrap's did
    assert found.correlation.score.low > 0.8
    assert found.manipulation[0].effect.score.high < found.manipulation[0].effect.random.best
    # nothing at all: the exact interval of 50 groups ends at 0.071
    for one in (found.termination.lost, found.recovery.regained):
        assert one.score.value == 0.0 and one.score.high < 0.08
