"""A watch that is asked for too much, or whose followers fail, says so and loses no alarm."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from made_monitors import made_monitor
from tiny_models import tiny_subject
from transformers import GenerationConfig, LogitsProcessorList

from tiltmeter.core.alarms import Alarm
from tiltmeter.core.errors import SpecError
from tiltmeter.core.site import Site
from tiltmeter.interventions import Steer
from tiltmeter.models import generate
from tiltmeter.monitor import Not, Rule, SteerOn, Stop, all_of, any_of, watch

PROMPTS = ["w1 w2 w3", "w1", "w3 w4 w5 w6 w7 w8", "w2 w2"]
_subject = functools.cache(tiny_subject)


def _given() -> dict[str, torch.Tensor]:
    given = _subject("llama").tokenizer(PROMPTS, padding=True, padding_side="left", return_tensors="pt")
    return {name: given[name] for name in ("input_ids", "attention_mask")}


@pytest.mark.parametrize(
    ("asked", "message"),
    [({"guidance_scale": 1.5}, "guidance"), ({"cache_implementation": "static"}, "static cache")],
)
def test_a_second_text_beside_each_and_a_static_cache_are_refused(asked, message):
    subject = _subject("llama")
    with watch(subject, [made_monitor(subject)]), pytest.raises(SpecError, match=message):
        subject.model.generate(**_given(), max_new_tokens=2, do_sample=False, **asked)


def test_beams_that_only_the_models_own_settings_ask_for_are_refused():
    subject = tiny_subject("llama")
    subject.model.generation_config.num_beams = 3
    asked = GenerationConfig(max_new_tokens=2, do_sample=False)
    with watch(subject, [made_monitor(subject)]), pytest.raises(SpecError, match="beam search"):
        subject.model.generate(**_given(), generation_config=asked)


def test_what_generate_is_given_by_position_is_handed_on():
    subject = _subject("llama")
    given = _given()
    only = LogitsProcessorList(
        [lambda seen, logits: torch.full_like(logits, -torch.inf).index_fill(1, torch.tensor(7), 0.0)]
    )
    asked = GenerationConfig(max_new_tokens=2, do_sample=False)
    with watch(subject, [made_monitor(subject)]):
        said = subject.model.generate(given["input_ids"], asked, only, attention_mask=given["attention_mask"])
    assert (said[:, -2:] == 7).all()


def test_padding_behind_a_text_that_a_criterion_ended_is_no_text():
    subject = _subject("llama")
    given = _given()
    bare = subject.model.generate(**given, max_new_tokens=4, do_sample=False)
    last = int(bare[0, given["input_ids"].shape[1]])
    asked = GenerationConfig(max_new_tokens=4, do_sample=False)
    with watch(subject, [made_monitor(subject)]) as seen:
        said = subject.model.generate(
            **given, generation_config=asked, stopping_criteria=[lambda tokens, scores, **_: tokens[:, -1] == last]
        )
    assert int(said[0, -1]) == subject.model.generation_config.pad_token_id
    assert len(seen.texts[0].tokens) == 3 + 1


def test_every_alarm_is_kept_and_acted_on_where_an_action_fails():
    subject = _subject("llama")
    told: list[Alarm] = []

    def fail(alarm: Alarm) -> None:
        told.append(alarm)
        raise OSError("the disk is full")

    for monitor in (made_monitor(subject, threshold=-1e9), made_monitor(subject, running=-1e9)):
        told.clear()
        with (
            pytest.raises(OSError, match="full"),
            watch(subject, [monitor], rules=[Rule("a", "made", (fail,))]) as seen,
        ):
            generate(subject, PROMPTS, max_new_tokens=2)
        assert [alarm.text_id for alarm in told] == [f"text-{i}" for i in range(4)]
        assert seen.alarms == told
        assert len(seen.texts) == 4


def test_what_was_read_before_an_exception_is_decided():
    subject = _subject("llama")
    with pytest.raises(KeyError), watch(subject, [made_monitor(subject, threshold=-1e9)]) as seen:
        with torch.no_grad():
            subject.model(torch.tensor([[7, 8, 9]]))
        raise KeyError
    assert len(seen.alarms) == len(seen.texts) == 1


def test_an_action_that_runs_the_watched_model_is_told_not_to():
    subject = _subject("llama")
    rule = Rule("a", "made", (lambda alarm: generate(subject, ["w1"], max_new_tokens=1),))
    for monitor in (made_monitor(subject, threshold=-1e9), made_monitor(subject, running=-1e9)):
        with pytest.raises(SpecError, match="have another one review"), watch(subject, [monitor], rules=[rule]) as seen:
            generate(subject, PROMPTS, max_new_tokens=2)
        assert len(seen.alarms) == 4
    assert "generate" not in vars(subject.model)


@pytest.mark.parametrize("when", ["late", Not("early"), all_of(["early", "late"])])
@pytest.mark.parametrize("action", [Stop(), SteerOn(())])
def test_a_rule_that_comes_too_late_to_stop_or_steer_is_refused(when, action):
    subject = _subject("llama")
    monitors = {"early": made_monitor(subject, running=0.0), "late": made_monitor(subject, threshold=0.0)}
    with (
        pytest.raises(SpecError, match="only when a text has ended"),
        watch(subject, monitors, rules=[Rule("a", when, (action,))]),
    ):
        pass
    with watch(subject, monitors, rules=[Rule("a", any_of(["early", "late"]), (action,))]):
        pass


def test_steering_leaves_earlier_tokens_as_they_were_without_a_cache_too():
    subject = _subject("llama")
    vector = np.random.default_rng(5).normal(size=subject.d_model)
    steer = Steer(vector / np.linalg.norm(vector), strength=5.0, site=Site.parse("0.resid_post"))
    monitors = {"a": made_monitor(subject, running=-1e9), "late": made_monitor(subject, "2.resid_post", seed=9)}
    found = []
    for cache in (True, False):
        with watch(subject, monitors, rules=[Rule("a", "a", (SteerOn((steer,)),))]) as seen:
            subject.model.generate(**_given(), max_new_tokens=4, do_sample=False, use_cache=cache)
        found.append(seen.texts)
    for one, other in zip(*found, strict=True):
        np.testing.assert_array_equal(one.tokens, other.tokens)
        np.testing.assert_allclose(one.scores["late"], other.scores["late"], atol=1e-4)


def test_an_alarm_names_a_monitor_once_and_has_no_text_where_only_embeddings_are_known():
    subject = _subject("llama")
    rule = Rule("a", all_of(["made", any_of(["made"])]))
    with watch(subject, [made_monitor(subject, running=-1e9)], rules=[rule], keep_texts=True) as seen, torch.no_grad():
        subject.model(inputs_embeds=torch.randn(1, 3, subject.d_model))
    assert [(len(alarm.raised), alarm.text) for alarm in seen.alarms] == [(1, None)]
