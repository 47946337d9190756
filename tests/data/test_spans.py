"""Span rules: what they hold, how they are written down, and what is none."""

from dataclasses import FrozenInstanceError

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import TypeAdapter, ValidationError

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.data import Between, NthMessage, Span

_SPAN = TypeAdapter(Span)

rules = st.one_of(
    st.sampled_from(["all", "marked", "assistant"]),
    st.builds(NthMessage, st.integers()),
    st.builds(Between, st.text(min_size=1), st.text(min_size=1)),
)


@given(rules)
def test_a_rule_survives_being_written_down(rule):
    written = _SPAN.dump_json(rule)
    again = _SPAN.validate_json(written)
    assert again == rule and type(again) is type(rule)
    assert _SPAN.dump_json(again) == written


@given(rules, rules)
def test_rules_that_differ_are_written_differently(one, other):
    assert (_SPAN.dump_json(one) == _SPAN.dump_json(other)) == (one == other)


def test_rules_are_written_as_a_study_writes_them():
    assert _SPAN.dump_python(NthMessage(2)) == {"message": 2}
    assert _SPAN.dump_python(Between("<think>", "</think>")) == {"between": ["<think>", "</think>"]}
    assert _SPAN.dump_python("all") == "all"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("asistant", "the span is 'asistant'; did you mean 'assistant'"),
        ("everything", "the span is 'everything'; give all, marked, assistant, {message: 2} or {between:"),
        ({"mesage": 1}, "no key 'mesage'; did you mean 'message'"),
        ({"start": 1}, "no key 'start'; give all, marked"),
        ({"message": "2"}, "message to read is '2'"),
        ({"message": True}, "message to read is True"),
        ({"message": 1.0}, "message to read is 1.0"),
        ({"between": "<think>"}, "between holds '<think>'; give it two strings"),
        ({"between": ["a", "b", "c"]}, "give it two strings"),
        ({"between": ["a", ""]}, "is marked by ''"),
        ({"between": ["a", 1]}, "is marked by 1"),
        ({"message": 1, "between": ["a", "b"]}, "give all, marked"),
        ({}, "give all, marked"),
        (["all"], "give all, marked"),
        (3, "give all, marked"),
    ],
)
def test_what_is_no_rule_is_told_what_there_is(given, message):
    with pytest.raises(ValidationError) as caught:
        _SPAN.validate_python(given)
    assert message.lower() in str(caught.value).lower()


def test_rules_are_checked_when_they_are_made_and_do_not_change():
    for wrong in ("2", 1.0, None, True):
        with pytest.raises(SpecError, match="give its number"):
            NthMessage(wrong)
    for wrong in ("", None, 3):
        with pytest.raises(SpecError, match="two strings that are not empty"):
            Between("a", wrong)
        with pytest.raises(SpecError, match="two strings that are not empty"):
            Between(wrong, "a")
    with pytest.raises(FrozenInstanceError):
        NthMessage(1).index = 2
    assert len({NthMessage(1), NthMessage(1), Between("a", "b"), Between("b", "a")}) == 3


_strings = st.text(st.sampled_from("ab <>"), max_size=12)
_markers = st.text(st.sampled_from("ab<>"), min_size=1, max_size=2)


@given(_strings, _markers, _markers)
def test_between_is_what_a_walk_through_the_text_finds(text, start, end):
    found = None
    for i in range(len(text)):
        if text[i : i + len(start)] == start:
            rest = text[i + len(start) :]
            for j in range(len(rest)):
                if rest[j : j + len(end)] == end:
                    found = rest[:j].strip()
                    break
            break
    if found:
        first, last = Between(start, end).find(text, where="row 1")
        assert text[first:last] == found
        assert first > text.index(start) and text[:first].rstrip().endswith(start)
    else:
        with pytest.raises(DataError, match=r"^row 1: "):
            Between(start, end).find(text, where="row 1")


@given(_strings, _markers, _markers, st.integers(0, 12))
def test_what_ends_before_a_place_is_passed_over(text, start, end, after):
    """A twin takes one stretch after the other, none of which shares a marker with the next."""
    found, begin = None, 0
    while found is None:
        opening = text.find(start, begin)
        last = text.find(end, opening + len(start)) if opening >= 0 else -1
        if last < 0:
            break
        begin = last + len(end)
        if last >= after:
            found = text[opening + len(start) : last].strip()
    if found:
        first, last = Between(start, end).find(text, where="row 1", after=after)
        assert text[first:last] == found
    else:
        with pytest.raises(DataError, match=r"^row 1: "):
            Between(start, end).find(text, where="row 1", after=after)
