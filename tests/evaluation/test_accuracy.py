import numpy as np
import pytest
from sklearn.metrics import balanced_accuracy_score

from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import balanced_accuracy, resampling

Y = np.array([0, 0, 0, 1] * 30)


def test_it_is_scikit_learns_balanced_accuracy():
    called = np.random.default_rng(0).random(len(Y)) < 0.3 + 0.4 * Y
    found = balanced_accuracy(Y, called, by=resampling(len(Y), groups=None))
    assert found.value == pytest.approx(balanced_accuracy_score(Y, called))
    assert found.low < found.value < found.high


def test_the_interval_holds_the_truth_in_about_as_many_cases_as_it_says():
    rng = np.random.default_rng(0)
    held = 0
    for _ in range(200):
        called = rng.random(len(Y)) < np.where(Y == 1, 0.8, 0.3)
        found = balanced_accuracy(Y, called, by=resampling(len(Y), groups=None, n_draws=300))
        held += found.low <= 0.75 <= found.high
    assert held / 200 == pytest.approx(0.95, abs=0.04)


def test_whole_groups_are_resampled_so_that_repeated_rows_add_no_certainty():
    called = np.random.default_rng(1).random(len(Y)) < 0.3 + 0.4 * Y
    once = balanced_accuracy(Y, called, by=resampling(len(Y), groups=None))
    thrice = balanced_accuracy(
        np.repeat(Y, 3), np.repeat(called, 3), by=resampling(3 * len(Y), groups=np.repeat(np.arange(len(Y)), 3))
    )
    assert thrice.high - thrice.low == pytest.approx(once.high - once.low, rel=0.05)


def test_without_a_mistake_the_interval_has_a_width():
    found = balanced_accuracy(Y, Y == 1, by=resampling(len(Y), groups=None))
    assert found.value == found.high == 1.0
    assert found.low < 0.95


def test_one_class_has_no_such_figure():
    by = resampling(4, groups=None)
    found = balanced_accuracy(np.zeros(4, dtype=np.int64), np.ones(4, dtype=bool), by=by)
    assert isinstance(found, Unavailable) and "one class only" in found.reason
