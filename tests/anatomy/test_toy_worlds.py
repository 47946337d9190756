"""Toy worlds: rates, correlation, and what is planted."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.anatomy import WORLDS, sparse_world, toy_world
from tiltmeter.core.errors import SpecError


def activity(world) -> np.ndarray:
    """Which features are active in rows that have no more dimensions than features: exactly recoverable."""
    return np.abs(world.X @ np.linalg.pinv(world.truth)) > 1e-5


def test_features_are_active_as_often_as_their_decay_says():
    world = sparse_world(20_000, n_features=20, d=20, n_active=3, decay=0.9)
    rates = activity(world).mean(axis=0)
    odds = 0.9 ** np.arange(20)
    expected = 3 * odds / odds.sum()
    # rows without any get one at random, which adds the same small share to each
    extra = np.prod(1 - expected) / 20
    np.testing.assert_allclose(rates, expected + extra, atol=0.015)
    assert activity(world).any(axis=1).all()


def test_correlated_features_come_in_company_at_the_same_rates():
    alone, together = (sparse_world(20_000, n_features=20, d=20, n_active=3, correlated=flag) for flag in (False, True))
    apart, close = (np.corrcoef(activity(world).T) - np.eye(20) for world in (alone, together))
    assert np.abs(apart).max() < 0.05 < 0.15 < np.abs(close).max()
    np.testing.assert_allclose(activity(alone).mean(), activity(together).mean(), atol=0.02)


def test_a_seed_makes_a_world_and_another_seed_another():
    for kind in WORLDS:
        first, again, other = (toy_world(kind, 50, seed=seed) for seed in (0, 0, 1))
        np.testing.assert_array_equal(first.X, again.X)
        assert not np.array_equal(first.X, other.X)


def test_clusters_lie_about_their_centres_and_noise_about_nothing():
    world = toy_world("clusters", 500)
    nearest = np.linalg.norm(world.X[:, None] - world.truth[None], axis=2).min(axis=1)
    assert world.truth.shape == (12, 32) and abs(np.mean(nearest**2) - 32 * 0.01) < 0.03
    noise = toy_world("noise", 5000)
    assert noise.truth is None and abs(float(np.mean(np.sum(noise.X**2, axis=1))) - 1) < 0.02


def test_worlds_that_cannot_be_are_refused():
    with pytest.raises(SpecError, match="no toy world"):
        toy_world("torus", 10)
    with pytest.raises(SpecError, match="more than certain"):
        sparse_world(10, n_features=4, n_active=5)
