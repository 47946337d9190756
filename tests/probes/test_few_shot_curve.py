"""A few positives of the model's own beside many that others wrote."""

import numpy as np
import pytest

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.evaluation import auroc, tpr_at_fpr
from tiltmeter.probes import LDA, Logistic, MeanDifference, few_shot_curve

WIDTH = 32
COUNTS = (0, 1, 2, 4, 8, 16)
OFF = 6.0 * np.eye(WIDTH)[0]
# two directions with a cosine of 0.3
ON = 6.0 * (0.3 * np.eye(WIDTH)[0] + np.sqrt(1 - 0.09) * np.eye(WIDTH)[1])
METHODS = [MeanDifference(), Logistic(C=0.1, penalty_scale="within"), LDA()]
each_method = pytest.mark.parametrize("probe", METHODS, ids=lambda probe: type(probe).__name__)


def drawn(n, shift, *, seed, positives=False):
    y = np.ones(n, dtype=np.int64) if positives else np.arange(n) % 2
    X = np.random.default_rng(seed).normal(size=(n, WIDTH)) + y[:, None] * shift
    return Activations(X, ids=np.arange(n).astype(str), y=y)


def world(seed, on=ON):
    return {
        "off_policy": drawn(400, OFF, seed=seed),
        "on_policy": drawn(40, on, seed=100 + seed, positives=True),
        "test": drawn(4000, on, seed=200 + seed),
    }


def curve(probe, given, **more):
    given = dict(given)
    return few_shot_curve(probe, given.pop("off_policy"), **given, **more)


@pytest.mark.long
@each_method
def test_a_few_positives_close_the_gap_and_never_open_it(probe):
    """METHODS section 1: with a cosine of 0.3 the mean TPR never falls by more than noise, and 16 close the gap."""
    found = [curve(probe, world(seed), n_draws=5) for seed in range(5)]
    means = np.mean([one.tprs.mean(axis=1) for one in found], axis=0)
    # over five worlds, each the mean of five draws: the spread of the mean between worlds
    noise = np.std([one.tprs.mean(axis=1) for one in found], axis=0, ddof=1).max() / np.sqrt(5)
    assert (np.diff(means) >= -2 * noise).all()
    reached = []
    for seed in range(5):
        given = world(seed)
        ceiling = type(probe)(**probe.get_params()).fit(drawn(400, ON, seed=300 + seed).X, np.arange(400) % 2)
        reached.append(tpr_at_fpr(given["test"].y, ceiling.decision_function(given["test"].X), fpr=0.01))
    assert means[0] < 0.4 and np.mean(reached) > 0.99
    assert (means[-1] - means[0]) / (np.mean(reached) - means[0]) > 0.9


@each_method
def test_where_there_is_no_gap_a_few_positives_change_nothing(probe):
    found = curve(probe, world(0, on=OFF), n_draws=3)
    assert found.aurocs.min() > 0.99 and np.ptp(found.tprs.mean(axis=1)) < 0.02


@each_method
def test_positives_like_negatives_help_nobody(probe):
    given = world(0) | {"on_policy": drawn(40, 0 * ON, seed=7, positives=True)}
    found = curve(probe, given, counts=(0, 16), n_draws=5)
    assert found.tprs[1].mean() < found.tprs[0].mean() + 0.05


@each_method
def test_a_point_of_the_curve_is_one_weighted_fit(probe):
    given = world(3)
    found = curve(probe, given, counts=(40,), n_draws=2)
    off, on, test = given["off_policy"], given["on_policy"], given["test"]
    # all 40 are taken, so the order of the draw does not matter: 200 positives of weight 0.5, 40 of weight 2.5
    X, y = np.concatenate([off.X, on.X]), np.concatenate([off.y, on.y])
    weights = np.concatenate([np.where(off.y == 1, 0.5, 1.0), np.full(40, 2.5)])
    scores = type(probe)(**probe.get_params()).fit(X, y, sample_weight=weights).decision_function(test.X)
    assert found.tprs == pytest.approx(tpr_at_fpr(test.y, scores, fpr=0.01), abs=0.002)
    assert found.aurocs == pytest.approx(auroc(test.y, scores), abs=1e-4)


def test_without_any_it_is_the_probe_itself_in_each_draw():
    given = world(1)
    found = curve(LDA(), given, counts=(0,), n_draws=4)
    scores = LDA().fit(given["off_policy"].X, given["off_policy"].y).decision_function(given["test"].X)
    assert set(found.aurocs.ravel()) == {auroc(given["test"].y, scores)}


def test_the_same_seed_draws_the_same():
    first, second, other = (curve(LDA(), world(2), counts=(4,), n_draws=3, random_state=seed) for seed in (0, 0, 1))
    assert (first.tprs == second.tprs).all() and (first.tprs != other.tprs).any()


def test_what_cannot_be_drawn_is_refused():
    given = world(0)
    for counts in ((), (-1,), (41,)):
        with pytest.raises(SpecError, match="the 40 positives"):
            curve(LDA(), given, counts=counts)
    with pytest.raises(SpecError, match="n_draws is 0"):
        curve(LDA(), given, n_draws=0)
    with pytest.raises(ArrayError, match="positives alone"):
        curve(LDA(), given | {"on_policy": drawn(10, ON, seed=0)})
    for shared in ("off_policy", "on_policy"):
        given = world(0)
        for name in (shared, "test"):
            rows = given[name]
            given[name] = Activations(rows.X, ids=rows.ids, y=rows.y, groups=np.array(["g"] * len(rows)))
        with pytest.raises(ArrayError, match=f"A group of {shared} is in test"):
            curve(LDA(), given)
