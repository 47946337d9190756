"""Probing after the measurements were erased: what is erased, what is left, and where that helps."""

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError, NoDirectionError
from tiltmeter.erasure import pace
from tiltmeter.evaluation import auroc, tampering_table
from tiltmeter.probes import Logistic, logistic, tampered_activations, tampering_probe


@pytest.fixture(scope="module")
def planted():
    return tampered_activations(0)


def test_it_equals_a_projection_written_out_and_a_fit_on_trusted_train_rows(planted):
    X, rows = planted.X, planted.rows
    train = rows.split == "train"
    on = rows.measurements.all(axis=1)
    difference = X[train & on].mean(axis=0) - X[train & ~on].mean(axis=0)
    center = X[train].mean(axis=0)
    erased = X - np.outer((X - center) @ difference, difference) / (difference @ difference)
    kept = train & rows.is_trusted
    expected = Logistic(penalty_scale="within").fit(erased[kept], on[kept].astype(int)).decision_function(erased)
    found = pace(X, rows)
    assert np.allclose(found.decision_function(X), expected, atol=1e-6)
    assert found.eraser.rank == 1


def test_training_on_the_measurements_again_would_find_nothing(planted):
    # why the step in between is left out
    train = planted.rows.is_train
    erased = pace(planted.X, planted.rows).eraser(planted.X)[train]
    found = logistic(erased, planted.rows.all_on[train].astype(int), penalty_scale="within")
    assert np.linalg.norm(found.vector) < 1e-8


def test_what_was_erased_no_longer_tells_all_on_from_the_others_on_the_rows_of_the_fit(planted):
    train = planted.rows.is_train
    on = planted.rows.all_on[train].astype(int)
    erased = pace(planted.X, planted.rows).eraser(planted.X[train])
    assert np.allclose(erased[on == 1].mean(axis=0), erased[on == 0].mean(axis=0), atol=1e-8)
    own = tampering_probe(planted.X, planted.rows, method="measurements").decision_function(planted.X[train])
    assert auroc(on, own) > 0.9


def test_it_beats_trusted_rows_alone_where_measurements_are_loud():
    for seed in range(5):
        planted = tampered_activations(seed, evidence=2.5, measured=3.0)
        scores = {
            "pace": pace(planted.X, planted.rows).decision_function(planted.X),
            "trusted": tampering_probe(planted.X, planted.rows, method="trusted").decision_function(planted.X),
        }
        erased, trusted = tampering_table(planted.rows, planted.truth, scores=scores, n_draws=20)
        assert erased.auroc.value > trusted.auroc.value + 0.03


def test_only_train_rows_are_looked_at(planted):
    spoiled = np.where(planted.rows.is_train[:, None], planted.X, 1e6)
    one, other = pace(planted.X, planted.rows), pace(spoiled, planted.rows)
    assert np.array_equal(one.probe.direction_, other.probe.direction_)
    assert np.array_equal(one.eraser(planted.X), other.eraser(planted.X))


def test_what_cannot_be_is_refused(planted):
    with pytest.raises(ArrayError, match="X has 5 rows, and 6400 were measured"):
        pace(planted.X[:5], planted.rows)
    with pytest.raises(NoDirectionError):
        pace(0 * planted.X, planted.rows)
