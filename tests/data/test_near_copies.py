"""Groups that hold near copies together."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest

from tiltmeter.core.errors import SpecError
from tiltmeter.data import TextSet, find_leakage, join_near_copies, split_by_group

NAMES = [f"place{i}" for i in range(60)]


def labelled(*rows: str, groups: list[str] | None = None, pairs: list[str] | None = None) -> TextSet:
    ids = np.array([f"r{i}" for i in range(len(rows))])
    y = np.arange(len(rows)) % 2
    held = [None if given is None else np.array(given) for given in (groups, pairs)]
    return TextSet(ids, texts=rows, y=y, groups=held[0], pairs=held[1])


def test_near_copies_and_what_they_are_joined_with_are_one_group_by_the_first_name() -> None:
    rows = labelled(
        "Rome lies in Italy.", "Rome lies not in Italy.", "Oslo lies in Norway.", "oslo  lies in Norway",
        "Bonn is far.",
        groups=["a", "b", "b", "c", "d"],
    )  # fmt: skip
    assert join_near_copies(rows, near=0.5).tolist() == ["a", "a", "a", "a", "d"]


def test_rows_of_a_pair_stay_together_where_there_are_no_groups() -> None:
    rows = labelled("Rome is large", "Oslo was cold", "Bonn has trams", pairs=["p", "p", ""])
    assert join_near_copies(rows).tolist() == ["row:texts:r0", "row:texts:r0", "row:texts:r2"]


def test_texts_about_different_things_in_one_template_keep_their_groups() -> None:
    rows = labelled(*(f"the town of {name} lies by the sea" for name in NAMES), groups=NAMES)
    assert join_near_copies(rows).tolist() == NAMES


@pytest.mark.parametrize("seed", range(5))
def test_no_split_by_the_joined_groups_divides_near_copies_and_one_by_the_given_ones_does(seed: int) -> None:
    said = [f"in {name} {word} are found{end}" for name in NAMES for word in ("mills", "ports") for end in ("", " now")]
    rows = labelled(*said, groups=[f"g{i}" for i in range(len(said))])
    joined = dataclasses.replace(rows, groups=join_near_copies(rows))

    def n_leaked(one: TextSet) -> int:
        split = split_by_group({"texts": one}, fractions=(0.5, 0.25, 0.25), seed=seed)["texts"]
        found = find_leakage(one.select(split == "train"), one.select(split != "train"))
        return found.n_exact + found.n_near

    assert n_leaked(rows) > 0
    assert n_leaked(joined) == 0


def test_a_similarity_that_is_none_is_refused() -> None:
    with pytest.raises(SpecError, match="near is 0; give a similarity above 0"):
        join_near_copies(labelled("one text", "another one"), near=0)
