"""Small dictionaries and short trainings."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.anatomy import Dictionary
from tiltmeter.core.dictionaries import DictionaryRecipe


@pytest.fixture
def small() -> Dictionary:
    """A dictionary of 12 latents in 5 dimensions with random weights."""
    rng = np.random.default_rng(0)
    return Dictionary(rng.normal(size=(12, 5)), rng.normal(size=12), rng.normal(size=(12, 5)), rng.normal(size=5))


@pytest.fixture
def short() -> DictionaryRecipe:
    """A training that is over at once."""
    return DictionaryRecipe(steps=60, batch_size=32)
