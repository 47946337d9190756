"""Sums, maxima and weights within ragged texts, against a loop over the texts."""

from itertools import pairwise

import numpy as np
import pytest

from tiltmeter.probes import _segments
from tiltmeter.probes._segments import Segments, TokenRows, Windows, token_scale

LENGTHS = np.array([3, 1, 7, 2, 12])
OFFSETS = np.append(0, np.cumsum(LENGTHS))
VALUES = np.random.default_rng(0).normal(size=(25, 2))


def each_text(function):
    return np.array([function(VALUES[a:b]) for a, b in pairwise(OFFSETS)])


def test_sums_means_and_maxima_are_those_of_a_loop_over_texts():
    segments = Segments(OFFSETS)
    np.testing.assert_allclose(segments.sum(VALUES), each_text(lambda v: v.sum(axis=0)))
    np.testing.assert_allclose(segments.mean(VALUES), each_text(lambda v: v.mean(axis=0)))
    np.testing.assert_allclose(segments.mean_rows(VALUES), each_text(lambda v: v.mean(axis=0)))
    np.testing.assert_array_equal(segments.max(VALUES), each_text(lambda v: v.max(axis=0)))
    np.testing.assert_array_equal(segments.spread(segments.max(VALUES))[3:5], [VALUES[3], VALUES[4:11].max(axis=0)])


def test_softmax_weights_sum_to_one_within_a_text_and_survive_large_logits():
    weights = Segments(OFFSETS).softmax(1000 * VALUES)
    assert np.isfinite(weights).all()
    np.testing.assert_allclose(Segments(OFFSETS).sum(weights), 1.0)
    np.testing.assert_allclose(
        Segments(OFFSETS).softmax(VALUES)[:3], np.exp(VALUES[:3]) / np.exp(VALUES[:3]).sum(axis=0)
    )


@pytest.mark.parametrize("window", [1, 2, 3, 5, 30])
def test_runs_stay_within_a_text_and_a_short_text_is_one_run(window):
    expected = []
    for a, b in pairwise(OFFSETS):
        starts = range(a, max(b - window, a) + 1)
        expected += [VALUES[i : min(i + window, b)].mean(axis=0) for i in starts]
    windows = Windows(Segments(OFFSETS), window)
    np.testing.assert_allclose(windows.mean(VALUES), expected)
    # spread is the transpose of mean: <spread(r), v> = <r, mean(v)>
    runs = np.random.default_rng(1).normal(size=windows.mean(VALUES).shape)
    np.testing.assert_allclose((windows.spread(runs) * VALUES).sum(axis=0), (runs * windows.mean(VALUES)).sum(axis=0))


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_products_with_rows_taken_in_parts_are_those_of_scaled_rows(dtype, monkeypatch):
    rng = np.random.default_rng(2)
    X = (rng.normal(size=(25, 4)) + 50).astype(dtype)
    center, scale = X.mean(axis=0, dtype=np.float64), np.array([1.0, 2.0, np.inf, 0.5])
    scaled = (X.astype(np.float64) - center) / scale
    monkeypatch.setattr(_segments, "_PART", 4 * 7)
    rows, vectors, weights = TokenRows(X, center=center, scale=scale), rng.normal(size=(3, 4)), rng.normal(size=(25, 3))
    np.testing.assert_allclose(rows.dot(vectors), scaled @ vectors.T, atol=1e-12)
    np.testing.assert_allclose(rows.weighted_sums(weights), weights.T @ scaled, atol=1e-12)
    assert (rows.weighted_sums(weights)[:, 2] == 0).all()


def test_the_scale_is_that_of_rows_about_their_class_mean(monkeypatch):
    monkeypatch.setattr(_segments, "_PART", 5 * 7)
    rng = np.random.default_rng(3)
    labels, weights = rng.integers(2, size=40), rng.random(40)
    X = rng.normal(size=(40, 5)) * [1, 10, 1, 1, 1] + 1e4 + 3 * labels[:, None]
    X[:, 3], X[:, 4] = 7.0, 0.3 * labels
    center, variance = token_scale(X, labels, weights)
    np.testing.assert_allclose(center, np.average(X, axis=0, weights=weights), atol=1e-8)
    for j in range(3):
        means = [np.average(X[labels == c, j], weights=weights[labels == c]) for c in (0, 1)]
        expected = (
            sum(w * (x - means[c]) ** 2 for w, x, c in zip(weights, X[:, j], labels, strict=True)) / weights.sum()
        )
        assert variance[j] == pytest.approx(expected, rel=1e-6)
    assert variance[3] == 0.0
    # a feature that says the label exactly has its variance about the common mean
    assert variance[4] == pytest.approx(np.average((X[:, 4] - center[4]) ** 2, weights=weights))
