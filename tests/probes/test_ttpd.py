from typing import NamedTuple

import numpy as np
import pytest
from scipy import optimize

from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import auroc
from tiltmeter.probes import TTPD, Logistic, MeanDifference, ttpd


class Statements(NamedTuple):
    X: np.ndarray
    y: np.ndarray
    is_negated: np.ndarray
    topics: np.ndarray
    truth: np.ndarray
    flipped: np.ndarray
    polarity: np.ndarray

    def at(self, rows):
        return self._replace(X=self.X[rows], y=self.y[rows], is_negated=self.is_negated[rows], topics=self.topics[rows])


def statements(seed, *, n_topics=4, of_each=25, d=30, directions=None):
    """Draw rows x = μ_topic + p · 2 a + τ t_G + τ p t_P + noise of unit variance.

    Truth t_G has length 1.5 and truth that flips with negation, t_P, length 2.5; the polarity axis a has length 1; all
    three are orthogonal. Topics differ by N(0, 1) a feature. ``of_each`` rows of each topic, polarity and label.
    """
    rng = np.random.default_rng(seed)
    axes = np.linalg.qr(rng.normal(size=(d, 3)))[0].T if directions is None else directions
    cells = np.array([(topic, p, tau) for topic in range(n_topics) for p in (1, -1) for tau in (1, -1)])
    topic, p, tau = np.repeat(cells, of_each, axis=0).T
    X = rng.normal(size=(n_topics, d))[topic] + rng.normal(size=(len(topic), d))
    X += np.outer(tau, 1.5 * axes[0]) + np.outer(tau * p, 2.5 * axes[1]) + np.outer(p, 2.0 * axes[2])
    return Statements(X, (tau + 1) // 2, p == -1, np.array([f"topic {i}" for i in topic]), *axes)


def unit(vector):
    return vector / np.linalg.norm(vector)


ROWS = statements(0)


# ------------------------------------------------------------ the formulas


@pytest.mark.parametrize("is_balanced", [True, False])
def test_the_truth_directions_are_the_least_squares_of_the_model_with_a_mean_for_each_cell(is_balanced):
    rows = ROWS if is_balanced else ROWS.at(np.flatnonzero(np.random.default_rng(0).random(len(ROWS.y)) < 0.2))
    cells = sorted(set(zip(rows.topics.tolist(), rows.is_negated.tolist(), strict=True)))
    # columns: τ, τ p, and one for each topic and polarity; each feature on its own
    design = np.zeros((len(rows.y), 2 + len(cells)))
    for i in range(len(rows.y)):
        tau, p = 2 * int(rows.y[i]) - 1, -1 if rows.is_negated[i] else 1
        design[i, :2] = tau, tau * p
        design[i, 2 + cells.index((rows.topics[i], bool(rows.is_negated[i])))] = 1
    expected = [np.linalg.lstsq(design, rows.X[:, j], rcond=None)[0][:2] for j in range(rows.X.shape[1])]
    found = ttpd(rows.X, rows.y, is_negated=rows.is_negated, topics=rows.topics)
    np.testing.assert_allclose(np.stack([found.truth, found.flipped], axis=1), expected, atol=1e-9)


def test_with_balanced_labels_they_are_the_published_closed_form():
    # t = (Tᵀ T)⁻¹ Tᵀ (X − mean of the cell), with T the columns τ and τ p
    centred = ROWS.X.copy()
    for topic in set(ROWS.topics):
        for is_negated in (False, True):
            cell = (ROWS.topics == topic) & (ROWS.is_negated == is_negated)
            centred[cell] -= ROWS.X[cell].mean(axis=0)
    tau = 2.0 * ROWS.y - 1
    T = np.stack([tau, tau * np.where(ROWS.is_negated, -1, 1)], axis=1)
    truth, flipped = np.linalg.inv(T.T @ T) @ T.T @ centred
    found = ttpd(ROWS.X, ROWS.y, is_negated=ROWS.is_negated, topics=ROWS.topics)
    np.testing.assert_allclose(found.truth, truth, atol=1e-12)
    np.testing.assert_allclose(found.flipped, flipped, atol=1e-12)


def unpenalised(X, y):
    sign = 2.0 * y - 1

    def objective(theta):
        margin = sign * (X @ theta[:-1] + theta[-1])
        pull = -sign / (1 + np.exp(margin))
        return np.logaddexp(0, -margin).sum(), np.append(X.T @ pull, pull.sum())

    found = optimize.minimize(objective, np.zeros(X.shape[1] + 1), jac=True, method="BFGS", options={"gtol": 1e-6})
    return found.x


def test_with_little_penalty_the_score_is_the_published_one():
    # few features and overlapping classes, so that regressions without a penalty have a minimum
    rows = statements(1, d=4)
    rows = rows._replace(X=rows.X + 3 * np.random.default_rng(2).normal(size=rows.X.shape))
    found = ttpd(rows.X, rows.y, is_negated=rows.is_negated, topics=rows.topics, C=1e6)
    polarity = unpenalised(rows.X, (~rows.is_negated).astype(int))[:-1]
    np.testing.assert_allclose(found.polarity, unit(polarity), atol=1e-4)
    projected = np.stack([rows.X @ found.truth, rows.X @ polarity], axis=1)
    *shares, offset = unpenalised(projected, rows.y)
    np.testing.assert_allclose(rows.X @ found.vector + found.offset, projected @ shares + offset, atol=1e-3)


def test_the_score_lies_in_the_plane_of_truth_and_polarity():
    probe = TTPD().fit(ROWS.X, ROWS.y, is_negated=ROWS.is_negated, topics=ROWS.topics)
    plane = np.stack([probe.truth_direction_, probe.polarity_direction_], axis=1)
    shares = np.linalg.lstsq(plane, probe.direction_, rcond=None)[0]
    np.testing.assert_allclose(plane @ shares, probe.direction_, atol=1e-12)
    assert np.linalg.norm(plane, axis=0) == pytest.approx([1.0, 1.0])


# ------------------------------------------------------------ what it is for


@pytest.mark.parametrize("seed", range(5))
def test_it_holds_for_negations_of_new_topics_where_probes_of_affirmative_statements_fail(seed):
    train = statements(seed)
    axes = np.stack([train.truth, train.flipped, train.polarity])
    fresh = statements(100 + seed, n_topics=8, directions=axes)
    affirmative = train.at(np.flatnonzero(~train.is_negated))
    negations = fresh.at(np.flatnonzero(fresh.is_negated))
    claims = fresh.at(np.flatnonzero(~fresh.is_negated))

    probe = TTPD().fit(train.X, train.y, is_negated=train.is_negated, topics=train.topics)
    for held_out in (negations, claims):
        assert auroc(held_out.y, probe.decision_function(held_out.X)) > 0.9
    for rival in (MeanDifference(), Logistic()):
        rival.fit(affirmative.X, affirmative.y)
        assert auroc(claims.y, rival.decision_function(claims.X)) > 0.95
        # worse than a coin: what flips is longer than what does not
        assert auroc(negations.y, rival.decision_function(negations.X)) < 0.3
    assert probe.truth_direction_ @ train.truth > 0.9
    assert abs(probe.truth_direction_ @ train.flipped) < 0.2
    assert probe.polarity_direction_ @ train.polarity > 0.7


@pytest.mark.parametrize("seed", range(5))
def test_on_permuted_labels_it_finds_nothing(seed):
    train = statements(seed)
    fresh = statements(100 + seed, n_topics=8, directions=np.stack([train.truth, train.flipped, train.polarity]))
    areas = []
    for draw in range(10):
        labels = np.random.default_rng(draw).permutation(train.y)
        probe = TTPD().fit(train.X, labels, is_negated=train.is_negated, topics=train.topics)
        areas.append(auroc(fresh.y, probe.decision_function(fresh.X)))
    assert np.mean(areas) == pytest.approx(0.5, abs=0.2)
    assert min(areas) < 0.5 < max(areas)


def test_topics_take_out_what_a_lopsided_topic_would_lend_to_truth():
    # one topic nearly all true, and far away
    rng = np.random.default_rng(3)
    keep = (ROWS.topics != "topic 0") | (ROWS.y == 1) | (rng.random(len(ROWS.y)) < 0.1)
    rows = ROWS.at(np.flatnonzero(keep))
    planted = np.stack([ROWS.truth, ROWS.flipped, ROWS.polarity])
    away = rng.normal(size=30)
    away = unit(away - planted.T @ (planted @ away))
    X = rows.X + np.outer(rows.topics == "topic 0", 40 * away)
    told = TTPD().fit(X, rows.y, is_negated=rows.is_negated, topics=rows.topics).truth_direction_
    untold = TTPD().fit(X, rows.y, is_negated=rows.is_negated).truth_direction_
    assert told @ ROWS.truth > 0.9
    assert abs(untold @ away) > 0.8 > 0.3 > abs(told @ away)


def test_names_of_topics_and_the_order_of_rows_do_not_matter():
    here = TTPD().fit(ROWS.X, ROWS.y, is_negated=ROWS.is_negated, topics=ROWS.topics)
    order = np.random.default_rng(0).permutation(len(ROWS.y))
    rows = ROWS.at(order)
    numbers = 9 - np.unique(rows.topics, return_inverse=True)[1]
    there = TTPD().fit(rows.X, rows.y, is_negated=rows.is_negated.astype(int), topics=numbers)
    np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-7)


