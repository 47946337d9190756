"""A reviewer within its budget: what it did not clear stands."""

from __future__ import annotations

import functools

import numpy as np
import pytest
from made_monitors import made_monitor
from tiny_models import tiny_subject

from tiltmeter.baselines import TEXT_RIVALS
from tiltmeter.core.errors import ArrayError, ModelError, SpecError
from tiltmeter.data import TextSet
from tiltmeter.models import generate
from tiltmeter.monitor import Budget, Cascade, Rule, review_most_suspicious, reviewer_of, watch

_subject = functools.cache(tiny_subject)
_TEXTS = TextSet(np.array(list("abcd")), texts=("quiet", "theft of gold", "lies", "theft"))


def test_a_budget_holds_in_every_window_and_comes_back_with_time():
    now = [0.0]
    budget = Budget(2, seconds=10, clock=lambda: now[0])
    taken = []
    for moment in (0, 1, 2, 9.9, 10, 10.5, 11, 12, 20.1):
        now[0] = moment
        taken.append(budget.take())
    assert taken == [True, True, False, False, True, False, True, False, True]


def test_the_most_suspicious_come_first_and_what_the_budget_leaves_is_not_cleared():
    asked = []

    def reviewer(text: str) -> float:
        asked.append(text)
        return 1.0 if "theft" in text else -1.0

    found = review_most_suspicious(
        np.array([0.0, 3.0, 2.0, 1.0]), _TEXTS, reviewer=reviewer, fraction=0.75, budget=Budget(2)
    )
    assert asked == ["theft of gold", "lies"]
    assert [None if one is None else one.outcome for one in found] == [None, "upheld", "cleared", "not reviewed"]
    assert "budget" in found[3].reason


@pytest.mark.parametrize(
    "failure",
    [
        ModelError("no answer"),
        OSError("gone"),
        KeyError("choices"),
        RuntimeError(),
        float("nan"),
        None,
        "yes",
        [1],
    ],
)
def test_a_reviewer_that_fails_or_answers_rubbish_clears_nothing(failure):
    def reviewer(text: str) -> float:
        if isinstance(failure, Exception):
            raise failure
        return failure

    (one, *_) = review_most_suspicious(np.zeros(4), _TEXTS, reviewer=reviewer, fraction=0.1)
    assert one.outcome == "not reviewed"
    assert one.suspicion is None


def test_alarms_of_a_running_model_are_reviewed_with_the_text_read_so_far():
    subject = _subject("llama")
    kept = []
    cascade = Cascade(lambda text: float(len(text.split()) - 1), budget=Budget(3), on_review=kept.append)
    rule = Rule("all", "made", then=(cascade,))
    with watch(subject, [made_monitor(subject, running=-1e9)], rules=[rule], keep_texts=True) as seen:
        generate(subject, ["w1", "w1 w2 w3", "w4 w5", "w6 w7"], max_new_tokens=2)
    assert kept == cascade.reviews
    assert [review.alarm_id for review in kept] == [alarm.id for alarm in seen.alarms]
    assert sorted(review.outcome for review in kept) == ["cleared", "not reviewed", "upheld", "upheld"]


def test_without_its_text_an_alarm_cannot_be_reviewed():
    subject = _subject("llama")
    rule = Rule("all", "made", then=(Cascade(lambda text: 1.0),))
    with (
        pytest.raises(SpecError, match="keep_texts=True"),
        watch(subject, [made_monitor(subject, running=-1e9)], rules=[rule]),
    ):
        generate(subject, ["w1"], max_new_tokens=1)


@pytest.mark.parametrize(
    ("given", "error", "message"),
    [
        ({"fraction": 0.0}, SpecError, "fraction"),
        ({"fraction": 1.1}, SpecError, "fraction"),
        ({"scores": np.array([0.0, np.nan, 0.0, 0.0])}, ArrayError, "finite"),
        ({"scores": np.zeros(3)}, ArrayError, "shape"),
        (
            {"texts": TextSet(_TEXTS.ids, messages=tuple([{"role": "user", "content": "x"}] for _ in "abcd"))},
            SpecError,
            "chats",
        ),
    ],
)
def test_what_cannot_be_reviewed_is_refused_in_a_sentence(given, error, message):
    whole = {"scores": np.zeros(4), "texts": _TEXTS, "fraction": 0.5, **given}
    scores, texts = whole.pop("scores"), whole.pop("texts")
    with pytest.raises(error, match=message):
        review_most_suspicious(scores, texts, reviewer=lambda text: 1.0, **whole)


@pytest.mark.parametrize(("n", "seconds"), [(0, 1.0), (1, 0.0), (1, float("inf")), (float("nan"), 1.0), (1.5, 1.0)])
def test_a_budget_out_of_range_is_refused(n, seconds):
    with pytest.raises(SpecError, match="budget"):
        Budget(n, seconds=seconds)


def test_a_rival_that_is_to_be_fitted_is_no_reviewer():
    with pytest.raises(SpecError, match="fitted"):
        reviewer_of(TEXT_RIVALS[0])
