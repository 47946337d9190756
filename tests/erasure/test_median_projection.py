import numpy as np
import pytest

from tests.erasers import gap, rows
from tiltmeter.core.errors import ArrayError, NoDirectionError
from tiltmeter.erasure import MedianProjection, mean_projection, median_projection
from tiltmeter.numerics import geometric_median, tukey_median


def counterexample(seed, n=4000):
    """Class s = ±1: nine tenths at s, one tenth at −9 s, so that class means are equal; noise beside."""
    rng = np.random.default_rng(seed)
    z = np.arange(n) % 2
    s = 2.0 * z - 1
    loud = np.where(np.arange(n) < n // 10, -9 * s, s)
    return np.column_stack([loud, 0.3 * rng.normal(size=(n, 2)) + 0.2 * z[:, None] * [0, 1]]), z


def best_threshold(values, z):
    order = np.argsort(values, kind="stable")
    hits = np.cumsum(np.where(z[order] == 0, 1, -1)) + (z == 1).sum()
    # a threshold lies between different values only
    is_end = np.append(np.diff(values[order]) > 1e-9, True)
    share = hits[is_end] / len(z)
    return max(share.max(), 1 - share.min(), z.mean(), 1 - z.mean())


@pytest.mark.parametrize("seed", range(5))
def test_what_equal_means_leave_to_a_threshold_equal_medians_take(seed):
    X, z = counterexample(seed)
    after_mean, after_median = mean_projection(X, z)(X), median_projection(X, z)(X)
    assert best_threshold(after_mean[:, 0], z) == pytest.approx(0.9, abs=0.001)
    direction = np.random.default_rng(seed).normal(size=(400, 3))
    readable = max(best_threshold(after_median @ v, z) for v in np.vstack([np.eye(3), direction]))
    # 0.612 where published, with other noise beside, which is not known
    assert readable == pytest.approx(0.561, abs=0.005)


@pytest.mark.parametrize("center", ["geometric", "tukey"])
def test_it_is_the_projection_along_the_difference_of_the_medians(center):
    X, z, _ = rows(200, 4)
    find = geometric_median if center == "geometric" else tukey_median
    delta = find(X[z == 1]).center - find(X[z == 0]).center
    P = median_projection(X, z, center=center).matrix()
    np.testing.assert_allclose(P, np.eye(4) - np.outer(delta, delta) / (delta @ delta), atol=1e-10)


def test_a_few_rows_far_away_turn_the_mean_and_not_the_median():
    X, z, _ = rows(400, 6, shift=6.0)
    bad = X.copy()
    bad[np.flatnonzero(z)[:5]] += 1e4 * np.eye(6)[0]
    turned = [abs(method(X, z).right[0] @ method(bad, z).right[0]) for method in (mean_projection, median_projection)]
    assert turned[0] < 0.3 and turned[1] > 0.99


def test_means_may_still_differ_and_the_guarantee_says_so():
    X, z = counterexample(0)
    X[:, 1] = np.where(z == 1, np.abs(X[:, 1]) ** 3, -X[:, 1])
    eraser = median_projection(X, z)
    assert gap(eraser(X), z, like=X) > 1e-3
    assert "Class means may still differ" in eraser.guarantee


def test_three_classes_take_two_directions():
    rng = np.random.default_rng(0)
    z = np.arange(300) % 3
    X = rng.normal(size=(300, 5)) + 5 * np.eye(5)[z]
    eraser = median_projection(X, z)
    assert eraser.rank == 2
    medians = np.stack([geometric_median(X[z == i]).center for i in range(3)])
    np.testing.assert_allclose(eraser(medians) - eraser(medians)[0], 0.0, atol=1e-9)


def test_equal_medians_and_a_class_without_weight_are_refused():
    X, z, _ = rows(100, 4)
    with pytest.raises(NoDirectionError, match="class medians coincide"):
        MedianProjection().fit(np.vstack([X, X]), np.repeat([0, 1], 100))
    with pytest.raises(ArrayError, match="A class of z has no weight"):
        MedianProjection().fit(X, z, sample_weight=z)
