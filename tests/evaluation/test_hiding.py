"""Pushes that hide: the search finds what the closed form says, and medians have intervals."""

import numpy as np
import pytest
import torch

from tiltmeter.core import Unavailable
from tiltmeter.core.errors import SpecError
from tiltmeter.evaluation import (
    Yardsticks,
    activation_budget,
    linear_budget,
    random_push,
    resampling,
    smallest_push,
    yardsticks,
)

UNITS = Yardsticks(norm=10.0, distance=5.0)
WHERE = ("3.resid_post", "lda", "facts")


def linear(w, b):
    weights = torch.as_tensor(w)
    return lambda rows: rows @ weights + b


def test_on_a_linear_probe_the_search_finds_the_margin_over_the_norm():
    rng = np.random.default_rng(0)
    w, X = 3 * rng.normal(size=20), rng.normal(size=(50, 20))
    found = smallest_push(linear(w, 0.7), X, threshold=0.2, most=8.0)
    expected = np.maximum((X @ w + 0.7 - 0.2) / np.linalg.norm(w), 0.0)
    np.testing.assert_allclose(found, expected, atol=8 * 2**-14 + 1e-9)
    assert (found == 0).sum() > 10


def test_what_the_longest_push_does_not_hide_is_infinite():
    found = smallest_push(linear(np.ones(1), 0.0), np.array([[0.5], [3.0]]), threshold=0.0, most=1.0)
    assert found[0] == pytest.approx(0.5, abs=1e-4) and np.isinf(found[1])


def test_on_a_network_the_push_found_is_enough_and_far_less_than_along_random_directions():
    rng = np.random.default_rng(0)
    first, second = torch.as_tensor(0.1 * rng.normal(size=(30, 16))), torch.as_tensor(np.abs(rng.normal(size=16)))

    def score(rows):
        return torch.tanh(rows @ first) ** 2 @ second

    X = rng.normal(size=(40, 30))
    threshold = 0.7 * float(score(torch.as_tensor(X)).median())
    found = smallest_push(score, X, threshold=threshold, most=5.0)
    lengths = np.linspace(0.1, 5, 50)
    random = random_push(score, X, threshold=threshold, lengths=lengths, count=20, rng=rng)
    # naive twin: no random step of the length found does it
    assert np.isfinite(found).all()
    hidden = np.median(random, axis=1)
    assert (hidden >= found - 0.1).all() and np.median(hidden) > 1.5 * np.median(found)


def test_random_pushes_are_the_first_length_that_hides_either_way():
    X, lengths = np.random.default_rng(1).normal(size=(5, 3)) + 1, np.array([0.5, 1.0, 2.0, 4.0, 8.0])
    w = np.array([1.0, 2.0, -1.0])
    found = random_push(linear(w, 0.0), X, threshold=0.5, lengths=lengths, count=4, rng=np.random.default_rng(2))
    rng = np.random.default_rng(2)
    for k in range(4):
        r = rng.normal(size=3)
        needed = (X @ w - 0.5) / abs(r @ w / np.linalg.norm(r))
        expected = [next((length for length in lengths if length >= n), np.inf) for n in needed]
        np.testing.assert_array_equal(found[:, k], expected)


def test_yardsticks_equal_the_naive_twin_and_skip_pairs_of_one_group():
    X = np.random.default_rng(0).normal(size=(30, 4))
    groups = np.arange(30) // 3
    found = yardsticks(X, groups=groups, rng=np.random.default_rng(0))
    between = [np.linalg.norm(X[i] - X[j]) for i in range(30) for j in range(i) if groups[i] != groups[j]]
    assert found.norm == pytest.approx(np.linalg.norm(X, axis=1).mean())
    assert found.distance == pytest.approx(np.median(between))
    with pytest.raises(SpecError, match="no two of different groups"):
        yardsticks(X, groups=np.zeros(30), rng=np.random.default_rng(0))


def test_medians_and_their_intervals_are_those_of_resampled_groups():
    rng = np.random.default_rng(0)
    push, groups = rng.gamma(2, size=120), np.arange(120) // 2
    by = resampling(120, groups=groups, n_draws=300)
    found = activation_budget(push, random=np.outer(push, [3.0, 4.0, 9.0]), units=UNITS, by=by, where=WHERE)
    assert found.push.value == np.sort(push)[59]  # the lower median
    naive = [np.sort(np.repeat(push, w.astype(int)))[(int(w.sum()) + 1) // 2 - 1] for w in by.weights]
    low, high = np.quantile(naive, [0.025, 0.975])
    assert found.push.low == pytest.approx(low, rel=0.03) and found.push.high == pytest.approx(high, rel=0.03)
    assert found.in_norms.value == pytest.approx(found.push.value / 10)
    assert found.in_distances.value == pytest.approx(found.push.value / 5)
    assert found.random_in_distances.value == pytest.approx(4 * found.push.value / 5)
    assert (found.n_alarms, found.count) == (120, 3)


def test_random_directions_need_about_the_root_of_the_width_more():
    push = np.ones(50)
    for d in (16, 400):
        found = linear_budget(
            push, np.eye(d)[0], units=UNITS, by=resampling(50, groups=None), where=WHERE, rng=np.random.default_rng(0)
        )
        # the median of |cos| is 0.674 / sqrt(d)
        ratio = found.random_in_distances.value / found.in_distances.value
        assert ratio == pytest.approx(np.sqrt(d) / 0.674, rel=0.25)


def test_what_has_no_median_has_a_reason():
    by = resampling(20, groups=None)
    push = np.where(np.arange(20) < 8, 1.0, np.inf)
    found = activation_budget(push, random=np.full((20, 2), np.inf), units=UNITS, by=by, where=WHERE)
    assert isinstance(found.push, Unavailable) and "half of the texts or more" in found.push.reason
    none = activation_budget(np.zeros(0), random=np.zeros((0, 2)), units=UNITS, by=by, where=WHERE)
    assert isinstance(none.push, Unavailable) and "nothing to hide" in none.push.reason


def test_where_texts_do_not_differ_there_is_no_distance_to_measure_by():
    by, alike = resampling(20, groups=None), Yardsticks(norm=1.0, distance=0.0)
    found = activation_budget(np.ones(20), random=np.ones((20, 2)), units=alike, by=by, where=WHERE)
    assert isinstance(found.in_distances, Unavailable) and "no length to measure by" in found.in_distances.reason
    assert found.push.value == 1.0


def test_bad_lengths_are_refused():
    with pytest.raises(SpecError, match="most is 0"):
        smallest_push(linear(np.ones(2), 0.0), np.ones((1, 2)), threshold=0.0, most=0.0)
