"""Least-squares concept erasure."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from tiltmeter.erasure._arguments import check_choice
from tiltmeter.erasure._concept import ConceptKind, encode, promise
from tiltmeter.erasure._eraser import AffineEraser
from tiltmeter.erasure._joint import Joint, Precision, joint_moments, joint_of_moments
from tiltmeter.erasure._method import MomentsMethod
from tiltmeter.erasure._projection import oblique
from tiltmeter.numerics import Moments


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
    """Return the affine map that leaves no feature correlated with z and, unshrunk, changes the rows least.

    Parameters
    ----------
    X
        Finite rows of any floating type.
    z
        Labels (n,) of two or more classes, or numbers, (n,) or (n, c).
    sample_weight
        Non-negative, shape (n,), not all 0: weight 2 counts as the row twice.
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
        If the shrinkage is outside [0, 1], or there is no such concept or precision.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(200) % 2
    >>> X = rng.normal(size=(200, 3)) + 2.0 * z[:, None]
    >>> erased = leace(X, z)(X)
    >>> bool(abs(erased[z == 1].mean(0) - erased[z == 0].mean(0)).max() < 1e-12)
    True
    """
    found = encode(z, n=len(X), kind=concept)
    joint = joint_moments(X, found.columns, weights=sample_weight, precision=precision)
    return leace_of_joint(joint, has_classes=found.has_classes, shrinkage=shrinkage, precision=precision, tol=tol)


def leace_of_joint(
    joint: Joint, *, has_classes: bool, shrinkage: float, precision: Precision, tol: float
) -> AffineEraser:
    """Return the same map from moments; ``has_classes``: z was classes, of which more is promised than of numbers."""
    is_single = precision == "float32"
    found, is_least = oblique(joint, tol=tol, shrinkage=shrinkage, is_single=is_single)
    least = "; of all affine maps that reach this, it changes the rows least" + ", to single precision" * is_single
    guarantee = (
        f"{promise(has_classes=has_classes)}{least if is_least else ''}. Nothing is said of 0-1 accuracy, of "
        "predictors that are not affine, or of other rows."
    )
    return AffineEraser(*found, joint.mean, method="LEACE", guarantee=guarantee, tol=tol)


class LEACE(MomentsMethod):
    """Erase what is linear in a concept at the least squared change, by an oblique projection of lowest rank.

    On the rows it was fitted on no feature correlates with z afterwards. For classes that makes their means equal, and
    for every convex loss the best affine predictor is constant; for numbers it is so for squared loss, and others may
    still read them. Unshrunk, and where these rows vary in all directions, the change is the least possible in every
    inner product at once, and the total variance of these rows does not rise. How much a probe still reads on fresh
    rows is for an audit to say.

    Parameters
    ----------
    concept
        ``"labels"``, ``"numbers"``, or ``"auto"``: whole numbers, booleans and strings in one column are labels.
    shrinkage
        In [0, 1], the weight of the features' variances alone in the covariance. Means become equal as exactly, but
        the change is no longer the least, and the total variance may rise; with fewer rows than features it also
        erases along directions in which these rows do not vary.
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
        check_choice("precision", self.precision, Precision)
        # moments are in double precision already, and of labels
        return leace_of_joint(
            joint_of_moments(moments), has_classes=True, shrinkage=self.shrinkage, precision="float64", tol=self.tol
        )
