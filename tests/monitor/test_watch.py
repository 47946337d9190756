"""A watch scores each token as a full pass over the final text would, and leaves the model as it was."""

from __future__ import annotations

import functools

import numpy as np
import pytest
import torch
from made_monitors import made_monitor
from tiny_models import FAMILIES, tiny_subject

from tiltmeter.core.errors import ModelError, SpecError
from tiltmeter.data import Between, TextSet
from tiltmeter.interventions import Steer
from tiltmeter.models import SubjectModel, generate, special_ids, tiny
from tiltmeter.monitor import (
    Monitor,
    Not,
    Rule,
    SteerOn,
    Stop,
    WatchedText,
    all_of,
    any_of,
    certify_running,
    watch,
)

ENCODERS = ("bert", "roberta", "xlm-roberta", "t5", "t5-gated")
DECODERS = tuple(family for family in FAMILIES if family not in ENCODERS and "bidirectional" not in family)
PROMPTS = ["red blue green", "one", "blue one two red four green", "two two"]

_subject = functools.cache(tiny_subject)


def _rows(subject: SubjectModel, tokens: np.ndarray, *, site: str) -> np.ndarray:
    (found,) = subject.read(torch.from_numpy(tokens)[None], sites=[site]).values()
    return found[0].float().numpy()


def _token_scores(monitor: Monitor, subject: SubjectModel, tokens: np.ndarray) -> np.ndarray:
    """The naive twin: a full pass over the final text."""
    return monitor.direction.score(_rows(subject, tokens, site=monitor.card.reading.site))


def _running(monitor: Monitor, subject: SubjectModel, text: WatchedText, *, from_: int) -> np.ndarray:
    """The naive twin: each beginning of the text pooled on its own, from its first token that is read."""
    rows = _rows(subject, text.tokens, site=monitor.card.reading.site)
    special = set(special_ids(subject.tokenizer))
    found = []
    for n in range(1, len(rows) + 1):
        read = [i for i in range(from_, n) if int(text.tokens[i]) not in special]
        if not read or read[-1] != n - 1:
            found.append(np.nan)
            continue
        own = rows[read]
        pooled = {"last": own[-1], "first": own[0], "mean": own.mean(0), "max": own.max(0)}
        found.append(float(monitor.direction.score(pooled[monitor.card.reading.pooling][None])[0]))
    return np.array(found)


@pytest.mark.parametrize("family", DECODERS)
def test_every_token_has_the_score_of_a_full_pass_over_the_final_text(family):
    subject = _subject(family)
    monitors = {
        "a": made_monitor(subject),
        "b": made_monitor(subject, "2.attn_out", seed=1),
        "head": made_monitor(subject, "1.z.h2", seed=2),
    }
    bare = generate(subject, PROMPTS, max_new_tokens=6)
    with watch(subject, monitors) as seen:
        said = generate(subject, PROMPTS, max_new_tokens=6)
    assert said.texts == bare.texts
    assert len(seen.texts) == len(PROMPTS)
    ends = torch.as_tensor(subject.model.generation_config.eos_token_id).reshape(-1).tolist()
    for text, new, n_prompt in zip(seen.texts, said.tokens, said.n_prompt, strict=True):
        kept = new[:-1] if len(new) and new[-1] in ends else new
        assert text.tokens[text.n_prompt :].tolist() == kept.tolist()
        assert text.n_prompt == n_prompt
        for name, monitor in monitors.items():
            np.testing.assert_allclose(
                text.scores[name], _token_scores(monitor, subject, text.tokens), atol=1e-5, rtol=1e-5
            )


