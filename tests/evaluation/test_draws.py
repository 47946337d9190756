"""Means over runs and what more of something adds, against loops over draws."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation import auroc_gain, mean_auroc, ranking_estimates, resampling


def _rows(seed: int, *, n: int = 80, gap: float = 1.0, runs: int = 3) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = rng.permutation(n) % 2
    return y, gap * y + rng.normal(size=(runs, n))


@pytest.mark.long
def test_the_mean_is_over_runs_and_one_run_is_the_figure_of_that_run() -> None:
    y, runs = _rows(0)
    by = resampling(80, groups=None, n_draws=200)
    found = mean_auroc(y, runs, by=by)
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(np.mean([roc_auc_score(y, run) for run in runs]))
    draws = [
        np.mean([roc_auc_score(y, run, sample_weight=weights) for run in runs])
        for weights in by.weights
        if len(np.unique(y[weights > 0])) == 2
    ]
    assert found.low < np.quantile(draws, 0.1) < found.value < np.quantile(draws, 0.9) < found.high
    alone = mean_auroc(y, runs[:1], by=by)
    assert isinstance(alone, Estimate)
    figure = ranking_estimates(y, runs[0], fpr=0.1, by=by).auroc
    assert isinstance(figure, Estimate)
    assert alone.value == pytest.approx(figure.value)


def test_a_gain_is_paired() -> None:
    y, runs = _rows(1, gap=1.0)
    by = resampling(80, groups=None, n_draws=500)
    better = runs[0] + 0.3 * y  # row by row what it was before, and a little more
    found = auroc_gain(y, better, before=runs[:1], by=by)
    assert isinstance(found, Estimate)
    assert found.value == pytest.approx(roc_auc_score(y, better) - roc_auc_score(y, runs[0]))
    assert found.low > 0
    nothing = auroc_gain(y, runs[0], before=runs[:1], by=by)
    assert isinstance(nothing, Estimate)
    assert nothing.value == nothing.low == nothing.high == 0


def test_where_all_is_in_order_the_doubt_is_not_nil() -> None:
    y, runs = _rows(2, gap=1.0)
    found = auroc_gain(y, y.astype(float), before=runs, by=resampling(80, groups=None, n_draws=200))
    assert isinstance(found, Estimate)
    assert found.low < found.value < found.high
    sure = mean_auroc(y, np.stack([y.astype(float)] * 2), by=resampling(80, groups=None, n_draws=200))
    assert isinstance(sure, Estimate)
    assert sure.low < sure.value == 1


def test_one_class_has_no_figure() -> None:
    by = resampling(10, groups=None, n_draws=100)
    y, scores = np.ones(10, dtype=int), np.arange(10.0)
    assert isinstance(mean_auroc(y, scores[None], by=by), Unavailable)
    assert isinstance(auroc_gain(y, scores, before=scores[None], by=by), Unavailable)
