"""Probes that tell real outcomes from tampered measurements: what each is fitted on, and what it finds where it can."""

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.evaluation import tampering_table
from tiltmeter.probes import (
    Logistic,
    MeanDifference,
    ground_truth_probe,
    tampered_activations,
    tampering_labels,
    tampering_probe,
)

METHODS = ("measurements", "trusted", "exclusion", "dirtiness", "evidence")
SEEDS = range(5)


def areas(planted, methods=METHODS):
    """The AUROC of real against fake positives of each method, and of the ceiling."""
    scores = {
        name: tampering_probe(planted.X, planted.rows, method=name).decision_function(planted.X) for name in methods
    }
    scores["truth"] = ground_truth_probe(planted.X, planted.rows, truth=planted.truth).decision_function(planted.X)
    found = tampering_table(planted.rows, planted.truth, scores=scores, n_draws=20)
    return {one.method: one.auroc.value for one in found}


@pytest.fixture(scope="module")
def five():
    return [areas(tampered_activations(seed)) for seed in SEEDS]


@pytest.fixture(scope="module")
def five_without_inconsistencies():
    return [areas(tampered_activations(seed, n_tampered=(0, 3)), ("trusted", "exclusion")) for seed in SEEDS]


def by_hand(rows, method):
    """The definition of each method, row by row."""
    for i, on in enumerate(rows.measurements.tolist()):
        trusted, every, none = rows.is_trusted[i], all(on), not any(on)
        yield {
            "measurements": (True, every),
            "trusted": (trusted, every),
            "exclusion": (trusted or not every, every),
            "dirtiness": (every, trusted),
            "evidence": (trusted or not (every or none), every or none),
        }[method]


@pytest.mark.parametrize("method", METHODS)
def test_rows_and_labels_are_those_of_the_definition_and_only_train_rows_are_used(method):
    planted = tampered_activations(3, n_groups=80)
    told = list(by_hand(planted.rows, method))
    labels = tampering_labels(planted.rows, method=method)
    assert labels.chosen.tolist() == [chosen for chosen, _ in told]
    assert [bool(p) for c, p in zip(*labels, strict=True) if c] == [present for chosen, present in told if chosen]
    kept = labels.chosen & (planted.rows.split == "train")
    expected = Logistic(penalty_scale="within").fit(planted.X[kept], labels.present[kept].astype(int))
    found = tampering_probe(planted.X, planted.rows, method=method)
    assert np.array_equal(found.direction_, expected.direction_) and found.intercept_ == expected.intercept_
    spoiled = np.where((planted.rows.split == "train")[:, None], planted.X, 1e6)
    assert np.array_equal(tampering_probe(spoiled, planted.rows, method=method).direction_, expected.direction_)


def test_the_ceiling_is_fitted_on_untrusted_positives_of_train_and_their_truth():
    planted = tampered_activations(4, n_groups=80)
    rows = planted.rows
    kept = (rows.split == "train") & ~rows.is_trusted & (rows.measurements.sum(axis=1) == 3)
    expected = MeanDifference().fit(planted.X[kept], planted.truth[kept])
    spoiled = np.where(kept, planted.truth, 1 - planted.truth)
    found = ground_truth_probe(planted.X, rows, truth=spoiled, probe=MeanDifference())
    assert np.array_equal(found.direction_, expected.direction_)


def test_evidence_beats_chance_by_more_than_a_fifth_and_stays_below_the_truth_on_every_seed(five):
    failed = [one for one in five if not 0.7 < one["evidence"] < one["truth"]]
    assert failed == []


def test_what_the_measurements_or_trusted_rows_say_is_fooled_more_than_what_evidence_says(five):
    for one in five:
        assert max(one["measurements"], one["trusted"]) < one["evidence"] - 0.1


def test_exclusion_without_inconsistencies_is_no_better_than_trusted_rows_and_with_them_it_is(
    five, five_without_inconsistencies
):
    for one, without in zip(five, five_without_inconsistencies, strict=True):
        assert without["exclusion"] == pytest.approx(without["trusted"], abs=0.03)
        assert one["exclusion"] > one["trusted"] + 0.08
        assert one["exclusion"] > without["exclusion"] + 0.08


def test_nothing_is_read_where_nothing_is_planted():
    quiet = areas(tampered_activations(0, evidence=0.0, outcome=0.0, measured=0.0))
    for value in quiet.values():
        assert value == pytest.approx(0.5, abs=0.08)


def test_without_untrusted_inconsistencies_there_is_nothing_to_fit_evidence_on():
    planted = tampered_activations(0, n_groups=80, n_tampered=(0, 3))
    with pytest.raises(ArrayError, match=r"The train rows for evidence hold \d+ positives and 0 negatives"):
        tampering_probe(planted.X, planted.rows, method="evidence")


@pytest.mark.usefixtures("without_run_time_types")
def test_what_cannot_be_is_refused():
    planted = tampered_activations(0, n_groups=80)
    with pytest.raises(SpecError, match="method is 'proof'; it must be one of measurements, trusted, exclusion"):
        tampering_probe(planted.X, planted.rows, method="proof")
    with pytest.raises(ArrayError, match="X has 3 rows, and 640 were measured"):
        tampering_probe(planted.X[:3], planted.rows, method="trusted")
    with pytest.raises(ArrayError, match="truth has 3 entries for 640 rows"):
        ground_truth_probe(planted.X, planted.rows, truth=planted.truth[:3])
    with pytest.raises(ArrayError, match=r"The train rows for ground truth hold 0 positives"):
        ground_truth_probe(planted.X, planted.rows, truth=0 * planted.truth)
