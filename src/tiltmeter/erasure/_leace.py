"""Least-squares concept erasure."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from tiltmeter.erasure._concept import ConceptKind, encode
from tiltmeter.erasure._eraser import AffineEraser
from tiltmeter.erasure._joint import Joint, Precision, joint_moments, joint_of_moments
from tiltmeter.erasure._method import MomentsMethod
from tiltmeter.erasure._projection import oblique
from tiltmeter.numerics import Moments

GUARANTEE = (
    "On the rows it was fitted on no feature correlates with z (class means are equal), so for every convex loss the "
    "best affine predictor of z is a constant; of all affine maps that reach this, it changes the rows least. Nothing "
    "is said of 0-1 accuracy, of predictors that are not affine, or of other rows."
)


def leace(
    X: Float[NDArray[Any], "n d"],
    z: ArrayLike,
    *,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    concept: ConceptKind = "auto",
    shrinkage: float = 0.0,
    precision: Precision = "float64",
    tol: float = 1e-10,
) -> AffineEraser:
    """Return the affine map that leaves no feature correlated with z and changes the rows least.

    Parameters
    ----------
    X
        Finite rows of any floating type.
    z
        Labels (n,) of two or more classes, or numbers, (n,) or (n, c).
    sample_weight
        Non-negative, shape (n,): weight 2 counts as the row twice.
    concept, shrinkage, precision, tol
        As in :class:`LEACE`.

    Raises
    ------
    ArrayError
        If shapes disagree, a value is not finite, z is constant, single precision is not enough, or what was found
        would not erase z.
    NoDirectionError
        If no feature goes with z.
    SpecError
        If the shrinkage is outside [0, 1].

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(200) % 2
    >>> X = rng.normal(size=(200, 3)) + 2.0 * z[:, None]
    >>> erased = leace(X, z)(X)
    >>> bool(abs(erased[z == 1].mean(0) - erased[z == 0].mean(0)).max() < 1e-12)
    True
    """
    columns = encode(z, n=len(X), kind=concept).columns
    joint = joint_moments(X, columns, weights=sample_weight, precision=precision)
    return leace_of_joint(joint, shrinkage=shrinkage, precision=precision, tol=tol)


def leace_of_joint(joint: Joint, *, shrinkage: float, precision: Precision, tol: float) -> AffineEraser:
    """Return the same map from moments."""
    left, right = oblique(joint, tol=tol, shrinkage=shrinkage, is_single=precision == "float32")
    return AffineEraser(left, right, joint.mean, method="LEACE", guarantee=GUARANTEE, tol=tol)


class LEACE(MomentsMethod):
    """Erase what is linear in a concept at the least squared change, by an oblique projection of lowest rank.

    On the rows it was fitted on class means are equal afterwards, so for every convex loss the best affine predictor
    is constant, and the change is the least possible in every inner product at once. The total variance never rises.
    How much a probe still reads on fresh rows is for an audit to say.

    Parameters
    ----------
    concept
        ``"labels"``, ``"numbers"``, or ``"auto"``: whole numbers, booleans and strings in one column are labels.
    shrinkage
        In [0, 1], the weight of the features' variances alone in the covariance. It costs some optimality and no
        exactness; with fewer rows than features it also erases along directions in which these rows do not vary.
    precision
        Of the products for the covariance. ``"float32"`` is faster, and is refused where the features' correlation
        matrix is too ill-conditioned for it; means and cross-covariance are gathered in float64 always.
    tol
        Singular values of the cross-correlation below this share of the largest count as 0.

    See Also
    --------
    LEACEFitter : rows that come in batches.
    MeanProjection : orthogonal; the same guarantee at a larger change.

    Notes
    -----
    x ↦ x − A (Aᵀ Σ⁻¹ A)⁻¹ Aᵀ Σ⁻¹ (x − μ) with A a basis of the span of Σ_xz, which equals
    x − W⁺ P W (x − μ), with W = (Σ^½)⁺ and P the orthogonal projection on the span of W Σ_xz. One Cholesky factor of
    the features' correlation matrix is all that it needs beside the products; where that is singular, its
    eigenvectors. Cost O(n d² + d³).

    It claims nothing of 0-1 accuracy: with equal means a threshold may still read the concept at 90 %.

    References
    ----------
    Belrose et al., arXiv 2306.03819, theorems 4.2 and 4.3.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [1.0, 3.0], [2.0, 0.0], [3.0, 3.0]])
    >>> erased = LEACE().fit(X, np.array([0, 0, 1, 1])).transform(X)
    >>> erased[:2].mean(0).round(12).tolist() == erased[2:].mean(0).round(12).tolist()
    True
    """

    def __init__(
        self,
        concept: ConceptKind = "auto",
        *,
        shrinkage: float = 0.0,
        precision: Precision = "float64",
        tol: float = 1e-10,
    ) -> None:
        self.concept = concept
        self.shrinkage = shrinkage
        self.precision = precision
        self.tol = tol

    def _find(
        self, X: Float[NDArray[Any], "n d"], z: NDArray[Any], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> AffineEraser:
        return leace(
            X,
            z,
            sample_weight=sample_weight,
            concept=self.concept,
            shrinkage=self.shrinkage,
            precision=self.precision,
            tol=self.tol,
        )

    def _find_in_moments(self, moments: Moments) -> AffineEraser:
        # moments are in double precision already
        return leace_of_joint(joint_of_moments(moments), shrinkage=self.shrinkage, precision="float64", tol=self.tol)
