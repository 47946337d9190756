"""The gap recovered is a ratio of two leads over chance; without a gap there is none."""

import numpy as np
import pytest

from tiltmeter.core import Estimate, Unavailable
from tiltmeter.evaluation import auroc, gap_recovered, resampling


def drawn(n=400, *, easy=1.0, hard=2.0, seed=0):
    """Draw labels, and scores that share their noise."""
    rng = np.random.default_rng(seed)
    y, noise = np.arange(n) % 2, rng.normal(size=n)
    return y, easy * y + noise, hard * y + noise


def by(n, **options):
    return resampling(n, groups=None, n_draws=300, **options)


def test_the_value_is_the_ratio_of_the_leads_over_chance():
    y, easy, hard = drawn()
    found = gap_recovered(y, easy=easy, hard=hard, by=by(400))
    assert found.value == pytest.approx((auroc(y, easy) - 0.5) / (auroc(y, hard) - 0.5))
    assert 0 < found.low < found.value < found.high < 1
    assert found.method == "percentile bootstrap over rows"


def test_it_is_one_for_the_same_scores_nothing_for_noise_and_below_nothing_for_the_wrong_way_round():
    y, easy, hard = drawn(hard=1.5)
    assert gap_recovered(y, easy=hard, hard=hard, by=by(400)).value == 1
    noise = np.random.default_rng(1).normal(size=400)
    found = gap_recovered(y, easy=noise, hard=hard, by=by(400))
    assert found.low < 0 < found.high
    back = gap_recovered(y, easy=-easy, hard=hard, by=by(400))
    assert back.value == pytest.approx(-gap_recovered(y, easy=easy, hard=hard, by=by(400)).value) and back.high < 0


def test_more_than_all_may_be_recovered():
    y, easy, hard = drawn()
    assert gap_recovered(y, easy=hard, hard=easy, by=by(400)).value > 1


def test_where_hard_training_is_not_above_chance_there_is_no_gap():
    y, easy, _ = drawn()
    noise = np.random.default_rng(2).normal(size=400)
    for ceiling in (noise, -easy):
        found = gap_recovered(y, easy=easy, hard=ceiling, by=by(400))
        assert isinstance(found, Unavailable) and "no gap to recover" in found.reason


def test_one_class_and_few_units_have_a_reason():
    y, easy, hard = drawn(8)
    one = gap_recovered(0 * y, easy=easy, hard=hard, by=by(8))
    assert one == Unavailable(reason="one class only")
    few = gap_recovered(y[:6], easy=easy[:6], hard=y[:6] + 0.0, by=by(6))
    assert isinstance(few, Unavailable) and "6 rows are too few to resample" in few.reason


def test_scores_without_a_fault_leave_doubt():
    y, easy, _ = drawn(60)
    perfect = y + 0.0
    found, both = (gap_recovered(y, easy=own, hard=perfect, by=by(60)) for own in (easy, perfect))
    assert isinstance(found, Estimate) and isinstance(both, Estimate)
    assert found.value == pytest.approx(2 * auroc(y, easy) - 1) and found.low < found.value < found.high
    assert both.low < 1 < both.high and both.method.endswith("each at half the doubt")


@pytest.mark.parametrize(("easy", "hard"), [(0.5, 1.0), (1.0, 1.0)])
def test_the_interval_covers_the_truth_about_as_often_as_it_says(easy, hard):
    y, one, two = drawn(200_000, easy=easy, hard=hard, seed=9)
    truth = (auroc(y, one) - 0.5) / (auroc(y, two) - 0.5)
    covered = 0
    for seed in range(60):
        rng = np.random.default_rng(100 + seed)
        # of one noise each, so that equal training recovers all of it but for chance
        own, other = (strength * y[:200] + rng.normal(size=200) for strength in (easy, hard))
        found = gap_recovered(y[:200], easy=own, hard=other, by=resampling(200, groups=None, n_draws=200, seed=seed))
        covered += found.low <= truth <= found.high
    assert covered >= 52
