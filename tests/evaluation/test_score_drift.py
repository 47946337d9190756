"""The alarm of a stream is rarely false however long one looks, comes soon after a change, and can be resumed."""

import math

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.evaluation import ScoreDrift, ScoreDriftState, unit_scores

STAKES = np.array([-1.8, -1.0, -0.5, 0.5, 1.0, 1.8])


def p_values(calibration, stream, seed):
    """The rank from above among all scores so far, ties at random, counted one by one."""
    coins, so_far, found = np.random.default_rng(np.random.PCG64(seed)).random(len(stream)), list(calibration), []
    for score, coin in zip(stream, coins, strict=True):
        so_far.append(score)
        above = sum(other > score for other in so_far)
        found.append((above + coin * sum(other == score for other in so_far)) / len(so_far))
    return np.array(found)


def capital(p):
    """The sum over starts and stakes, every product on its own; p of shape (t,)."""
    t = len(p)
    total = 1 / (t + 1)
    for start in range(1, t + 1):
        for stake in STAKES:
            total += np.prod(1 + stake * (p[start - 1 :] - 0.5)) / (start * (start + 1)) / len(STAKES)
    return total


def most_won(p):
    """The most capital of many streams at once, p of shape (streams, t)."""
    won, most = np.zeros((len(STAKES), len(p))), np.ones(len(p))
    for t in range(1, p.shape[1] + 1):
        won = (won + 1 / (t * (t + 1)) / len(STAKES)) * (1 + STAKES[:, None] * (p[:, t - 1] - 0.5))
        most = np.maximum(most, won.sum(axis=0) + 1 / (t + 1))
    return most


@pytest.mark.parametrize("step", [0.0, 0.5])
def test_the_evidence_equals_the_sum_of_products_over_ranks_that_are_counted(step):
    rng = np.random.default_rng(0)
    calibration, stream = rng.normal(size=20), rng.normal(0.5, 1, size=40)
    if step:
        calibration, stream = np.floor(calibration / step) * step, np.floor(stream / step) * step
    test = ScoreDrift(calibration, seed=3).update(stream)
    p = p_values(calibration, stream, 3)
    assert test.won.evidence == pytest.approx(capital(p))
    assert test.won.most == pytest.approx(max(1.0, *(capital(p[:t]) for t in range(1, 41))))
    assert test.won.most == pytest.approx(most_won(p[None])[0])


def test_ranks_are_independent_and_uniform_where_nothing_changes():
    # so the capital of uniform numbers has the law of that of streams
    found = []
    for seed in range(300):
        scores = np.floor(3 * np.random.default_rng(seed).normal(size=30))
        found.append(p_values(scores[:10], scores[10:], seed))
    p = np.array(found)
    assert np.abs(p.mean(axis=0) - 0.5).max() < 4 * math.sqrt(1 / 12 / 300)
    off = np.corrcoef(p.T)[np.triu_indices(20, 1)]
    assert np.abs(off).max() < 4.5 / math.sqrt(300)


def test_over_10_000_scores_no_more_alarms_are_raised_than_alpha():
    alpha, n = 0.05, 1500
    most = most_won(np.random.default_rng(0).random((n, 10_000)))
    share = (most >= 1 / alpha).mean()
    assert share <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / n)
    # not by being idle
    assert share > alpha / 5


def test_streams_of_few_calibration_scores_raise_no_more_either():
    alpha, n = 0.1, 150
    raised = 0
    for seed in range(n):
        scores = np.random.default_rng([1, seed]).normal(size=320)
        raised += ScoreDrift(scores[:20], alpha=alpha, seed=seed).update(scores[20:]).won.raised_at is not None
    assert raised / n <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / n)


@pytest.mark.slow
@pytest.mark.parametrize("n_calibration", [50, 300, 1000])
def test_over_10_000_scores_of_whole_streams_no_more_alarms_are_raised_than_alpha(n_calibration):
    alpha, n, raised = 0.05, 200, 0
    for seed in range(n):
        scores = np.random.default_rng([2, seed]).normal(size=n_calibration + 10_000)
        test = ScoreDrift(scores[:n_calibration], alpha=alpha, seed=seed).update(scores[n_calibration:])
        raised += test.won.raised_at is not None
    assert raised / n <= alpha + 3 * math.sqrt(alpha * (1 - alpha) / n)


