import numpy as np
import pytest
from scipy import stats

from tiltmeter.core import Estimate, Unavailable
from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import auroc, auroc_difference, label_lead, ranking_estimates, resampling, share, tpr_at_fpr


def separated(n, *, area, rng, groups=None, within=0.0):
    """Draw n rows, every other one positive, scores N(±δ/2, 1) with AUROC ``area``; ``within``: variance of a group."""
    y = np.arange(n) % 2
    noise = np.sqrt(1 - within) * rng.normal(size=n)
    if groups is not None:
        noise = noise + np.sqrt(within) * rng.normal(size=groups.max() + 1)[groups]
    return y, noise + (y - 0.5) * np.sqrt(2) * stats.norm.ppf(area)


def interval(y, scores, *, groups=None, seed=0, fpr=0.1, n_draws=200):
    by = resampling(len(y), groups=groups, n_draws=n_draws, seed=seed)
    return ranking_estimates(y, scores, fpr=fpr, by=by)


def test_the_values_are_those_of_the_rows():
    y, scores = separated(200, area=0.8, rng=np.random.default_rng(0))
    found = interval(y, scores, fpr=0.05)
    assert found.auroc.value == auroc(y, scores)
    assert found.tpr.value == tpr_at_fpr(y, scores, fpr=0.05)
    assert found.auroc.low < found.auroc.value < found.auroc.high
    assert (found.auroc.n, found.auroc.level, found.auroc.seed) == (200, 0.95, None)
    assert found.auroc.method == "logit DeLong over rows"
    assert (found.tpr.seed, found.tpr.method) == (0, "percentile bootstrap over rows")


def test_the_interval_of_a_difference_equals_the_naive_twin():
    # every draw repeated as rows, its AUROCs taken, the percentiles read off and stretched from normal to Student's
    y, scores = separated(60, area=0.75, rng=np.random.default_rng(1))
    rival = scores + np.random.default_rng(2).normal(size=60)
    by = resampling(60, groups=None, n_draws=200, level=0.9, seed=3)
    differences = []
    for weights in by.weights:
        index = [i for i, weight in enumerate(weights) for _ in range(int(weight))]
        differences.append(auroc(y[index], scores[index]) - auroc(y[index], rival[index]))
    found = auroc_difference(y, scores, rival=rival, by=by)
    stretch = 1.6710930 / 1.6448536  # quantiles at 0.95: Student's with 59 degrees of freedom, normal
    low, high = np.quantile(differences, [0.05, 0.95])
    value = auroc(y, scores) - auroc(y, rival)
    assert (found.low, found.high) == pytest.approx((value - stretch * (value - low), value + stretch * (high - value)))


def naive_variance(y, scores, groups):
    """The variance in loops over pairs, rows and groups: placements, their sums by group, the classes' covariance."""
    above = {
        (i, j): 1.0 if scores[i] > scores[j] else 0.5 if scores[i] == scores[j] else 0.0
        for i in np.flatnonzero(y == 1)
        for j in np.flatnonzero(y == 0)
    }
    area = np.mean(list(above.values()))
    names = sorted(set(groups))
    sums = {label: dict.fromkeys(names, 0.0) for label in (0, 1)}
    for row, name in enumerate(groups):
        placement = np.mean([won for pair, won in above.items() if row in pair])
        sums[y[row]][name] += (placement - area) / np.sum(y == y[row])
    total, spread = 0.0, 0.0
    for label in (0, 1):
        holding = len({name for row, name in enumerate(groups) if y[row] == label})
        one = holding / (holding - 1) * sum(value**2 for value in sums[label].values())
        total, spread = total + one, spread + one**2 / (holding - 1)
    shared = 2 * len(names) / (len(names) - 1) * sum(sums[0][name] * sums[1][name] for name in names)
    return area, total + shared, total**2 / spread


