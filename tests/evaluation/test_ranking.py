import tracemalloc
from functools import partial

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import roc_auc_score, roc_curve

from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import auroc, auroc_draws, resampling, tpr_at_fpr, tpr_draws


def naive_auroc(y, scores):
    """Share of (positive, negative) pairs in the right order, ties counting one half."""
    wins = pairs = 0.0
    for s, label in zip(scores, y, strict=True):
        for t, other in zip(scores, y, strict=True):
            if label == 1 and other == 0:
                pairs += 1
                wins += 1.0 if s > t else 0.5 if s == t else 0.0
    return wins / pairs


def naive_tpr(y, scores, fpr):
    """The best true-positive rate of any rule "score ≥ t", or "never", whose false-positive rate is at most fpr."""
    best = 0.0
    for t in set(scores):
        alarms = [s >= t for s in scores]
        negatives = [a for a, label in zip(alarms, y, strict=True) if label == 0]
        positives = [a for a, label in zip(alarms, y, strict=True) if label == 1]
        if sum(negatives) / len(negatives) <= fpr + 1e-12:
            best = max(best, sum(positives) / len(positives))
    return best


def random_case(seed):
    """Two to sixty rows, half of the cases with ties on a few levels."""
    rng = np.random.default_rng(seed)
    n = int(rng.integers(2, 60))
    y = rng.integers(2, size=n)
    y[:2] = 0, 1
    scores = rng.normal(size=n) + y * rng.normal()
    return y, np.round(scores * rng.choice([0.5, 1, 2])) if seed % 2 else scores


CASES = [random_case(seed) for seed in range(400)]


def test_auroc_equals_scikit_learn_on_hundreds_of_cases_with_ties():
    for y, scores in CASES:
        assert auroc(y, scores) == pytest.approx(roc_auc_score(y, scores), abs=1e-12)


def test_auroc_equals_the_naive_twin():
    for y, scores in CASES[:100]:
        assert auroc(y, scores) == pytest.approx(naive_auroc(y, scores), abs=1e-12)


@pytest.mark.parametrize("fpr", [0.0, 0.01, 0.1, 0.25, 1 / 3, 1.0])
def test_tpr_equals_the_naive_twin(fpr):
    for y, scores in CASES[:150]:
        assert tpr_at_fpr(y, scores, fpr=fpr) == pytest.approx(naive_tpr(y, scores, fpr), abs=1e-12)


@pytest.mark.parametrize("fpr", [0.01, 0.1, 0.5])
def test_tpr_is_a_point_of_scikit_learns_curve(fpr):
    for y, scores in CASES:
        false, true, _ = roc_curve(y, scores, drop_intermediate=False)
        assert tpr_at_fpr(y, scores, fpr=fpr) == pytest.approx(true[false <= fpr + 1e-12].max(), abs=1e-12)


def test_a_rate_that_is_a_whole_number_of_negatives_is_not_lost_to_rounding():
    # 0.29 · 100 is 28.999999999999996 in floating point
    y = np.repeat([0, 1], 100)
    scores = np.concatenate([np.arange(100.0), np.full(100, 70.5)])
    assert tpr_at_fpr(y, scores, fpr=0.29) == 1.0
    assert tpr_at_fpr(y, scores, fpr=0.28) == 0.0


def test_constant_scores_read_nothing():
    y = np.array([0, 1, 1, 0, 1])
    assert auroc(y, np.zeros(5)) == 0.5
    assert tpr_at_fpr(y, np.zeros(5), fpr=0.5) == 0.0


def test_three_level_scores_do_not_depend_on_row_order():
    y, scores = np.array([1, 1, 0, 0, 1, 0]), np.array([1.0, 0.0, 0.0, 1.0, 2.0, 0.0])
    values = {auroc(y[order], scores[order]) for order in map(np.random.default_rng(0).permutation, [6] * 50)}
    assert values == {naive_auroc(y, scores)}


