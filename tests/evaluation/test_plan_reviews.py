"""A plan keeps its review budget, and its figures are those of arithmetic by hand."""

import math

import numpy as np
import pytest
from scipy import stats

from tiltmeter.core import Estimate, Unavailable
from tiltmeter.core.errors import ArrayError, SpecError, TooFewNegativesError
from tiltmeter.core.plan import Plan, Terms
from tiltmeter.evaluation import LabelledScores, plan_reviews, rate_left

TERMS = Terms(
    per_day=5000, base_rate=0.002, reviews=260, probe_cost=0.01, review_cost=3.0, reviewer_tpr=0.8, reviewer_fpr=0.1
)


def drawn(n_negative, n_positive, *, seed=0, apart=2.5):
    rng = np.random.default_rng(seed)
    y = np.repeat([0, 1], [n_negative, n_positive])
    return LabelledScores(rng.normal(apart * y), y)


def planned(terms=TERMS, *, calibration=None, **tests):
    return plan_reviews(
        terms, calibration or drawn(400, 5), tests=tests or {"home": drawn(300, 200, seed=1)}, population="made up"
    )


def test_every_figure_of_a_day_follows_from_the_two_rates():
    test = drawn(300, 200, seed=1)
    plan = planned(home=test)
    (day,) = plan.days
    limit = plan.threshold.value
    tpr = sum(s > limit for s, y in zip(test.scores, test.y, strict=True) if y) / 200
    fpr = sum(s > limit for s, y in zip(test.scores, test.y, strict=True) if not y) / 300
    assert 0 < tpr < 1 and fpr > 0
    reviews = 10 * tpr + 4990 * fpr
    expected = {
        "tpr": tpr, "fpr": fpr, "reviews": reviews, "caught": 10 * tpr * 0.8, "missed": 10 - 10 * tpr * 0.8,
        "wrongly_reported": 4990 * fpr * 0.1, "cost": 5000 * 0.01 + 3 * reviews,
    }  # fmt: skip
    for name, value in expected.items():
        found = getattr(day, name)
        assert found.value == pytest.approx(value), name
        assert found.low < value < found.high, name
    assert plan.caught_at_random == pytest.approx(260 * 0.002 * 0.8)
    assert (plan.caught_of_all, plan.cost_of_all) == pytest.approx((8.0, 15_000.0))
    assert Plan.model_validate_json(plan.model_dump_json()) == plan


def test_intervals_of_one_rate_are_exact_and_those_of_both_take_each_at_half_the_doubt():
    test = drawn(300, 200, seed=1)
    plan = planned(home=test)
    (day,) = plan.days
    k, m = (int((test.scores[test.y == label] > plan.threshold.value).sum()) for label in (1, 0))

    def exact(k, n, level):
        tail = (1 - level) / 2
        return stats.beta.ppf(tail, k, n - k + 1), stats.beta.ppf(1 - tail, k + 1, n - k)

    low, high = exact(k, 200, 0.95)
    assert (day.caught.low, day.caught.high) == pytest.approx((8 * low, 8 * high))
    assert (day.missed.low, day.missed.high) == pytest.approx((10 - 8 * high, 10 - 8 * low))
    (one, two), (three, four) = exact(k, 200, 0.975), exact(m, 300, 0.975)
    assert (day.reviews.low, day.reviews.high) == pytest.approx((10 * one + 4990 * three, 10 * two + 4990 * four))


def test_the_budget_is_kept_as_often_as_is_promised():
    # of 400 plans, how many bring more reviews on average than the budget, by the true rates
    over = 0
    for seed in range(400):
        plan = plan_reviews(TERMS, drawn(400, 1, seed=seed), tests={}, population="made up")
        limit = plan.threshold.value
        over += 10 * stats.norm.sf(limit - 2.5) + 4990 * stats.norm.sf(limit) > 260
    assert 0 < over / 400 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 400)


def test_intervals_cover_what_a_day_brings_on_average():
    plan = planned()
    limit = plan.threshold.value
    tpr, fpr = stats.norm.sf(limit - 2.5), stats.norm.sf(limit)
    truth = {"reviews": 10 * tpr + 4990 * fpr, "caught": 8 * tpr, "wrongly_reported": 499 * fpr}
    covered = dict.fromkeys(truth, 0)
    for seed in range(80):
        (day,) = planned(home=drawn(300, 60, seed=1000 + seed)).days
        for name, value in truth.items():
            covered[name] += getattr(day, name).low <= value <= getattr(day, name).high
    assert min(covered.values()) / 80 >= 0.95 - 3 * math.sqrt(0.05 * 0.95 / 80)


