"""Choosing a site and a method."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.evidence import Candidate
from tiltmeter.core.records import Estimate, Unavailable
from tiltmeter.evaluation import choose, fold_estimate


def _candidate(site: str, *aurocs: float) -> Candidate:
    return Candidate(site=site, method="lda", auroc=fold_estimate(np.array(aurocs)), fold_aurocs=aurocs)


def test_the_best_mean_wins_and_the_earliest_among_equals() -> None:
    tried = [_candidate("0", 0.5, 0.6), _candidate("1", 0.9, 0.8), _candidate("2", 0.8, 0.9), _candidate("3", 0.7, 0.7)]
    assert choose(tried).site == "1"


def test_a_candidate_without_a_figure_is_never_chosen() -> None:
    without = Candidate(site="0", method="lda", auroc=Unavailable(reason="none"), fold_aurocs=())
    assert choose([without, _candidate("1", 0.4, 0.4)]).site == "1"
    with pytest.raises(ArrayError, match="could be judged"):
        choose([without])


def test_the_interval_over_folds_is_students() -> None:
    folds = np.array([0.80, 0.84, 0.90, 0.86])
    estimate = fold_estimate(folds)
    assert isinstance(estimate, Estimate)
    reach = 3.1824463 * folds.std(ddof=1) / 2  # t at 0.975 with three degrees of freedom
    assert estimate.value == pytest.approx(folds.mean())
    assert (estimate.low, estimate.high) == pytest.approx((folds.mean() - reach, folds.mean() + reach))


def test_one_fold_has_no_interval() -> None:
    assert isinstance(fold_estimate(np.array([0.9])), Unavailable)
