"""Methods against layers: which directions are measured where, intervals over seeds and groups, and what is refused."""

from __future__ import annotations

import functools
from typing import NamedTuple

import numpy as np
import pytest
from swap_pairs import encoded_pairs
from tiny_models import tiny_subject

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.interventions import CausalMethod, CDESettings, LayerEffects, cde_method, effects_by_layer
from tiltmeter.interventions._layer_effects import _depths

_subject = functools.cache(tiny_subject)


class Scored(NamedTuple):
    values: np.ndarray


def _axis(rows) -> np.ndarray:
    return np.eye(rows.X.shape[1])[rows.layer]


def _drawn(rows) -> np.ndarray:
    return np.eye(rows.X.shape[1])[rows.seed]


AXIS, DRAWN = CausalMethod("axis", _axis), CausalMethod("drawn", _drawn, is_random=True)


def by_place(subject, encoded, *, directions, layer, clean) -> Scored:
    """Score a tenth of the axis that a direction is, and a hundredth of the pair's number."""
    assert list(clean.states) == [0, 1, 2] and len(clean.log_probs) == len(encoded)
    return Scored(int(directions[0].argmax()) / 10 + np.arange(len(encoded)) / 100)


def by_layer(subject, encoded, *, directions, layer, clean) -> Scored:
    return Scored(np.where(np.arange(len(encoded)) % 2 == 0, float(layer), np.nan))


@functools.cache
def _pairs():
    subject = _subject("llama")
    return encoded_pairs(subject, 4), encoded_pairs(subject, 12, seed=1, prefix="q")


def _found(**changes) -> LayerEffects:
    train, test = _pairs()
    asked = {"layers": (0, 1, -1), "methods": (AXIS, DRAWN), "scores": (by_place, by_layer), "seeds": (0, 2, 4)}
    return effects_by_layer(_subject("llama"), train, **{"test": test, **asked, **changes})


def test_every_method_is_measured_at_every_layer_with_every_seed():
    found = _found()
    assert found.methods == ("axis", "drawn") and found.layers == (0, 1, 2) and found.seeds == (0, 2, 4)
    assert [(one.method, one.layer) for one in found.effects] == [
        (method, layer) for method in ("axis", "drawn") for layer in (0, 1, 2)
    ]
    mean = np.arange(12).mean() / 100
    for layer in (0, 1, 2):
        assert found.at("axis", layer).swap_of_seeds == pytest.approx((layer / 10 + mean,))
        assert found.at("drawn", layer).swap_of_seeds == pytest.approx(tuple(s / 10 + mean for s in (0, 2, 4)))
        assert found.at("drawn", layer).swap.value == pytest.approx(0.2 + mean)
        assert found.at("drawn", layer).lowest_agreement == 0.0
        assert isinstance(found.at("axis", layer).lowest_agreement, Unavailable)
        assert found.at("axis", layer).ablation.value == layer


def test_the_interval_covers_seeds_as_well_as_groups():
    found = _found()
    axis, drawn = found.at("axis", 2).swap, found.at("drawn", 2).swap
    assert isinstance(axis, Estimate) and axis.n == 6 and "1 seeds" in axis.method and "3 seeds" in drawn.method
    # groups are two neighbours: their means differ by 0.02, and the mean of six draws has a spread of 0.014
    assert axis.high - axis.low == pytest.approx(2 * 1.96 * 0.0342 / np.sqrt(6), rel=0.25)
    # the three seeds differ by 0.2
    assert drawn.high - drawn.low == pytest.approx(2 * 1.96 * 0.163 / np.sqrt(3), rel=0.25)


def test_pairs_that_the_model_does_not_tell_apart_are_left_out():
    assert _found().at("axis", 1).ablation.n == 6

    def nothing(subject, encoded, **asked) -> Scored:
        return Scored(np.full(len(encoded), np.nan))

    cell = _found(scores=(nothing, by_layer)).at("drawn", 0)
    assert isinstance(cell.swap, Unavailable) and "0 groups" in cell.swap.reason and cell.swap_of_seeds == ()
    assert cell.ablation.value == 0.0


def test_a_method_that_finds_nothing_leaves_a_cell_that_says_why():
    lost = CausalMethod("lost", lambda rows: np.zeros(rows.X.shape[1]))
    found = _found(methods=(lost, AXIS))
    assert "hold no difference" in found.at("lost", 1).swap.reason and found.at("lost", 1).ablation_of_seeds == ()
    assert "not available / not available" in found.table()


def test_the_record_is_json_and_the_table_holds_swap_and_ablation_together():
    found = _found()
    assert LayerEffects.model_validate_json(found.model_dump_json()) == found
    lines = found.table().splitlines()
    assert lines[0] == "| swap / ablation | layer 0 | layer 1 | layer 2 |" and len(lines) == 4
    cell = found.at("axis", 1)
    assert lines[2].startswith("| axis |")
    assert f" {cell.swap.value:.2f} [{cell.swap.low:.2f}, {cell.swap.high:.2f}] / 1.00 [1.00, 1.00] " in lines[2]


def test_the_five_depths_are_those_of_the_publication():
    assert _depths(28) == [0, 6, 13, 20, 27] and _depths(48) == [0, 11, 23, 35, 47] and _depths(1) == [0]
    assert _depths(12) == [0, 2, 5, 8, 11]


def test_cde_with_several_directions_is_a_method_like_any_other():
    seen = []

    def shapes(subject, encoded, *, directions, layer, clean) -> Scored:
        seen.append(directions)
        return Scored(np.zeros(len(encoded)))

    two = cde_method(n_directions=2, settings=CDESettings(max_pairs=40))
    _found(methods=(two,), layers=(0, 1, 2), scores=(shapes, by_layer), seeds=(0, 1))
    assert len(seen) == 6
    assert all(one @ one.T == pytest.approx(np.eye(2), abs=1e-6) for one in seen)


def test_what_cannot_be_is_refused():
    train, test = _pairs()
    with pytest.raises(DataError, match="group 'p0' is among the training pairs and the test pairs"):
        _found(test=train)
    with pytest.raises(DataError, match="The test pairs form one group"):
        _found(test=test.select(np.array([0, 1])))
    with pytest.raises(SpecError, match=r"methods are \['axis', 'axis'\]"):
        _found(methods=(AXIS, AXIS))
    with pytest.raises(SpecError, match=r"seeds are \[\]"):
        _found(seeds=())
    with pytest.raises(SpecError, match="3"):
        _found(layers=(0, 3))
    with pytest.raises(SpecError, match="The table has no axis at layer 7"):
        _found().at("axis", 7)
