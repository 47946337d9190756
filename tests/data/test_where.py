"""Rows are chosen by a column's values, and a condition that chooses nothing is an error that says why."""

import re

import numpy as np
import pytest

from tiltmeter.core.errors import SpecError
from tiltmeter.data import TextSet, select_where

STEPS = (1, 2, 2.0, 5, None)
LETTERS = {"level": ("2", "02", "2.0", "3", ""), "is hard": (True, False, False, True, False)}


def some(**meta):
    return TextSet(
        np.array(list("abcde")),
        texts=("1", "2", "3", "4", "5"),
        y=np.array([0, 1, 0, 1, 1]),
        distribution="sums",
        source="sums.jsonl",
        meta={"steps": STEPS, "op": ("+", "-", "-", "a <= b", "7"), "final sum": (-3, 10, 7, 0, -1), **LETTERS, **meta},
    )


@pytest.mark.parametrize(
    ("condition", "kept"),
    [
        ("steps <= 2", "abc"),
        ("steps<2", "a"),
        ("steps > 1", "bcd"),
        (" steps >=  5 ", "d"),
        ("steps == 2", "bc"),
        ("steps >= 1.5", "bcd"),
        ("final sum < -2", "a"),
        ("op == -", "bc"),
        ("op == 7", "e"),
        # a file of text has its numbers in letters, and blanks make them fractions
        ("level == 2", "abc"),
        ("level == 2.0", "abc"),
        ("is hard == True", "ad"),
        ("is hard == false", "bce"),
        ("steps == 2.0", "bc"),
    ],
)
def test_rows_are_kept_whole_where_the_condition_holds(condition, kept):
    chosen = select_where(some(), condition)
    assert "".join(chosen.ids) == kept
    rows = ["abcde".index(name) for name in kept]
    assert chosen.y.tolist() == some().y[rows].tolist()
    assert chosen.meta["steps"] == tuple(STEPS[row] for row in rows)
    assert chosen.source == f"sums.jsonl, {condition}" and chosen.distribution == "sums"


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("steps", "'steps' is no condition on rows; write one such as digits <= 2, or op == +."),
        ("steps != 2", "no condition on rows"),
        ("<= 2", "no condition on rows"),
        ("step <= 2", "sums has no column 'step' for 'step <= 2'; did you mean 'steps'?"),
        ("grade <= 2", "its columns are steps, op, final sum, level, is hard."),
        ("steps <= two", "puts in order what is no number: 'two'"),
        ("op >= 2", "puts in order what is no number: '+'; use == for words."),
        ("steps > 5", "No row of sums has steps > 5; the column holds 1, 2, 2.0, 5, None."),
        ("steps == two", "No row of sums has steps == two"),
    ],
)
def test_a_condition_that_cannot_be_met_says_what_is_wrong(condition, message):
    with pytest.raises(SpecError, match=re.escape(message)):
        select_where(some(), condition)


def test_of_many_values_some_are_named():
    with pytest.raises(SpecError, match="10, 11, 12, 13, 14"):
        select_where(some(many=(10, 11, 12, 13, 14)), "many < 10")
    with pytest.raises(SpecError, match="and 1 more"):
        select_where(TextSet(np.arange(6).astype(str), texts=tuple("abcdef"), meta={"x": tuple(range(6))}), "x > 9")


def test_a_condition_does_not_part_the_halves_of_a_pair():
    pairs = np.array(["p", "p", "q", "q"])
    meta, y = {"year": (1, 1, 2, 2), "word": ("x", "y", "x", "y")}, np.array([1, 0, 1, 0])
    texts = TextSet(np.array(list("abcd")), texts=tuple("1234"), y=y, pairs=pairs, sides=y, meta=meta)
    assert "".join(select_where(texts, "year == 2").ids) == "cd"
    with pytest.raises(
        SpecError, match=r"'word == x' parts the halves of 2 pairs of texts, such as 'p'; name a column that both"
    ):
        select_where(texts, "word == x")
