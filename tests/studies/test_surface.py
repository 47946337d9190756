"""What the surface gives away: words, the order of pairs, relatives among the training texts."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from tiltmeter.core.records import Estimate
from tiltmeter.data import TextSet
from tiltmeter.evaluation import HeldOut, resampling
from tiltmeter.studies import StudySpec, parse_spec
from tiltmeter.studies._material import Material
from tiltmeter.studies._surface import surface

_SPEC: StudySpec = parse_spec(
    {"name": "s", "model": {"path": "m"}, "texts": {"a": "a.jsonl"}, "train": {"distribution": "a"}}
)


def _material(texts: TextSet, *, grouped_by: str) -> tuple[Material, dict[str, HeldOut]]:
    """Take the first half of the texts for training and the rest for tests."""
    n = len(texts)
    split = np.where(np.arange(n) < n // 2, "train", "test")
    units = texts.groups if texts.groups is not None else texts.ids
    material = Material({"a": texts}, {"a": units}, {"a": split}, {"a": grouped_by})
    rows = split == "test"
    test = HeldOut("a", np.asarray(texts.y)[rows], units[rows], resampling(int(rows.sum()), groups=units[rows]))
    return material, {"a": test}


def _texts(rows: list[str], y: list[int], groups: list[str] | None = None) -> TextSet:
    return TextSet(
        np.array([str(i) for i in range(len(rows))]),
        texts=tuple(rows),
        y=np.array(y),
        groups=None if groups is None else np.array(groups),
        distribution="a",
    )


def test_the_word_that_gives_the_label_away_comes_first_with_its_shares() -> None:
    y = [i % 2 for i in range(80)]
    rows = [f"it is {'not ' if label else ''}so{' maybe' if i % 8 == 1 else ''}" for i, label in enumerate(y)]
    material, tests = _material(_texts(rows, y), grouped_by="group")
    words = surface(_SPEC, material, tests, {}).label_words
    assert (words[0].word, words[0].in_positive.value, words[0].in_negative.value) == ("not", 1.0, 0.0)
    assert words[0].in_negative.high > 0
    assert (words[1].word, words[1].in_positive.value) == ("maybe", 0.25)


def test_pairs_are_counted_by_hand_ties_half_and_only_where_labels_differ() -> None:
    groups = [f"g{i // 2}" for i in range(80)]
    y = [0, 1] * 40
    y[79] = 0  # the last group has one label
    material, tests = _material(_texts([f"t{i}" for i in range(80)], y, groups), grouped_by="group")
    scores = np.random.default_rng(0).normal(size=40)
    scores[1] = scores[0]
    found = surface(_SPEC, material, tests, {"probe": {"a": scores}, "length": {"a": -scores}}).pair_orders
    gaps = [scores[i + 1] - scores[i] for i in range(0, 38, 2)]
    by_hand = np.mean([0.5 if gap == 0 else float(gap > 0) for gap in gaps])
    assert [one.reader for one in found] == ["probe", "length"]
    assert isinstance(found[0].right, Estimate)
    assert isinstance(found[1].right, Estimate)
    assert found[0].right.value == pytest.approx(by_hand)
    assert found[1].right.value == pytest.approx(1 - by_hand)
    assert found[0].right.n == 19


def test_the_pair_column_comes_before_groups() -> None:
    texts = replace(
        _texts([f"t{i}" for i in range(80)], [0, 1] * 40, ["one"] * 40 + ["two"] * 40),
        pairs=np.array([f"p{i // 2}" for i in range(80)]),
    )
    material, tests = _material(texts, grouped_by="group")
    for chosen, n in ((texts, 1), (replace(texts, groups=None), 20)):
        material, tests = _material(chosen, grouped_by="pair")
        found = surface(_SPEC, material, tests, {"probe": {"a": np.arange(40.0)}}).pair_orders
        # twenty pairs, but of one unit where a group holds them all
        assert isinstance(found[0].right, Estimate)
        assert (found[0].right.value, found[0].right.n) == (1.0, n)


@pytest.mark.parametrize("same", [True, False])
def test_relatives_tell_the_label_or_its_opposite(same: bool) -> None:
    rng = np.random.default_rng(0)
    label = rng.integers(2, size=40)
    names = [f"person{i}" for i in range(40)]
    rows = [f"{name} said this" for name in names] + [f"so said {name}" for name in names]
    y = [*label.tolist(), *(label if same else 1 - label).tolist()]
    material, tests = _material(_texts(rows, y), grouped_by="row")
    kin = surface(_SPEC, material, tests, {}).kinships[0]
    assert (kin.n_related, kin.n_rows) == (40, 40)
    assert isinstance(kin.auroc, Estimate)
    assert kin.auroc.value == (1.0 if same else 0.0)


def test_texts_that_share_no_rare_word_have_no_relatives_and_grouped_ones_are_not_asked() -> None:
    rows = [f"name{i} is here" for i in range(80)]
    material, tests = _material(_texts(rows, [0, 1] * 40), grouped_by="row")
    assert surface(_SPEC, material, tests, {}).kinships[0].n_related == 0
    material, tests = _material(_texts(rows, [0, 1] * 40), grouped_by="group")
    assert surface(_SPEC, material, tests, {}).kinships == ()
