"""The test that alarms come too often is rarely wrong however long one looks, and finds a rate that has risen."""

import math

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.evaluation import AlarmDrift, AlarmDriftState

FACTORS = np.array([1.5, 2.0, 4.0, 8.0, 16.0])


def capital(alarms, fpr):
    """The sum over starts and rates, every likelihood ratio on its own."""
    total = 1 / (len(alarms) + 1)
    for start in range(1, len(alarms) + 1):
        for factor in FACTORS:
            q = min(fpr * factor, (1 + fpr) / 2)
            ratio = 1.0
            for alarm in alarms[start - 1 :]:
                ratio *= q / fpr if alarm else (1 - q) / (1 - fpr)
            total += ratio / (start * (start + 1)) / len(FACTORS)
    return total


def first_alarms(raised, *, fpr, alpha):
    """The step of the alarm of many streams at once, (streams, t); infinite where there is none."""
    rates = np.minimum(fpr * FACTORS, (1 + fpr) / 2)[:, None]
    won, found = np.zeros((len(FACTORS), len(raised))), np.full(len(raised), math.inf)
    for t in range(1, raised.shape[1] + 1):
        factor = np.where(raised[:, t - 1], rates / fpr, (1 - rates) / (1 - fpr))
        won = np.minimum((won + 1 / (t * (t + 1)) / len(FACTORS)) * factor, 1e200)
        found = np.where(np.isinf(found) & (won.sum(axis=0) + 1 / (t + 1) >= 1 / alpha), t, found)
    return found


@pytest.mark.parametrize("fpr", [0.01, 0.2, 0.9])
def test_the_evidence_equals_the_sum_of_likelihood_ratios(fpr):
    alarms = np.random.default_rng(0).random(40) < 0.3
    test = AlarmDrift(fpr=fpr, alpha=0.01).update(alarms)
    assert test.won.evidence == pytest.approx(capital(alarms, fpr))
    expected = first_alarms(alarms[None], fpr=fpr, alpha=0.01)[0]
    assert test.won.raised_at == (None if math.isinf(expected) else expected)


@pytest.mark.parametrize("fpr", [0.01, 0.05])
def test_at_the_promised_rate_no_more_alarms_are_raised_than_alpha_over_10_000_units(fpr):
    alpha, n = 0.05, 1500
    raised = np.random.default_rng(0).random((n, 10_000), dtype=np.float32) < fpr
    share = np.isfinite(first_alarms(raised, fpr=fpr, alpha=alpha)).mean()
    assert share <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / n)
    assert share > alpha / 20


def test_looking_every_day_at_an_ordinary_test_raises_many_false_alarms():
    # the variant that must fail: an exact binomial test at 5 %, looked at every 100 units
    from scipy import stats

    counts = np.cumsum(np.random.default_rng(0).random((300, 10_000)) < 0.01, axis=1)[:, 99::100]
    looked = stats.binom.sf(counts - 1, np.arange(100, 10_001, 100), 0.01) < 0.05
    assert looked.any(axis=1).mean() > 0.15


def test_alarms_that_cluster_are_no_drift_so_long_as_each_is_as_rare_as_promised_given_the_past():
    # the rate of each day is drawn between 0 and what was promised
    rng = np.random.default_rng(1)
    rates = np.repeat(0.01 * rng.random((400, 40)), 50, axis=1)
    found = first_alarms(rng.random(rates.shape) < rates, fpr=0.01, alpha=0.05)
    assert np.isfinite(found).mean() <= 0.05


@pytest.mark.parametrize(("rate", "delay"), [(0.02, 2500), (0.05, 350), (0.2, 60)])
def test_a_rate_that_rises_after_1_000_units_is_found(rate, delay):
    rng = np.random.default_rng(0)
    raised = np.concatenate([rng.random((40, 1000)) < 0.01, rng.random((40, 5000)) < rate], axis=1)
    found = first_alarms(raised, fpr=0.01, alpha=0.01) - 1000
    assert 0 < np.median(found) < delay


def test_a_stream_that_is_cut_kept_and_resumed_ends_where_one_that_ran_through_does():
    alarms = np.random.default_rng(0).random(500) < 0.05
    whole = AlarmDrift(fpr=0.01, alpha=0.01).update(alarms)
    kept = AlarmDrift(fpr=0.01, alpha=0.01).update(alarms[:123]).state().model_dump_json()
    resumed = AlarmDrift.resume(AlarmDriftState.model_validate_json(kept)).update(alarms[123:])
    assert resumed.state() == whole.state()
    assert whole.won.raised_at is not None


def test_bad_input_is_refused():
    with pytest.raises(SpecError, match=r"fpr is 0\.0"):
        AlarmDrift(fpr=0.0)
    with pytest.raises(SpecError, match=r"alpha is 0\.0"):
        AlarmDrift(fpr=0.1, alpha=0.0)
    state = AlarmDrift(fpr=0.1).state()
    with pytest.raises(ArrayError, match="holds 1 bets; it needs 5"):
        AlarmDrift.resume(state.model_copy(update={"won": state.won.model_copy(update={"capitals": (0.0,)})}))
