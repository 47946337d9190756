"""Where the cause is planted: what tells labels best is not what moves the answer, for every seed."""

from __future__ import annotations

import functools

import numpy as np
import pytest

from benchmarks.four_ways import figures, four_ways, planted
from tests.seeds import five_seeds

SEEDS = range(3)


@functools.cache
def _scores(seed: int) -> dict[tuple[str, str], tuple[dict[str, float], dict[str, float]]]:
    """Return the four scores and the best random ones, by method and distribution."""
    names = ("correlation", "manipulation", "termination", "recovery")
    return {
        (method, name): tuple(dict(zip(names, part, strict=True)) for part in figures(found))
        for method, name, found in four_ways(planted(seed), layer=0, seed=seed, n_random=2)
    }


@pytest.mark.long
@five_seeds
def test_logistic_regression_wins_correlation_and_the_mean_difference_the_other_three(seed):
    found = _scores(seed)
    logistic, difference = (found[method, "in distribution"][0] for method in ("logistic", "mean difference"))
    assert logistic["correlation"] > difference["correlation"] + 0.01
    assert difference["manipulation"] > logistic["manipulation"] + 0.05
    assert difference["termination"] > logistic["termination"] + 0.2
    assert difference["recovery"] > logistic["recovery"] + 0.1


@five_seeds
def test_where_the_noise_is_turned_logistic_regression_falls_behind(seed):
    found = _scores(seed)
    logistic, difference = (found[method, "noise turned"][0] for method in ("logistic", "mean difference"))
    assert difference["correlation"] > logistic["correlation"] + 0.04
    assert logistic["correlation"] < found["logistic", "in distribution"][0]["correlation"] - 0.07


@five_seeds
def test_cde_does_what_the_mean_difference_does_and_chance_does_not(seed):
    found = _scores(seed)
    searched, difference = (found[method, "in distribution"][0] for method in ("CDE", "mean difference"))
    for name in ("manipulation", "termination", "recovery"):
        assert searched[name] == pytest.approx(difference[name], abs=0.1)
        best = max(random[name] for _, random in found.values())
        assert searched[name] > best + 0.3


def test_on_average_the_mean_difference_moves_the_answer_further_than_lat():
    moved = {
        method: np.mean([_scores(seed)[method, "in distribution"][0]["manipulation"] for seed in SEEDS])
        for method in ("mean difference", "LAT", "logistic")
    }
    assert moved["mean difference"] > moved["LAT"] > moved["logistic"]