@pytest.mark.parametrize("size", [1, 2, 3, 5])
def test_the_interval_of_an_auroc_equals_the_naive_twin(size):
    rng = np.random.default_rng(size)
    y = rng.permutation(np.arange(42) % 2)
    groups = rng.permutation(np.arange(42) // size)
    scores = np.round(rng.normal(size=42) + y + 0.5 * rng.normal(size=42)[groups], 1)
    area, variance, freedom = naive_variance(y, scores, groups)
    if size == 1:
        # the textbook's: variances of the placements of both classes over their numbers
        placed = [
            [np.mean((scores[i] > scores[y == 0]) + 0.5 * (scores[i] == scores[y == 0])) for i in range(42) if y[i]]
        ]
        placed += [[np.mean((scores[y == 1] > s) + 0.5 * (scores[y == 1] == s)) for s in scores[y == 0]]]
        assert variance == pytest.approx(sum(np.var(part, ddof=1) / len(part) for part in placed))
    reach = stats.t.ppf(0.975, freedom) * np.sqrt(variance) / (area * (1 - area))
    low, high = (1 / (1 + (1 - area) / area * np.exp(-step)) for step in (-reach, reach))
    found = interval(y, scores, groups=groups).auroc
    assert (found.value, found.low, found.high) == pytest.approx((area, low, high))
    assert found.method == "logit DeLong over groups, approximate"


@pytest.mark.parametrize("n_groups", [10, 30])
def test_the_interval_covers_the_truth_with_few_groups_that_differ(n_groups):
    # within a group the score follows the label with a slope of its own, 0 on average: the true AUROC is 0.5
    covered = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, n_groups])
        y = np.arange(20 * n_groups) % 2
        groups = np.arange(20 * n_groups) // 20
        scores = rng.normal(size=n_groups)[groups] * y + rng.normal(size=len(y))
        found = interval(y, scores, groups=groups, seed=seed).auroc
        covered += found.low <= 0.5 <= found.high
    assert covered / 200 >= 0.88


