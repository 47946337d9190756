"""Rows on which measurements were made: what is derived of them, which are judged, and what the table says."""

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import MeasuredRows, tampering_table
from tiltmeter.probes import tampered_activations


def rows_of(on, *, trusted=None, split="test", groups=None):
    on = np.array(on)
    trusted = np.zeros(len(on), bool) if trusted is None else np.array(trusted)
    return MeasuredRows(on, trusted, np.full(len(on), split), groups)


def test_what_is_derived_equals_what_loops_over_the_rows_find():
    rows = tampered_activations(0, n_groups=40).rows
    for i, on in enumerate(rows.measurements.tolist()):
        assert rows.all_on[i] == all(on)
        assert rows.is_consistent[i] == (len(set(on)) == 1)
        assert rows.is_train[i] == (rows.split[i] == "train")
        assert rows.is_judged[i] == (all(on) and rows.split[i] == "test" and not rows.is_trusted[i])
    assert 0 < rows.is_judged.sum() < (rows.split == "test").sum()


def test_the_auroc_is_that_of_real_against_fake_among_judged_rows_alone():
    planted = tampered_activations(1, n_groups=200)
    scores = np.random.default_rng(0).normal(size=len(planted.truth)) + planted.truth
    # what stands outside of the judged rows is not looked at
    judged, blinded = planted.rows.is_judged, scores.copy()
    blinded[~judged] = np.nan
    found = tampering_table(planted.rows, planted.truth, scores={"seen": scores, "blinded": blinded}, n_draws=200)
    expected = roc_auc_score(planted.truth[judged], scores[judged])
    assert [one.method for one in found] == ["seen", "blinded"]
    for one in found:
        assert one.auroc.value == pytest.approx(expected)
        assert one.auroc.low < expected < one.auroc.high
        assert one.auroc.method == "logit DeLong over groups, approximate"
        assert one.auroc.n == len(np.unique(planted.rows.groups[judged]))


def test_rows_that_repeat_each_other_within_groups_widen_the_interval():
    rng = np.random.default_rng(0)
    group = np.repeat(np.arange(30), 20)
    truth = (np.arange(30) % 2)[group]
    scores = (rng.normal(size=30) + np.arange(30) % 2)[group]
    grouped, alone = (rows_of(np.ones((600, 3)), groups=groups) for groups in (group, None))
    wide, narrow = (tampering_table(rows, truth, scores={"x": scores})[0].auroc for rows in (grouped, alone))
    assert wide.value == narrow.value and wide.high - wide.low > 2 * (narrow.high - narrow.low)


def test_without_fake_positives_there_is_no_figure():
    (found,) = tampering_table(rows_of(np.ones((20, 2))), np.ones(20, int), scores={"x": np.zeros(20)})
    assert found.auroc.kind == "unavailable" and "one class only" in found.auroc.reason


def test_shuffled_truth_is_told_from_fake_by_nobody():
    planted = tampered_activations(2)
    shuffled = np.random.default_rng(0).permutation(planted.truth)
    (found,) = tampering_table(planted.rows, shuffled, scores={"x": planted.truth * 1.0}, n_draws=100)
    assert found.auroc.value == pytest.approx(0.5, abs=0.05)


@pytest.mark.usefixtures("without_run_time_types")
def test_what_cannot_be_is_refused():
    good = {"measurements": np.ones((4, 2)), "is_trusted": np.zeros(4, bool), "split": np.full(4, "test")}
    for wrong, message in (
        ({"measurements": np.ones(4)}, "measurements have shape"),
        ({"measurements": np.ones((4, 0))}, "measurements have shape"),
        ({"measurements": np.full((4, 2), 0.5)}, "values other than 0 and 1"),
        ({"is_trusted": np.zeros(3, bool)}, r"is_trusted has shape \(3,\) for 4 rows"),
        ({"is_trusted": np.zeros(4, int)}, "is_trusted is of type int64; give booleans"),
        ({"split": np.full(4, "dev")}, "split holds other names than train, calibration, test"),
        ({"split": np.array(["train", "test"] * 2), "groups": np.array(list("aabb"))}, "rows in several splits"),
    ):
        with pytest.raises(ArrayError, match=message):
            MeasuredRows(**(good | wrong))
    rows = MeasuredRows(**good)
    with pytest.raises(ArrayError, match=r"x has shape \(3,\) for 4 rows"):
        tampering_table(rows, np.array([0, 1, 0, 1]), scores={"x": np.zeros(3)})
    with pytest.raises(ArrayError, match=r"truth has shape \(5,\) for 4 rows"):
        tampering_table(rows, np.zeros(5, int), scores={"x": np.zeros(4)})
    with pytest.raises(ArrayError, match="not finite"):
        tampering_table(rows, np.array([0, 1, 0, 1]), scores={"x": np.full(4, np.nan)})


def test_a_selection_holds_the_rows_of_the_mask_and_nothing_else():
    rows = tampered_activations(0, n_groups=40).rows
    found = rows.select(rows.is_trusted)
    for name in ("measurements", "split", "groups"):
        assert np.array_equal(getattr(found, name), getattr(rows, name)[rows.is_trusted])
    assert found.is_trusted.all() and len(found.split) == 80
    assert rows_of(np.ones((4, 2))).select(np.arange(4) < 2).groups is None
