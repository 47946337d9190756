"""The maps of rank k that closed forms end in, from joint moments alone."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import linalg
from scipy.linalg import blas, lapack

from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.erasure._arguments import check_count
from tiltmeter.erasure._joint import Joint

_EPS = float(np.finfo(np.float64).eps)
# of the class-mean gap, in units of each feature's and each column's standard deviation: more than this is not erased
GAP_TOL = 1e-6
# below, a correlation matrix gathered in single precision is more rounding than matrix where it matters
_LEAST_RCOND_SINGLE = 1e-5
# steps that refine a solution of single precision, and the residual, of columns of length 1, at which they may stop
_MOST_STEPS, _REFINED = 3, 1e-8
# of a direction of the concept: with less of it inside the span of the rows, the rest may not be left out
_LEAST_SEEN = 1e-3
# columns that are scaled and summed while they are in the processor's cache
_PANEL = 64


class Projection(NamedTuple):
    """left (d, k) and right (k, d), of the map x ↦ x − left · right · (x − mean)."""

    left: Float[NDArray[np.float64], "d k"]
    right: Float[NDArray[np.float64], "k d"]


class Correlation(NamedTuple):
    """Σ_xz in units of standard deviations (d, c), those units, and their inverses, 0 for what is constant."""

    matrix: Float[NDArray[np.float64], "d c"]
    scale: Float[NDArray[np.float64], " d"]
    inverse: Float[NDArray[np.float64], " d"]
    z_inverse: Float[NDArray[np.float64], " c"]


def orthogonal(
    joint: Joint, *, tol: float, rank: int | None = None, is_standardised: bool = True
) -> tuple[Projection, int]:
    """Return the orthogonal projection that removes the span of Σ_xz, or of its first left singular vectors.

    Returned beside it: the rank of Σ_xz. ``is_standardised`` weighs all columns of z alike, whatever their variance.
    """
    related = correlation(joint, tol=tol)
    cross = np.where(related.scale[:, None] > 0, joint.cross, 0.0)
    if is_standardised:
        cross = cross * related.z_inverse
    basis = span(cross, tol=tol)
    full = basis.shape[1]
    if rank is not None:
        check_count("rank", rank)  # a projection of rank 0 erases nothing
        if rank > full:
            raise ArrayError(
                f"rank is {rank}, but the cross-covariance of these rows and z has rank {full}; give {full} or less."
            )
        basis = basis[:, :rank]
    return Projection(basis, np.ascontiguousarray(basis.T)), full


def oblique(joint: Joint, *, tol: float, shrinkage: float = 0.0, is_single: bool = False) -> tuple[Projection, bool]:
    """Return LEACE's map, P = I − A (Aᵀ Σ⁻¹ A)⁻¹ Aᵀ Σ⁻¹ with A a basis of the span of Σ_xz.

    Returned beside it: whether Σ⁻¹ is the inverse itself, neither shrunk nor truncated, so that the change is least.

    P A = 0 whatever stands for Σ⁻¹: its rounding, shrinkage or truncation costs some optimality and no exactness. All
    is done in units of the features' standard deviations, so that a feature of almost no variance counts as any other.
    """
    if not 0 <= shrinkage <= 1:
        raise SpecError(f"shrinkage is {shrinkage}; it must lie in [0, 1].")
    related = correlation(joint, tol=tol)
    basis = span(related.matrix, tol=tol)
    if joint.scatter is None:
        raise ArrayError("These moments hold no covariance; gather them with it.")
    within = Within(joint.scatter, related.inverse / np.sqrt(joint.total), 1 - shrinkage)
    if is_single:
        solved, inside, is_whole = _solve_in_single(within, basis), None, True
    else:
        solved, inside, is_whole = _solve(within, basis)
    left, right = related.scale[:, None] * basis, solved.T * related.inverse
    if inside is not None:
        # of all maps that do the same to these rows, the one that leaves alone what is orthogonal to all of them
        axes = np.linalg.qr(related.scale[:, None] * inside)[0]
        right = (right @ axes) @ axes.T
    found = Projection(left, np.asarray(np.linalg.solve(right @ left, right), dtype=np.float64))
    check_gap(joint, found, tol=tol)
    return found, is_whole and shrinkage == 0


def check_gap(joint: Joint, found: Projection, *, tol: float) -> None:
    """Raise if the map leaves class means apart on the rows it was fitted on.

    Raises
    ------
    ArrayError
        If more than 1e-6 of the gap is left, in units of standard deviations.
    """
    left = relative_gap(joint, found, tol=tol)
    if not left <= GAP_TOL:
        raise ArrayError(
            f"The map leaves {left:.1e} of the class-mean gap on the rows it was fitted on ({GAP_TOL} is allowed), "
            "so the concept is not erased: take a smaller tol, or, where features are nearly copies of each other, "
            "drop those or use shrinkage."
        )


def relative_gap(joint: Joint, found: Projection, *, tol: float) -> float:
    """Return the largest correlation of an erased feature with z, as a share of the largest one before."""
    before = correlation(joint, tol=tol)
    after = joint.cross - found.left @ (found.right @ joint.cross)
    after *= before.inverse[:, None] * before.z_inverse
    return float(np.abs(after).max() / np.abs(before.matrix).max())


def correlation(joint: Joint, *, tol: float) -> Correlation:
    scale = np.sqrt(np.maximum(joint.variance, 0.0))
    # a feature whose values differ by the rounding of its mean is constant; to write into it would be to write noise
    scale[scale <= 2 * _EPS * np.abs(joint.mean)] = 0.0
    inverse = _inverse(scale)
    z_inverse = _inverse(np.sqrt(np.maximum(np.diagonal(joint.z_covariance), 0.0)))
    matrix = inverse[:, None] * joint.cross * z_inverse
    if not np.abs(matrix).max() > tol:
        raise NoDirectionError(
            "There is nothing to erase: z goes with no feature of these rows (equal class means, constant features, or "
            "all weight on one class)."
        )
    return Correlation(matrix, scale, inverse, z_inverse)


def _inverse(values: Float[NDArray[np.float64], " m"]) -> Float[NDArray[np.float64], " m"]:
    return np.divide(1.0, values, out=np.zeros_like(values), where=values > 0)


def span(cross: Float[NDArray[np.float64], "d c"], *, tol: float) -> Float[NDArray[np.float64], "d k"]:
    """Return an orthonormal basis of the column span, largest singular value first.

    Made as a combination of the columns: each row keeps the precision of its own size, which singular vectors do not.
    """
    _, values, mixing = np.linalg.svd(cross, full_matrices=False)
    k = int((values > tol * values[0]).sum())
    basis = cross @ (mixing[:k].T / values[:k])
    lower = np.linalg.cholesky(basis.T @ basis)
    return np.asarray(linalg.solve_triangular(lower, basis.T, lower=True).T)


class Within(NamedTuple):
    """The features' correlation matrix, as it follows from their scatter: share · D S D off its diagonal, and 1 on it.

    It is never held beside what is made of it. A constant feature stands alone.
    """

    scatter: Float[NDArray[np.float64], "d d"]
    inverse: Float[NDArray[np.float64], " d"]
    share: float

    def lower(self, dtype: type[np.floating[Any]]) -> tuple[NDArray[Any], float]:
        """Return the lower triangle as a new array, and the matrix's 1-norm."""
        d = len(self.scatter)
        found, norms = np.zeros((d, d), dtype=dtype, order="F"), np.ones(d)
        for start in range(0, d, _PANEL):
            columns = slice(start, min(start + _PANEL, d))
            panel = self.scatter[start:, columns] * (self.share * self.inverse[start:, None])
            panel *= self.inverse[columns]
            width = panel.shape[1]
            panel[np.triu_indices(width)] = 0.0
            found[start:, columns] = panel
            np.abs(panel, out=panel)
            norms[start:] += panel.sum(axis=1)
            norms[columns] += panel.sum(axis=0)
        found[np.diag_indices(d)] = 1.0
        return found, float(norms.max())

    def times(self, vector: Float[NDArray[np.float64], " d"]) -> Float[NDArray[np.float64], " d"]:
        """Return the product with a vector, in double precision."""
        scaled = self.inverse * vector
        spread = self.inverse**2 * np.diagonal(self.scatter)
        stretched = self.inverse * blas.dsymv(self.share, self.scatter, scaled, lower=1)
        return np.asarray(stretched + (1 - self.share * spread) * vector)