def test_fewer_than_eight_units_have_no_interval_and_so_no_figure():
    y = np.arange(70) % 2
    scores = y + np.random.default_rng(0).normal(size=70)
    assert isinstance(interval(y, scores, groups=np.arange(70) // 10).auroc, Unavailable)
    assert interval(y, scores, groups=np.arange(70) // 7).auroc.n == 10


@pytest.mark.long
@pytest.mark.parametrize(
    "area", [0.75, pytest.param(0.6, marks=pytest.mark.slow), pytest.param(0.9, marks=pytest.mark.slow)]
)
def test_the_auroc_interval_covers_the_truth_about_as_often_as_it_says(area):
    covered = 0
    for seed in range(300):
        y, scores = separated(200, area=area, rng=np.random.default_rng([seed, int(100 * area)]))
        found = interval(y, scores, seed=seed).auroc
        covered += found.low <= area <= found.high
    assert 0.90 <= covered / 300 <= 0.99


@pytest.mark.long
def test_groups_widen_the_interval_where_rows_are_clustered_and_then_it_covers():
    groups = np.repeat(np.arange(40), 6)
    # labels go by group, so that the rows of a group repeat each other
    y = (groups % 2).astype(int)
    shift = np.sqrt(2) * stats.norm.ppf(0.75)
    covered, wider = {"rows": 0, "groups": 0}, 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        noise = np.sqrt(0.9) * rng.normal(size=40)[groups] + np.sqrt(0.1) * rng.normal(size=240)
        found = {
            "rows": interval(y, noise + y * shift, seed=seed).auroc,
            "groups": interval(y, noise + y * shift, groups=groups, seed=seed).auroc,
        }
        wider += found["groups"].high - found["groups"].low > found["rows"].high - found["rows"].low
        for unit, estimate in found.items():
            covered[unit] += estimate.low <= 0.75 <= estimate.high
    assert wider == 100
    assert covered["groups"] >= 85
    assert covered["rows"] < 75


def test_groups_of_one_row_give_the_interval_of_rows():
    y, scores = separated(100, area=0.8, rng=np.random.default_rng(2))
    by_row, by_group = interval(y, scores).auroc, interval(y, scores, groups=np.arange(100)).auroc
    assert (by_group.low, by_group.high, by_group.n) == (by_row.low, by_row.high, 100)
    assert by_group.method == "logit DeLong over groups"


def test_a_higher_level_is_a_wider_interval():
    y, scores = separated(100, area=0.8, rng=np.random.default_rng(3))
    narrow, wide = (
        ranking_estimates(y, scores, fpr=0.1, by=resampling(100, groups=None, level=level)).auroc
        for level in (0.8, 0.99)
    )
    assert wide.low < narrow.low < narrow.high < wide.high


def test_the_same_seed_gives_the_same_interval_and_that_of_an_auroc_hangs_on_none():
    y, scores = separated(100, area=0.8, rng=np.random.default_rng(4))
    assert interval(y, scores, seed=5) == interval(y, scores, seed=5)
    assert interval(y, scores, seed=5).tpr != interval(y, scores, seed=6).tpr
    assert interval(y, scores, seed=5).auroc == interval(y, scores, seed=6).auroc


# ------------------------------------------------------------ the boundary


@pytest.mark.parametrize("sign", [1, -1])
@pytest.mark.parametrize("n", [8, 20, 200])
def test_a_perfect_score_has_an_interval_of_some_width(sign, n):
    y = np.arange(n) % 2
    found = interval(y, sign * (y + 0.01 * np.arange(n) / n), fpr=0.5).auroc
    assert found.value == (1.0 if sign == 1 else 0.0)
    # n/2 independent pairs that are all in order: 0.025 = p ** (n/2)
    far = 0.025 ** (2 / n)
    assert (found.low, found.high) == pytest.approx((far, 1.0) if sign == 1 else (0.0, 1 - far))


def test_few_groups_count_at_the_boundary_not_their_many_rows():
    y = np.arange(200) % 2
    narrow, wide = (interval(y, y * 1.0, groups=groups).auroc for groups in (np.arange(200), np.arange(200) // 20))
    assert (wide.n, narrow.n) == (10, 200)
    assert wide.method == "exact binomial on 5 disjoint pairs"
    assert wide.low < 0.5 < narrow.low


def test_at_the_boundary_groups_count_that_hold_the_rarer_class():
    y = np.repeat([1, 0], [200, 200])
    groups = np.concatenate([np.repeat(np.arange(5), 40), 5 + np.arange(200)])
    found = interval(y, y * 1.0, groups=groups)
    assert found.auroc.method == "exact binomial on 5 disjoint pairs"
    assert found.auroc.low == pytest.approx(0.025 ** (1 / 5))
    assert found.tpr.low == pytest.approx(0.025 ** (1 / 5))


@pytest.mark.parametrize("reached", [0.0, 1.0])
def test_a_tpr_of_zero_or_one_has_an_interval_of_some_width(reached):
    y = np.arange(200) % 2
    found = interval(y, y * (2 * reached - 1) + np.linspace(0, 0.5, 200), fpr=0.01).tpr
    assert found.value == reached
    assert found.low == (0.0 if reached == 0.0 else pytest.approx(0.025 ** (1 / 100)))
    assert found.high == (1.0 if reached == 1.0 else pytest.approx(1 - 0.025 ** (1 / 100)))


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_has_no_figure_and_a_reason(label):
    y = np.full(30, label)
    found = interval(y, np.arange(30.0))
    assert found.auroc == found.tpr
    assert found.auroc.reason == f"one class only: {30 * label} positive and {30 * (1 - label)} negative texts"
    assert isinstance(
        auroc_difference(y, np.arange(30.0), rival=np.zeros(30), by=resampling(30, groups=None)), Unavailable
    )


def test_a_rate_that_the_negatives_cannot_resolve_has_a_reason():
    y = np.repeat([0, 1], [99, 50])
    found = interval(y, np.arange(149.0), fpr=0.01)
    assert isinstance(found.auroc, Estimate)
    assert found.tpr.reason == "99 negatives cannot resolve a false-positive rate of 0.01; 100 can"


@pytest.mark.parametrize("n", [49, 98, 100, 103, 107])
def test_exactly_enough_negatives_are_enough_in_floating_point(n):
    # 49 · (1/49) is 0.9999999999999999
    y = np.repeat([0, 1], [n, 20])
    assert isinstance(interval(y, np.random.default_rng(0).normal(size=n + 20), fpr=1 / n).tpr, Estimate)
    too_few = interval(y[1:], np.random.default_rng(0).normal(size=n + 19), fpr=1 / n).tpr
    assert too_few.reason.endswith(f"{n} can")


@pytest.mark.parametrize(("n_negative", "approximate"), [(100, True), (299, True), (300, False)])
def test_a_tpr_that_hangs_on_one_or_two_negatives_is_called_approximate(n_negative, approximate):
    y = np.repeat([0, 1], [n_negative, 100])
    found = interval(y, np.random.default_rng(0).normal(size=len(y)) + y, fpr=0.01).tpr
    assert found.method == "percentile bootstrap over rows" + approximate * ", approximate"


def test_too_few_groups_to_resample_have_a_reason():
    # ten groups, one of them with all positives: 35 % of draws lack it
    groups = np.repeat(np.arange(10), 6)
    found = interval((groups == 0).astype(int), np.random.default_rng(0).normal(size=60), groups=groups)
    assert found.auroc.reason == "10 groups are too few: only one of them holds one of the classes"


@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    with pytest.raises(ArrayError, match="1 values that are not finite"):
        interval(np.arange(30) % 2, np.append(np.arange(29.0), bad))
    # also where there is one class only
    with pytest.raises(ArrayError, match="1 values that are not finite"):
        interval(np.zeros(30, dtype=int), np.append(np.arange(29.0), bad))


def test_labels_other_than_0_and_1_are_refused():
    # a balanced −1 and 1 sums to zero positives
    with pytest.raises(ArrayError, match="labels must be 0 and 1"):
        interval(2 * (np.arange(30) % 2) - 1, np.arange(30.0))


# ------------------------------------------------------------ the paired difference


def test_the_difference_is_that_of_the_aurocs_and_turns_round():
    rng = np.random.default_rng(5)
    y, good = separated(150, area=0.85, rng=rng)
    poor = good + rng.normal(size=150)
    by = resampling(150, groups=None)
    found, back = auroc_difference(y, good, rival=poor, by=by), auroc_difference(y, poor, rival=good, by=by)
    assert found.value == pytest.approx(auroc(y, good) - auroc(y, poor))
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))


@pytest.mark.parametrize(("n", "approximate"), [(198, True), (200, False)])
def test_a_difference_on_few_rows_of_a_class_is_called_approximate(n, approximate):
    y, good = separated(n, area=0.9, rng=np.random.default_rng(8))
    found = auroc_difference(y, good, rival=good + np.linspace(0, 1, n), by=resampling(n, groups=None, n_draws=100))
    assert found.method == "percentile bootstrap over rows" + approximate * ", approximate"


def test_the_lead_of_a_label_is_the_difference_of_two_aurocs_and_zero_for_the_same_label():
    rng = np.random.default_rng(7)
    y, scores = separated(200, area=0.7, rng=rng)
    other, by = rng.permutation(y), resampling(200, groups=None)
    found, back = label_lead(y, scores, other=other, by=by), label_lead(other, scores, other=y, by=by)
    assert found.value == pytest.approx(auroc(other, scores) - auroc(y, scores))
    assert found.low < found.value < found.high < 0
    assert (back.low, back.high) == pytest.approx((-found.high, -found.low))
    same = label_lead(y, scores, other=y, by=by)
    assert (same.low, same.value, same.high) == (0, 0, 0)
    # the bootstrap knows no doubt where the scores are one of the labels
    assert label_lead(y, y * 1.0, other=other, by=by).method.endswith("each at half the doubt")
    assert label_lead(y, scores, other=0 * y, by=by) == Unavailable(reason="one class only")


def test_pairing_narrows_the_difference_of_scores_that_agree():
    rng = np.random.default_rng(6)
    y, good = separated(150, area=0.85, rng=rng)
    nearly = good + 0.05 * rng.normal(size=150)
    by = resampling(150, groups=None)
    paired = auroc_difference(y, good, rival=nearly, by=by)
    alone = ranking_estimates(y, good, fpr=0.1, by=by).auroc
    assert paired.high - paired.low < (alone.high - alone.low) / 3


def test_the_difference_covers_zero_as_often_as_it_says_where_there_is_none():
    covered = 0
    for seed in range(150):
        rng = np.random.default_rng(seed)
        y, shared = separated(150, area=0.8, rng=rng)
        first, second = (shared + 0.7 * rng.normal(size=150) for _ in range(2))
        found = auroc_difference(y, first, rival=second, by=resampling(150, groups=None, n_draws=200, seed=seed))
        covered += found.low <= 0 <= found.high
    assert 0.90 <= covered / 150 <= 0.99


def test_two_perfect_scores_differ_by_nothing_that_is_known_exactly():
    # the bootstrap of two scores without a row out of order has no width; that does not make them equal
    y = np.arange(40) % 2
    found = auroc_difference(y, y + 0.1 * np.linspace(0, 1, 40), rival=y * 2.0, by=resampling(40, groups=None))
    assert found.value == 0.0
    assert found.low == -found.high < -0.1
    other_end = auroc_difference(y, y * 1.0, rival=-y * 1.0, by=resampling(40, groups=None))
    assert (other_end.value, other_end.high) == (1.0, 1.0)
    assert other_end.low < 0.9


def test_a_score_does_not_differ_from_itself():
    y, scores = separated(50, area=0.9, rng=np.random.default_rng(7))
    found = auroc_difference(y, scores, rival=scores, by=resampling(50, groups=None))
    assert (found.low, found.value, found.high) == (0.0, 0.0, 0.0)


# ------------------------------------------------------------ shares


def test_a_share_has_the_exact_interval():
    found = share(np.repeat([True, False], [3, 17]))
    assert found.value == 0.15
    assert stats.binom.sf(2, 20, found.low) == pytest.approx(0.025)
    assert stats.binom.cdf(3, 20, found.high) == pytest.approx(0.025)


def test_a_share_of_nothing_is_unavailable():
    assert share(np.zeros(0, dtype=bool)).reason == "no such texts"


def test_a_share_of_rows_in_groups_is_no_surer_than_one_row_a_group():
    hits = np.repeat([True, False], [150, 50])
    rows, groups = share(hits), share(hits, groups=np.arange(200) // 10)
    assert (rows.n, groups.n) == (200, 20)
    assert groups.value == rows.value == 0.75
    assert (groups.low, groups.high) == pytest.approx((share(hits[::10]).low, share(hits[::10]).high))


def test_a_perfect_score_against_a_constant_one_leaves_doubt_about_the_difference():
    y = np.arange(40) % 2
    found = auroc_difference(y, y * 1.0, rival=np.zeros(40), by=resampling(40, groups=None))
    assert found.value == 0.5
    assert found.low < 0.45
    # of other rows some may not be constant
    assert 0.5 < found.high < 0.65


def test_a_share_over_groups_of_unlike_sizes_rests_on_their_effective_number():
    hits = np.array([True] * 200 + [True, False] * 100)
    groups = np.concatenate([np.zeros(200), 1 + np.arange(200) // 2])
    found = share(hits, groups=groups)
    assert found.value == 0.75
    assert found.n == int(400**2 / (200**2 + 100 * 2**2))  # 3, not 101
    assert found.low < 0.5


def test_where_every_group_adds_the_same_some_doubt_is_left():
    # in each group one positive stands above both negatives and one between them: 0.75, whatever is drawn
    y, scores = np.tile([1, 1, 0, 0], 40), np.tile([3.0, 1.5, 1.0, 2.0], 40)
    found = interval(y, scores, groups=np.repeat(np.arange(40), 4)).auroc
    assert found.value == 0.75 and found.method == "exact binomial on 40 units that are all alike"
    # a share of 1 - 0.025^(1/40) of other groups may do otherwise, and was never seen
    assert found.low == pytest.approx(0.75 * 0.025 ** (2 / 40)) and found.high == pytest.approx(
        1 - 0.25 * 0.025 ** (2 / 40)
    )
