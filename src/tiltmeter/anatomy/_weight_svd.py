"""Singular value decompositions of weights; of products of low rank without ever forming the product."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError

# A Gram matrix squares the condition of a factor: what it costs is under 1e-8 of what is largest up to here, and for
# trained heads (condition 3 to 40) under 1e-13.
_MOST_CONDITION = 1e4


class Svd(NamedTuple):
    """A matrix as a sum of steps: x ↦ Σ (x · read_i) value_i write_i, in decreasing importance, float64.

    Rows of ``read`` and of ``write`` are orthonormal. The sign of a pair is arbitrary; here the largest coordinate of
    what is written is positive.
    """

    read: Float[NDArray[Any], "k d"]
    values: Float[NDArray[Any], " k"]
    write: Float[NDArray[Any], "k e"]


def weight_svd(matrix: Float[NDArray[Any], "d e"]) -> Svd:
    """Decompose a matrix that rows are multiplied by from the right, x ↦ x W.

    Parameters
    ----------
    matrix
        Shape (what is read, what is written), finite. One that is stored the other way round is to be transposed.

    Raises
    ------
    ArrayError
        If a value is not finite.

    Notes
    -----
    Cost O(d e min(d, e)). Singular vectors are directions in which the matrix reads and writes; that they are what the
    network uses does not follow. A nonlinearity after the matrix is not seen.

    References
    ----------
    Millidge and Black (2022), "The singular value decompositions of transformer weight matrices are highly
    interpretable".

    Examples
    --------
    >>> found = weight_svd(np.array([[0.0, 3.0], [2.0, 0.0]]))
    >>> found.values.tolist(), np.abs(found.read[0]).tolist(), found.write[0].tolist()
    ([3.0, 2.0], [1.0, 0.0], [0.0, 1.0])
    """
    _check_finite(matrix)
    left, values, write = np.linalg.svd(matrix.astype(np.float64), full_matrices=False)
    return _signed(left.T, values, write)


def factored_svd(left: Float[NDArray[Any], "d k"], right: Float[NDArray[Any], "k e"]) -> Svd:
    """Decompose ``left @ right``, of rank k or less, through its factors: the d x e product is never formed.

    Parameters
    ----------
    left
        What reads, such as a head's value matrix.
    right
        What writes, such as its output matrix.

    Raises
    ------
    ArrayError
        If a value is not finite.

    See Also
    --------
    weight_svd : Of a matrix that has no factors.

    Notes
    -----
    With left = Q₁ R₁ and rightᵀ = Q₂ R₂ the product is Q₁ (R₁ R₂ᵀ) Q₂ᵀ, so that the singular values are those of a
    k x k matrix. Cost O((d + e) k²) and not O(d e min(d, e)). R comes from Cholesky's factors of the Gram matrix, which
    is two products where Householder's QR is a chain of reflections; Q is never formed, as Q₁ = left R₁⁻¹ goes into the
    product that rotates it. Factors whose condition may be over 1e4 have Householder's QR, which turns vectors and
    stretches none.

    References
    ----------
    Golub and Van Loan (2013), "Matrix Computations", sections 5.2 and 5.3.

    Examples
    --------
    >>> left, right = np.array([[2.0], [0.0]]), np.array([[0.0, 3.0]])
    >>> found = factored_svd(left, right)
    >>> found.values.tolist(), np.abs(found.write).tolist()
    ([6.0], [[0.0, 1.0]])
    """
    if left.shape[1] != right.shape[0]:
        raise ArrayError(f"The factors have shapes {left.shape} and {right.shape}, which do not multiply.")
    _check_finite(left, right)
    reads, writes = _tall(left.astype(np.float64)), _tall(right.T.astype(np.float64))
    inner, values, outer = np.linalg.svd(reads.triangle @ writes.triangle.T, full_matrices=False)
    read, write = reads.basis @ (reads.turn @ inner), writes.basis @ (writes.turn @ outer.T)
    return _signed(read.T, values, write.T)


def degenerate_groups(values: Float[NDArray[Any], " k"], *, gap_tol: float = 0.01) -> Int[NDArray[Any], " k"]:
    """Give numbers to groups of singular values whose neighbours are too close for their vectors to mean anything each.

    Parameters
    ----------
    values
        In decreasing order, not negative.
    gap_tol
        Two neighbours are of one group where they differ by at most this share of the larger. A change of the matrix
        by about as much of that singular value may turn their vectors into any others of the plane that they span.

    Returns
    -------
    Shape (k,), from 0 up; directions of one number span a subspace that is defined, while they are not. All values of
    0 (less than 1e-12 of the first) are one group.

    References
    ----------
    Davis and Kahan (1970); Wedin (1972): singular vectors turn by about the size of the change over the gap.

    Examples
    --------
    >>> degenerate_groups(np.array([5.0, 3.0, 2.99, 1.0])).tolist()
    [0, 1, 1, 2]
    """
    if not len(values):
        return np.zeros(0, dtype=np.int64)
    floor = 1e-12 * values[0]
    is_apart = values[:-1] - values[1:] > np.maximum(gap_tol * values[:-1], floor)
    return np.concatenate([[0], np.cumsum(is_apart)]).astype(np.int64)


def without_direction(
    matrix: Float[NDArray[Any], "d e"], direction: Float[NDArray[Any], " e"], *, strength: float = 1.0
) -> Float[NDArray[Any], "d e"]:
    """Return W − c (W v) vᵀ, which for a singular direction v that is written is W − c σ u vᵀ.

    Of a factored product it is enough to change the factor that writes. To take out what is read, give the transposed
    matrix.

    Parameters
    ----------
    matrix
        Shape (what is read, what is written).
    direction
        What is written, at norm 1.
    strength
        c: 1 takes the direction out, 2 turns it round, -1 doubles it.

    Examples
    --------
    >>> without_direction(np.array([[0.0, 3.0], [2.0, 0.0]]), np.array([0.0, 1.0])).tolist()
    [[0.0, 0.0], [2.0, 0.0]]
    """
    return np.asarray(matrix - strength * np.outer(matrix @ direction, direction))


class _Tall(NamedTuple):
    """A matrix as Q R, with Q = basis @ turn: its columns are orthonormal, and R is the triangle."""

    basis: NDArray[np.float64]
    turn: NDArray[np.float64]
    triangle: NDArray[np.floating[Any]]


def _tall(matrix: NDArray[np.float64]) -> _Tall:
    try:
        with np.errstate(over="ignore", invalid="ignore"):
            lower = np.linalg.cholesky(matrix.T @ matrix)
            inverse = np.linalg.inv(lower)
            # by the norms of Frobenius it is at least the condition; what is not a number is not below the limit
            if np.linalg.norm(lower) * np.linalg.norm(inverse) < _MOST_CONDITION:
                return _Tall(matrix, inverse.T, lower.T)
    except np.linalg.LinAlgError:
        pass  # not of full rank
    q, r = np.linalg.qr(matrix)
    return _Tall(q, np.eye(q.shape[1]), r)


def _check_finite(*matrices: NDArray[Any]) -> None:
    for matrix in matrices:
        if not np.isfinite(matrix).all():
            raise ArrayError("A weight is not finite, and has no singular values; look at how the model was saved.")


def _signed(read: NDArray[np.float64], values: NDArray[np.float64], write: NDArray[np.float64]) -> Svd:
    """Make the largest coordinate of what is written positive, so that a result does not depend on the library."""
    sign = np.where(write.max(axis=1, initial=0) < -write.min(axis=1, initial=0), -1.0, 1.0)[:, None]
    return Svd(read * sign, values, write * sign)
