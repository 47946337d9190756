"""The construction of 2^d truth-like features, to the digit, and its bound on other data."""

import itertools

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError
from tiltmeter.probes import independent_fact_groups


def facts(differences, *, seed=0):
    """Rows ± difference / 2 around a content of their own; the true row stands first in half of the facts."""
    rng = np.random.default_rng(seed)
    content = rng.normal(size=differences.shape)
    X = np.concatenate([content + differences / 2, content - differences / 2])
    n = len(differences)
    return X, np.repeat([1, 0], n), np.tile(np.array([f"fact {i}" for i in range(n)]), 2)


def labelings_by_search(differences, groups):
    """Try every way to call groups true or false: is there a w with the right sign on every fact?"""
    from scipy.optimize import linprog

    names = sorted(set(groups))
    count = 0
    for signs in itertools.product([-1, 1], repeat=len(names)):
        sign = np.array([signs[names.index(group)] for group in groups])
        wanted = sign[:, None] * differences
        found = linprog(np.zeros(differences.shape[1]), A_ub=-wanted, b_ub=-np.ones(len(wanted)), bounds=(None, None))
        count += found.status == 0
    return count


def test_twelve_one_hot_facts_have_all_4096_labelings():
    X = np.concatenate([np.eye(12), -np.eye(12)])
    names = np.tile(np.array([f"fact {i:02}" for i in range(12)]), 2)
    found = independent_fact_groups(X, np.repeat([1, 0], 12), pairs=names, groups=names)
    assert found.n_labelings == 4096
    assert len(found.independent) == found.n_groups == 12


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_holds_and_is_reached_where_groups_have_features_of_their_own(seed):
    rng = np.random.default_rng(seed)
    groups = np.repeat(["a", "b", "c"], 4)
    features = np.linalg.qr(rng.normal(size=(8, 3)))[0].T
    differences = features[np.repeat([0, 1, 2], 4)] * rng.uniform(1, 2, size=(12, 1))
    X, y, pairs = facts(differences, seed=seed)
    found = independent_fact_groups(X, y, pairs=pairs, groups=np.tile(groups, 2))
    assert found.n_labelings == 8 == labelings_by_search(differences, groups.tolist())


@pytest.mark.parametrize("seed", range(5))
def test_the_bound_never_exceeds_what_a_search_finds(seed):
    rng = np.random.default_rng(100 + seed)
    groups = np.repeat(["a", "b", "c", "d"], 3)
    differences = rng.normal(size=(12, 6)) + 2 * rng.normal(size=(4, 6))[np.repeat(range(4), 3)]
    X, y, pairs = facts(differences, seed=seed)
    found = independent_fact_groups(X, y, pairs=pairs, groups=np.tile(groups, 2))
    assert found.n_labelings <= max(labelings_by_search(differences, groups.tolist()), 1)


def test_groups_that_share_one_truth_feature_are_not_independent():
    u = np.array([1.0, 0.0, 0.0, 0.0])
    X, y, pairs = facts(np.tile(u, (6, 1)))
    found = independent_fact_groups(X, y, pairs=pairs, groups=np.tile(np.repeat(["a", "b"], 3), 2))
    assert found.independent == ("a",)
    assert (found.n_groups, found.n_labelings) == (2, 2)


def test_a_group_whose_facts_contradict_each_other_is_not_counted():
    differences = np.array([[1.0, 0.0], [-1.0, 0.0], [0.0, 1.0]])
    X, y, pairs = facts(differences)
    found = independent_fact_groups(X, y, pairs=pairs, groups=np.tile(["a", "a", "b"], 2))
    assert found.independent == ("b",)


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_the_scale_of_the_rows_does_not_matter(scale):
    X, y, pairs = facts(np.eye(5))
    found = independent_fact_groups(scale * X, y, pairs=pairs, groups=pairs)
    assert found.n_labelings == 32


def test_a_fact_needs_a_true_and_a_false_row_of_one_group():
    X, y, pairs = facts(np.eye(3))
    with pytest.raises(ArrayError, match=r"has sides \[1, 1\].*a fact is a true and a false row"):
        independent_fact_groups(X, np.ones_like(y), pairs=pairs, groups=pairs)
    groups = pairs.copy()
    groups[0] = "other"
    with pytest.raises(ArrayError, match="a fact has one group"):
        independent_fact_groups(X, y, pairs=pairs, groups=groups)