@given(st.integers(0, 399), st.sampled_from([np.tanh, lambda s: 3 * s + 1, np.float32]))
@settings(max_examples=60, deadline=None)
def test_auroc_depends_on_the_order_alone_and_turns_round_with_the_sign(case, rising):
    y, scores = CASES[case]
    # coarse enough that a rising function keeps distinct scores distinct
    scores = np.round(scores, 2)
    assert auroc(y, np.asarray(rising(scores))) == pytest.approx(auroc(y, scores), abs=1e-12)
    assert auroc(y, -scores) == pytest.approx(1 - auroc(y, scores), abs=1e-12)
    assert auroc(1 - y, scores) == pytest.approx(1 - auroc(y, scores), abs=1e-12)


def test_weights_are_repetitions():
    rng = np.random.default_rng(1)
    for y, scores in CASES[:80]:
        weights = rng.integers(0, 4, size=(5, len(y))).astype(float)
        areas, rates = auroc_draws(y, scores, weights=weights), tpr_draws(y, scores, weights=weights, fpr=0.2)
        for i, weight in enumerate(weights):
            index = np.repeat(np.arange(len(y)), weight.astype(int))
            if len(np.unique(y[index])) < 2:
                assert np.isnan(areas[i]) and np.isnan(rates[i])
            else:
                assert areas[i] == pytest.approx(roc_auc_score(y[index], scores[index]), abs=1e-12)
                assert rates[i] == pytest.approx(tpr_at_fpr(y[index], scores[index], fpr=0.2), abs=1e-12)


def test_the_order_of_weights_in_memory_leaves_no_trace():
    rng = np.random.default_rng(2)
    for y, scores in CASES[:20]:
        weights = rng.integers(0, 3, size=(23, len(y))).astype(float)
        by_row = np.asfortranarray(weights)
        assert weights.flags.c_contiguous and not by_row.flags.c_contiguous
        for draws in (auroc_draws, partial(tpr_draws, fpr=0.1)):
            np.testing.assert_array_equal(draws(y, scores, weights=weights), draws(y, scores, weights=by_row))


def test_weights_need_not_be_whole_numbers():
    rng = np.random.default_rng(3)
    for y, scores in CASES[:80]:
        weights = rng.exponential(size=(3, len(y)))
        for value, weight in zip(auroc_draws(y, scores, weights=weights), weights, strict=True):
            assert value == pytest.approx(roc_auc_score(y, scores, sample_weight=weight), abs=1e-12)


@pytest.mark.parametrize("draws", [auroc_draws, partial(tpr_draws, fpr=0.01)])
def test_many_draws_take_no_memory_but_their_own_figures(draws):
    y, scores = np.arange(400) % 2, np.random.default_rng(4).normal(size=400)
    weights = resampling(400, groups=None, n_draws=2000).weights
    tracemalloc.start()
    draws(y, scores, weights=weights)
    most = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert most < weights.nbytes / 10


@pytest.mark.parametrize("label", [0, 1])
def test_one_class_is_refused(label):
    with pytest.raises(ArrayError, match="one class only; AUROC needs positives and negatives"):
        auroc(np.full(4, label), np.arange(4.0))


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_scores_that_are_not_finite_are_refused(bad):
    for measure in (auroc, lambda y, s: tpr_at_fpr(y, s, fpr=0.1)):
        with pytest.raises(ArrayError, match="scores hold 2 values that are not finite"):
            measure(np.array([0, 1, 0, 1]), np.array([0.0, bad, bad, 1.0]))


@pytest.mark.parametrize("labels", [[-1, 1, 1], [1, 2, 2], [0, 1, 2]])
def test_other_labels_are_refused(labels):
    with pytest.raises(ArrayError, match="labels must be 0 and 1"):
        auroc(np.array(labels), np.arange(3.0))


@pytest.mark.usefixtures("without_run_time_types")
@pytest.mark.parametrize("scores", [np.arange(5.0), np.zeros((4, 1))], ids=["too long", "two axes"])
def test_other_shapes_are_refused(scores):
    with pytest.raises(ArrayError, match=r"y has shape \(4,\) and scores .*; both must be one entry a row"):
        auroc(np.array([0, 1, 0, 1]), scores)
