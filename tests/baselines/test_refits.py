"""Refits on redrawn pairs and control tasks find what was left in, and not what was taken out."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tiltmeter.baselines import ActivationSplits, control_task, shuffled_labels, shuffled_partners
from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, DataError
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.core.rivals import ControlTask
from tiltmeter.evaluation import auroc
from tiltmeter.probes import LAT, Logistic, MeanDifference


def _mean(rows: Activations, orient_on: Activations) -> Any:
    return MeanDifference().fit(rows.X, rows.y)


def _lat(rows: Activations, orient_on: Activations) -> Any:
    return LAT().fit(rows.X, pairs=rows.pairs, sides=rows.sides).orient(orient_on.X, orient_on.y)


def _paired(n: int, *, concept: float, topic: float, seed: int, sides: str = "none") -> ActivationSplits:
    """Pairs that share a topic, along the first axis, and differ in the concept, along the second."""
    rng, y = np.random.default_rng(seed), np.tile([0, 1], n)
    X = rng.normal(size=(2 * n, 8)) + concept * y[:, None] * np.eye(8)[1]
    X += topic * np.repeat(rng.normal(size=(n, 1)), 2, axis=0) * np.eye(8)[0]
    told = {"none": None, "label": y, "told": np.where(np.repeat(rng.integers(2, size=n), 2) == 1, y, 1 - y)}[sides]
    names = np.repeat(np.arange(n), 2).astype(str)
    rows = Activations(X, ids=np.arange(2 * n).astype(str), y=y, pairs=names, sides=told)
    train, calibration, test = (rows.select(part) for part in np.split(np.arange(2 * n), [n, 3 * n // 2]))
    return ActivationSplits(train, calibration, {"t": test})


@pytest.mark.parametrize("sides", ["none", "label", "told"])
def test_a_method_that_needs_its_pairs_finds_less_once_they_are_redrawn(sides: str) -> None:
    data = _paired(200, concept=3.0, topic=4.0, seed=0, sides=sides)
    own = _lat(data.train, data.calibration)
    assert auroc(data.tests["t"].y, own.decision_function(data.tests["t"].X)) > 0.9
    found = shuffled_partners(_lat, data, draws=19)["t"]
    assert len(found) == 19 and max(found) < 0.75


def test_a_label_that_dominates_is_found_without_its_pairs() -> None:
    data = _paired(200, concept=6.0, topic=0.5, seed=0)
    assert min(shuffled_partners(_lat, data, draws=10)["t"]) > 0.9


def test_rows_to_fit_on_without_labels_have_none_to_shuffle() -> None:
    data = _paired(40, concept=1.0, topic=1.0, seed=0)
    bare = replace(data.train, y=None)
    with pytest.raises(DataError, match="have no labels"):
        shuffled_labels(_mean, data._replace(train=bare), draws=3)


def test_sets_without_labels_are_left_out_of_the_shuffles_and_change_no_other() -> None:
    data = _paired(40, concept=1.0, topic=1.0, seed=0)
    bare = {part: replace(rows, y=None) for part, rows in {"calibration": data.calibration, **data.tests}.items()}
    fewer = data._replace(calibration=bare["calibration"], tests={**data.tests, "bare": bare["t"]})
    assert shuffled_labels(_mean, fewer, draws=3) == shuffled_labels(_mean, data, draws=3)


def test_rows_without_pairs_have_none_to_redraw() -> None:
    data = _paired(40, concept=1.0, topic=1.0, seed=0)
    bare = Activations(data.train.X, ids=data.train.ids, y=data.train.y)
    with pytest.raises(DataError, match="no pairs"):
        shuffled_partners(_lat, data._replace(train=bare), draws=3)


def test_shuffled_labels_leave_chance_whatever_the_signal() -> None:
    found = shuffled_labels(_mean, _paired(200, concept=6.0, topic=0.0, seed=0), draws=30)["t"]
    # swapped pairs keep the spread of a strong concept: each AUROC varies widely around chance
    assert abs(np.mean(found) - 0.5) < 0.1


def _typed(n_types: int, per_type: int, *, concept: float, identity: float) -> tuple[Activations, np.ndarray]:
    """Each type has both labels, and a corner of its own as far out as ``identity``."""
    rng = np.random.default_rng(0)
    y, types = np.tile([0, 1], n_types * per_type // 2), np.repeat(np.arange(n_types), per_type)
    corners = rng.normal(size=(n_types, 2 * n_types)) / np.sqrt(2 * n_types)
    X = rng.normal(size=(len(y), 2 * n_types)) * 0.1 + identity * corners[types]
    X[:, 0] += concept * y
    return Activations(X, ids=np.arange(len(y)).astype(str), y=y), types.astype(str)


def _logistic(rows: Activations, orient_on: Activations) -> Any:
    return Logistic(C=1.0).fit(rows.X, rows.y)


def test_what_can_be_learned_by_heart_is_as_good_on_control_tasks() -> None:
    rows, types = _typed(40, 6, concept=0.0, identity=5.0)
    own = np.random.default_rng(1).integers(2, size=40)
    # the label is that of the type, but for one row in six: half of what makes it up can only be remembered
    y = np.where(np.arange(len(rows)) % 6 == 0, 1 - own[types.astype(int)], own[types.astype(int)])
    found = control_task(_logistic, Activations(rows.X, ids=rows.ids, y=y), types=types, n_draws=200)
    assert isinstance(found, ControlTask) and isinstance(found.selectivity, Estimate)
    assert found.control.value > 0.95 and found.selectivity.high < 0.05  # type: ignore[union-attr]


def test_a_concept_that_is_there_is_told_from_what_is_learned_by_heart() -> None:
    rows, types = _typed(40, 6, concept=3.0, identity=0.0)
    found = control_task(_logistic, rows, types=types, n_draws=200)
    assert isinstance(found, ControlTask) and isinstance(found.selectivity, Estimate)
    assert found.selectivity.low > 0.2 and abs(found.control.value - 0.5) < 0.1  # type: ignore[union-attr]
    # nothing is out of order in the real task, and yet its figure has a width
    assert found.auroc.value == 1.0 and found.auroc.low < 1.0  # type: ignore[union-attr]
    assert found.selectivity.method.endswith("each at half the doubt")


def test_control_figures_are_those_of_the_procedure_written_out() -> None:
    rows, types = _typed(30, 4, concept=0.3, identity=0.5)
    given: list[tuple[np.ndarray, Any]] = []

    def fit(inside: Activations, orient_on: Activations) -> Any:
        assert inside is orient_on
        probe = Logistic(C=1.0).fit(inside.X, inside.y)
        given.append((inside.ids.astype(int), inside.y))
        return probe

    found = control_task(fit, rows, types=types, n_draws=200)
    assert isinstance(found, ControlTask)
    inside = given[0][0]
    outside = np.setdiff1d(np.arange(len(rows)), inside)
    assert all(np.array_equal(ids, inside) for ids, _ in given) and len(given) == 11
    assert (np.bincount(types[inside].astype(int)) == 2).all() and found.n_rows == len(outside)
    areas = []
    for _, labels in given[1:]:
        own = {kind: label for kind, label in zip(types[inside], labels, strict=True)}
        # one label a type
        assert [own[kind] for kind in types[inside]] == labels.tolist()
        scores = Logistic(C=1.0).fit(rows.X[inside], labels).decision_function(rows.X[outside])
        areas.append(roc_auc_score([own[kind] for kind in types[outside]], scores))
    assert list(found.controls) == pytest.approx(areas)
    real = Logistic(C=1.0).fit(rows.X[inside], rows.y[inside]).decision_function(rows.X[outside])
    lead = roc_auc_score(rows.y[outside], real) - np.mean(areas)
    assert found.selectivity.value == pytest.approx(lead)  # type: ignore[union-attr]


def test_a_label_that_each_type_has_is_a_control_task_itself_and_types_of_one_row_are_none() -> None:
    rows, types = _typed(20, 4, concept=1.0, identity=1.0)
    alike = Activations(rows.X, ids=rows.ids, y=(types.astype(int) % 2))
    found = control_task(_logistic, alike, types=types)
    assert isinstance(found, Unavailable) and "one label only" in found.reason
    found = control_task(_logistic, rows, types=rows.ids)
    assert isinstance(found, Unavailable) and "0 of 80 types have two rows" in found.reason


def test_types_of_other_rows_are_refused() -> None:
    rows, types = _typed(20, 4, concept=1.0, identity=1.0)
    with pytest.raises(ArrayError, match="79 types for 80 rows"):
        control_task(_logistic, rows, types=types[1:])