def test_swapping_the_polarity_turns_the_polarity_direction_only():
    here = TTPD().fit(ROWS.X, ROWS.y, is_negated=ROWS.is_negated, topics=ROWS.topics)
    there = TTPD().fit(ROWS.X, ROWS.y, is_negated=~ROWS.is_negated, topics=ROWS.topics)
    np.testing.assert_allclose(there.polarity_direction_, -here.polarity_direction_, atol=1e-7)
    np.testing.assert_allclose(there.truth_direction_, here.truth_direction_, atol=1e-12)
    np.testing.assert_allclose(there.direction_, here.direction_, atol=1e-7)


# ------------------------------------------------------------ what is refused


def test_without_the_polarity_of_statements_it_refuses():
    with pytest.raises(ArrayError, match="TTPD needs is_negated: for each row, whether"):
        TTPD().fit(ROWS.X, ROWS.y)


@pytest.mark.parametrize(("value", "name"), [(True, "affirmative"), (False, "negated")])
def test_one_polarity_only_is_refused(value, name):
    with pytest.raises(ArrayError, match=f"No {name} statement was given; TTPD needs affirmative and negated"):
        TTPD().fit(ROWS.X, ROWS.y, is_negated=np.full(len(ROWS.y), value))


def test_a_polarity_of_one_label_is_refused():
    rows = ROWS.at(np.flatnonzero(~ROWS.is_negated | (ROWS.y == 1)))
    with pytest.raises(ArrayError, match="Within each topic all negated statements have one label"):
        TTPD().fit(rows.X, rows.y, is_negated=rows.is_negated)


