"""Linear systems with a positive definite matrix, refused where rounding is all that would come back."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import lapack

from tiltmeter.core.errors import ArrayError


def solve_positive(
    matrix: Float[NDArray[Any], "d d"], right: Float[NDArray[Any], " d"], *, otherwise: str
) -> Float[NDArray[Any], " d"]:
    """Solve ``matrix`` x = ``right`` by Cholesky's factors, in float64.

    Whether rounding leaves a singular matrix just positive is chance, and to solve with it would give noise: a
    reciprocal condition number below the precision counts as singular. SciPy's ``solve`` says so by a warning, and
    warnings that are turned into errors are turned so for all threads.

    Parameters
    ----------
    matrix
        Symmetric; only its lower half is read.
    right
        The right-hand side.
    otherwise
        What the error says.

    Raises
    ------
    ArrayError
        If the matrix is singular or not positive definite.

    Examples
    --------
    >>> solve_positive(np.diag([1.0, 4.0]), np.array([2.0, 2.0]), otherwise="It is singular.").tolist()
    [2.0, 0.5]
    """
    factor, failed = lapack.dpotrf(matrix, lower=1)
    if not failed:
        condition, failed = lapack.dpocon(factor, np.linalg.norm(matrix, 1), uplo="L")
        # NaN, from a matrix that is not finite, is refused too
        failed = failed or not condition >= np.finfo(np.float64).eps
    if failed:
        raise ArrayError(otherwise)
    return np.asarray(linalg.cho_solve((factor, True), right))
