"""A few positives of the model's own beside those written for it: METHODS section 1, "counts as working", 5."""

import numpy as np
import pytest

from tiltmeter.evaluation import threshold_at_fpr
from tiltmeter.probes import LDA, Logistic, MeanDifference

WIDTH, N_OFF, SHIFT, COUNTS = 30, 43, 8.0, (0, 1, 2, 4, 8, 16)
OFF_POLICY = np.eye(WIDTH)[0]
# the two ways to hold the concept have a cosine of 0.3
ON_POLICY = 0.3 * OFF_POLICY + np.sqrt(1 - 0.3**2) * np.eye(WIDTH)[1]


def curve(probe, *, seed):
    """TPR on fresh on-policy rows at a threshold certified on other negatives, for each number of on-policy positives.

    Rows are N(0, I_30); a positive row is shifted by 8 along its policy's direction. 43 off-policy positives, 400
    negatives; k on-policy positives are added, the first k of the same 16.
    """
    rng = np.random.default_rng(seed)
    negatives = rng.normal(size=(400, WIDTH))
    off = rng.normal(size=(N_OFF, WIDTH)) + SHIFT * OFF_POLICY
    on = rng.normal(size=(max(COUNTS), WIDTH)) + SHIFT * ON_POLICY
    benign, fresh = rng.normal(size=(1000, WIDTH)), rng.normal(size=(500, WIDTH)) + SHIFT * ON_POLICY
    found = []
    for k in COUNTS:
        X = np.concatenate([negatives, off, on[:k]])
        y = np.repeat([0, 1], [len(negatives), N_OFF + k])
        probe.fit(X, y)
        threshold = threshold_at_fpr(probe.decision_function(benign), fpr=0.01, population="benign rows")
        found.append(float((probe.decision_function(fresh) > threshold.value).mean()))
    return found


@pytest.mark.parametrize("probe", [MeanDifference(), LDA(), Logistic(C=0.1, penalty_scale="within")], ids=str)
def test_a_few_on_policy_positives_close_the_gap_and_never_widen_it(probe):
    curves = np.array([curve(probe, seed=seed) for seed in range(10)])
    mean, noise = curves.mean(axis=0), curves.std(axis=0, ddof=1) / np.sqrt(len(curves))
    assert mean[0] < 0.6
    assert (np.diff(mean) >= -2 * np.hypot(noise[1:], noise[:-1])).all()
    assert mean[-1] > 0.95
