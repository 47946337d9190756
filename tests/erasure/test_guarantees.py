"""What a closed form says that it guarantees is so, and what is not so it does not say."""

import numpy as np
import pytest
from scipy.optimize import linprog

from tests.erasers import gap, rows
from tiltmeter.erasure import (
    LEACEFitter,
    leace,
    mean_projection,
    oracle_leace,
    sal,
)

FUNCTIONS = (leace, mean_projection, sal, oracle_leace)
each_function = pytest.mark.parametrize("find", FUNCTIONS, ids=lambda find: find.__name__)
SEEDS = pytest.mark.parametrize("seed", range(5))
FOR_CLASSES = "class means are equal (no feature correlates with z), so for every convex loss"
FOR_NUMBERS = "no feature correlates with z, so for squared loss, and not in general for others,"


def erased_by(find, X, z):
    eraser = find(X, z)
    return eraser(X, z) if find is oracle_leace else eraser(X)


def least_absolute_loss(rows, z):
    """The linear program min mean |z − affine(x)|, by the parts above and below."""
    n, d = rows.shape
    design = np.column_stack([rows, np.ones(n)])
    cost = np.concatenate([np.zeros(d + 1), np.full(2 * n, 1 / n)])
    bounds = [(None, None)] * (d + 1) + [(0, None)] * (2 * n)
    return linprog(cost, A_eq=np.hstack([design, np.eye(n), -np.eye(n)]), b_eq=z, bounds=bounds).fun


def skewed_numbers(seed, n=600):
    """The mean of z is the same where the first feature is 0 and where it is 1, its median is not; another covaries."""
    rng = np.random.default_rng(seed)
    first = np.arange(n) % 2.0
    z = np.where(first == 0, 0.5, np.where(rng.random(n) < 0.9, 0.01, 4.91))
    other = rng.normal(size=n)
    return np.column_stack([first, other]), z + 0.3 * other


@SEEDS
@pytest.mark.parametrize("find", [leace, mean_projection, sal], ids=lambda find: find.__name__)
def test_of_numbers_squared_loss_learns_nothing_and_absolute_loss_may(find, seed):
    X, z = skewed_numbers(seed)
    erased = erased_by(find, X, z)
    weights = np.linalg.lstsq(erased - erased.mean(0), z - z.mean(), rcond=1e-8)[0]
    assert np.abs(weights).max() < 1e-9
    constant = np.abs(z - np.median(z)).mean()
    assert least_absolute_loss(erased, z) < 0.97 * constant
    assert FOR_NUMBERS in find(X, z).guarantee and "every convex loss" not in find(X, z).guarantee


@SEEDS
@each_function
def test_of_numbers_in_three_values_class_means_are_not_said_to_be_equal_and_are_not(find, seed):
    X, z = rows(900, 6, seed=seed).X, np.arange(900) % 3
    X[:, 0] += np.array([0.0, 3.0, 1.0])[z]
    numbers = z.astype(float) + 0.25
    assert gap(erased_by(find, X, numbers), z, like=X) > 0.1
    assert FOR_NUMBERS in find(X, numbers).guarantee and "class means" not in find(X, numbers).guarantee
    assert FOR_NUMBERS in find(X, z, concept="numbers").guarantee
    assert FOR_CLASSES in find(X, z).guarantee
    assert gap(erased_by(find, X, z), z, like=X) < 1e-12


@SEEDS
@each_function
@pytest.mark.parametrize("n_columns", [2, 3])
def test_columns_of_which_each_row_has_one_at_most_are_classes(find, n_columns, seed):
    # with two columns the third class is the one that has none
    X, z = rows(900, 6, seed=seed).X, np.arange(900) % 3
    X[:, 0] += np.array([0.0, 3.0, 1.0])[z]
    columns = np.eye(3)[z][:, :n_columns]
    assert FOR_CLASSES in find(X, columns).guarantee
    assert gap(erased_by(find, X, columns), z, like=X) < 1e-11
    # two ones in a row make four kinds of row, and one feature tells whether the ones are odd
    both = np.stack([np.arange(900) % 2, np.arange(900) // 2 % 2], axis=1).astype(float)
    X[:, 1] += 3.0 * (both.sum(axis=1) == 1)
    X[:, 2] += 3.0 * both[:, 0]
    assert FOR_NUMBERS in find(X, both).guarantee
    assert gap(erased_by(find, X, both), both @ [1, 2], like=X) > 0.1


def test_a_fitter_of_batches_promises_equal_means_only_where_all_it_saw_were_classes():
    X, z, _ = rows(400, 5)
    classes, many = LEACEFitter(5).update(X, z), LEACEFitter(5, 3).update(X, np.arange(400) % 3)
    assert FOR_CLASSES in classes.finish().guarantee and FOR_CLASSES in many.finish().guarantee
    numbers = LEACEFitter(5).update(X[:200], z[:200] + 0.5)
    assert FOR_NUMBERS in numbers.finish().guarantee
    # in one column labels 0, 1, 2 are numbers: no means become equal, and none are promised
    three = LEACEFitter(5).update(X, np.arange(400) % 3).finish()
    assert FOR_NUMBERS in three.guarantee and gap(three(X), np.arange(400) % 3, like=X) > 0.01
    assert FOR_NUMBERS in classes.merge(numbers).finish().guarantee
    assert FOR_NUMBERS in LEACEFitter(5).merge(numbers).finish().guarantee
    assert FOR_CLASSES in LEACEFitter(5, 3).merge(many).finish().guarantee


LEAST = "of all affine maps that reach this, it changes the rows least"


@SEEDS
def test_the_least_change_is_claimed_of_the_inverse_alone(seed):
    X, z, _ = rows(400, 5, seed=seed)
    assert f"{LEAST}. Nothing" in leace(X, z).guarantee
    assert f"{LEAST}, to single precision. Nothing" in leace(X, z, precision="float32").guarantee
    assert LEAST not in leace(X, z, shrinkage=0.01).guarantee
    assert LEAST not in leace(X, z, shrinkage=0.01, precision="float32").guarantee
    # a copied feature, or fewer rows than features: the inverse leaves directions out
    assert LEAST not in leace(np.column_stack([X, X[:, 0]]), z).guarantee
    few = rows(20, 40, seed=seed)
    assert LEAST not in leace(few.X, few.z).guarantee
    assert all(LEAST not in find(X, z).guarantee for find in (mean_projection, sal))


def test_with_shrinkage_the_change_is_not_the_least_and_the_total_variance_may_rise():
    rng = np.random.default_rng(2)
    z = np.arange(2000) % 2
    X = (rng.normal(size=(2000, 8)) * np.geomspace(0.1, 5, 8)) @ rng.normal(size=(8, 8)).T + z[:, None]
    for shrinkage in (0.0, 1.0):
        eraser = leace(X, z, shrinkage=shrinkage)
        rise = eraser(X).var(axis=0).sum() / X.var(axis=0).sum()
        assert (rise > 1.0) == (shrinkage > 0), rise
    changes = [((leace(X, z, shrinkage=shrinkage)(X) - X) ** 2).mean() for shrinkage in (0.0, 1.0)]
    assert changes[1] > 1.5 * changes[0]
