"""Positive definite systems, against NumPy, and the singular ones that are refused."""

import numpy as np
import pytest

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import solve_positive


@pytest.mark.parametrize("d", [1, 2, 7, 40])
def test_it_solves_what_numpy_solves(d):
    rng = np.random.default_rng(d)
    root, right = rng.normal(size=(d, 2 * d)), rng.normal(size=d)
    matrix = root @ root.T
    found = solve_positive(matrix, right, otherwise="")
    np.testing.assert_allclose(found, np.linalg.solve(matrix, right), rtol=1e-8)


@pytest.mark.parametrize(
    "matrix",
    [
        np.zeros((2, 2)),
        np.diag([1.0, -1.0]),
        np.diag([1.0, 1e-17]),
        np.full((3, 3), 1.0),
        np.full((2, 2), np.nan),
    ],
    ids=["zero", "indefinite", "singular but for rounding", "of rank one", "not a number"],
)
def test_it_refuses_what_has_no_one_solution(matrix):
    with pytest.raises(ArrayError, match="use more rows"):
        solve_positive(matrix, np.ones(len(matrix)), otherwise="It is singular; use more rows.")


def test_it_leaves_the_matrix_as_it_was():
    matrix = np.array([[2.0, 1.0], [1.0, 2.0]])
    solve_positive(matrix, np.ones(2), otherwise="")
    np.testing.assert_array_equal(matrix, [[2.0, 1.0], [1.0, 2.0]])