def test_ranks_among_fixed_calibration_scores_alone_raise_false_alarms():
    # the variant that must fail: it learns what is peculiar about 100 scores
    rng = np.random.default_rng(0)
    found = []
    for _ in range(60):
        calibration, stream = np.sort(rng.normal(size=100)), rng.normal(size=10_000)
        above = 100 - np.searchsorted(calibration, stream)
        found.append((above + rng.random(10_000)) / 101)
    assert (most_won(np.array(found)) >= 20).mean() > 0.5


def test_rows_of_a_group_one_by_one_raise_false_alarms_and_one_score_a_group_does_not():
    by_row, by_group = 0, 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        calibration = rng.normal(size=500)
        groups = np.repeat(np.arange(60), 8)
        rows = np.repeat(rng.normal(size=60), 8) + 0.1 * rng.normal(size=480)
        by_row += ScoreDrift(calibration, alpha=0.05).update(rows).won.raised_at is not None
        highest = unit_scores(rng.normal(size=500 * 8), np.repeat(np.arange(500), 8))
        fresh = unit_scores(rng.normal(size=480), groups)
        by_group += ScoreDrift(highest, alpha=0.05).update(fresh).won.raised_at is not None
    assert by_row / 60 > 0.3
    assert by_group / 60 <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / 60)


@pytest.mark.parametrize(("shift", "delay"), [(0.5, 250), (1.0, 90), (-1.0, 90)])
@pytest.mark.parametrize("at", [0, 1000])
def test_a_shift_is_found_soon_early_or_late(at, shift, delay):
    found = []
    for seed in range(9):
        rng = np.random.default_rng([4, seed])
        test = ScoreDrift(rng.normal(size=500), alpha=0.01, seed=seed).update(rng.normal(size=at))
        raised = test.update(rng.normal(shift, 1, size=600)).won.raised_at
        found.append(math.inf if raised is None else raised - at)
    assert 0 < np.median(found) < delay


@pytest.mark.parametrize("cut", [0, 1, 77, 200])
def test_a_stream_that_is_cut_kept_and_resumed_ends_where_one_that_ran_through_does(cut):
    rng = np.random.default_rng(0)
    calibration, stream = np.floor(4 * rng.normal(size=100)), np.floor(4 * rng.normal(0.7, 1, size=200))
    whole = ScoreDrift(calibration, alpha=0.01, seed=5).update(stream)
    kept = ScoreDrift(calibration, alpha=0.01, seed=5).update(stream[:cut]).state().model_dump_json()
    resumed = ScoreDrift.resume(ScoreDriftState.model_validate_json(kept)).update(stream[cut:])
    assert resumed.state() == whole.state()
    assert whole.won.raised_at is not None


def test_certainty_does_not_overflow():
    test = ScoreDrift(np.arange(2000.0)).update(np.arange(2000.0, 5000.0))
    assert 1e100 <= test.won.evidence < math.inf
    assert test.won.n_seen == 3000
    assert ScoreDriftState.model_validate_json(test.state().model_dump_json()) == test.state()


def test_scores_that_are_all_alike_are_no_drift():
    assert ScoreDrift(np.zeros(300), alpha=0.05).update(np.zeros(3000)).won.raised_at is None


@pytest.mark.parametrize(
    ("calibration", "options", "error", "message"),
    [
        (np.zeros(0), {}, ArrayError, "one unit at least"),
        (np.array([np.nan]), {}, ArrayError, "one unit at least"),
        (np.zeros(3), {"alpha": 1.0}, SpecError, "alpha is 1.0"),
        (np.zeros(3), {"seed": -1}, SpecError, "The seed is -1"),
    ],
)
def test_bad_input_is_refused(calibration, options, error, message):
    with pytest.raises(error, match=message):
        ScoreDrift(calibration, **options)


def test_a_batch_with_a_bad_score_is_refused_as_a_whole_and_a_wrong_state_too():
    test = ScoreDrift(np.arange(9.0))
    with pytest.raises(ArrayError, match="one finite number a unit"):
        test.update(np.array([1.0, np.inf]))
    assert test.won.n_seen == 0
    with pytest.raises(ArrayError, match="holds 8 scores and 6 bets; it needs 9 and 6"):
        ScoreDrift.resume(test.state().model_copy(update={"reference": (1.0,) * 8}))
