"""The guarantee is tested on the true false-positive rate of each threshold, known from the generator."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from tiltmeter.core.errors import ArrayError, SpecError, TooFewNegativesError
from tiltmeter.evaluation import negatives_needed, threshold_at_fpr

SIMULATIONS = 2000
# 1 − confidence, plus three standard errors of the share of 2,000 simulations that break the bound
MOST_BROKEN = 0.05 + 3 * math.sqrt(0.05 * 0.95 / SIMULATIONS)


def thresholds(draws, groups=None):
    return np.array([threshold_at_fpr(scores, groups=groups, population="simulated").value for scores in draws])


def share_broken(true_fpr):
    return float((true_fpr > 0.01).mean())


@pytest.mark.long
@pytest.mark.parametrize("n", [299, 500, 1000])
def test_the_bound_holds_for_continuous_scores(n):
    chosen = thresholds(np.random.default_rng(n).normal(size=(SIMULATIONS, n)))
    broken = share_broken(stats.norm.sf(chosen))
    assert broken <= MOST_BROKEN
    # not by being idle: the lowest threshold that can be certified breaks the bound nearly as often as it may
    assert broken > 0.02


@pytest.mark.long
@pytest.mark.parametrize(("step", "n"), [(0.1, 299), (0.1, 500), (0.1, 1000), (0.5, 299), (0.5, 500), (2.0, 1000)])
def test_the_bound_holds_for_tied_scores(n, step):
    # scores floor(z / step) · step lie above a value t of the lattice where z ≥ t + step
    z = np.random.default_rng([n, int(10 * step)]).normal(size=(SIMULATIONS, n))
    chosen = thresholds(np.floor(z / step) * step)
    broken = share_broken(stats.norm.sf(chosen + step))
    assert broken <= MOST_BROKEN


def true_group_fpr(chosen, *, share, sizes):
    """P(any row of a group above t), rows √share · g + √(1 − share) · e, one of the sizes at random: by quadrature."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(101)
    below = stats.norm.cdf((chosen[:, None] - math.sqrt(share) * nodes) / math.sqrt(1 - share))
    quiet = np.mean([below**size for size in sizes], axis=0)
    return 1 - quiet @ (weights / weights.sum())


@pytest.mark.long
@pytest.mark.parametrize("n_groups", [299, 500, 1000])
def test_the_bound_holds_for_groups_of_correlated_rows(n_groups):
    rng = np.random.default_rng(n_groups)
    sizes = np.resize([1, 2, 3, 6], n_groups)
    chosen = []
    for _ in range(SIMULATIONS):
        size = rng.permutation(sizes)
        groups = np.repeat(np.arange(n_groups), size)
        scores = math.sqrt(0.8) * rng.normal(size=n_groups)[groups] + math.sqrt(0.2) * rng.normal(size=len(groups))
        chosen.append(threshold_at_fpr(scores, groups=groups, population="simulated").value)
    # the sizes are as good as drawn at random: 1, 2, 3 or 6 rows
    broken = share_broken(true_group_fpr(np.array(chosen), share=0.8, sizes=(1, 2, 3, 6)))
    assert broken <= MOST_BROKEN


@pytest.mark.long
def test_counting_correlated_rows_as_independent_breaks_the_bound():
    # the variant that must fail: 500 groups of five copies of one score, counted as 2,500 rows
    scores = np.repeat(np.random.default_rng(0).normal(size=(SIMULATIONS, 500)), 5, axis=1)
    assert share_broken(stats.norm.sf(thresholds(scores))) > 2 * MOST_BROKEN
    assert share_broken(stats.norm.sf(thresholds(scores, groups=np.repeat(np.arange(500), 5)))) <= MOST_BROKEN


def test_the_plain_quantile_breaks_the_bound_half_the_time():
    # why the exact order statistic is needed
    scores = np.random.default_rng(0).normal(size=(SIMULATIONS, 500))
    assert share_broken(stats.norm.sf(np.quantile(scores, 0.99, axis=1))) > 0.4


@pytest.mark.long
@pytest.mark.parametrize(("n", "expected"), [(299, 0.547), (500, 0.602), (1000, 0.651), (3000, 0.703)])
def test_the_certified_rate_of_detection_is_the_published_one(n, expected):
    # PEERS f4.1: negatives N(−3, 2²), positives N(3, 2²)
    draws = np.random.default_rng(n).normal(-3, 2, size=(SIMULATIONS, n))
    caught = stats.norm.sf((thresholds(draws) - 3) / 2).mean()
    assert caught == pytest.approx(expected, abs=0.01)


# ------------------------------------------------------------ which score


