"""What a threshold promises on average, what it does not, and what a rate per row says about groups: nothing."""

import math

import numpy as np
import pytest
from scipy import stats
from sklearn.linear_model import LogisticRegression

from benchmarks.thresholds import simulate
from tiltmeter.core.errors import ArrayError, DataError, SpecError, TooFewNegativesError
from tiltmeter.core.records import Threshold
from tiltmeter.evaluation import conformal_threshold, require_fresh, threshold_at_fpr

RNG = np.random.default_rng(0)


@pytest.mark.parametrize(("n", "rank"), [(99, 99), (100, 100), (198, 198), (199, 198), (299, 297), (1000, 991)])
def test_the_conformal_threshold_is_the_order_statistic_of_the_formula(n, rank):
    scores = RNG.permutation(np.arange(float(n)))
    found = conformal_threshold(scores, population="x")
    assert math.ceil(round((n + 1) * 0.99, 9)) == rank
    assert found.value == np.sort(scores)[rank - 1]
    assert found.allowed == int((scores > found.value).sum())
    assert (found.guarantee, found.confidence, found.row_rate) == ("average", None, None)


@pytest.mark.parametrize(("fpr", "needed"), [(0.01, 99), (0.05, 19), (1 / 49, 48), (0.5, 1), (0.03, 33)])
def test_fewer_units_than_one_over_the_rate_are_refused_by_naming_the_number(fpr, needed):
    # one more place than units has to lie above: 1 / (n + 1) ≤ fpr
    assert 1 / (needed + 1) <= fpr * (1 + 1e-9) < 1 / needed
    with pytest.raises(TooFewNegativesError, match=rf"{needed - 1} negative rows cannot .*; {needed} are needed"):
        conformal_threshold(np.arange(needed - 1.0), fpr=fpr, population="x")
    assert conformal_threshold(np.arange(float(needed)), fpr=fpr, population="x").allowed == 0


def test_groups_count_as_one_unit_and_the_row_rate_is_no_guarantee():
    rng = np.random.default_rng(1)
    groups = rng.permutation(np.repeat(np.arange(400), 5))
    scores = rng.normal(size=2000)
    highest = np.array([scores[groups == name].max() for name in range(400)])
    for rule in (conformal_threshold, threshold_at_fpr):
        found = rule(scores, groups=groups, population="x")
        assert found.value == rule(highest, population="x").value
        assert (found.n, found.n_rows, found.unit) == (400, 2000, "group")
        assert found.row_rate.value == np.mean(scores > found.value) < found.fpr
        assert found.row_rate.low <= found.row_rate.value < found.row_rate.high
        assert "no guarantee" in found.row_rate.method and found.row_rate.n == 400
    assert threshold_at_fpr(highest, population="x").row_rate is None


@pytest.mark.parametrize("fpr", [0.0, 1.0, -1.0])
def test_a_rate_that_is_no_rate_is_refused(fpr):
    with pytest.raises(SpecError, match="it must lie strictly between 0 and 1"):
        conformal_threshold(np.arange(500.0), fpr=fpr, population="x")


def test_scores_that_are_not_finite_are_refused_here_too():
    with pytest.raises(ArrayError, match="scores must be one finite number per negative row"):
        conformal_threshold(np.append(np.arange(500.0), np.nan), population="x")


# ------------------------------------------------------------ the guarantees, on true rates


SETS = 5000
BROKEN = 0.05 + 3 * math.sqrt(0.05 * 0.95 / SETS)


@pytest.mark.long
@pytest.mark.parametrize("kind", ["continuous", "tied", "clustered"])
@pytest.mark.parametrize("n", [300, 1000, pytest.param(10_000, marks=pytest.mark.slow)])
def test_each_rule_keeps_its_promise_and_those_of_others_make_none(kind, n):
    found = {name.split()[0].strip(","): rates.fpr for name, rates in simulate(kind, n, n_sets=SETS).items()}
    assert np.mean(found["exact"] > 0.01) <= BROKEN
    assert found["conformal"].mean() <= 0.01 + 3 * found["conformal"].std() / math.sqrt(SETS)
    # and neither promises what the other does
    if kind != "tied":
        assert np.mean(found["conformal"] > 0.01) > 0.35
        assert np.mean(found["interpolated"] > 0.01) > 0.5
        assert found["interpolated"].mean() > found["conformal"].mean()
        assert np.mean(found["nearest"] > 0.01) > 0.35


@pytest.mark.parametrize(
    ("n", "caught"),
    [
        (299, 0.547),
        (500, 0.602),
        (1000, 0.651),
        pytest.param(3000, 0.703, marks=pytest.mark.slow),
        pytest.param(10_000, 0.727, marks=pytest.mark.slow),
    ],
)
def test_the_price_of_certainty_is_the_known_one(n, caught):
    found = simulate("continuous", n, n_sets=2000)
    assert found["exact binomial, 95 %"].tpr.mean() == pytest.approx(caught, abs=0.01)
    assert 0.72 < found["conformal, on average"].tpr.mean() < 0.75


