"""Off-policy monitors on synthetic data: METHODS section 1, "counts as working when", 1 and 3."""

import numpy as np
import pytest
from scipy import stats

from tiltmeter.core import Activations
from tiltmeter.evaluation import auroc, threshold_at_fpr, tpr_at_fpr
from tiltmeter.probes import Logistic, MeanDifference

WIDTH, LENGTH = 30, 20
CONCEPT = np.eye(WIDTH)[0]


def sequences(n, *, is_positive, seed):
    """Draw n texts of 20 tokens of N(0, I_30); one random token of a positive text carries 8 units of the concept."""
    rng = np.random.default_rng([seed, is_positive])
    X = rng.normal(size=(n, LENGTH, WIDTH))
    if is_positive:
        X[np.arange(n), rng.integers(LENGTH, size=n)] += 8.0 * CONCEPT
    return Activations(
        X.reshape(-1, WIDTH),
        ids=np.array([f"text {i}" for i in range(n)]),
        offsets=np.arange(n + 1) * LENGTH,
        y=np.full(n, int(is_positive)),
    )


def token_scores(probe, texts, rule):
    """Score each token, then pool the scores: a token's score is an activation of width one."""
    one = probe.decision_function(texts.X)[:, None]
    return Activations(one, ids=texts.ids, offsets=texts.offsets).pool(rule).X[:, 0]


@pytest.fixture(scope="module")
def probe():
    # as in the experiment: every token of a positive text is a positive row, though 19 in 20 hold no concept
    positive, negative = sequences(150, is_positive=True, seed=0), sequences(150, is_positive=False, seed=0)
    rows = np.concatenate([positive.X, negative.X])
    return Logistic(C=1e-3).fit(rows, np.repeat([1, 0], [len(positive.X), len(negative.X)]))


def test_the_concept_is_found_in_one_token_of_twenty(probe):
    assert probe.direction_ @ CONCEPT > 0.8


def test_max_pooling_beats_mean_pooling_at_one_percent_false_positives(probe):
    positive, benign = sequences(300, is_positive=True, seed=1), sequences(1000, is_positive=False, seed=1)
    y = np.repeat([1, 0], [300, 1000])
    caught, area = {}, {}
    for rule in ("max", "mean"):
        scores = np.concatenate([token_scores(probe, texts, rule) for texts in (positive, benign)])
        # the quantile rule of the experiment, on a benign set of its own
        calibration = token_scores(probe, sequences(1000, is_positive=False, seed=2), rule)
        caught[rule] = (scores[y == 1] > np.quantile(calibration, 0.99)).mean()
        area[rule] = auroc(y, scores)
        assert caught[rule] == pytest.approx(tpr_at_fpr(y, scores, fpr=0.01), abs=0.1)
    assert caught["max"] > 0.9 > caught["mean"] + 0.2
    assert area["max"] > area["mean"] + 0.02


def test_pooling_activations_by_max_beats_pooling_them_by_mean():
    def area(rule):
        train, test = (
            [sequences(200, is_positive=label, seed=seed).pool(rule) for label in (True, False)] for seed in (7, 8)
        )
        y = np.repeat([1, 0], 200)
        probe = MeanDifference().fit(np.concatenate([part.X for part in train]), y)
        return auroc(y, probe.decision_function(np.concatenate([part.X for part in test])))

    assert area("max") > 0.99
    assert area("mean") < area("max") - 0.02


def test_the_false_positive_rate_of_a_third_benign_set_lies_within_binomial_error_of_the_target(probe):
    calibration, third = (token_scores(probe, sequences(2000, is_positive=False, seed=seed), "max") for seed in (3, 4))
    alarms = int((third > np.quantile(calibration, 0.99)).sum())
    # both sets are random: the count is beta-binomial, as the quantile lies between the 20th and 21st of 2,000
    assert stats.betabinom(2000, 20, 1981).ppf(0.001) <= alarms <= stats.betabinom(2000, 21, 1980).ppf(0.999)


def test_the_certified_threshold_keeps_its_rate_and_still_catches(probe):
    calibration, third = (token_scores(probe, sequences(2000, is_positive=False, seed=seed), "max") for seed in (5, 6))
    certified = threshold_at_fpr(calibration, population="texts without the concept").value
    assert certified > np.quantile(calibration, 0.99)
    assert (third > certified).sum() <= stats.binom(2000, 0.01).ppf(0.999)
    assert (token_scores(probe, sequences(300, is_positive=True, seed=5), "max") > certified).mean() > 0.9


# ------------------------------------------------------------ shared and orthogonal concepts


@pytest.mark.parametrize("make", [MeanDifference, Logistic])
@pytest.mark.parametrize("seed", range(5))
def test_a_shared_concept_carries_over_and_an_orthogonal_one_does_not(make, seed):
    """Variant A: x = N(0, I_100) ± 1.5 u. Variant B, shared: ± 1.5 u in rows moved by 2 a. Orthogonal: ± 1.5 v."""
    rng = np.random.default_rng(seed)
    u, v, a = np.linalg.qr(rng.normal(size=(100, 3)))[0].T

    def variant(direction, *, n, moved=0.0):
        y = np.arange(n) % 2
        return rng.normal(size=(n, 100)) + np.outer(3.0 * (y - 0.5), direction) + moved * a, y

    probe = make().fit(*variant(u, n=4000))
    shared, orthogonal = variant(u, n=4000, moved=2.0), variant(v, n=4000, moved=2.0)
    assert auroc(shared[1], probe.decision_function(shared[0])) > 0.9
    assert 0.45 < auroc(orthogonal[1], probe.decision_function(orthogonal[0])) < 0.55
