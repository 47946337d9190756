"""Spectral attribute removal."""

from __future__ import annotations

import warnings
from typing import Any

from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from tiltmeter.core.errors import DataWarning
from tiltmeter.erasure._concept import ConceptKind, encode
from tiltmeter.erasure._eraser import AffineEraser
from tiltmeter.erasure._joint import Joint, joint_moments, joint_of_moments
from tiltmeter.erasure._mean_projection import guarantee_of
from tiltmeter.erasure._method import MomentsMethod
from tiltmeter.erasure._projection import check_gap, orthogonal, relative_gap
from tiltmeter.numerics import Moments


def sal(
    X: Float[NDArray[Any], "n d"],
    z: ArrayLike,
    *,
    rank: int | None = None,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    concept: ConceptKind = "auto",
    tol: float = 1e-10,
) -> AffineEraser:
    """Return the orthogonal projection along the first left singular vectors of Σ_xz, about the mean of the rows.

    Parameters
    ----------
    X
        Finite rows of any floating type.
    z
        Labels (n,) of two or more classes, or numbers, (n,) or (n, c).
    rank
        How many of them; None for all.
    sample_weight
        Non-negative, shape (n,), not all 0: weight 2 counts as the row twice.
    concept, tol
        As in :class:`SAL`.

    Raises
    ------
    ArrayError
        If shapes disagree, a value is not finite, z is constant, or Σ_xz has less than this rank.
    NoDirectionError
        If no feature goes with z.
    SpecError
        If the rank is no whole number of 1 or more, or there is no such concept.

    Warns
    -----
    DataWarning
        If the rank is less than that of Σ_xz, so that class means still differ.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [0.0, 3.0], [4.0, 1.0], [4.0, 3.0]])
    >>> sal(X, np.array([0, 0, 1, 1]), rank=1)(X).tolist()
    [[2.0, 1.0], [2.0, 3.0], [2.0, 1.0], [2.0, 3.0]]
    """
    found = encode(z, n=len(X), kind=concept)
    joint = joint_moments(X, found.columns, weights=sample_weight, has_matrix=False)
    return _of_joint(joint, has_classes=found.has_classes, rank=rank, tol=tol)


def _of_joint(joint: Joint, *, has_classes: bool, rank: int | None, tol: float) -> AffineEraser:
    found, full = orthogonal(joint, tol=tol, rank=rank, is_standardised=False)
    guarantee = guarantee_of(has_classes=has_classes)
    if found.left.shape[1] == full:
        check_gap(joint, found, tol=tol)
    else:
        left = relative_gap(joint, found, tol=tol)
        guarantee = (
            f"The {rank} directions of largest covariance with z are gone, of {full}. On the rows it was fitted on "
            "features still correlate with z, so affine predictors may still read it."
        )
        warnings.warn(
            f"rank {rank} is below the {full} of the cross-covariance, and {left:.2g} of the class-mean gap is left; "
            "leave rank out to erase all of it.",
            DataWarning,
            stacklevel=2,
        )
    return AffineEraser(*found, joint.mean, method="SAL", guarantee=guarantee, tol=tol)


class SAL(MomentsMethod):
    """Project out the directions that covary most with the concept.

    With all of them (``rank=None``) class means are equal afterwards on the rows it was fitted on, and for every convex
    loss the best affine predictor is constant; for two classes it is mean projection. Where z is numbers, no feature
    correlates with them, and the best predictor is constant for squared loss.

    Parameters
    ----------
    rank
        How many left singular vectors of Σ_xz go, at least 1; None for all.
    concept
        ``"labels"``, ``"numbers"``, or ``"auto"``: whole numbers, booleans and strings in one column are labels.
    tol
        Singular values below this share of the largest count as 0.

    See Also
    --------
    LEACE : the same guarantee at the least change.

    Notes
    -----
    Labels are one-hot and Σ_xz is as it is, so that frequent classes come first. Cost O(n d c).

    References
    ----------
    Shao, Ziser and Cohen, arXiv 2203.07893, section 3.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [0.0, 3.0], [4.0, 1.0], [4.0, 3.0]])
    >>> SAL(1).fit(X, np.array([0, 0, 1, 1])).eraser_.rank
    1
    """

    def __init__(self, rank: int | None = None, *, concept: ConceptKind = "auto", tol: float = 1e-10) -> None:
        self.rank = rank
        self.concept = concept
        self.tol = tol

    def _find(
        self, X: Float[NDArray[Any], "n d"], z: NDArray[Any], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> AffineEraser:
        return sal(X, z, rank=self.rank, sample_weight=sample_weight, concept=self.concept, tol=self.tol)

    def _find_in_moments(self, moments: Moments) -> AffineEraser:
        return _of_joint(joint_of_moments(moments), has_classes=True, rank=self.rank, tol=self.tol)
