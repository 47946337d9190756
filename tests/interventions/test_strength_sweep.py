"""Strength against effect and cost: each figure by hand, a real cause found, and a random one not."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from tiny_models import random_texts, tiny_subject

from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import mean_estimate, resampling
from tiltmeter.interventions import (
    Question,
    Steer,
    answer_gradient,
    fluency,
    norm_budget,
    strength_sweep,
)
from tiltmeter.models import edited, load
from tiltmeter.organisms import load as load_organism
from tiltmeter.organisms import texts as organism_texts

TEXTS = [text for text in random_texts(9).texts if " " in text]
PROMPTS = ["w1 w2 w3", "w9 w8", "w20", "w7 w7 w7 w7", "w5 w30", "w11 w12 w13", "w31", "w2 w3 w4 w5"]
UNIT = np.random.default_rng(1).normal(size=24)
UNIT /= np.linalg.norm(UNIT)
SITE = Site(1, "resid_post")
ASKED = Question(PROMPTS, ["w1", "w2"], "w3")
_subject = functools.cache(tiny_subject)


def _direction(sign: int = 1) -> Direction:
    return Direction(UNIT, site=SITE, sign=sign, method="by hand")


def _odds(edit: Steer | None) -> np.ndarray:
    """Log-odds after each prompt, one at a time, from all log-probabilities."""
    subject, found = _subject("llama"), []
    one, two, three = subject.tokenizer.convert_tokens_to_ids(["w1", "w2", "w3"])
    for prompt in PROMPTS:
        tokens = torch.tensor(subject.tokenizer(prompt)["input_ids"])[None]
        with torch.no_grad(), edited(subject, [] if edit is None else [edit]):
            known = subject.model(input_ids=tokens).logits[0, -1].double().log_softmax(-1)
        found.append(float((known[one] + known[two]) / 2 - known[three]))
    return np.array(found)


@pytest.mark.long
@pytest.mark.parametrize("sign", [1, -1])
def test_every_figure_is_what_it_is_by_hand(sign):
    subject = _subject("llama")
    found = strength_sweep(
        subject, TEXTS, direction=_direction(sign), strengths=[0.5, -1.0], question=ASKED, n_random=3, random_state=7
    )
    norm = norm_budget(subject, TEXTS, site=SITE, share=1.0)
    others = stream(7, "random directions").normal(size=(3, 24))
    for point, share in zip(found.points, (0.5, -1.0), strict=True):
        np.testing.assert_allclose([point.share, point.strength], [share, share * norm])
        edit = Steer(_direction(sign), share * norm)
        assert point.fluency == fluency(subject, TEXTS, edits=[edit])
        np.testing.assert_allclose(point.log_odds.value, _odds(edit).mean(), atol=1e-5)
        np.testing.assert_allclose(point.change.value, (_odds(edit) - _odds(None)).mean(), atol=1e-5)
        # the change is paired: its interval is that of the differences
        paired = mean_estimate(_odds(edit) - _odds(None), by=resampling(8, groups=None))
        np.testing.assert_allclose([point.change.low, point.change.high], [paired.low, paired.high], atol=1e-5)
        random = [Steer(other, share * norm, site=SITE) for other in others]
        moved = [(_odds(one) - _odds(None)).mean() for one in random]
        costs = [fluency(subject, TEXTS, edits=[one]) for one in random]
        np.testing.assert_allclose(
            [point.luck_change.lowest, point.luck_change.highest, point.luck_change.mean],
            [min(moved), max(moved), np.mean(moved)],
            atol=1e-5,
        )
        np.testing.assert_allclose(point.luck_kl.highest, max(cost.kl.value for cost in costs), rtol=1e-6)
        np.testing.assert_allclose(point.luck_ratio.lowest, min(cost.ratio.value for cost in costs), rtol=1e-6)
    np.testing.assert_allclose(found.bare_log_odds.value, _odds(None).mean(), atol=1e-5)
    assert (found.n_prompts, found.n_neutral, found.method) == (8, len(TEXTS), "by hand")


def test_without_a_question_the_cost_stands_alone():
    found = strength_sweep(_subject("llama"), TEXTS, direction=_direction(), strengths=[1.0], n_random=2)
    (point,) = found.points
    assert isinstance(point.change, Unavailable) and point.luck_change is None and not point.is_beyond_luck
    assert point.fluency.kl.value > 0 and found.n_prompts == 0


@pytest.mark.long
def test_random_directions_rarely_pass_for_causes():
    subject, passed, n = _subject("llama"), 0, 30
    rng = np.random.default_rng(3)
    for i in range(n):
        vector = rng.normal(size=24)
        direction = Direction(vector / np.linalg.norm(vector), site=SITE, sign=1)
        found = strength_sweep(
            subject, TEXTS[:1], direction=direction, strengths=[0.3], question=ASKED, n_random=9, random_state=i
        )
        passed += found.points[0].is_beyond_luck
    # 1 in 20 at most: more than 5 of 30 would be seen in 1 of 300 cases
    assert passed <= 5


@pytest.mark.long
def test_on_the_organism_the_direction_of_its_answer_is_beyond_luck_both_ways():
    subject = load(str(load_organism("facts").folder))
    texts = organism_texts("facts", "negated", distribution="negated")
    train = texts.select(np.flatnonzero(texts.split == "train")[:60])
    test = texts.select(np.flatnonzero(texts.split == "test")[:40])
    direction = answer_gradient(subject, train, positive="<true>", negative="<false>", site="2.resid_post")
    found = strength_sweep(
        subject, test, direction=direction, strengths=[-0.5, 0.5], question=Question(test, "<true>", "<false>")
    )
    less, more = found.points
    assert less.is_beyond_luck and more.is_beyond_luck
    assert less.change.value < -1 and more.change.value > 1
    # what the direction costs is no more than what random ones do
    assert more.fluency.kl.value < more.luck_kl.highest


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"strengths": []}, SpecError, "one or more finite numbers"),
        ({"strengths": [0.5, 0.0]}, SpecError, "none of them 0"),
        ({"strengths": [np.inf]}, SpecError, "finite"),
        ({"n_random": 0}, SpecError, "a result needs its null"),
        ({"direction": Direction(UNIT, site=SITE, method="LAT")}, ArrayError, "by LAT has no sign"),
        ({"direction": Direction(UNIT, sign=1)}, SpecError, "No site is named"),
        ({"question": Question(PROMPTS, "w1 w2", "w3")}, SpecError, "must be exactly one"),
    ],
)
def test_what_cannot_be_swept_is_refused_in_a_sentence(settings, error, message):
    with pytest.raises(error, match=message):
        strength_sweep(_subject("llama"), TEXTS, **{"direction": _direction(), "strengths": [1.0], **settings})
