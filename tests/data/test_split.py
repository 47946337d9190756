"""Splits and folds: units whole, fractions met, both labels everywhere, the same seed the same result."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.data import TextSet, group_folds, read_texts, split_by_group
from tiltmeter.data._textset import SPLITS

FRACTIONS = (0.5, 0.25, 0.25)


def _texts(y, *, name="some", groups=None, pairs=None, split=None) -> TextSet:
    n = len(y)
    return TextSet(
        np.array([str(i) for i in range(n)], dtype=np.str_),
        texts=tuple(f"{name} {i}" for i in range(n)),
        y=np.array(y, dtype=np.int64),
        groups=None if groups is None else np.array(groups, dtype=np.str_),
        pairs=None if pairs is None else np.array(pairs, dtype=np.str_),
        split=None if split is None else np.array(split, dtype=np.str_),
        distribution=name,
    )


@st.composite
def _sets(draw) -> dict[str, TextSet]:
    """Two sets with overlapping groups and pairs, and enough free rows of both labels to fill every split."""
    sets = {}
    for name in ("one", "two"):
        n = draw(st.integers(0, 40))
        groups = [f"g{draw(st.integers(0, 15))}" for _ in range(n)] + [f"{name}{i}" for i in range(12)]
        pairs = [draw(st.sampled_from(["", "p1", "p2", "p3"])) for _ in range(n)] + [""] * 12
        y = [draw(st.integers(0, 1)) for _ in range(n)] + [0, 1] * 6
        sets[name] = _texts(
            y,
            name=name,
            groups=groups if draw(st.booleans()) else None,
            pairs=pairs if draw(st.booleans()) else None,
        )
    return sets


@settings(deadline=None, max_examples=30)
@given(sets=_sets(), seed=st.integers(0, 1000))
def test_no_group_or_pair_is_divided_over_all_sets_and_every_row_has_a_split(sets, seed):
    splits = split_by_group(sets, fractions=FRACTIONS, seed=seed)
    assert list(splits) == ["one", "two"]
    places = {}
    for name, texts in sets.items():
        assert splits[name].shape == (len(texts),)
        assert set(splits[name].tolist()) <= set(SPLITS)
        for kind in ("groups", "pairs"):
            keys = getattr(texts, kind)
            for key, split in zip([] if keys is None else keys, splits[name], strict=False):
                if key:
                    places.setdefault((kind, str(key)), set()).add(str(split))
    assert all(len(found) == 1 for found in places.values())


@settings(deadline=None, max_examples=20)
@given(sets=_sets(), seed=st.integers(0, 1000))
def test_the_same_seed_gives_the_same_splits_in_whatever_order_the_sets_come(sets, seed):
    one = split_by_group(sets, fractions=FRACTIONS, seed=seed)
    other = split_by_group(dict(reversed(sets.items())), fractions=FRACTIONS, seed=seed)
    assert all(np.array_equal(one[name], other[name]) for name in sets)


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 12), min_size=30, max_size=80),
    fractions=st.sampled_from([(0.5, 0.25, 0.25), (0.6, 0.2, 0.2), (1 / 3, 1 / 3, 1 / 3), (0.8, 0.1, 0.1)]),
    seed=st.integers(0, 1000),
)
def test_fractions_are_met_within_the_largest_unit_and_labels_are_stratified(sizes, fractions, seed):
    groups = np.repeat(np.arange(len(sizes)), sizes).astype(str)
    texts = _texts(np.arange(len(groups)) % 2, groups=groups)
    names = split_by_group(texts, fractions=fractions, seed=seed)["some"]
    for split, fraction in zip(SPLITS, fractions, strict=True):
        rows = names == split
        assert abs(rows.sum() - fraction * len(texts)) <= max(sizes)
        assert set(texts.y[rows].tolist()) == {0, 1}


def test_another_seed_gives_another_split():
    texts = _texts([0, 1] * 50)
    one, other = (split_by_group(texts, seed=seed)["some"] for seed in (0, 1))
    assert not np.array_equal(one, other)


def test_units_alike_are_divided_in_proportion_within_each_label():
    names = split_by_group(_texts([1] * 40 + [0] * 400), seed=3)["some"]
    for rows, n in ((slice(40), 40), (slice(40, None), 400)):
        for split, fraction in zip(SPLITS, FRACTIONS, strict=True):
            assert abs((names[rows] == split).sum() - n * fraction) <= 2


def test_the_rare_label_of_a_small_distribution_reaches_every_split():
    big = _texts([0, 1] * 300, name="big")
    small = _texts([1, 1, 1] + [0] * 30, name="small")
    for seed in range(20):
        names = split_by_group({"big": big, "small": small}, seed=seed)["small"]
        assert set(names[:3].tolist()) == set(SPLITS)


def test_one_set_goes_by_the_name_of_its_distribution():
    assert list(split_by_group(_texts([0, 1] * 10, name="cities"), seed=0)) == ["cities"]


def test_unlabelled_sets_are_split_too():
    texts = replace(_texts([0, 1] * 20), y=None)
    names = split_by_group(texts, seed=0)["some"]
    assert [(names == split).sum() for split in SPLITS] == [20, 10, 10]


def test_a_predefined_split_is_kept():
    split = ["test"] * 5 + ["train"] * 10 + ["calibration"] * 5
    assert split_by_group(_texts([0, 1] * 10, split=split), seed=0)["some"].tolist() == split


def test_a_predefined_split_of_a_unit_holds_in_the_other_sets():
    fixed = _texts([0, 1] * 3, name="fixed", groups=list("aabbcc"), split=["test"] * 2 + ["train"] * 4)
    drawn = _texts([0, 1] * 40, name="drawn", groups=["a", "a", "b", "b", *map(str, range(76))])
    names = split_by_group({"fixed": fixed, "drawn": drawn}, seed=0)["drawn"]
    assert names[:4].tolist() == ["test", "test", "train", "train"]
    assert [(names[4:] == split).sum() for split in SPLITS] == [38, 19, 19]


def test_a_predefined_split_that_divides_a_group_is_refused():
    one = _texts([0, 1], name="one", groups=["Rome", "Oslo"], split=["train", "test"])
    other = _texts([0, 1], name="two", groups=["Rome", "Rome"], split=["test", "test"])
    with pytest.raises(DataError, match="The group 'Rome' is divided by the split column: row 0 of one is in train, "):
        split_by_group({"one": one, "two": other}, seed=0)


def test_a_predefined_split_that_divides_a_pair_is_refused():
    with pytest.raises(DataError, match="The pair 'p' is divided by the split column"):
        split_by_group(_texts([0, 1], pairs=["p", "p"], split=["train", "test"]), seed=0)


def test_too_few_units_are_refused():
    texts = _texts([0, 1] * 10, groups=["a"] * 10 + ["b"] * 10)
    with pytest.raises(DataError, match=r"The train split gets no text with label 0: the texts form 2 units"):
        split_by_group(texts, seed=0)


def test_a_distribution_of_one_unit_can_still_be_tested_on():
    sets = {"home": _texts([0, 1] * 20, name="home"), "away": _texts([0, 1], name="away", groups=["a", "a"])}
    assert split_by_group(sets, seed=0)["away"].tolist() == ["test", "test"]


@pytest.mark.parametrize("fractions", [(0.5, 0.5, 0.5), (1.0, 0.0, 0.0), (0.9, 0.2, -0.1)])
def test_fractions_must_make_a_whole(fractions):
    with pytest.raises(SpecError, match="three positive shares that add up to 1"):
        split_by_group(_texts([0, 1] * 10), fractions=fractions, seed=0)


# folds


@settings(deadline=None, max_examples=30)
@given(
    sizes=st.lists(st.integers(1, 6), min_size=5, max_size=40),
    n_folds=st.integers(2, 5),
    seed=st.integers(0, 1000),
    data=st.data(),
)
def test_folds_hold_out_every_row_once_divide_no_group_and_have_both_labels(sizes, n_folds, seed, data):
    groups = np.repeat(np.arange(len(sizes)), sizes).astype(str)
    y = np.array(data.draw(st.lists(st.integers(0, 1), min_size=len(groups), max_size=len(groups))))
    holders = [len(set(groups[y == label])) for label in (0, 1)]
    if min(holders) < n_folds:
        with pytest.raises(DataError, match="too few for"):
            group_folds(groups, y, n_folds=n_folds, seed=seed)
        return
    folds = group_folds(groups, y, n_folds=n_folds, seed=seed)
    assert len(folds) == n_folds
    assert sorted(np.concatenate([fold.test for fold in folds]).tolist()) == list(range(len(groups)))
    for train, test in folds:
        assert not set(groups[train]) & set(groups[test])
        assert sorted([*train, *test]) == list(range(len(groups)))
        assert set(y[test].tolist()) == set(y[train].tolist()) == {0, 1}


def test_folds_are_deterministic_and_differ_by_seed():
    groups, y = np.arange(100).astype(str), np.arange(100) % 2
    tests = [[fold.test.tolist() for fold in group_folds(groups, y, n_folds=5, seed=seed)] for seed in (0, 0, 1)]
    assert tests[0] == tests[1]
    assert tests[0] != tests[2]


def test_folds_are_of_equal_size_and_label_balance():
    groups, y = np.arange(1000).astype(str), (np.arange(1000) < 100).astype(np.int64)
    for _, test in group_folds(groups, y, n_folds=5, seed=0):
        assert len(test) == 200
        assert y[test].sum() == 20


def test_a_single_fold_and_labels_of_another_length_are_refused():
    groups = np.array(["a", "b"])
    with pytest.raises(SpecError, match="n_folds is 1; give at least 2"):
        group_folds(groups, np.array([0, 1]), n_folds=1, seed=0)
    with pytest.raises(DataError, match=r"groups have shape \(2,\) and y \(3,\)"):
        group_folds(groups, np.array([0, 1, 1]), n_folds=2, seed=0)


# the real files


def test_a_city_lies_in_the_same_split_in_every_form_and_language(shared_data):
    names = ("cities", "neg_cities", "sp_en_trans", "neg_sp_en_trans", "sp_en_trans_de")
    sets = {name: read_texts(shared_data / f"truth/{name}.jsonl") for name in names}
    splits = split_by_group(sets, seed=0)
    places = {}
    for name, texts in sets.items():
        for split, fraction in zip(SPLITS, FRACTIONS, strict=True):
            rows = splits[name] == split
            assert abs(rows.mean() - fraction) < 0.06
            assert 0.3 < texts.y[rows].mean() < 0.7
        for group, split in zip(texts.groups, splits[name], strict=True):
            places.setdefault(str(group), set()).add(str(split))
    assert all(len(found) == 1 for found in places.values())