def naive_allowed(n, fpr, confidence):
    """The largest k with P(Bin(n, fpr) ≤ k) ≤ 1 − confidence, term by term; −1 if there is none."""
    total, allowed = 0.0, -1
    for k in range(n + 1):
        total += math.comb(n, k) * fpr**k * (1 - fpr) ** (n - k)
        if total > (1 - confidence) * (1 + 1e-9):
            return allowed
        allowed = k
    return allowed


@pytest.mark.parametrize("n", [299, 300, 472, 473, 474, 627, 628, 1000])
@pytest.mark.parametrize(("fpr", "confidence"), [(0.01, 0.95), (0.05, 0.99), (0.3, 0.5)])
def test_the_threshold_equals_the_naive_twin(n, fpr, confidence):
    scores = np.random.default_rng(n).permutation(n).astype(float)
    found = threshold_at_fpr(scores, fpr=fpr, confidence=confidence, population="simulated")
    allowed = naive_allowed(n, fpr, confidence)
    assert found.allowed == allowed
    assert found.value == sorted(scores, reverse=True)[allowed]
    assert (scores > found.value).sum() == allowed


@given(st.floats(0.001, 0.9), st.integers(1, 300))
@settings(max_examples=200, deadline=None)
def test_negatives_needed_is_enough_and_one_fewer_is_not_even_where_the_bound_is_met_exactly(fpr, n):
    confidence = 1 - (1 - fpr) ** n
    if not 0 < confidence < 1 - 1e-6:
        return
    needed = negatives_needed(fpr, confidence)
    assert needed == n
    assert naive_allowed(needed, fpr, confidence) >= 0
    assert threshold_at_fpr(np.arange(float(n)), fpr=fpr, confidence=confidence, population="x").allowed >= 0
    if n > 1:
        with pytest.raises(TooFewNegativesError, match=f"{n} are needed"):
            threshold_at_fpr(np.arange(n - 1.0), fpr=fpr, confidence=confidence, population="x")


@pytest.mark.parametrize(
    ("fpr", "confidence", "expected"), [(0.01, 0.95, 299), (0.001, 0.95, 2995), (0.01, 0.99, 459), (0.5, 0.5, 1)]
)
def test_negatives_needed_is_the_known_number(fpr, confidence, expected):
    assert negatives_needed(fpr, confidence) == expected


def test_298_negatives_are_refused_by_naming_299():
    with pytest.raises(
        TooFewNegativesError, match=r"298 negative rows cannot certify .* 0.01 at 0.95 .*; 299 are needed"
    ):
        threshold_at_fpr(np.arange(298.0), population="x")
    assert threshold_at_fpr(np.arange(299.0), population="x").value == 298.0


def test_groups_are_counted_where_they_exist():
    scores = np.arange(596.0)
    with pytest.raises(TooFewNegativesError, match=r"298 negative groups cannot certify .*; 299 are needed"):
        threshold_at_fpr(scores, groups=np.arange(596) // 2, population="x")
    found = threshold_at_fpr(np.arange(598.0), groups=np.arange(598) // 2, population="a population")
    assert (found.n, found.n_rows, found.unit, found.population) == (299, 598, "group", "a population")


def test_a_group_has_the_score_of_its_highest_row():
    rng = np.random.default_rng(0)
    groups = rng.permutation(np.repeat(np.arange(400), 3))
    scores = rng.normal(size=1200)
    highest = np.array([max(s for s, g in zip(scores, groups, strict=True) if g == name) for name in range(400)])
    assert (
        threshold_at_fpr(scores, groups=groups, population="x").value == threshold_at_fpr(highest, population="x").value
    )


def test_with_all_scores_tied_no_row_alarms():
    # present means strictly above: the tied value itself is the threshold and nothing exceeds it
    found = threshold_at_fpr(np.zeros(299), population="x")
    assert found.value == 0.0
    assert not (np.zeros(299) > found.value).any()


@pytest.mark.parametrize(("fpr", "confidence"), [(0.0, 0.95), (1.0, 0.95), (0.01, 0.0), (0.01, 1.0), (-0.1, 0.5)])
def test_rates_and_confidences_outside_the_unit_interval_are_refused(fpr, confidence):
    with pytest.raises(SpecError, match="both must lie strictly between 0 and 1"):
        threshold_at_fpr(np.arange(500.0), fpr=fpr, confidence=confidence, population="x")


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    with pytest.raises(ArrayError, match="scores must be one finite number per negative row"):
        threshold_at_fpr(np.append(np.arange(500.0), bad), population="x")


@pytest.mark.usefixtures("without_run_time_types")
def test_groups_of_another_length_are_refused():
    with pytest.raises(ArrayError, match=r"groups have shape \(499,\) for 500 scores"):
        threshold_at_fpr(np.arange(500.0), groups=np.arange(499), population="x")


def test_the_record_survives_json():
    found = threshold_at_fpr(np.random.default_rng(0).normal(size=700), population="x")
    assert type(found).model_validate_json(found.model_dump_json()) == found
