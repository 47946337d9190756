"""AUROC, TPR at a rate and calibration error on 1,000 random cases, against scikit-learn or loops written out."""

import numpy as np
import pytest
from sklearn.calibration import calibration_curve
from sklearn.metrics import roc_auc_score, roc_curve

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import (
    Resampling,
    auroc,
    expected_calibration_error,
    ranking_estimates,
    tpr_at_fpr,
)

CASES = 1000


def cases():
    """Few and many rows; scores without ties, with many, constant; rare and absent classes."""
    for seed in range(CASES):
        rng = np.random.default_rng(seed)
        n = int(rng.integers(2, 80))
        y = (rng.random(n) < rng.choice([0.02, 0.3, 0.5, 0.9])).astype(np.int64)
        scores = rng.normal(size=n) + rng.choice([0.0, 1.0, 5.0]) * y
        step = rng.choice([0.0, 0.5, 2.0, 100.0])
        yield rng, y, np.floor(scores / step) if step else scores


def once(n):
    # one draw of every row: these tests look at values, not at intervals
    return Resampling(np.ones((2, n)), n, "rows", 0.95, 0)


def naive_tpr(y, scores, fpr):
    """Over every threshold, the largest share of positives above it where the share of negatives is at most ``fpr``."""
    best = 0.0
    for threshold in [*scores, -np.inf]:
        if np.sum(scores[y == 0] > threshold) <= fpr * np.sum(y == 0) + 1e-9:
            best = max(best, float(np.mean(scores[y == 1] > threshold)))
    return best


def naive_error(y, p, *, mass, n_bins):
    edges = np.quantile(p, np.linspace(0, 1, n_bins + 1)) if mass else np.linspace(0, 1, n_bins + 1)
    total = 0.0
    for i in range(n_bins):
        lower = -np.inf if i == 0 else edges[i]
        upper = np.inf if i == n_bins - 1 else edges[i + 1]
        rows = [j for j in range(len(p)) if lower < p[j] <= upper]
        total += abs(sum(y[j] - p[j] for j in rows))
    return total / len(p)


@pytest.mark.long
def test_auroc_and_tpr_are_those_of_scikit_learn_and_of_the_definition():
    absent = 0
    for rng, y, scores in cases():
        fpr = float(rng.choice([0.0, 0.01, 0.1, 0.5, 1.0]))
        found = ranking_estimates(y, scores, fpr=max(fpr, 0.01), by=once(len(y)))
        if len(np.unique(y)) < 2:
            absent += 1
            assert isinstance(found.auroc, Unavailable) and isinstance(found.tpr, Unavailable)
            with pytest.raises(ArrayError, match="one class only"):
                auroc(y, scores)
            continue
        area = auroc(y, scores)
        assert area == pytest.approx(roc_auc_score(y, scores), abs=1e-12)
        # nothing is known of how a class of one row varies, and nothing of fewer than eight rows
        if len(y) < 8 or (min(y.sum(), (1 - y).sum()) < 2 and area not in (0.0, 1.0)):
            assert isinstance(found.auroc, Unavailable)
        else:
            assert found.auroc.value == area and 0 <= found.auroc.low <= area <= found.auroc.high <= 1
            assert found.auroc.low < found.auroc.high or len(np.unique(scores)) == 1
        tpr = tpr_at_fpr(y, scores, fpr=fpr)
        assert tpr == pytest.approx(naive_tpr(y, scores, fpr), abs=1e-12)
        false, true, _ = roc_curve(y, scores, drop_intermediate=False)
        assert tpr == pytest.approx(true[false <= fpr + 1e-12].max(), abs=1e-12)
        if len(np.unique(scores)) == 1:
            assert area == 0.5 and tpr == (1.0 if fpr == 1.0 else 0.0)
    assert 50 < absent < 500


@pytest.mark.long
def test_calibration_error_is_that_of_scikit_learns_curve_and_of_the_definition():
    for number, (rng, y, scores) in enumerate(cases()):
        p = (scores - scores.min()) / (np.ptp(scores) or 1.0)
        n_bins = int(rng.choice([1, 5, 10]))
        kind = ("equal_mass", "equal_width")[number % 2]
        found = expected_calibration_error(y, p, by=once(len(y)), bins=kind, n_bins=n_bins)
        if len(np.unique(y)) < 2 or len(y) < 8:
            assert isinstance(found, Unavailable)
            continue
        assert found.value == pytest.approx(naive_error(y, p, mass=kind == "equal_mass", n_bins=n_bins), abs=1e-12)
        strategy = "quantile" if kind == "equal_mass" else "uniform"
        share, mean = calibration_curve(y, p, n_bins=n_bins, strategy=strategy)
        edges = np.quantile(p, np.linspace(0, 1, n_bins + 1)) if kind == "equal_mass" else np.linspace(0, 1, n_bins + 1)
        filled = np.unique(np.searchsorted(edges[1:-1], p), return_counts=True)[1]
        assert found.value == pytest.approx(np.sum(filled * abs(share - mean)) / len(p), abs=1e-9)