@pytest.mark.parametrize("pooling", ["last", "first", "mean", "max"])
@pytest.mark.parametrize("span", ["all", "assistant"])
@pytest.mark.parametrize("cache", [True, False])
def test_running_scores_are_those_of_each_beginning_of_the_text(pooling, span, cache):
    subject = _subject("llama")
    monitor = made_monitor(subject, pooling=pooling, span=span, skip_first=1)
    given = subject.tokenizer(PROMPTS, padding=True, padding_side="left", return_tensors="pt")
    given.pop("token_type_ids", None)
    with watch(subject, [monitor]) as seen:
        subject.model.generate(
            given["input_ids"],
            attention_mask=given["attention_mask"],
            max_new_tokens=5,
            use_cache=cache,
            do_sample=False,
        )
    assert len(seen.texts) == len(PROMPTS)
    for text in seen.texts:
        expected = _running(monitor, subject, text, from_=max(1, text.n_prompt if span == "assistant" else 0))
        np.testing.assert_allclose(text.running["made"], expected, atol=1e-5)
        known = expected[~np.isnan(expected)]
        assert text.final["made"] == pytest.approx(known[-1], abs=1e-5)


def test_words_that_the_model_does_not_know_are_read_as_in_a_whole_text():
    subject = tiny("Rome is old")
    monitor = made_monitor(subject, "1.resid_post")
    name = monitor.card.name
    with watch(subject, [monitor]) as seen:
        subject.model(torch.tensor([subject.tokenizer("Rome was old was")["input_ids"]]))
    (text,) = seen.texts
    whole = monitor.score(subject, TextSet(np.array(["a"]), texts=("Rome was old was",))).scores
    assert text.running[name][-1] == pytest.approx(whole[0], abs=1e-5)


def test_plain_forwards_are_texts_too_and_padding_on_the_right_is_not_read():
    subject = _subject("llama")
    monitor = made_monitor(subject)
    given = subject.tokenizer(PROMPTS, padding=True, padding_side="right", return_tensors="pt")
    with torch.no_grad(), watch(subject, [monitor]) as seen:
        subject.model(**given)
        seen.call_next(["named"])
        subject.model(given["input_ids"][2:3])
    assert [text.id for text in seen.texts] == ["text-0", "text-1", "text-2", "text-3", "named"]
    for text, mask in zip(seen.texts, given["attention_mask"], strict=False):
        assert len(text.tokens) == int(mask.sum())
    np.testing.assert_allclose(seen.texts[2].scores["made"], seen.texts[4].scores["made"], atol=1e-5)


def test_the_model_and_its_generate_are_as_before_even_after_an_error():
    subject = _subject("llama")
    bare = subject.model.generate
    with pytest.raises(RuntimeError, match="on purpose"), watch(subject, [made_monitor(subject)]):
        assert subject.model.generate != bare
        raise RuntimeError("on purpose")
    assert subject.model.generate == bare
    assert "generate" not in vars(subject.model)
    assert not any(module._forward_hooks or module._forward_pre_hooks for module in subject.model.modules())


def test_watches_may_stand_in_one_another():
    subject = _subject("llama")
    with watch(subject, [made_monitor(subject)]) as outer:
        with watch(subject, [made_monitor(subject)]) as inner:
            generate(subject, PROMPTS, max_new_tokens=3)
        generate(subject, PROMPTS[:1], max_new_tokens=3)
    assert (len(inner.texts), len(outer.texts)) == (4, 5)
    np.testing.assert_array_equal(inner.texts[2].scores["made"], outer.texts[2].scores["made"])


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"num_beams": 2}, "beam search"),
        ({"prompt_lookup_num_tokens": 2}, "assisted"),
        ({"inputs_embeds": torch.zeros(1, 2, 24)}, "inputs_embeds"),
        ({"custom_generate": lambda *_, **__: None}, "custom_generate"),
    ],
)
def test_generation_where_a_row_is_no_single_text_is_refused(asked, message):
    subject = _subject("llama")
    with watch(subject, [made_monitor(subject)]), pytest.raises(SpecError, match=message):
        subject.model.generate(torch.tensor([[5, 6]]), max_new_tokens=2, **asked)


