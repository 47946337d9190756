"""The words of a census follow from its numbers."""

import numpy as np
import pytest

from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.probes import Census, CensusNull, FactGroups

NOTHING = Unavailable(reason="not asked for")


def null(*n_good, mean=0.7, sd=0.1):
    return CensusNull(mean, sd, 0.95, np.array(n_good))


CENSUS = Census(
    method="CCS",
    directions=np.eye(4, 9),
    accuracies=np.array([1.0, 1.0, 0.97, 0.6]),
    aurocs=np.array([1.0, 1.0, 0.99, 0.65]),
    threshold=0.96,
    n_good=3,
    random=null(0, 1, mean=0.72, sd=0.14),
    shuffled=null(0, 1),
    gaussian=null(4, 4),
    ablated=NOTHING,
    fact_groups=NOTHING,
    n_test=500,
    unit="pairs",
    supervision="the pairing is",
)


def test_the_summary_holds_the_count_the_threshold_and_every_null():
    text = CENSUS.summary
    assert text.startswith("3 of 4 orthogonal directions of CCS are more accurate on 500 fresh pairs than 0.96")
    assert "0.72 ± 0.28" in text
    assert "finds 0.5 such directions on average where the pairing is shuffled, and 4.0 in Gaussian noise" in text


def test_the_summary_always_says_what_the_count_is_not():
    for census in (CENSUS, CENSUS._replace(n_good=0), CENSUS._replace(n_good=1)):
        assert "it is not the number of independent features" in census.summary


def test_a_count_that_noise_reaches_is_said_to_be_no_more_than_that():
    assert "no more than what mean and covariance alone give" in CENSUS.summary
    told_nothing = CENSUS._replace(gaussian=null(0), shuffled=null(3))
    assert "no more than what the search gives when told nothing" in told_nothing.summary
    assert "no more than" not in CENSUS._replace(gaussian=null(1)).summary


@pytest.mark.parametrize(("low", "is_said"), [(0.48, True), (0.55, False)])
def test_one_direction_is_said_to_hold_all_only_where_chance_is_left(low, is_said):
    left = Estimate(value=0.58, low=low, high=0.65, n=500, method="exact binomial over rows")
    text = CENSUS._replace(ablated=left).summary
    assert f"an accuracy of 0.58 ({low:.2f} to 0.65)" in text
    assert ("one direction holds what this method can find" in text) == is_said


def test_labelings_that_are_all_consistent_are_counted_in_words():
    text = CENSUS._replace(fact_groups=FactGroups(("a", "b"), 3, 4)).summary
    assert "At least 4 labelings" in text and "2 of 3 groups" in text


def test_where_random_directions_are_perfect_accuracy_is_said_to_tell_nothing():
    assert "accuracy can tell nothing here" in CENSUS._replace(threshold=1.0, n_good=0).summary
    assert "accuracy can tell nothing here" not in CENSUS.summary
