import sys

import numpy as np
import pytest
from scipy import stats

from tiltmeter.core.errors import ArrayError, MissingExtraError, SpecError
from tiltmeter.core.operating import RiskThreshold
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import threshold_at_risk

RATE, DISTANCE = 0.3, 2.0
SIMULATIONS = 60


def drawn(n, *, seed, distance=DISTANCE):
    rng = np.random.default_rng(seed)
    y = (rng.random(n) < RATE).astype(np.int64)
    return y, rng.normal(size=n) + distance * y


def truth(metric, threshold):
    caught, false = stats.norm.sf(threshold - DISTANCE), stats.norm.sf(threshold)
    return caught if metric == "recall" else RATE * caught / (RATE * caught + (1 - RATE) * false)


@pytest.mark.parametrize(("metric", "target", "n"), [("recall", 0.9, 300), ("precision", 0.8, 1000)])
def test_the_target_is_missed_no_more_often_than_said(metric, target, n):
    missed, values = 0, []
    for seed in range(SIMULATIONS):
        found = threshold_at_risk(*drawn(n, seed=seed), metric=metric, target=target, population="simulated")
        if isinstance(found, RiskThreshold):
            values.append(truth(metric, found.value))
            missed += values[-1] < target
    # 5 % and three standard errors
    assert missed / SIMULATIONS <= 0.05 + 3 * np.sqrt(0.05 * 0.95 / SIMULATIONS)
    # not by being idle
    assert len(values) > 0.8 * SIMULATIONS
    assert np.mean(values) < target + 0.08


def test_the_plain_threshold_misses_it_half_the_time():
    # the variant that must fail: the lowest threshold at which 90 % of the calibration positives are caught
    missed = 0
    for seed in range(SIMULATIONS):
        y, scores = drawn(300, seed=seed)
        missed += truth("recall", np.quantile(scores[y == 1], 0.1)) < 0.9
    assert missed / SIMULATIONS > 0.3


def test_the_record_says_what_was_measured_and_promised():
    y, scores = drawn(1000, seed=0)
    found = threshold_at_risk(y, scores, metric="recall", target=0.8, confidence=0.9, population="made up")
    assert (found.metric, found.target, found.confidence, found.population) == ("recall", 0.8, 0.9, "made up")
    assert (found.n, found.n_positive) == (1000, y.sum())
    # an alarm is strictly above, and the threshold is a score
    assert found.measured.value == np.mean(scores[y == 1] > found.value) >= 0.8
    assert found.value in scores
    assert RiskThreshold.model_validate_json(found.model_dump_json()) == found
    precise = threshold_at_risk(y, scores, metric="precision", target=0.8, population="made up")
    assert precise.measured.value == np.mean(y[scores > precise.value]) >= 0.8


def test_scores_beyond_0_and_1_and_their_scale_do_not_matter():
    y, scores = drawn(500, seed=1)
    one, other = (
        threshold_at_risk(y, factor * scores - 7, metric="recall", target=0.8, population="x") for factor in (1.0, 1e3)
    )
    assert (other.value + 7) / 1e3 == pytest.approx(one.value + 7)


def test_ties_are_never_divided():
    y, scores = drawn(1000, seed=2)
    rounded = np.round(scores)
    for metric in ("recall", "precision"):
        found = threshold_at_risk(y, rounded, metric=metric, target=0.75, population="x")
        assert found.value in rounded
    one_value = threshold_at_risk(y, np.zeros(1000), metric="recall", target=0.75, population="x")
    assert isinstance(one_value, Unavailable)


def test_what_cannot_be_shown_is_unavailable_with_the_number_needed():
    y = np.repeat([0, 1], [100, 28])
    few = threshold_at_risk(y, y + 0.0, metric="recall", target=0.9, population="x")
    assert few == Unavailable(reason="28 positives cannot show a recall of 0.9 at 0.95 confidence; 29 can")
    blind = threshold_at_risk(*drawn(1000, seed=3, distance=0.0), metric="precision", target=0.9, population="x")
    assert isinstance(blind, Unavailable) and "no threshold could be shown" in blind.reason


def test_a_score_with_the_wrong_sign_is_claimed_nothing_of():
    # all positives lie below all negatives: precision does nothing but rise as the threshold falls
    y = np.repeat([1, 0], [900, 100])
    found = threshold_at_risk(y, np.arange(1000.0), metric="precision", target=0.5, population="x")
    assert isinstance(found, Unavailable)


@pytest.mark.parametrize("changes", [{"target": 1.0}, {"target": 0.0}, {"confidence": 1.0}])
def test_targets_that_cannot_be_are_refused(changes):
    y, scores = drawn(100, seed=4)
    with pytest.raises(SpecError, match="both must lie strictly between 0 and 1"):
        threshold_at_risk(y, scores, **({"metric": "recall", "target": 0.9, "population": "x"} | changes))


def test_one_class_is_refused():
    with pytest.raises(ArrayError, match="0 positives among 50 rows"):
        threshold_at_risk(np.zeros(50, dtype=np.int64), np.arange(50.0), metric="recall", target=0.9, population="x")


def test_without_the_extra_the_error_names_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "mapie.risk_control", None)
    with pytest.raises(MissingExtraError, match=r"the extra risk; run pip install 'tiltmeter\[risk\]'"):
        threshold_at_risk(*drawn(100, seed=5), metric="recall", target=0.9, population="x")
