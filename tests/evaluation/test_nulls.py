"""Nulls: what luck alone reaches."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.metrics import roc_auc_score

from tiltmeter.core.errors import ArrayError
from tiltmeter.evaluation import auroc, auroc_columns, random_directions, shuffle_labels, shuffle_p_value, shuffle_pairs


def _rows(n: int, d: int, *, shift: float, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    X = rng.normal(size=(n, d))
    X[:, 0] += shift * y
    return X, y


def test_auroc_of_columns_equals_scikit_learn_column_by_column_with_ties() -> None:
    rng = np.random.default_rng(0)
    y = rng.integers(2, size=60)
    scores = rng.integers(5, size=(60, 7)).astype(float)
    expected = [roc_auc_score(y, scores[:, j]) for j in range(7)]
    np.testing.assert_allclose(auroc_columns(y, scores), expected, atol=1e-12)


def test_auroc_of_columns_refuses_one_class() -> None:
    with pytest.raises(ArrayError, match="one class only"):
        auroc_columns(np.ones(3, dtype=int), np.zeros((3, 2)))


def test_random_directions_get_their_sign_from_train_rows_alone() -> None:
    X, y = _rows(400, 10, shift=2.0, seed=0)
    # labels of the test rows are flipped: directions oriented on train must then fall below one half on average
    found = random_directions(
        X[:200], y[:200], X_test=X[200:], y_test=1 - y[200:], count=200, rng=np.random.default_rng(1)
    )
    assert found.train.min() >= 0.5
    assert found.test.mean() < 0.5


def test_random_directions_on_pure_noise_are_centred_on_chance() -> None:
    means = []
    for seed in range(5):
        X, y = _rows(1000, 20, shift=0.0, seed=seed)
        found = random_directions(
            X[:500], y[:500], X_test=X[500:], y_test=y[500:], count=100, rng=np.random.default_rng(seed)
        )
        means.append(found.test.mean())
    assert abs(np.mean(means) - 0.5) < 0.02


def test_the_best_random_direction_beats_chance_by_luck_alone() -> None:
    X, y = _rows(100, 20, shift=0.0, seed=3)
    found = random_directions(X[:50], y[:50], X_test=X[50:], y_test=y[50:], count=100, rng=np.random.default_rng(0))
    assert found.test.max() > 0.6


def test_shuffled_labels_keep_the_balance_of_rows_and_of_pairs() -> None:
    rng = np.random.default_rng(0)
    y = np.array([0, 1, 0, 1, 1, 0])
    pairs = np.array(["a", "a", "b", "b", "c", "c"])
    for _ in range(20):
        assert shuffle_labels(y, pairs=None, rng=rng).sum() == 3
        swapped = shuffle_labels(y, pairs=pairs, rng=rng)
        assert [swapped[pairs == p].sum() for p in "abc"] == [1, 1, 1]


def test_shuffled_labels_say_nothing_about_the_old_ones() -> None:
    rng = np.random.default_rng(0)
    y = np.arange(2000) % 2
    pairs = np.repeat(np.arange(1000), 2).astype(str)
    for shuffled in (shuffle_labels(y, pairs=None, rng=rng), shuffle_labels(y, pairs=pairs, rng=rng)):
        assert abs(np.corrcoef(y, shuffled)[0, 1]) < 0.1


def test_pairs_of_equal_labels_are_shuffled_as_rows() -> None:
    y = np.array([1, 1, 0, 0] * 10)
    pairs = np.repeat(np.arange(20), 2).astype(str)
    shuffled = shuffle_labels(y, pairs=pairs, rng=np.random.default_rng(0))
    assert shuffled.sum() == 20
    assert (shuffled != y).any()


def test_labels_of_whole_groups_are_exchanged_as_wholes() -> None:
    groups = np.repeat(np.arange(24), 10)
    y = np.repeat(np.arange(24) % 2, 10)
    shuffled = shuffle_labels(y, groups=groups, rng=np.random.default_rng(0))
    assert (shuffled != y).any()
    assert all(len(np.unique(shuffled[groups == group])) == 1 for group in range(24))
    assert shuffled.sum() == y.sum()


def test_labels_within_groups_that_hold_both_are_permuted_within_them() -> None:
    groups = np.repeat(np.arange(20), 5)
    y = np.tile([0, 0, 1, 1, 1], 20)
    shuffled = shuffle_labels(y, groups=groups, rng=np.random.default_rng(0))
    assert (shuffled != y).any()
    assert all(shuffled[groups == group].sum() == 3 for group in range(20))


@pytest.mark.long
def test_a_label_of_authors_and_a_score_of_authors_give_an_honest_p_value() -> None:
    # pure null: both label and score belong to the author, independently; rows of an author repeat each other
    small = 0
    for seed in range(200):
        rng = np.random.default_rng(seed)
        groups = np.repeat(np.arange(24), 10)
        y, scores = rng.permutation(np.arange(24) % 2)[groups], rng.normal(size=24)[groups]
        null = [auroc(shuffle_labels(y, groups=groups, rng=rng), scores) for _ in range(19)]
        small += shuffle_p_value(auroc(y, scores), np.array(null)) <= 0.05
    assert small / 200 < 0.05 + 3 * np.sqrt(0.05 * 0.95 / 200)


def test_a_p_value_is_never_zero_and_is_uniform_under_the_null() -> None:
    assert shuffle_p_value(1.0, np.zeros(99)) == 0.01
    rng = np.random.default_rng(0)
    draws = rng.normal(size=(20000, 20))
    p_values = np.array([shuffle_p_value(row[0], row[1:]) for row in draws])
    assert abs((p_values <= 0.05).mean() - 0.05) < 3 * np.sqrt(0.05 * 0.95 / 20000)


@pytest.mark.parametrize("told", [True, False])
def test_redrawn_pairs_have_one_row_of_either_side_and_a_partner_by_chance(told: bool) -> None:
    pairs = np.array([f"p{i // 2}" for i in range(400)] + [""] * 5)
    sides = np.array([0, 1] * 200 + [0] * 5) if told else None
    found = shuffle_pairs(pairs, sides=sides, rng=np.random.default_rng(0))
    assert (found.pairs[400:] == "").all()
    if told:
        assert np.array_equal(found.sides, sides)
        assert np.array_equal(found.pairs[:400:2], pairs[:400:2])
    for name in np.unique(pairs[:400]):
        assert sorted(found.sides[found.pairs == name]) == [0, 1]
    first, second = found.pairs[:400:2], found.pairs[1:400:2]
    # of a permutation one pair on average keeps its partner
    assert (first == second).sum() <= 6


def test_partners_say_nothing_of_each_other_once_they_are_redrawn() -> None:
    pairs, y = np.repeat(np.arange(500), 2).astype(str), np.tile([0, 1], 500)
    found = shuffle_pairs(pairs, rng=np.random.default_rng(1))
    of_pair = np.bincount(np.unique(found.pairs, return_inverse=True)[1], weights=y)
    # half of the pairs hold one label only; before, none did
    assert abs((of_pair != 1).mean() - 0.5) < 4 * np.sqrt(0.25 / 500)


def test_what_is_no_pair_cannot_be_redrawn() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(ArrayError, match="two rows"):
        shuffle_pairs(np.array(["a", "a", "a"]), rng=rng)
    with pytest.raises(ArrayError, match="one row of side 0"):
        shuffle_pairs(np.array(["a", "a"]), sides=np.array([1, 1]), rng=rng)
