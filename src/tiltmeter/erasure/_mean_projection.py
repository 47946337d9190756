"""Mean projection: orthogonal to the differences of the class means."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from tiltmeter.erasure._concept import ConceptKind, encode, promise
from tiltmeter.erasure._eraser import AffineEraser
from tiltmeter.erasure._joint import Joint, joint_moments, joint_of_moments
from tiltmeter.erasure._method import MomentsMethod
from tiltmeter.erasure._projection import check_gap, orthogonal
from tiltmeter.numerics import Moments


def mean_projection(
    X: Float[NDArray[Any], "n d"],
    z: ArrayLike,
    *,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    concept: ConceptKind = "auto",
    tol: float = 1e-10,
) -> AffineEraser:
    """Return the orthogonal projection along all differences of class means, about the mean of the rows.

    Parameters
    ----------
    X
        Finite rows of any floating type.
    z
        Labels (n,) of two or more classes, or numbers, (n,) or (n, c): then along the span of Σ_xz.
    sample_weight
        Non-negative, shape (n,), not all 0: weight 2 counts as the row twice.
    concept, tol
        As in :class:`MeanProjection`.

    Raises
    ------
    ArrayError
        If shapes disagree, a value is not finite, z is constant, or what was found would not erase z.
    NoDirectionError
        If no feature goes with z.
    SpecError
        If there is no such concept.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [0.0, 3.0], [4.0, 1.0], [4.0, 3.0]])
    >>> mean_projection(X, np.array([0, 0, 1, 1]))(X).tolist()
    [[2.0, 1.0], [2.0, 3.0], [2.0, 1.0], [2.0, 3.0]]
    """
    found = encode(z, n=len(X), kind=concept)
    joint = joint_moments(X, found.columns, weights=sample_weight, has_matrix=False)
    return _of_joint(joint, has_classes=found.has_classes, tol=tol)


def _of_joint(joint: Joint, *, has_classes: bool, tol: float) -> AffineEraser:
    found, _ = orthogonal(joint, tol=tol)
    check_gap(joint, found, tol=tol)
    return AffineEraser(
        *found, joint.mean, method="MeanProjection", guarantee=guarantee_of(has_classes=has_classes), tol=tol
    )


def guarantee_of(*, has_classes: bool) -> str:
    """Say what an orthogonal projection along all of Σ_xz guarantees."""
    return (
        f"{promise(has_classes=has_classes)}. Nothing is said of 0-1 accuracy, of predictors that are not affine, or "
        "of other rows."
    )


class MeanProjection(MomentsMethod):
    """Project out the difference of the class means; for more than two classes, all of them.

    On the rows it was fitted on class means are equal afterwards, so for every convex loss the best affine predictor is
    constant. Where z is numbers, no feature correlates with them, and the best predictor is constant for squared loss.
    The projection is orthogonal and of rank c − 1 at most; it changes the rows more than unshrunk LEACE does.

    Parameters
    ----------
    concept
        ``"labels"``, ``"numbers"``, or ``"auto"``: whole numbers, booleans and strings in one column are labels.
    tol
        Singular values of the cross-covariance below this share of the largest count as 0.

    See Also
    --------
    LEACE : the same guarantee at the least change.
    MedianProjection : for classes with outliers.
    SAL : fewer directions than the classes have.

    Notes
    -----
    x ↦ x − δ δᵀ (x − μ) / |δ|² for two classes. Cost O(n d c).

    References
    ----------
    Haghighatkhah et al., arXiv 2212.04273, section 4.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [0.0, 3.0], [4.0, 1.0], [4.0, 3.0]])
    >>> MeanProjection().fit(X, np.array([0, 0, 1, 1])).eraser_.rank
    1
    """

    def __init__(self, concept: ConceptKind = "auto", *, tol: float = 1e-10) -> None:
        self.concept = concept
        self.tol = tol

    def _find(
        self, X: Float[NDArray[Any], "n d"], z: NDArray[Any], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> AffineEraser:
        return mean_projection(X, z, sample_weight=sample_weight, concept=self.concept, tol=self.tol)

    def _find_in_moments(self, moments: Moments) -> AffineEraser:
        return _of_joint(joint_of_moments(moments), has_classes=True, tol=self.tol)
