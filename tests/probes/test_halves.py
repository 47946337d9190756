"""Normalising the halves of contrast pairs, each by itself."""

import numpy as np
import pytest

from tests.contrasts import draw
from tiltmeter.probes._halves import centred_differences, halves

ROWS = draw(30, 5, separations=(3.0,), seed=0, token=10.0)


def naive(X, members):
    """Each half minus its mean, over its average norm, times √d: in loops."""
    made = []
    for side in (0, 1):
        rows = [X[pair[side]] for pair in members]
        mean = sum(rows) / len(rows)
        centred = [row - mean for row in rows]
        average = sum(np.sqrt((row**2).sum()) for row in centred) / len(rows)
        made.append(np.array([row / average * np.sqrt(len(mean)) for row in centred]))
    return made


def naive_concatenated(X, members):
    """The released code: (x⁻, x⁺) as one vector, minus its mean, over its average norm, times √(2d)."""
    joined = np.array([np.concatenate([X[a], X[b]]) for a, b in members])
    joined = joined - joined.mean(axis=0)
    joined = joined / np.mean([np.sqrt((row**2).sum()) for row in joined]) * np.sqrt(joined.shape[1])
    return np.split(joined, 2, axis=1)


@pytest.mark.parametrize(("normalisation", "twin"), [("halves", naive), ("concatenated", naive_concatenated)])
def test_both_published_normalisations_equal_their_naive_twins(normalisation, twin):
    made = halves(ROWS.X, ROWS.members, normalisation=normalisation)
    for half, expected in zip((made.negative, made.positive), twin(ROWS.X, ROWS.members), strict=True):
        np.testing.assert_allclose(half, expected, atol=1e-12)


@pytest.mark.parametrize("normalisation", ["halves", "concatenated", "whole", "none"])
def test_means_and_scales_are_those_that_were_used(normalisation):
    made = halves(ROWS.X, ROWS.members, normalisation=normalisation)
    for side, half in enumerate((made.negative, made.positive)):
        np.testing.assert_allclose(half * made.scales[side] + made.means[side], ROWS.X[ROWS.members[:, side]])


def test_the_mean_of_all_rows_leaves_the_token_in():
    for normalisation, is_gone in (("halves", True), ("concatenated", True), ("whole", False)):
        made = halves(ROWS.X, ROWS.members, normalisation=normalisation)
        gap = np.linalg.norm(made.positive.mean(axis=0) - made.negative.mean(axis=0))
        assert (gap < 1e-12) == is_gone


def test_rescaling_and_moving_a_half_changes_nothing():
    # what makes halves comparable; one scale for both does not give it
    X = ROWS.X.copy()
    X[1::2] = 7 * X[1::2] - 100
    for normalisation, is_same in (("halves", True), ("concatenated", False)):
        here, there = (halves(rows, ROWS.members, normalisation=normalisation) for rows in (ROWS.X, X))
        assert np.allclose(here.positive, there.positive) == is_same


@pytest.mark.parametrize("value", [7.0, 0.1])
def test_a_feature_that_does_not_vary_is_zero_whatever_its_mean_rounds_to(value):
    X = ROWS.X.copy()
    X[:, 2] = value
    made = halves(X, ROWS.members)
    assert not made.negative[:, 2].any() and not made.positive[:, 2].any()
    assert not halves(np.full((6, 3), 0.1), np.arange(6).reshape(3, 2)).positive.any()


def test_centred_differences_have_no_mean_and_no_token():
    differences, middle = centred_differences(ROWS.X, ROWS.members)
    np.testing.assert_allclose(differences.mean(axis=0), 0, atol=1e-12)
    raw = ROWS.X[1::2] - ROWS.X[::2]
    np.testing.assert_allclose(differences, raw - raw.mean(axis=0), atol=1e-12)
    np.testing.assert_allclose(middle, ROWS.X.mean(axis=0), atol=1e-12)


def test_a_constant_difference_leaves_nothing():
    X = np.repeat(np.random.default_rng(0).normal(size=(20, 4)), 2, axis=0)
    X[1::2] += 0.1
    assert not centred_differences(X, np.arange(40).reshape(20, 2))[0].any()
