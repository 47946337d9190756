"""Several watches of one model agree where a text ends, and none takes what another needs for a text."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch
from made_monitors import made_monitor
from peft import LoraConfig, get_peft_model
from test_parity import monitor_of, texts_of
from tiny_models import tiny_subject

from tiltmeter.core.errors import ModelError
from tiltmeter.interventions import Steer
from tiltmeter.models import bind, generate
from tiltmeter.monitor import Rule, SteerOn, Stop, Watch, watch

# peft asks transformers by a name that transformers is about to drop
pytestmark = pytest.mark.filterwarnings("ignore:.is_gradient_checkpointing. is deprecated:FutureWarning")

PROMPTS = ["w1 w2 w3", "w1", "w3 w4 w5 w6 w7 w8", "w2 w2"]
STOP = (Rule("stop", "made", (Stop(),)),)
_subject = functools.cache(tiny_subject)


def _given(subject: Any) -> dict[str, torch.Tensor]:
    given = subject.tokenizer(PROMPTS, padding=True, padding_side="left", return_tensors="pt")
    return {name: given[name] for name in ("input_ids", "attention_mask")}


def _sizes(seen: Watch) -> list[int]:
    return [len(text.tokens) for text in seen.texts]


@pytest.mark.parametrize("who", ["outer", "inner"])
def test_a_text_that_one_watch_stops_ends_for_the_other_too(who):
    subject = _subject("llama")
    bare, stopping = made_monitor(subject), made_monitor(subject, running=-1e9)
    one, other = ((stopping, STOP), (bare, None)) if who == "outer" else ((bare, None), (stopping, STOP))
    with watch(subject, [one[0]], rules=one[1]) as outer, watch(subject, [other[0]], rules=other[1]) as inner:
        subject.model.generate(**_given(subject), max_new_tokens=5, do_sample=False)
    assert _sizes(outer) == _sizes(inner) == [3, 1, 6, 2]


def test_padding_behind_a_text_that_another_watch_stopped_is_no_text():
    subject = _subject("llama")
    with watch(subject, [made_monitor(subject)]) as seen:
        generate(subject, PROMPTS, max_new_tokens=6)
    limit = float(np.median([text.running["made"][: text.n_prompt].max() for text in seen.texts]))
    with watch(subject, [made_monitor(subject, running=limit)], rules=STOP) as outer:
        with watch(subject, [made_monitor(subject)]) as inner:
            subject.model.generate(**_given(subject), max_new_tokens=6, min_new_tokens=6, do_sample=False)
    assert _sizes(inner) == _sizes(outer)
    assert min(_sizes(inner)) < max(_sizes(inner)) == 8


def test_reference_texts_that_a_watch_replays_are_no_texts_of_the_one_around_it():
    subject = tiny_subject("llama")
    with_reference = monitor_of(subject, texts_of())
    steer = Steer(np.ones(24), strength=50.0, site="0.resid_post")
    rule = Rule("a", "made", (SteerOn((steer,)),))
    with watch(subject, [made_monitor(subject, running=-1e9)], rules=[rule]) as outer:
        # what was switched on for these texts is off when they have ended
        generate(subject, PROMPTS, max_new_tokens=2)
        with watch(subject, [with_reference]) as inner:
            generate(subject, ["w1"], max_new_tokens=2)
    assert len(outer.texts) == len(outer.alarms) == 5
    assert len(inner.texts) == 1


def test_watches_may_end_in_any_order():
    subject = tiny_subject("llama")
    first, second = watch(subject, [made_monitor(subject)]), watch(subject, [made_monitor(subject)])
    one, other = first.__enter__(), second.__enter__()
    first.__exit__(None, None, None)
    generate(subject, ["w1"], max_new_tokens=3)
    second.__exit__(None, None, None)
    assert (_sizes(one), _sizes(other)) == ([], [4])
    assert "generate" not in vars(subject.model)


@pytest.mark.parametrize("inside", [True, False])
def test_generation_by_an_adapters_wrapper_is_watched_as_that_by_the_model_inside(inside):
    bare = tiny_subject("llama")
    config = LoraConfig(r=2, target_modules=["q_proj"], task_type="CAUSAL_LM", init_lora_weights=False)
    wrapped = get_peft_model(bare.model, config).eval()
    subject = bind(wrapped, bare.tokenizer, name="lora")
    model = wrapped.get_base_model() if inside else wrapped
    given = _given(subject)
    plain = model.generate(**given, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    with watch(subject, [made_monitor(subject)]) as seen:
        said = model.generate(**given, max_new_tokens=3, min_new_tokens=3, do_sample=False)
    assert torch.equal(plain, said)
    # the last token is read, which the model itself reads no more
    assert _sizes(seen) == [6, 4, 9, 5]
    with watch(subject, [made_monitor(subject, running=-1e9)], rules=STOP) as seen:
        assert model.generate(**given, max_new_tokens=3, do_sample=False).shape[1] == given["input_ids"].shape[1] + 1


@pytest.mark.parametrize("n_around", [0, 1])
def test_a_plain_forward_in_an_action_is_refused_whoever_looks_on(n_around):
    subject = tiny_subject("llama")
    rule = Rule("a", "made", (lambda alarm: subject.model(torch.tensor([[4, 5]])),))
    around = [watch(subject, [made_monitor(subject)]) for _ in range(n_around)]
    for one in around:
        one.__enter__()
    with pytest.raises(ModelError, match="in the middle of another"):
        with watch(subject, [made_monitor(subject, running=-1e9)], rules=[rule]) as seen:
            generate(subject, PROMPTS, max_new_tokens=2)
    assert len(seen.alarms) == 4
    for one in around:
        one.__exit__(None, None, None)