@pytest.mark.parametrize("sequences", [1, 3])
def test_sampling_is_watched_and_draws_what_the_bare_model_draws(sequences):
    subject = _subject("llama")

    def draw() -> torch.Tensor:
        torch.manual_seed(3)
        return subject.model.generate(
            torch.tensor([[5, 6, 7]]), max_new_tokens=6, do_sample=True, num_return_sequences=sequences
        )

    bare = draw()
    with watch(subject, [made_monitor(subject)]) as seen:
        drawn = draw()
    assert torch.equal(bare, drawn)
    assert len(seen.texts) == sequences
    assert len({tuple(text.tokens) for text in seen.texts}) == sequences


def _highest(subject: SubjectModel) -> list[float]:
    with watch(subject, [made_monitor(subject)]) as seen:
        generate(subject, PROMPTS, max_new_tokens=6)
    return [float(np.nanmax(text.running["made"])) for text in seen.texts]


def test_a_running_threshold_raises_at_the_first_token_above_it():
    subject = _subject("llama")
    highest = _highest(subject)
    limit = float(np.median(highest))
    with watch(subject, [made_monitor(subject, running=limit)], keep_texts=True) as seen:
        generate(subject, PROMPTS, max_new_tokens=6)
    raised = {alarm.text_id: alarm for alarm in seen.alarms}
    assert len(raised) == len(seen.alarms) == sum(high > limit for high in highest) == 2
    for text in seen.texts:
        over = np.flatnonzero(text.running["made"] > limit)
        assert (text.id in raised) == bool(len(over))
        if len(over):
            alarm = raised[text.id]
            assert alarm.token == text.raised_at["made"] == over[0]
            assert alarm.raised[0].score == pytest.approx(text.running["made"][over[0]])
            assert alarm.raised[0].at == "token"
            assert alarm.text is not None


def test_without_a_running_threshold_the_end_of_a_text_decides():
    subject = _subject("llama")
    with watch(subject, [made_monitor(subject)]) as seen:
        generate(subject, PROMPTS, max_new_tokens=6)
    final = [text.final["made"] for text in seen.texts]
    limit = float(np.median(final))
    with watch(subject, [made_monitor(subject, threshold=limit)]) as seen:
        generate(subject, PROMPTS, max_new_tokens=6)
    assert {alarm.text_id for alarm in seen.alarms} == {
        text.id for text, value in zip(seen.texts, final, strict=True) if value > limit
    }
    assert {alarm.token for alarm in seen.alarms} == {None}
    assert {alarm.text for alarm in seen.alarms} == {None}


def test_stopping_ends_the_text_with_the_alarm_and_leaves_its_neighbours():
    subject = _subject("llama")
    bare = generate(subject, PROMPTS, max_new_tokens=6)
    highest = _highest(subject)
    limit = float(np.median(highest))
    told = []
    rule = Rule("stop", "made", then=(told.append, Stop()))
    with watch(subject, [made_monitor(subject, running=limit)], rules=[rule]) as seen:
        generate(subject, PROMPTS, max_new_tokens=6)
    assert told == seen.alarms
    for text, new, n_prompt in zip(seen.texts, bare.tokens, bare.n_prompt, strict=True):
        if "made" in text.raised_at:
            assert len(text.tokens) <= max(text.raised_at["made"] + 2, n_prompt + 1)
        else:
            assert text.tokens[text.n_prompt :].tolist() == new[: len(text.tokens) - text.n_prompt].tolist()
            assert len(text.tokens) - text.n_prompt >= len(new) - 1


def test_steering_is_switched_on_for_the_texts_with_an_alarm_alone():
    subject = _subject("llama")
    bare = generate(subject, PROMPTS, max_new_tokens=6)
    limit = float(np.median(_highest(subject)))
    steer = Steer(np.ones(24), strength=50.0, site="2.resid_post")
    rule = Rule("steer", "made", then=(SteerOn((steer,)),))
    with watch(subject, [made_monitor(subject, running=limit)], rules=[rule]) as seen:
        said = generate(subject, PROMPTS, max_new_tokens=6)
    changed = [not np.array_equal(before, after) for before, after in zip(bare.tokens, said.tokens, strict=True)]
    for text, is_changed, new, n_prompt in zip(seen.texts, changed, said.tokens, said.n_prompt, strict=True):
        if "made" not in text.raised_at:
            assert not is_changed
            continue
        # the token read with the alarm was followed by what the bare model says
        same = text.raised_at["made"] - n_prompt + 1
        assert new[: max(same, 0)].tolist() == bare.tokens[seen.texts.index(text)][: max(same, 0)].tolist()
    assert any(changed)


