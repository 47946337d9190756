"""A watch that is asked for too much, or whose followers fail, says so and loses no alarm."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest
import torch
from made_monitors import made_monitor
from tiny_models import tiny_subject, word_tokenizer
from transformers import GenerationConfig, LogitsProcessorList

from tiltmeter.core.alarms import Alarm
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.interventions import Steer
from tiltmeter.models import SubjectModel, generate
from tiltmeter.monitor import AtLeast, Card, Monitor, Not, Rule, SteerOn, Stop, all_of, any_of, watch

PROMPTS = ["w1 w2 w3", "w1", "w3 w4 w5 w6 w7 w8", "w2 w2"]
_subject = functools.cache(tiny_subject)


def _given() -> dict[str, torch.Tensor]:
    given = _subject("llama").tokenizer(PROMPTS, padding=True, padding_side="left", return_tensors="pt")
    return {name: given[name] for name in ("input_ids", "attention_mask")}


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"guidance_scale": 1.5}, "guidance"),
        ({"cache_implementation": "static"}, "the cache 'static'"),
        ({"cache_implementation": "sliding_window"}, "the cache 'sliding_window'"),
        ({"cache_implementation": "paged"}, "the cache 'paged'"),
    ],
)
def test_a_second_text_beside_each_and_a_cache_that_does_not_grow_are_refused(asked, message):
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


@pytest.mark.parametrize(("prompts", "has_end"), [(PROMPTS[:1], True), (PROMPTS, False)])
def test_where_nothing_is_padded_the_padding_token_is_a_word_behind_which_a_text_goes_on(prompts, has_end):
    subject = tiny_subject("llama")
    config = subject.model.generation_config
    config.eos_token_id = config.eos_token_id if has_end else None
    given = subject.tokenizer(prompts, padding=True, padding_side="left", return_tensors="pt")
    given = {name: given[name] for name in ("input_ids", "attention_mask")}
    n = given["input_ids"].shape[1]
    config.pad_token_id = int(subject.model.generate(**given, max_new_tokens=4, do_sample=False)[0, n])
    asked = GenerationConfig(max_new_tokens=4, do_sample=False)
    with watch(subject, [made_monitor(subject)]) as seen:
        said = subject.model.generate(**given, generation_config=asked, stopping_criteria=[lambda *_, **__: False])
    assert seen.texts[0].tokens[-4:].tolist() == said[0, n:].tolist()


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


def _highest_in_prompts(subject: SubjectModel) -> list[float]:
    with watch(subject, [made_monitor(subject)]) as seen:
        generate(subject, PROMPTS, max_new_tokens=1)
    return [float(text.running["made"][: text.n_prompt].max()) for text in seen.texts]


@pytest.mark.parametrize("cache", [True, False])
def test_padding_behind_a_text_that_a_rule_stopped_is_no_text_with_or_without_a_cache(cache):
    subject = _subject("llama")
    limit = float(np.median(_highest_in_prompts(subject)))
    with watch(subject, [made_monitor(subject, running=limit)], rules=[Rule("a", "made", (Stop(),))]) as seen:
        subject.model.generate(**_given(), max_new_tokens=6, min_new_tokens=6, do_sample=False, use_cache=cache)
    sizes = [len(text.tokens) for text in seen.texts]
    # the last token before the stop is not read, nor is the padding behind it
    stopped = [text.raised_at.get("made") for text in seen.texts]
    assert [size for size, at in zip(sizes, stopped, strict=True) if at == 0] == [6]
    assert max(sizes) == 8
    assert not any((text.tokens == subject.tokenizer.pad_token_id).any() for text in seen.texts)


def test_a_text_that_a_rule_stopped_says_nothing_more_where_the_model_has_no_padding():
    subject = tiny_subject("llama", tokenizer=word_tokenizer(pad=False))
    subject.model.generation_config.pad_token_id = None
    limit = float(np.median(_highest_in_prompts(subject)))
    bare = generate(subject, PROMPTS, max_new_tokens=6)
    with watch(subject, [made_monitor(subject, running=limit)], rules=[Rule("a", "made", (Stop(),))]) as seen:
        said = generate(subject, PROMPTS, max_new_tokens=6)
    (row,) = [i for i, text in enumerate(seen.texts) if text.raised_at.get("made") == 0]
    assert said.tokens[row].tolist() == [bare.tokens[row][0], subject.model.generation_config.eos_token_id]


def test_one_row_of_several_cannot_be_stopped_where_no_token_ends_a_text():
    subject = tiny_subject("llama")
    subject.model.generation_config.eos_token_id = None
    subject.model.config.eos_token_id = None
    monitor, rules = made_monitor(subject, running=-1e9), [Rule("a", "made", (Stop(),))]
    with watch(subject, [monitor], rules=rules) as seen:
        with pytest.raises(SpecError, match="generate one text at a time"):
            generate(subject, PROMPTS, max_new_tokens=3)
        said = generate(subject, PROMPTS[:1], max_new_tokens=3)
    assert len(said.tokens[0]) == 1
    assert len(seen.texts) == 1
    with watch(subject, [monitor]) as seen:
        generate(subject, PROMPTS, max_new_tokens=3)
    assert len(seen.texts) == 4


def test_the_keys_and_values_that_are_returned_are_those_of_the_bare_model():
    subject = _subject("llama")
    asked = {"max_new_tokens": 3, "do_sample": False, "return_dict_in_generate": True}
    bare = subject.model.generate(**_given(), **asked)
    with watch(subject, [made_monitor(subject)]):
        said = subject.model.generate(**_given(), **asked)
    assert said.past_key_values.get_seq_length() == bare.past_key_values.get_seq_length()
    assert torch.equal(said.past_key_values.layers[2].keys, bare.past_key_values.layers[2].keys)


def test_who_decodes_by_hand_may_write_the_next_tokens_into_the_same_place_and_change_modes():
    subject = _subject("llama")
    token = torch.tensor([[7]])
    with watch(subject, [made_monitor(subject, running=-1e9, skip_first=4)]) as seen:
        with torch.inference_mode():
            kept = subject.model(torch.tensor([[4, 5, 6]]), use_cache=True).past_key_values
        for i in (7, 8, 9):
            with torch.no_grad():
                subject.model(token.fill_(i), past_key_values=kept)
    (text,) = seen.texts
    assert text.tokens.tolist() == [4, 5, 6, 7, 8, 9]
    assert text.raised_at == {"made": 4}


def test_another_text_in_the_middle_of_a_generation_is_refused_and_not_taken_for_its_next_token():
    subject = _subject("llama")

    def beside(tokens: torch.Tensor, logits: torch.Tensor) -> torch.Tensor:
        return logits + subject.model(tokens[:, :2]).logits[:, -1]

    with watch(subject, [made_monitor(subject)]) as seen, pytest.raises(SpecError, match="ran another text"):
        subject.model.generate(**_given(), max_new_tokens=3, do_sample=False, logits_processor=[beside])
    assert [len(text.tokens) for text in seen.texts] == [3, 1, 6, 2]


@pytest.mark.parametrize("pooling", ["last", "mean", "max"])
def test_a_monitor_that_reads_no_numbers_says_so_instead_of_being_silent(pooling):
    subject = tiny_subject("llama")
    whole = made_monitor(subject, "0.resid_post", name="whole", running=-1e9)
    with torch.no_grad():
        subject.model.model.layers[2].mlp.down_proj.weight[0, 0] = torch.nan
    broken = made_monitor(subject, "2.resid_post", pooling=pooling, running=0.0)
    whole = replace(whole, card=replace_fingerprint(whole, subject))
    with pytest.raises(ArrayError, match="NaN or infinity"), watch(subject, [whole, broken]) as seen:
        subject.model.generate(**_given(), max_new_tokens=3, do_sample=False)
    assert [alarm.rule for alarm in seen.alarms] == ["whole"] * 4


def replace_fingerprint(monitor: Monitor, subject: SubjectModel) -> Card:
    return monitor.card.model_copy(update={"model_fingerprint": subject.fingerprint.model_dump(mode="json")})


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: any_of([]), r"over the parts \[\]; give a list"),
        (lambda: all_of("lies"), "over the parts 'lies'; give a list"),
        (lambda: AtLeast(3, ("a", "b")), "3 of 2 parts"),
        (lambda: Rule("r", "a", Stop()), "give a tuple of functions"),
        (lambda: Rule("r", "a", (Stop,)), "give a tuple of functions"),
        (lambda: Rule("r", ["a"]), r"holds when \['a'\]; give the name"),
    ],
)
def test_a_rule_that_would_fail_when_it_holds_is_refused_when_it_is_made(make, message):
    with pytest.raises(SpecError, match=message):
        make()
