"""Numbers on an even grid of few steps are told from numbers that were drawn."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.numerics import share_on_grid


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_rows_that_were_rounded_to_few_levels_lie_on_a_grid_and_drawn_ones_do_not(bits):
    X = np.random.default_rng(0).normal(size=(200, 32)).astype(np.float32)
    scale = np.abs(X).max(axis=1, keepdims=True) / (2 ** (bits - 1) - 1)
    assert share_on_grid(np.round(X / scale) * scale, resolution=6e-8) == 1.0
    assert share_on_grid(X, resolution=6e-8) == 0.0


def test_uneven_zero_points_and_a_share_of_the_rows_are_seen_too():
    X = np.random.default_rng(1).uniform(-1, 3, size=(100, 32))
    low, step = X.min(axis=1, keepdims=True), (X.max(axis=1, keepdims=True) - X.min(axis=1, keepdims=True)) / 255
    rounded = low + np.round((X - low) / step) * step
    assert share_on_grid(np.concatenate([rounded[:30], X[30:]]), resolution=6e-8) == 0.3


def test_a_grid_of_256_steps_is_too_fine_and_one_that_rounding_hides_is_not_claimed():
    X = np.random.default_rng(2).integers(0, 257, size=(50, 64)).astype(float)
    X[:, 0], X[:, 1], X[:, 2] = 0, 256, 1
    assert share_on_grid(X, resolution=6e-8) == 0.0
    assert share_on_grid(X / 2, resolution=6e-8, most_steps=256) == 1.0
    # in bfloat16 a value of 255 steps may be off by a whole step: nothing can be said
    assert share_on_grid(X, resolution=0.004, most_steps=256) == 0.0


def test_rows_of_one_value_and_no_rows_are_on_no_grid():
    assert share_on_grid(np.ones((3, 32)), resolution=6e-8) == 0.0
    assert share_on_grid(np.ones((0, 32)), resolution=6e-8) == 0.0
