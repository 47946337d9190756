import numpy as np
import pytest
from scipy import special

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import expected_calibration_error, reliability_table, resampling
from tiltmeter.numerics import clopper_pearson


def said_and_happened(n, *, factor=1.0, rng):
    """Labels of the right probabilities, and probabilities whose log-odds are ``factor`` as far from 0."""
    odds = special.logit(rng.uniform(0.02, 0.98, size=n))
    return (rng.random(n) < special.expit(odds)).astype(np.int64), special.expit(factor * odds)


def error(y, p, **how):
    return expected_calibration_error(y, p, by=resampling(len(y), groups=None, n_draws=200), **how)


@pytest.mark.long
def test_the_interval_reaches_no_error_for_right_probabilities_and_not_for_wrong_ones():
    reached, above = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        right, wrong = (error(*said_and_happened(500, factor=factor, rng=rng)) for factor in (1.0, 3.0))
        reached += right.low == 0.0
        above += wrong.low > 0.02
        assert right.low <= right.value < right.high
        assert right.value > 0
    # 0.025 may lie above; 5 of 60 is beyond three standard errors
    assert reached >= 55
    assert above == 60


def test_groups_widen_the_interval_where_rows_repeat_each_other():
    rng = np.random.default_rng(0)
    y, p = said_and_happened(100, rng=rng)
    y, p, groups = np.repeat(y, 5), np.repeat(p, 5), np.repeat(np.arange(100), 5)
    rows, grouped = (
        expected_calibration_error(y, p, by=resampling(500, groups=by, n_draws=200)) for by in (None, groups)
    )
    assert grouped.value == rows.value and grouped.n == 100
    assert grouped.high - grouped.low > 1.3 * (rows.high - rows.low)


def test_probabilities_that_are_the_labels_leave_doubt():
    y = np.arange(40) % 2
    found = error(y, y + 0.0)
    assert (found.value, found.low) == (0.0, 0.0)
    assert found.high == pytest.approx(clopper_pearson(0, 40)[1])


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_calibration_error(label):
    found = error(np.full(30, label), np.linspace(0, 1, 30))
    assert isinstance(found, Unavailable) and found.reason.startswith("one class only")


def test_few_units_have_no_calibration_error():
    assert isinstance(error(np.array([0, 1] * 3), np.full(6, 0.5)), Unavailable)


def test_what_is_no_probability_is_refused():
    for bad in (-0.1, 1.1):
        with pytest.raises(ArrayError, match="they must lie in"):
            error(np.array([0, 1] * 10), np.full(20, bad))
    with pytest.raises(ArrayError, match="n_bins is 0"):
        reliability_table(np.array([0, 1]), np.array([0.1, 0.2]), n_bins=0)
    with pytest.raises(ArrayError, match="not finite"):
        reliability_table(np.array([0, 1]), np.array([0.1, np.nan]))


@pytest.mark.parametrize("bins", ["equal_mass", "equal_width"])
def test_the_table_says_what_is_in_each_bin(bins):
    rng = np.random.default_rng(1)
    y, p = said_and_happened(400, rng=rng)
    table = reliability_table(y, p, bins=bins, n_bins=5)
    edges = np.quantile(p, np.linspace(0, 1, 6)) if bins == "equal_mass" else np.linspace(0, 1, 6)
    for one, low, high in zip(table, edges[:-1], edges[1:], strict=True):
        inside = (p > low) & (p <= high) | (p == low) * (low == edges[0])
        assert (one.low, one.high, one.n) == (low, high, inside.sum())
        assert one.predicted == pytest.approx(p[inside].mean())
        assert one.positive.value == pytest.approx(y[inside].mean())
        # five bins together at 95 %
        assert (one.positive.low, one.positive.high) == clopper_pearson(
            int(y[inside].sum()), int(inside.sum()), level=0.99
        )


def test_the_intervals_of_a_table_hold_together():
    held = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        odds = special.logit(rng.uniform(0.02, 0.98, size=300))
        p = special.expit(odds)
        y = (rng.random(300) < p).astype(np.int64)
        held += all(b.positive.low <= b.predicted <= b.positive.high for b in reliability_table(y, p, n_bins=5))
    assert held >= 184  # 0.95, less three standard errors


def test_tied_probabilities_share_a_bin_and_groups_count_once():
    y, p = np.array([0, 1] * 50), np.repeat([0.3, 0.3, 0.3, 0.8], 25)
    table = reliability_table(y, p, groups=np.repeat(np.arange(20), 5), n_bins=10)
    assert [one.n for one in table] == [75, 25]
    assert [one.positive.n for one in table] == [15, 5]
    assert reliability_table(np.array([], dtype=np.int64), np.array([])) == ()
