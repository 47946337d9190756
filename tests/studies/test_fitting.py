"""What a study fits a method on: pairs where it needs them, sides from the texts or from a coin, never from labels."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from tests.methods import plant
from tiltmeter.core import Activations
from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.studies._fitting import METHODS, USUAL, can_fit, fit, needs_pairs, tossed_sides
from tiltmeter.studies._material import open_material
from tiltmeter.studies._spec import Method, parse_spec

every = pytest.mark.parametrize("method", METHODS)


def _rows(*, seed: int = 0, sides: bool = False) -> Activations:
    planted = plant(80, 10, shift=6.0, seed=seed, direction=np.eye(10)[0])
    ids = np.array([f"text {i}" for i in range(160)])
    given = np.tile([0, 1], 80) if sides else None
    return Activations(planted.X, ids=ids, y=planted.y, pairs=planted.pairs, sides=given)


@every
def test_every_method_of_a_spec_finds_the_planted_concept_and_points_at_it(method: Method) -> None:
    probe = fit(method, _rows(), C=0.1, orient_on=_rows(seed=1))
    assert probe.direction_[0] > 0.8
    assert probe.as_direction().sign == 1


@every
def test_labels_of_the_train_rows_reach_an_unsupervised_method_by_no_road(method: Method) -> None:
    rows, other = _rows(), _rows(seed=1)
    flipped = Activations(rows.X, ids=rows.ids, y=1 - rows.y, pairs=rows.pairs)  # type: ignore[operator]
    here, there = (fit(method, train, C=0.1, orient_on=other) for train in (rows, flipped))
    if here.is_supervised:
        assert here.direction_ @ there.direction_ < 0
    else:
        np.testing.assert_array_equal(here.direction_, there.direction_)


def test_a_coin_that_no_label_reaches_gives_each_pair_two_sides() -> None:
    pairs = np.array([f"pair {i // 2}" for i in range(2000)])
    sides = tossed_sides(pairs)
    assert (sides[::2] + sides[1::2] == 1).all()
    assert 0.4 < sides[::2].mean() < 0.6
    order = np.random.default_rng(0).permutation(1000)
    # by name alone: other pairs around it do not change a pair's coin
    np.testing.assert_array_equal(
        tossed_sides(pairs.reshape(-1, 2)[order].ravel()), sides.reshape(-1, 2)[order].ravel()
    )


@every
def test_sides_that_are_the_labels_are_replaced_by_a_coin(method: Method) -> None:
    rows = _rows()
    told = replace(rows, sides=rows.y)
    bare, given = (fit(method, train, C=0.1, orient_on=rows) for train in (rows, told))
    np.testing.assert_array_equal(given.direction_, bare.direction_)
    assert given.direction_[0] > 0.8


def test_methods_that_need_pairs_are_known_and_cannot_do_without() -> None:
    needing = {method for method in METHODS if needs_pairs(method)}
    assert needing == {"lat", "crc", "kmeans", "bss", "ccs", "contrast_logistic"}
    bare = Activations(np.eye(4), ids=np.array(list("abcd")), y=np.array([0, 1, 0, 1]))
    assert {method for method in METHODS if can_fit(method, bare)} == set(METHODS) - needing
    with pytest.raises(DataError, match="lat needs pairs, and these texts have none"):
        fit("lat", bare, C=0.1, orient_on=bare)


def test_a_spec_may_ask_for_all_methods_or_some_but_not_none() -> None:
    spec = {"name": "s", "model": {"path": "m"}, "texts": {"a": "a"}, "train": {"distribution": "a"}}
    assert parse_spec(spec | {"probes": {"methods": "all"}}).probes.methods == "all"
    assert set(USUAL) < set(METHODS)
    with pytest.raises(ValueError, match=r"'probes.methods': it is empty; give all, or a list"):
        parse_spec(spec | {"probes": {"methods": []}})
    with pytest.raises(ValueError, match=r"probes\.methods"):
        parse_spec(spec | {"probes": {"methods": ["mean_diference"]}})


def test_groups_of_one_true_and_one_false_text_are_pairs_where_the_spec_says_so(tmp_path: Path) -> None:
    rows = [f"text {i},{i % 2},g{i // 2}" for i in range(40)] + ["alone,1,h", "twice,1,k", "again,1,k"]
    (tmp_path / "a.csv").write_text("text,label,group\n" + "\n".join(rows))
    spec = {"name": "s", "model": {"path": "m"}, "texts": {"a": str(tmp_path / "a.csv")}}
    given = open_material(parse_spec(spec | {"train": {"distribution": "a"}}))
    assert given.texts["a"].pairs is None
    material = open_material(parse_spec(spec | {"train": {"distribution": "a", "pairs": "groups"}}))
    found = material.texts["a"].pairs
    assert found is not None
    assert found[:40].tolist() == [f"g{i // 2}" for i in range(40)]
    assert found[40:].tolist() == ["", "", ""]
    for i in range(20):
        assert len(set(material.splits["a"][2 * i : 2 * i + 2])) == 1


def test_a_nuisance_may_be_constant_in_a_test_set_and_must_have_two_values_in_training(tmp_path: Path) -> None:
    for name, cues in (("two", 2), ("one", 1), ("three", 3)):
        rows = [f"text {i} of {name},{i % 2},{i // 2 % cues}" for i in range(40)]
        (tmp_path / f"{name}.csv").write_text("text,label,cue\n" + "\n".join(rows))

    def opened(home: str, other: str) -> None:
        texts = {name: str(tmp_path / f"{name}.csv") for name in (home, other)}
        spec = {"name": "s", "model": {"path": "m"}, "texts": texts, "train": {"distribution": home}}
        open_material(parse_spec(spec | {"evidence": {"nuisances": ["cue"]}}))

    opened("two", "one")
    with pytest.raises(SpecError, match="nuisance 'cue' has 1 values in one; it must have two in the training texts"):
        opened("one", "two")
    with pytest.raises(SpecError, match="nuisance 'cue' has 3 values in three; it must have two"):
        opened("two", "three")
