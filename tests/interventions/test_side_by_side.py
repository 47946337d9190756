"""Side by side: the texts are those of generation under the edits, and every unit comes to the strength it means."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from tiny_models import random_texts, tiny_subject

from tiltmeter.core import Direction, Site
from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.core.evidence import Evidence, Leakage, Verdict
from tiltmeter.core.records import Unavailable
from tiltmeter.interventions import (
    Steer,
    SteeringVectors,
    Ways,
    fluency,
    kl_budget,
    norm_budget,
    side_by_side,
)
from tiltmeter.models import generate

PROMPTS = ["w1 w2 w3", "w9 w8", "w7 w7 w7 w7"]
NEUTRAL = [text for text in random_texts(9).texts if " " in text]
UNIT = np.random.default_rng(1).normal(size=24)
UNIT /= np.linalg.norm(UNIT)
SITE = Site(1, "resid_post")
_subject = functools.cache(tiny_subject)


def _direction() -> Direction:
    return Direction(UNIT, site=SITE, sign=-1, method="LDA")


def test_texts_are_those_of_generation_under_the_edits():
    subject = _subject("llama")
    found = side_by_side(
        subject, PROMPTS, direction=_direction(), ways=Ways((4.0, -9.0), "activation", 6), random_state=5
    )
    bare = generate(subject, PROMPTS, max_new_tokens=6).texts
    assert tuple(one.bare for one in found.prompts) == bare
    assert tuple(one.prompt for one in found.prompts) == tuple(PROMPTS)
    for i, strength in enumerate((4.0, -9.0)):
        edit = Steer(_direction(), strength)
        assert (
            tuple(one.steered[i] for one in found.prompts)
            == generate(subject, PROMPTS, max_new_tokens=6, edits=[edit]).texts
        )
        assert found.doses[i].factor == strength and found.doses[i].fluency is None
    # something was steered, along the direction as along the random one, and not alike
    assert (
        len({bare, tuple(one.steered[1] for one in found.prompts), tuple(one.random[1] for one in found.prompts)}) == 3
    )
    assert found.bare_perplexity is None and found.neutral == "the prompts" and found.sites == ("1.resid_post",)


@pytest.mark.parametrize("units", ["norm", "activation", "kl"])
def test_a_unit_comes_to_the_strength_that_it_means_and_costs_what_it_says(units):
    subject, asked = _subject("llama"), (0.2, -0.1)
    found = side_by_side(
        subject, PROMPTS, direction=_direction(), ways=Ways(asked, units, 2), neutral=NEUTRAL, random_state=5
    )
    norm = norm_budget(subject, NEUTRAL, site=SITE, share=1.0)
    for dose, one in zip(found.doses, asked, strict=True):
        wanted = {
            "norm": one * norm,
            "activation": one,
            "kl": kl_budget(subject, NEUTRAL, direction=_direction(), kl=abs(one), sign=1 if one > 0 else -1),
        }[units]
        np.testing.assert_allclose([dose.asked, dose.factor, dose.share], [one, wanted, wanted / norm], rtol=1e-6)
        assert dose.fluency == fluency(subject, NEUTRAL, edits=[Steer(_direction(), dose.factor)])
        if units == "kl":
            np.testing.assert_allclose(dose.fluency.kl.value, abs(one), rtol=1e-3)
        assert dose.random_fluency.kl.value != dose.fluency.kl.value
    assert found.neutral == f"{len(NEUTRAL)} texts of neutral"


def test_of_several_blocks_the_mean_length_counts_and_random_ones_are_as_long_each():
    subject = _subject("llama")
    vectors = SteeringVectors({1: UNIT.astype(np.float32), 2: (3 * UNIT).astype(np.float32)}, model_hint="llama")
    found = side_by_side(subject, PROMPTS, direction=vectors, ways=Ways((0.5,), "norm", 2), neutral=NEUTRAL)
    one, two = (norm_budget(subject, NEUTRAL, site=f"{k}.resid_post", share=1.0) for k in (1, 2))
    np.testing.assert_allclose(found.doses[0].factor * (1 / one + 3 / two) / 2, 0.5, rtol=1e-5)
    assert found.vectors == "steering vectors of 2 blocks, 1 to 2"


def test_what_is_known_of_a_direction_travels_with_it():
    lists = (
        "distributions candidates transfer random_directions shuffled baselines advantages shortcuts "
        "operating_points histograms mistakes"
    )
    evidence = Evidence(
        train="facts", site="1.resid_post", method="LDA", sites=(), methods=(), fpr=0.01, level=0.95,
        threshold=Unavailable(reason="too few"), leakage=Leakage(n_exact=0, n_near=0, near_threshold=0.9, examples=()),
        verdict=Verdict(rules_version=1, outcome="refuted", headline="It reads length.", statements=()),
        **dict.fromkeys(lists.split(), ()),
    )  # fmt: skip
    known = Direction(UNIT, site=SITE, sign=1, method="LDA", evidence=evidence)
    ways = Ways((1.0,), "activation", 1)
    said = side_by_side(_subject("llama"), PROMPTS, direction=known, ways=ways).evidence
    assert said == "As a probe: refuted. It reads length."
    unknown = side_by_side(_subject("llama"), PROMPTS, direction=_direction(), ways=ways).evidence
    assert unknown.startswith("Nobody has assessed it")


def test_zeros_and_repetitions_are_left_out():
    found = side_by_side(_subject("llama"), PROMPTS, direction=_direction(), ways=Ways((0.0, 1.0, 1.0), "norm", 1))
    assert [dose.asked for dose in found.doses] == [1.0]


@pytest.mark.parametrize(
    ("ways", "error", "message"),
    [
        (Ways(()), SpecError, "no strength but 0"),
        (Ways((0.0,)), SpecError, "no strength but 0"),
        (Ways((np.nan,)), SpecError, "finite"),
        (Ways((1.0,), "meters"), SpecError, "units is 'meters'"),
        (Ways((1.0,), "kl"), SpecError, "need neutral texts"),
        (Ways((1.0,), "norm", 0), SpecError, "max_new_tokens is 0"),
    ],
)
def test_ways_that_cannot_be_are_refused(ways, error, message):
    with pytest.raises(error, match=message):
        side_by_side(_subject("llama"), PROMPTS, direction=_direction(), ways=ways)


def test_vectors_of_another_model_are_refused():
    vectors = SteeringVectors({1: np.ones(24, np.float32)}, model_hint="gpt2")
    with pytest.raises(ModelError, match="made for a gpt2"):
        side_by_side(_subject("llama"), PROMPTS, direction=vectors, ways=Ways((1.0,)))
