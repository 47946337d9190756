"""Five seeds for tests that take half a second or more each: three in every run, and two among the slow tests."""

from __future__ import annotations

import pytest

_SLOW = [pytest.param(seed, marks=pytest.mark.slow) for seed in (3, 4)]
five_seeds = pytest.mark.parametrize("seed", [0, 1, 2, *_SLOW])