def _solve(
    within: Within, basis: Float[NDArray[np.float64], "d k"]
) -> tuple[Float[NDArray[np.float64], "d k"], Float[NDArray[np.float64], "d r"] | None, bool]:
    """Return Σ⁻¹ basis; if the correlation matrix is singular, Σ⁺ basis, and the eigenvectors that span the basis.

    Last: whether the matrix was inverted as it is.
    """
    d = len(basis)
    matrix, norm = within.lower(np.float64)
    factor, failed = lapack.dpotrf(matrix, lower=1, clean=0, overwrite_a=1)
    rcond = 0.0 if failed else float(lapack.dpocon(factor, norm, uplo="L")[0])
    cut = max(d, 100) * _EPS
    if rcond > cut:
        return np.asarray(lapack.dpotrs(factor, basis, lower=1)[0]), None, True
    del factor, matrix
    values, vectors = linalg.eigh(within.lower(np.float64)[0], lower=True, driver="evd", overwrite_a=True)
    cut *= float(values[-1])
    kept = values > cut
    inside = vectors[:, kept].T @ basis
    solved = vectors[:, kept] @ (inside / values[kept, None])
    if np.linalg.svd(inside, compute_uv=False)[-1] > _LEAST_SEEN:
        return np.asarray(solved), vectors[:, kept], False
    # the concept lies where the rows hardly vary: there the inverse stops growing, but is not left out
    return np.asarray(solved + vectors[:, ~kept] @ (vectors[:, ~kept].T @ basis) / cut), None, False


def _solve_in_single(within: Within, basis: Float[NDArray[np.float64], "d k"]) -> Float[NDArray[np.float64], "d k"]:
    """Return Σ⁻¹ basis from a factor in single precision, refined in double; ArrayError if it would not do."""
    matrix, norm = within.lower(np.float32)
    factor, failed = lapack.spotrf(matrix, lower=1, clean=0, overwrite_a=1)
    rcond = 0.0 if failed else float(lapack.spocon(factor, norm, uplo="L")[0])
    if rcond < _LEAST_RCOND_SINGLE:
        raise ArrayError(
            f"The features' correlation matrix has a condition number of about {1 / max(rcond, 1e-8):.0e} or more, too "
            'much for precision="float32"; use "float64", or shrinkage above 0.'
        )
    solved = lapack.spotrs(factor, basis.astype(np.float32), lower=1)[0].astype(np.float64)
    # each step gains two digits at the worst condition that is let through, and six where features hardly correlate
    for _ in range(_MOST_STEPS):
        residual = basis - np.stack([within.times(column) for column in solved.T], axis=1)
        if np.abs(residual).max() <= _REFINED:
            break
        solved += lapack.spotrs(factor, residual.astype(np.float32), lower=1)[0]
    return np.asarray(solved)
