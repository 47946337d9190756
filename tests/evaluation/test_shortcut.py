"""Does a score follow the nuisance or the label."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation import nuisance_auroc, resampling


def _coupled(n: int, agreement: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    return y, np.where(rng.random(n) < agreement, y, 1 - y)


@pytest.mark.parametrize("agreement", [0.5, 0.9])
def test_a_score_of_the_label_alone_stays_at_chance_whatever_the_coupling(agreement: float) -> None:
    y, cue = _coupled(2000, agreement, seed=0)
    scores = y + np.random.default_rng(1).normal(size=2000)
    found = nuisance_auroc(y, scores, nuisance=cue, by=resampling(2000, groups=None))
    assert isinstance(found, Estimate)
    assert found.low < 0.5 < found.high


def test_a_score_of_the_nuisance_is_found_out_even_where_it_predicts_the_label() -> None:
    y, cue = _coupled(2000, 0.9, seed=0)
    scores = cue + np.random.default_rng(1).normal(size=2000)
    found = nuisance_auroc(y, scores, nuisance=cue, by=resampling(2000, groups=None))
    assert isinstance(found, Estimate)
    assert found.low > 0.65


def test_a_nuisance_that_is_the_label_cannot_be_told_from_it() -> None:
    y = np.arange(100) % 2
    assert isinstance(nuisance_auroc(y, y * 1.0, nuisance=y, by=resampling(100, groups=None)), Unavailable)


def test_a_score_that_is_the_nuisance_has_an_interval_of_some_width() -> None:
    y, cue = np.tile([0, 0, 1, 1], 25), np.tile([0, 1], 50)
    found = nuisance_auroc(y, cue * 1.0, nuisance=cue, by=resampling(100, groups=None))
    assert isinstance(found, Estimate)
    assert (found.value, found.high) == (1.0, 1.0)
    assert found.low < 0.95


def test_a_nuisance_of_one_value_is_none_and_the_reason_says_so() -> None:
    y = np.arange(100) % 2
    found = nuisance_auroc(y, y * 1.0, nuisance=np.zeros(100, dtype=int), by=resampling(100, groups=None))
    assert found == Unavailable(reason="all texts have the same value of the nuisance")