def test_a_group_is_one_unit_of_each_label_with_its_highest_score():
    rng = np.random.default_rng(0)
    calibration, test = drawn(400, 5), drawn(300, 200, seed=1)
    plain = planned(calibration=calibration, home=test)

    def many(part):
        order = rng.permutation(3 * len(part.y))
        lower = np.concatenate([part.scores, part.scores - rng.random(len(part.y)), part.scores - 1])[order]
        # a positive and a negative may share a group
        names = np.concatenate([np.arange((part.y == k).sum()) for k in (0, 1)])
        return LabelledScores(lower, np.tile(part.y, 3)[order], np.tile(names, 3)[order])

    grouped = planned(calibration=many(calibration), home=many(test))
    assert grouped.threshold.value == plain.threshold.value
    assert (grouped.threshold.unit, grouped.threshold.n, grouped.threshold.n_rows) == ("group", 400, 1200)
    assert grouped.days == plain.days


def test_without_one_label_what_needs_it_is_unavailable():
    plan = planned(calm=drawn(300, 0), alert=drawn(0, 50))
    calm, alert = plan.days
    assert isinstance(calm.caught, Unavailable) and isinstance(calm.reviews, Unavailable)
    assert isinstance(calm.wrongly_reported, Estimate)
    assert isinstance(alert.caught, Estimate) and isinstance(alert.cost, Unavailable)


def test_where_no_test_negative_raises_an_alarm_reviews_still_have_a_width():
    (day,) = planned(home=LabelledScores(np.repeat([-9.0, 9.0], 50), np.repeat([0, 1], 50))).days
    assert day.fpr.value == 0 and day.reviews.value == 10
    assert day.reviews.high > 300 and day.reviews.low < 10


def test_the_budget_left_for_false_positives_is_known():
    assert rate_left(TERMS) == pytest.approx(250 / 4990)
    assert rate_left(Terms(per_day=100, base_rate=0, reviews=5)) == 0.05


def test_too_few_negatives_are_refused_by_naming_how_many_and_the_least_budget():
    words = r"takes 1500 negatives among the calibration texts .* and there are 400"
    with pytest.raises(TooFewNegativesError, match=words) as refused:
        planned(Terms(per_day=5000, base_rate=0, reviews=9.98))
    least = int(str(refused.value).split("at least ")[1].split()[0])
    assert planned(Terms(per_day=5000, base_rate=0, reviews=least)).threshold.allowed == 0
    with pytest.raises(TooFewNegativesError):
        planned(Terms(per_day=5000, base_rate=0, reviews=least - 1))


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"base_rate": 1.5}, "base_rate is 1.5; it must lie between 0 and 1"),
        ({"reviewer_fpr": -0.1}, "reviewer_fpr is -0.1"),
        ({"per_day": 0.0}, "must be above 0"),
        ({"review_cost": -1.0}, "no cost below"),
        ({"reviews": 10.0}, "do not cover the 10 positives"),
        ({"reviews": 5000.0}, "review everything"),
    ],
)
def test_terms_that_cannot_be_are_refused(changes, message):
    with pytest.raises(SpecError, match=message):
        planned(TERMS.model_copy(update=changes))


def test_a_confidence_that_cannot_be_is_refused():
    with pytest.raises(SpecError, match="confidence is 2; it must lie strictly between 0 and 1"):
        plan_reviews(TERMS, drawn(400, 5), tests={}, confidence=2.0, population="x")


def test_where_no_smaller_budget_will_do_none_is_suggested():
    one = LabelledScores(np.array([0.0, 1.0]), np.array([0, 1]))
    with pytest.raises(TooFewNegativesError, match="no smaller number of reviews than all"):
        plan_reviews(Terms(per_day=10, base_rate=0.0, reviews=1), one, tests={}, population="x")


def test_bad_scores_are_refused():
    with pytest.raises(ArrayError, match="not finite"):
        planned(home=LabelledScores(np.array([np.nan, 1.0]), np.array([0, 1])))
    with pytest.raises(ArrayError, match="labels must be 0 and 1"):
        planned(home=LabelledScores(np.array([0.0, 1.0]), np.array([0, 2])))
