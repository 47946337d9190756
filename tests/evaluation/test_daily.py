import numpy as np
import pytest

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import alarms_per_day, conformal_threshold, share, threshold_at_fpr

SCORES = np.random.default_rng(0).normal(size=2000)
CERTIFIED = threshold_at_fpr(SCORES[:1000], population="x")
RATE = share(SCORES[1000:] > CERTIFIED.value)


def test_the_bound_is_the_rate_times_the_negatives_and_the_interval_that_of_the_fresh_units():
    found = alarms_per_day(CERTIFIED, per_day=10_000.0, measured_on="fresh", false_alarm_rate=RATE)
    assert (found.most_false, found.unit, found.guarantee) == (100.0, "row", "confidence")
    assert found.false_alarms.value == pytest.approx(10_000 * RATE.value)
    assert (found.false_alarms.low, found.false_alarms.high) == pytest.approx((10_000 * RATE.low, 10_000 * RATE.high))
    assert (found.false_alarms.n, found.false_alarms.level) == (1000, 0.95)
    assert found.true_alarms == Unavailable(reason="the base rate is not known")


def test_positives_raise_no_false_alarms_and_true_ones_as_they_are_caught():
    caught = share(np.repeat([True, False], [30, 20]))
    found = alarms_per_day(
        CERTIFIED, per_day=1000.0, measured_on="fresh", false_alarm_rate=RATE, base_rate=0.2, caught=caught
    )
    assert found.most_false == pytest.approx(8.0)
    assert found.false_alarms.value == pytest.approx(800 * RATE.value)
    assert found.true_alarms.value == pytest.approx(200 * 0.6)
    assert found.true_alarms.low < found.true_alarms.value < found.true_alarms.high <= 200
    none = alarms_per_day(CERTIFIED, per_day=10.0, measured_on="x", false_alarm_rate=RATE, base_rate=0.5)
    assert none.true_alarms == Unavailable(reason="the share that is caught is not known")


def test_groups_and_averages_are_named():
    threshold = conformal_threshold(SCORES, groups=np.arange(2000) // 2, population="x")
    found = alarms_per_day(threshold, per_day=10.0, measured_on="x", false_alarm_rate=Unavailable(reason="no rows"))
    assert (found.unit, found.guarantee) == ("group", "average")
    assert found.false_alarms == Unavailable(reason="no rows")


def test_no_alarm_seen_is_not_none_to_be_expected():
    rate = share(np.zeros(300, dtype=bool))
    found = alarms_per_day(CERTIFIED, per_day=1000.0, measured_on="x", false_alarm_rate=rate)
    assert found.false_alarms.value == 0 and found.false_alarms.high == pytest.approx(12.2, abs=0.1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"per_day": -1.0}, "per_day is -1"), ({"per_day": np.nan}, "per_day"), ({"base_rate": 1.5}, "base_rate is 1.5")],
)
def test_traffic_and_base_rates_that_cannot_be_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        alarms_per_day(CERTIFIED, **({"per_day": 1.0, "measured_on": "x", "false_alarm_rate": RATE} | changes))
