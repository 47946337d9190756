"""Rounding never turns a small effect into none."""

from __future__ import annotations

import pytest

from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.report._format import (
    CLIP,
    asked,
    clip,
    decimal,
    outline,
    p_value,
    printable,
    rate,
    score,
    show_auroc,
    show_difference,
    show_nuisance,
    show_rate,
    signed,
)
from tiltmeter.report._lookup import describe_site


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.934, "0.93"),
        (0.996, "0.996"),
        (0.9996, ">0.999"),
        (1.0, "1.00"),
        (0.0, "0.00"),
        (-0.0, "0.00"),
        (0.004, "0.004"),
        (0.0002, "0.0002"),
        (-0.004, "−0.004"),
        (-0.25, "−0.25"),
        (-1.0, "−1.00"),
        (-0.9999, "<−0.999"),
    ],
)
def test_two_decimals_unless_they_would_lie(value: float, text: str) -> None:
    assert decimal(value) == text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"),
        (1.0, "100"),
        (0.00001, "<0.01"),
        (0.0033, "0.33"),
        (0.012, "1.2"),
        (0.712, "71.2"),
        (0.9999, ">99.9"),
    ],
)
def test_a_share_is_nought_or_all_only_where_it_is_exactly(value: float, text: str) -> None:
    assert rate(value) == text


def test_levels_p_values_and_scores_are_written_briefly() -> None:
    assert asked(0.01) == "1 %"
    assert asked(0.001) == "0.1 %"
    assert asked(0.95) == "95 %"
    assert p_value(1 / 101) == "0.0099"
    assert score(-2.31) == "−2.31"
    assert signed(0.3) == "+0.30"
    assert signed(-0.3) == "−0.30"
    assert signed(0.0) == "0.00"


def make(value: float, low: float, high: float) -> Estimate:
    return Estimate(value=value, low=low, high=high, level=0.9, n=1234, method="bootstrap", seed=3)


def test_a_figure_carries_its_interval_and_how_it_was_made() -> None:
    shown = show_auroc(make(0.934, 0.9, 0.951))
    assert (shown.text, shown.interval) == ("0.93", "[0.90, 0.95]")
    assert shown.note == "90 % interval by bootstrap, n = 1,234, seed 3"
    assert shown.reason == ""


def test_what_reaches_no_effect_is_marked_weak() -> None:
    assert not show_auroc(make(0.6, 0.51, 0.7)).weak
    assert show_auroc(make(0.6, 0.5, 0.7)).weak
    assert show_auroc(make(0.3, 0.2, 0.4)).weak
    assert show_difference(make(0.1, 0.0, 0.2)).weak
    assert not show_difference(make(0.1, 0.01, 0.2)).weak
    assert show_rate(make(0.011, 0.0, 0.02), 0.01).weak
    assert not show_rate(make(0.01, 0.0, 0.02), 0.01).weak
    assert not show_rate(make(0.5, 0.4, 0.6)).weak


@pytest.mark.parametrize("show", [show_auroc, show_difference, show_rate, show_nuisance])
def test_what_is_missing_is_a_dash_and_its_reason(show) -> None:
    shown = show(Unavailable(reason="one class"))
    assert (shown.text, shown.reason, shown.shade) == ("–", "one class", None)
    assert show(None).reason == "not measured"


def test_outlines_look_like_yaml() -> None:
    value = {"a": 1, "b": {"c": [1, {"d": None}], "e": {}}, "f": [], "g": True, "h": "x"}
    assert outline(value) == "a: 1\nb:\n  c:\n    - 1\n    -\n      d: null\n  e: {}\nf: []\ng: true\nh: x"


def test_clipping_keeps_short_texts_and_the_whole_of_long_ones() -> None:
    assert clip("a" * CLIP) == ("a" * CLIP, None)
    head, whole = clip("a" * (CLIP + 1))
    assert head == "a" * CLIP + " …"
    assert whole == "a" * (CLIP + 1)


def test_control_characters_become_visible() -> None:
    assert printable("a\x00b\x1bc é") == "a\ufffdb\ufffdc é"


def test_a_site_is_told_with_the_layer_convention() -> None:
    assert "hidden_states[4]" in describe_site("3.resid_post")
    assert "before the final norm" in describe_site("3.resid_post")
    assert describe_site("2.z.h5").startswith("the attention heads of block 2")
    assert "(head 5)" in describe_site("2.z.h5")
    assert describe_site("somewhere") == "somewhere"