def test_topics_of_one_label_each_leave_no_truth_to_compare():
    topics = np.where(ROWS.y == 1, "true ones", "false ones")
    with pytest.raises(ArrayError, match="Within each topic all affirmative statements have one label"):
        TTPD().fit(ROWS.X, ROWS.y, is_negated=ROWS.is_negated, topics=topics)


@pytest.mark.parametrize("wrong", [np.zeros(3, bool), np.full(len(ROWS.y), 2)], ids=["length", "values"])
def test_polarity_that_is_no_boolean_a_row_is_refused(wrong):
    with pytest.raises(ArrayError, match="is_negated must hold True or False for each of the 400 rows"):
        TTPD().fit(ROWS.X, ROWS.y, is_negated=wrong)


def test_topics_of_another_length_are_refused():
    with pytest.raises(ArrayError, match=r"topics have shape \(3,\) for 400 rows"):
        TTPD().fit(ROWS.X, ROWS.y, is_negated=ROWS.is_negated, topics=["a", "b", "c"])


def test_a_fit_without_topics_is_one_with_a_single_topic():
    here = TTPD().fit(ROWS.X, ROWS.y, is_negated=ROWS.is_negated)
    there = TTPD().fit(ROWS.X, ROWS.y, is_negated=ROWS.is_negated, topics=["all"] * len(ROWS.y))
    np.testing.assert_array_equal(there.direction_, here.direction_)