# ------------------------------------------------------------ what breaks them


def test_a_threshold_on_the_rows_that_fitted_the_probe_lets_through_forty_times_what_it_says():
    # 512 features, 200 rows a class: training negatives stand far below all others
    fresh, held_out = [], []
    for seed in range(3):
        rng = np.random.default_rng(seed)
        shift = np.zeros(512)
        shift[0] = 3.5
        X = rng.normal(size=(400, 512)) + np.repeat([0, 1], 200)[:, None] * shift
        probe = LogisticRegression().fit(X, np.repeat([0, 1], 200))
        negatives, calibration = rng.normal(size=(4000, 512)), rng.normal(size=(300, 512))
        scores = probe.decision_function(negatives)
        fresh.append(np.mean(scores > np.quantile(probe.decision_function(X[:200]), 0.99)))
        held_out.append(np.mean(scores > threshold_at_fpr(probe.decision_function(calibration), population="x").value))
    assert 0.35 < np.mean(fresh) < 0.5
    # each certified one may break its rate in one draw of twenty, but not like that
    assert np.mean(held_out) < 0.03


def test_rows_that_fitted_the_probe_or_chose_its_layer_are_refused():
    fresh, used = np.array(["c", "d", "e"]), np.array(["a", "b"])
    require_fresh(fresh, fitted=used)
    require_fresh(fresh, fitted=used, chosen=np.array(["b"]))
    with pytest.raises(DataError, match=r"2 of 3 calibration rows \(the first is 'c'\) also fitted the probe.*did not"):
        require_fresh(fresh, fitted=np.array(["a", "d", "c"]))
    with pytest.raises(DataError, match=r"1 of 3 .*'e'\) also chose the probe's layer or method"):
        require_fresh(fresh, fitted=used, chosen=np.array(["e", "x"]))
    with pytest.raises(DataError, match="1 of 3"):
        require_fresh(np.array([1, 2, 3]), fitted=np.array([3]))
    with pytest.raises(ArrayError, match="fitted is empty"):
        require_fresh(fresh, fitted=np.array([], dtype=str))


def test_the_best_of_four_layers_on_the_same_negatives_breaks_a_conformal_threshold():
    # why rows that chose the layer are refused: the lowest of four thresholds, each with a mean rate of 1 %
    scores = np.random.default_rng(0).normal(size=(500, 4, 300))
    lowest = [min(conformal_threshold(one, population="x").value for one in layers) for layers in scores]
    assert np.mean(stats.norm.sf(lowest)) > 0.015


@pytest.mark.parametrize("n_tokens", [20, 200])
def test_a_rate_per_token_says_nothing_about_texts(n_tokens):
    # one threshold at 1 % of tokens; of texts a fifth or nearly all raise an alarm, as they are long or short
    rng = np.random.default_rng(n_tokens)
    tokens = rng.normal(size=(400, n_tokens))
    texts = np.repeat(np.arange(400), n_tokens)
    per_token = threshold_at_fpr(tokens.ravel(), population="tokens")
    per_text = threshold_at_fpr(tokens.ravel(), groups=texts, population="texts")
    fresh = rng.normal(size=(4000, n_tokens))
    assert np.mean(fresh > per_token.value) <= 0.01
    assert np.mean(fresh.max(axis=1) > per_token.value) == pytest.approx(1 - 0.99**n_tokens, abs=0.04)
    assert np.mean(fresh.max(axis=1) > per_text.value) <= 0.01
    # the maximum of each text given as one row is the same threshold
    assert per_text.value == threshold_at_fpr(tokens.max(axis=1), population="texts").value


# ------------------------------------------------------------ the record


def test_a_record_of_an_earlier_release_loads_as_one_with_confidence():
    old = {"value": 1.0, "fpr": 0.01, "confidence": 0.95, "n": 299, "n_rows": 299, "unit": "row", "allowed": 0}
    found = Threshold.model_validate(old | {"population": "x", "method": "exact binomial order statistic"})
    assert (found.guarantee, found.row_rate) == ("confidence", None)


@pytest.mark.parametrize(("guarantee", "confidence"), [("average", 0.95), ("confidence", None)])
def test_a_confidence_without_its_guarantee_is_no_record(guarantee, confidence):
    with pytest.raises(ValueError, match="the guarantee is"):
        Threshold(
            value=1.0, fpr=0.01, confidence=confidence, n=299, n_rows=299, unit="row", allowed=0, population="x",
            guarantee=guarantee,
        )  # fmt: skip


def test_an_average_threshold_survives_json():
    found = conformal_threshold(RNG.normal(size=300), groups=np.arange(300) // 2, population="x")
    assert Threshold.model_validate_json(found.model_dump_json()) == found
