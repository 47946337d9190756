"""The chosen procedure on other texts: all sets but one, ever more texts, a few positives of another set."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.data import TextSet
from tiltmeter.evaluation import auroc
from tiltmeter.probes import MeanDifference
from tiltmeter.studies import StudySpec, parse_spec
from tiltmeter.studies._data_curve import data_curve
from tiltmeter.studies._few_shots import few_shots
from tiltmeter.studies._leave_one_out import leave_one_out
from tiltmeter.studies._material import Material
from tiltmeter.studies._transfer import Fitted
from tiltmeter.studies._transfer import test_sets as judged_sets

_SITE = "0.resid_post"
_WIDTH = 6


def _spec(names: tuple[str, ...], **evidence: Any) -> StudySpec:
    return parse_spec(
        {
            "name": "s",
            "model": {"path": "nowhere"},
            "texts": dict.fromkeys(names, "nowhere.jsonl"),
            "train": {"distribution": names[0]},
            "evidence": {"bootstrap": 100, **evidence},
        }
    )


def _material(axes: dict[str, NDArray[np.float64]], *, n: int = 240, gap: float = 3.0, word: bool = False) -> Material:
    """Sets of n texts, whose label lies along an axis of each set's own; two texts a unit."""
    rng = np.random.default_rng(0)
    texts, units, splits, acts = {}, {}, {}, {}
    for name, axis in axes.items():
        y = rng.permutation(n) % 2
        ids = np.array([str(i) for i in range(n)])
        said = [f"text {i}" + " yes" * (int(label) if word else 0) for i, label in enumerate(y)]
        units[name] = np.array([f"{name}{i // 2}" for i in range(n)])
        splits[name] = np.repeat(["train", "calibration", "test"], [n // 2, n // 4, n // 4])
        texts[name] = TextSet(ids, texts=tuple(said), y=y, groups=units[name], distribution=name)
        X = rng.normal(size=(n, _WIDTH)) + gap * (y[:, None] - 0.5) * axis
        acts[name] = {_SITE: Activations(X, ids=ids, y=y, groups=units[name])}
    return Material(texts, units, splits, dict.fromkeys(axes, "group"), acts)


def _chosen(material: Material, name: str) -> Fitted:
    train = material.part(name, "train", _SITE)
    return Fitted(name, _SITE, "mean_difference", MeanDifference().fit(train.X, train.y))


_SAME = dict.fromkeys(("a", "b", "c"), np.eye(_WIDTH)[0])


def test_leaving_one_set_out_is_fitting_on_the_rows_of_all_others() -> None:
    material, spec = _material(_SAME), _spec(("a", "b", "c"))
    cells = leave_one_out(spec, material, judged_sets(spec, material), _chosen(material, "a"))
    assert [(cell.train, cell.test) for cell in cells] == [("all but a", "a"), ("all but b", "b"), ("all but c", "c")]
    others = [material.part(name, "train", _SITE) for name in ("a", "c")]
    probe = MeanDifference().fit(
        np.concatenate([part.X for part in others]), np.concatenate([np.asarray(part.y) for part in others])
    )
    held_out = material.part("b", "test", _SITE)
    assert isinstance(cells[1].auroc, Estimate)
    assert cells[1].auroc.value == pytest.approx(auroc(np.asarray(held_out.y), probe.decision_function(held_out.X)))


def test_a_set_whose_label_lies_elsewhere_is_not_read_from_the_others() -> None:
    material, spec = _material({**_SAME, "c": np.eye(_WIDTH)[1]}), _spec(("a", "b", "c"))
    figures = {
        cell.test: cell.auroc
        for cell in leave_one_out(spec, material, judged_sets(spec, material), _chosen(material, "a"))
    }
    assert isinstance(figures["b"], Estimate)
    assert isinstance(figures["c"], Estimate)
    assert figures["b"].low > 0.7
    assert figures["c"].low < 0.5 < figures["c"].high


def test_two_sets_leave_nothing_that_the_transfer_matrix_has_not() -> None:
    material, spec = _material(dict.fromkeys("ab", np.eye(_WIDTH)[0])), _spec(("a", "b"))
    assert leave_one_out(spec, material, judged_sets(spec, material), _chosen(material, "a")) == ()


def test_sets_that_are_only_judged_are_not_fitted_on() -> None:
    material = _material({**_SAME, "c": -np.eye(_WIDTH)[0]})
    spec = _spec(("a", "b", "c"))
    spec = spec.model_copy(update={"train": spec.train.model_copy(update={"judge_only": ("c",)})})
    cells = leave_one_out(spec, material, judged_sets(spec, material), _chosen(material, "a"))
    assert [cell.test for cell in cells] == ["c"]
    assert isinstance(cells[0].auroc, Estimate)
    assert cells[0].auroc.high < 0.5


def test_the_curve_rises_to_the_chosen_probe_and_beyond_a_rival_that_has_nothing_to_read() -> None:
    material, spec = _material({"a": np.eye(_WIDTH)[0]}, n=400, gap=1.5), _spec(("a",))
    tests, chosen = judged_sets(spec, material), _chosen(material, "a")
    points = data_curve(spec, material, tests, chosen)
    assert [point.n_units for point in points] == [8, 16, 32, 64, 100]
    assert [point.n_rows for point in points] == [16, 32, 64, 128, 200]
    values = [point.auroc.value for point in points if isinstance(point.auroc, Estimate)]
    held_out = material.part("a", "test", _SITE)
    assert values[-1] == pytest.approx(
        auroc(np.asarray(held_out.y), chosen.probe.decision_function(held_out.X)), abs=1e-9
    )
    assert values[0] < values[-1]
    first = points[0]
    assert isinstance(first.gain, Estimate)
    assert first.gain.value == pytest.approx(values[-1] - values[0])
    assert first.spread is not None
    assert first.spread[0] <= values[0] <= first.spread[1]
    assert isinstance(points[-1].gain, Unavailable)
    for point in points:
        assert isinstance(point.rival_auroc, Estimate)
        assert point.rival_auroc.low <= 0.5


def test_a_rival_that_has_a_word_to_read_needs_as_few_texts() -> None:
    material, spec = _material({"a": np.eye(_WIDTH)[0]}, word=True), _spec(("a",))
    points = data_curve(spec, material, judged_sets(spec, material), _chosen(material, "a"))
    assert all(isinstance(p.rival_auroc, Estimate) and p.rival_auroc.value == 1 for p in points)


def test_parts_that_hold_one_label_only_have_no_figure() -> None:
    material, spec = _material({"a": np.eye(_WIDTH)[0]}, n=240), _spec(("a",))
    y = np.zeros(240, dtype=np.int64)
    y[[0, 130, 200, 210, 220, 230]] = 1
    acts = {
        _SITE: Activations(
            material.activations["a"][_SITE].X, ids=material.texts["a"].ids, y=y, groups=material.units["a"]
        )
    }
    texts = TextSet(material.texts["a"].ids, texts=material.texts["a"].texts, y=y, groups=material.units["a"])
    material = Material({"a": texts}, material.units, material.splits, material.grouped_by, {"a": acts})
    points = data_curve(spec, material, judged_sets(spec, material), _chosen(material, "a"))
    assert isinstance(points[0].auroc, Unavailable)
    assert "cannot be fitted on" in points[0].auroc.reason


def test_a_few_positives_bring_a_direction_that_was_not_there() -> None:
    material = _material({"a": 2 * np.eye(_WIDTH)[0], "b": 2 * np.eye(_WIDTH)[1]})
    spec = _spec(("a", "b"), few_shots=["b"])
    found = few_shots(spec, material, _chosen(material, "a"))
    assert [one.count for one in found] == [0, 1, 2, 4, 8, 16]
    assert {one.test for one in found} == {"b"}
    assert found[0].auroc_spread[0] == found[0].auroc_spread[1]
    assert found[-1].auroc > 0.75 > 0.6 > found[0].auroc
    assert all(one.auroc_spread[0] <= one.auroc <= one.auroc_spread[1] for one in found)


def test_few_shots_need_a_method_with_weights() -> None:
    material = _material(dict.fromkeys("ab", np.eye(_WIDTH)[0]))
    spec = _spec(("a", "b"), few_shots=["b"])
    chosen = _chosen(material, "a")._replace(method="ccs")
    with pytest.raises(SpecError, match="ccs was chosen, which takes no weights"):
        few_shots(spec, material, chosen)


@pytest.mark.parametrize("name", ["a", "nowhere"])
def test_few_shots_are_of_another_distribution(name: str) -> None:
    with pytest.raises(SpecError, match=r"evidence\.few_shots names"):
        _spec(("a", "b"), few_shots=[name])
