"""The control task: how much of an accuracy would also be had on labels that can only be memorised."""

import numpy as np
import pytest

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Estimate
from tiltmeter.core.seeds import stream
from tiltmeter.probes import Logistic, MeanDifference, selectivity


def words(n, *, n_types, seed, d=40, shift=3.0, size=1.0):
    """Rows = the vector of a word + the concept + noise: the concept does not depend on the word."""
    vectors = np.random.default_rng(1000).normal(size=(n_types, d)) * size
    rng = np.random.default_rng(seed)
    types, y = rng.integers(n_types, size=n), rng.integers(2, size=n)
    X = vectors[types] + shift * y[:, None] * np.eye(d)[0] + rng.normal(size=(n, d))
    return Activations(X, ids=np.arange(n).astype(str), y=y), types.astype(str)


def run(probe, *, n_types, seed=0, **options):
    train, types = words(600, n_types=n_types, seed=seed)
    test, types_test = words(600, n_types=n_types, seed=100 + seed)
    return selectivity(probe, train, types=types, test=test, types_test=types_test, **options)


@pytest.mark.parametrize("seed", range(5))
def test_a_probe_is_selective_only_where_it_has_no_room_to_remember_words(seed):
    # 30 words in 40 dimensions can be labelled at will, one dimension each; 300 cannot. Over seeds 0 to 4 the controls
    # have 0.77 to 0.81 and 0.57 to 0.61, the real task 0.85 to 0.89 and 0.84 to 0.86.
    roomy, tight = (run(Logistic(), n_types=n_types, seed=seed, n_controls=3) for n_types in (30, 300))
    assert roomy.accuracy.value > 0.8 and tight.accuracy.value > 0.8
    assert roomy.controls.mean() > 0.7 and roomy.selectivity < 0.15
    assert tight.controls.mean() < 0.65 and tight.selectivity > 0.2


def test_the_control_is_a_fit_on_labels_of_types_written_out():
    train, types = words(200, n_types=10, seed=0)
    test, types_test = words(200, n_types=10, seed=1)
    found = selectivity(
        MeanDifference(), train, types=types, test=test, types_test=types_test, n_controls=1, random_state=7
    )
    names = sorted(set(types))
    n_positive = round(train.y.mean() * len(names))
    drawn = dict(zip(names, stream(7, "control", 0).permutation(np.arange(len(names)) < n_positive), strict=True))
    probe = MeanDifference().fit(train.X, [int(drawn[word]) for word in types])
    right = [
        (score > 0) == drawn[word] for score, word in zip(probe.decision_function(test.X), types_test, strict=True)
    ]
    assert found.controls[0] == pytest.approx(np.mean(right))
    assert found.selectivity == pytest.approx(found.accuracy.value - np.mean(right))


def test_rows_of_types_that_train_has_not_are_left_out_and_counted():
    train, types = words(300, n_types=10, seed=0)
    test, types_test = words(300, n_types=10, seed=1)
    renamed = np.where(np.arange(300) < 60, "new", types_test)
    found = selectivity(MeanDifference(), train, types=types, test=test, types_test=renamed)
    assert (found.n_rows, found.n_unseen) == (240, 60)
    kept = selectivity(
        MeanDifference(), train, types=types, test=test.select(np.arange(60, 300)), types_test=types_test[60:]
    )
    assert kept.accuracy == found.accuracy
    np.testing.assert_array_equal(kept.controls, found.controls)
    with pytest.raises(ArrayError, match="No type of the test rows is in train"):
        selectivity(MeanDifference(), train, types=types, test=test, types_test=np.full(300, "new"))


def test_the_interval_counts_types_and_not_rows():
    found = run(MeanDifference(), n_types=30)
    assert isinstance(found.accuracy, Estimate)
    assert found.accuracy.n <= 30


def test_where_the_label_is_a_function_of_the_type_nothing_is_selective():
    # the property must fail here: real task and control are of one kind
    train, types = words(600, n_types=20, seed=0, shift=0.0, size=3.0)
    test, types_test = words(600, n_types=20, seed=1, shift=0.0, size=3.0)
    by_type = [
        Activations(rows.X, ids=rows.ids, y=names.astype(int) % 2)
        for rows, names in ((train, types), (test, types_test))
    ]
    found = selectivity(Logistic(), by_type[0], types=types, test=by_type[1], types_test=types_test, n_controls=3)
    assert found.accuracy.value > 0.95
    assert abs(found.selectivity) < 0.05


def test_a_rare_label_still_gives_controls_of_both_classes():
    train, types = words(300, n_types=5, seed=0)
    rare = Activations(train.X, ids=train.ids, y=(np.arange(300) < 2).astype(int))
    found = selectivity(MeanDifference(), rare, types=types, test=rare, types_test=types, n_controls=2)
    assert np.isfinite(found.controls).all()


def test_what_cannot_be_controlled_is_refused():
    train, types = words(50, n_types=5, seed=0)
    given = {"test": train, "types_test": types}
    with pytest.raises(ArrayError, match="49 and 50 types for 50 train and 50 test rows"):
        selectivity(MeanDifference(), train, types=types[:49], **given)
    with pytest.raises(ArrayError, match="one type only"):
        selectivity(MeanDifference(), train, types=np.full(50, "a"), **given)
    with pytest.raises(SpecError, match="n_controls is 0"):
        selectivity(MeanDifference(), train, types=types, n_controls=0, **given)