def test_rules_over_monitors_hold_as_their_conditions_say():
    subject = _subject("llama")
    low, high = made_monitor(subject, running=-1e9), made_monitor(subject, running=1e9)
    rules = [
        Rule("any", any_of(["low", "high"])),
        Rule("all", all_of(["low", "high"])),
        Rule("but not", all_of(["low", Not("high")])),
        Rule("never", Not("low")),
    ]
    with watch(subject, {"low": low, "high": high}, rules=rules) as seen:
        generate(subject, PROMPTS[:1], max_new_tokens=3)
    assert [(alarm.rule, alarm.token is None) for alarm in seen.alarms] == [("any", False), ("but not", True)]


def test_the_scores_reach_whoever_shows_them_while_the_text_is_written():
    subject = _subject("llama")
    steps = []
    with watch(subject, [made_monitor(subject)], on_tokens=steps.append) as seen:
        generate(subject, PROMPTS[:1], max_new_tokens=4)
    (text,) = seen.texts
    assert [step.scores.shape[1] for step in steps] == [text.n_prompt] + [1] * (len(text.tokens) - text.n_prompt)
    np.testing.assert_array_equal(np.concatenate([step.scores[0, :, 0].numpy() for step in steps]), text.scores["made"])


def test_a_running_threshold_is_certified_on_the_highest_running_score_of_each_text():
    subject = _subject("llama")
    rng = np.random.default_rng(0)
    texts = TextSet(
        np.arange(320).astype(str),
        texts=tuple(" ".join(rng.choice(["w1", "w2", "w3", "w4"], size=5)) for _ in range(320)),
    )
    monitor = certify_running(made_monitor(subject), subject, texts=texts, population="made up")
    assert monitor.card.running is not None
    assert monitor.card.running.n == 320
    given = subject.tokenizer(list(texts.texts or ()), padding=True, return_tensors="pt")
    with torch.no_grad(), watch(subject, [monitor]) as seen:
        subject.model(**given)
    highest = sorted(float(np.nanmax(text.running["made"])) for text in seen.texts)
    assert monitor.card.running.value == pytest.approx(highest[319 - monitor.card.running.allowed], abs=1e-5)


@pytest.mark.parametrize(
    ("span", "message"), [("marked", "not known while a text grows"), (Between("a", "b"), "not known while a text")]
)
def test_spans_that_end_only_later_are_refused(span, message):
    subject = _subject("llama")
    with pytest.raises(SpecError, match=message), watch(subject, [made_monitor(subject, span=span)]):
        pass


def test_a_monitor_of_another_model_is_refused():
    with pytest.raises(ModelError, match="another model"), watch(_subject("qwen2"), [made_monitor(_subject("llama"))]):
        pass


@pytest.mark.parametrize(
    ("monitors", "rules", "message"),
    [
        ([], None, "no monitors"),
        (["a", "a"], None, "one name"),
        (["a"], [Rule("r", "b")], "names the monitor 'b'"),
        (["a"], [Rule("r", "a"), Rule("r", "a")], "Two rules"),
    ],
)
def test_what_cannot_be_watched_is_refused_in_a_sentence(monitors, rules, message):
    subject = _subject("llama")
    made = [made_monitor(subject, name=name) for name in monitors]
    with pytest.raises(SpecError, match=message), watch(subject, made, rules=rules):
        pass


def test_another_number_of_names_than_texts_is_refused():
    subject = _subject("llama")
    with torch.no_grad(), watch(subject, [made_monitor(subject)]) as seen:
        seen.call_next(["one", "two"])
        with pytest.raises(SpecError, match="2 texts were named"):
            subject.model(torch.tensor([[5, 6]]))
