"""Budgets are met: a norm by loops, a divergence by measuring it again; and where they cannot be, it is said."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from tiny_models import plain_states, random_texts, tiny_subject, word_tokenizer

from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import ArrayError, DataError, ModelError, SpecError
from tiltmeter.interventions import (
    Steer,
    SteeringVectors,
    activation_norm,
    fluency,
    kl_budget,
    norm_budget,
)

TEXTS = [text for text in random_texts(14).texts if " " in text]
SITE = "1.resid_post"
V = np.random.default_rng(0).normal(size=24)
_subject = functools.cache(tiny_subject)


def test_a_norm_of_too_few_texts_has_no_interval_and_those_without_a_token_to_read_do_not_count():
    subject = _subject("llama")
    found = activation_norm(subject, [*TEXTS[:7], "w1", "w2"], site=SITE)
    assert found.reason == "7 rows are too few to resample; 8 are needed"
    with_empty = activation_norm(subject, ["w1", *TEXTS[:8], "w2"], site=SITE)
    without = activation_norm(subject, TEXTS[:8], site=SITE)
    # other batches are rounded otherwise
    assert [with_empty.value, with_empty.low] == pytest.approx([without.value, without.low], rel=1e-6)
    assert with_empty.n == without.n == 8


@pytest.mark.parametrize("bos", [False, True])
def test_a_norm_is_the_mean_over_tokens_but_the_first_of_each_text(bos):
    subject = tiny_subject("llama", tokenizer=word_tokenizer(bos=bos))
    norms = [np.linalg.norm(row) for text in TEXTS for row in plain_states(subject, text)[2][1:]]
    found = activation_norm(subject, TEXTS, site=SITE)
    np.testing.assert_allclose(found.value, np.mean(norms), rtol=1e-5)
    assert found.low < found.value < found.high and found.n == len(TEXTS)
    np.testing.assert_allclose(norm_budget(subject, TEXTS, site=SITE, share=-0.3), -0.3 * np.mean(norms), rtol=1e-5)


def test_a_head_and_an_mlp_have_norms_of_their_own():
    subject = _subject("llama")
    assert norm_budget(subject, TEXTS, site="1.z.h2", share=1.0) < norm_budget(subject, TEXTS, site="1.z", share=1.0)
    assert norm_budget(subject, TEXTS, site="1.mlp_out", share=1.0) > 0


@pytest.mark.parametrize("family", ["llama", "gpt2", "gemma2"])
@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("kl", [1e-4, 0.02, 0.5])
def test_the_strength_costs_the_budget_and_no_weaker_one_does(family, sign, kl):
    subject = _subject(family)
    strength = kl_budget(subject, TEXTS, direction=V, site=SITE, kl=kl, sign=sign)
    assert np.sign(strength) == sign

    def cost(share):
        return fluency(subject, TEXTS, edits=[Steer(V, share * strength, site=SITE)]).kl.value

    # 1e-4 of the strength is twice that of the divergence
    np.testing.assert_allclose(cost(1.0), kl, rtol=1e-3)
    assert [cost(share) < kl for share in (0.25, 0.5, 0.75, 0.95)] == [True] * 4


def test_the_sign_of_a_direction_and_of_the_budget_cancel():
    subject, unit = _subject("llama"), V / np.linalg.norm(V)
    more = Direction(unit, site=Site.parse(SITE), sign=1)
    less = Direction(unit, site=Site.parse(SITE), sign=-1)
    assert kl_budget(subject, TEXTS, direction=more, kl=0.02) == -kl_budget(
        subject, TEXTS, direction=less, kl=0.02, sign=-1
    )


def test_of_steering_vectors_the_strength_is_a_factor():
    subject = _subject("llama")
    vectors = SteeringVectors({1: V.astype(np.float32), 2: -V.astype(np.float32)})
    factor = kl_budget(subject, TEXTS, direction=vectors, kl=0.02)
    np.testing.assert_allclose(fluency(subject, TEXTS, edits=vectors.steers(factor)).kl.value, 0.02, rtol=1e-3)
    double = SteeringVectors({layer: 2 * vector for layer, vector in vectors.vectors.items()})
    np.testing.assert_allclose(kl_budget(subject, TEXTS, direction=double, kl=0.02), factor / 2, rtol=1e-3)


def test_a_budget_out_of_reach_is_said_with_what_was_reached():
    with pytest.raises(SpecError, match=r"A KL of 1000 nats is not reached: .* 16 mean activation norms gives [0-9]"):
        kl_budget(_subject("llama"), TEXTS, direction=V, site=SITE, kl=1000.0)


def test_a_direction_that_does_nothing_reaches_no_budget():
    subject = tiny_subject("llama")
    # what the later block reads of the first feature is nothing, and neither does the unembedding
    for block in subject.model.model.layers:
        block.input_layernorm.weight.data[:] = 0
        block.post_attention_layernorm.weight.data[:] = 0
    subject.model.model.norm.weight.data[:] = 0
    with pytest.raises(SpecError, match="gives 0 at most"):
        kl_budget(subject, TEXTS, direction=np.eye(24)[0], site=SITE, kl=0.1)


UNSIGNED = Direction(V / np.linalg.norm(V), site=Site.parse(SITE), method="LAT")


@pytest.mark.parametrize(
    ("settings", "error", "message"),
    [
        ({"kl": 0.0}, SpecError, "budget above 0"),
        ({"kl": float("nan")}, SpecError, "budget above 0"),
        ({"sign": 2}, SpecError, "sign is 2"),
        ({"site": None}, SpecError, "No site is named"),
        ({"site": "9.resid_post"}, SpecError, "9"),
        ({"direction": V[:5]}, ArrayError, "width 5, and site 1.resid_post of llama 24"),
        ({"direction": UNSIGNED}, ArrayError, "by LAT has no sign"),
        ({"direction": SteeringVectors({1: np.ones(5, np.float32)}), "site": None}, ModelError, "width 5"),
        ({"direction": SteeringVectors({1: np.ones(24, np.float32)})}, SpecError, "have their own blocks"),
    ],
)
def test_what_cannot_be_budgeted_is_refused_in_a_sentence(settings, error, message):
    asked = {"direction": V, "site": SITE, "kl": 0.1, **settings}
    with pytest.raises(error, match=message):
        kl_budget(_subject("llama"), TEXTS, **asked)


def test_texts_of_one_token_have_no_norm_to_be_a_share_of():
    with pytest.raises(DataError, match="beyond its first"):
        norm_budget(_subject("llama"), ["w1", "w2"], site=SITE, share=1.0)
