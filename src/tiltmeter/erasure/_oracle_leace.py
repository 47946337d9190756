"""Erasure of rows whose concept is known: what z predicts of a row is taken from it."""

from __future__ import annotations

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from tiltmeter.erasure._concept import Concept, ConceptKind, encode, promise
from tiltmeter.erasure._eraser import OracleEraser
from tiltmeter.erasure._joint import Joint, joint_moments
from tiltmeter.erasure._method import OracleMethod
from tiltmeter.erasure._projection import correlation


def oracle_leace(
    X: Float[NDArray[Any], "n d"],
    z: ArrayLike,
    *,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    concept: ConceptKind = "auto",
    tol: float = 1e-10,
) -> OracleEraser:
    """Return the map that takes from each row what z predicts of it by least squares.

    Parameters
    ----------
    X
        Finite rows of any floating type.
    z
        Labels (n,) of two or more classes, or numbers, (n,) or (n, c).
    sample_weight
        Non-negative, shape (n,), not all 0: weight 2 counts as the row twice.
    concept, tol
        As in :class:`OracleLEACE`.

    Raises
    ------
    ArrayError
        If shapes disagree, a value is not finite, or z is constant.
    NoDirectionError
        If no feature goes with z.
    SpecError
        If there is no such concept.

    Examples
    --------
    >>> X, z = np.array([[0.0], [2.0], [5.0], [7.0]]), np.array([0.0, 0.0, 2.5, 2.5])
    >>> oracle_leace(X, z)(X, z).ravel().round(12).tolist()
    [2.5, 4.5, 2.5, 4.5]
    """
    return _fit(X, encode(z, n=len(X), kind=concept), sample_weight, tol=tol, method="OracleLEACE")


def mean_translation(
    X: Float[NDArray[Any], "n d"],
    z: ArrayLike,
    *,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    tol: float = 1e-10,
) -> OracleEraser:
    """Return the map that moves every class so that its mean becomes the mean of all rows.

    Parameters
    ----------
    X
        Finite rows of any floating type.
    z
        Labels (n,) of two or more classes.
    sample_weight
        Non-negative, shape (n,), not all 0: weight 2 counts as the row twice.
    tol
        As in :class:`MeanTranslation`.

    Raises
    ------
    ArrayError
        If shapes disagree, a value is not finite, or z is constant.
    NoDirectionError
        If no feature goes with z.

    Examples
    --------
    >>> X, z = np.array([[0.0], [2.0], [5.0], [7.0]]), np.array([0, 0, 1, 1])
    >>> mean_translation(X, z)(X, z).ravel().tolist()
    [2.5, 4.5, 2.5, 4.5]
    """
    return _fit(X, encode(z, n=len(X), kind="labels"), sample_weight, tol=tol, method="MeanTranslation")


def _fit(
    X: Float[NDArray[Any], "n d"],
    concept: Concept,
    weights: Float[NDArray[Any], " n"] | None,
    *,
    tol: float,
    method: str,
) -> OracleEraser:
    joint = joint_moments(X, concept.columns, weights=weights, has_matrix=False)
    is_constant = correlation(joint, tol=tol).scale == 0
    if concept.classes is not None and len(concept.classes) > 2:
        # one-hot columns sum to 1: each class has the step of its mean, and a class without weight has none
        share = joint.z_mean
        coefficients = np.divide(joint.cross, share, out=np.zeros_like(joint.cross), where=share > 0)
        z_mean = np.zeros(len(share))
    else:
        coefficients, z_mean = joint.cross @ _pseudo_inverse(joint, tol=tol), joint.z_mean
    coefficients = np.where(is_constant[:, None], 0.0, coefficients)
    guarantee = (
        f"{promise(has_classes=concept.has_classes, told=', each told its z,')}; no map of rows and z that reaches "
        "this changes the rows less. It must be told z, so it says nothing of rows whose z is unknown, nor of 0-1 "
        "accuracy."
    )
    return OracleEraser(coefficients, z_mean, concept.classes, method=method, guarantee=guarantee, tol=tol)


def _pseudo_inverse(joint: Joint, *, tol: float) -> Float[NDArray[np.float64], "c c"]:
    scale = np.sqrt(np.maximum(np.diagonal(joint.z_covariance), 0.0))
    inverse = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale > 0)
    values, vectors = linalg.eigh(inverse[:, None] * joint.z_covariance * inverse)
    kept = values > tol * values[-1]
    scaled = inverse[:, None] * vectors[:, kept]
    return np.asarray(scaled / values[kept] @ scaled.T)


class OracleLEACE(OracleMethod):
    """Take from each row what its own z predicts of it; z must be known wherever it is applied.

    On the rows it was fitted on no feature correlates with z afterwards (for classes: their means are equal), at a
    smaller change than LEACE's, which has to guess z from the row. Its eraser is called with rows and z, and stands in
    no pipeline or model.

    Parameters
    ----------
    concept
        ``"labels"``, ``"numbers"``, or ``"auto"``: whole numbers, booleans and strings in one column are labels.
    tol
        Eigenvalues of the correlation matrix of z below this share of the largest count as 0.

    See Also
    --------
    LEACE : needs no z when it is applied.

    Notes
    -----
    x ↦ x − Σ_xz Σ_zz⁺ (z − z̄). For labels this is mean translation. Cost O(n d c).

    References
    ----------
    Belrose et al., arXiv 2306.03819, section on oracle erasure.

    Examples
    --------
    >>> X, z = np.array([[0.0], [2.0], [5.0], [7.0]]), np.array([0.0, 0.0, 2.5, 2.5])
    >>> OracleLEACE().fit(X, z).transform(X, z).ravel().round(12).tolist()
    [2.5, 4.5, 2.5, 4.5]
    """

    def __init__(self, concept: ConceptKind = "auto", *, tol: float = 1e-10) -> None:
        self.concept = concept
        self.tol = tol

    def _find(
        self, X: Float[NDArray[Any], "n d"], z: NDArray[Any], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> OracleEraser:
        return oracle_leace(X, z, sample_weight=sample_weight, concept=self.concept, tol=self.tol)


class MeanTranslation(OracleMethod):
    """Move every class so that its mean becomes the mean of all rows; labels must be known wherever it is applied.

    The least that makes class means equal: nothing within a class changes. It is oracle LEACE on labels.

    Parameters
    ----------
    tol
        Correlations of features with z of no more than this count as 0.

    See Also
    --------
    MeanProjection : needs no labels when it is applied.

    Notes
    -----
    x ↦ x − μ_z + μ. Cost O(n d c).

    Examples
    --------
    >>> X, z = np.array([[0.0], [2.0], [5.0], [7.0]]), np.array([0, 0, 1, 1])
    >>> MeanTranslation().fit(X, z).transform(X, z).ravel().tolist()
    [2.5, 4.5, 2.5, 4.5]
    """

    def __init__(self, *, tol: float = 1e-10) -> None:
        self.tol = tol

    def _find(
        self, X: Float[NDArray[Any], "n d"], z: NDArray[Any], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> OracleEraser:
        return mean_translation(X, z, sample_weight=sample_weight, tol=self.tol)
