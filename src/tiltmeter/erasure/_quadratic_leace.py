"""Quadratic erasure: class means and class covariances made equal, for rows whose class is known."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import linalg

from tiltmeter.core.errors import ArrayError, ConvergenceWarning, SpecError
from tiltmeter.erasure._arguments import weights_of
from tiltmeter.erasure._concept import encode
from tiltmeter.erasure._eraser import QuadraticEraser
from tiltmeter.erasure._joint import check_rows
from tiltmeter.erasure._method import OracleMethod

# of the largest eigenvalue: below, a covariance is singular
_SINGULAR = 1e-12
# of a covariance: what rounding leaves between classes that were made equal
_LEFT = 1e-6


def quadratic_leace(
    X: Float[NDArray[Any], "n d"],
    z: ArrayLike,
    *,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    shrinkage: float = 0.0,
    tol: float = 1e-10,
    max_steps: int = 500,
) -> QuadraticEraser:
    """Return an affine map for each class that gives all of them the same mean and covariance at the least change.

    Parameters
    ----------
    X
        Finite rows of any floating type.
    z
        Labels (n,) of two or more classes.
    sample_weight
        Non-negative, shape (n,), not all 0: weight 2 counts as the row twice.
    shrinkage, tol, max_steps
        As in :class:`QuadraticLEACE`.

    Raises
    ------
    ArrayError
        If shapes disagree, a value is not finite, z is constant, a class has no weight, or a class covariance is
        singular.
    SpecError
        If the shrinkage is outside [0, 1].

    Warns
    -----
    ConvergenceWarning
        If the common covariance was not found to ``tol``: means and covariances are equal, the change is not least.

    Examples
    --------
    >>> X, z = np.array([[-1.0], [1.0], [3.0], [7.0]]), np.array([0, 0, 1, 1])
    >>> quadratic_leace(X, z)(X, z).ravel().round(9).tolist()
    [1.0, 4.0, 1.0, 4.0]
    """
    check_rows(X)
    if not 0 <= shrinkage <= 1:
        raise SpecError(f"shrinkage is {shrinkage}; it must lie in [0, 1].")
    concept = encode(z, n=len(X), kind="labels")
    classes, codes = concept.classes, concept.codes
    if classes is None or codes is None:  # labels have both
        raise ArrayError("z holds no labels.")
    given = weights_of(sample_weight, n=len(X))
    weight = np.ones(len(X)) if given is None else given
    share = np.bincount(codes, weights=weight, minlength=len(classes)) / weight.sum()
    if not (share > 0).all():
        raise ArrayError(f"Class {classes.tolist()[share.argmin()]!r} of z has no weight; every class needs rows.")
    members = [(codes == i) & (weight > 0) for i in range(len(classes))]
    found = [_moments(X[rows], weight[rows]) for rows in members]
    means = np.stack([mean for mean, _ in found])
    spreads = np.stack([covariance for _, covariance in found])
    diagonals = np.einsum("cdd->cd", spreads)
    spreads = (1 - shrinkage) * spreads + shrinkage * np.stack([np.diag(diagonal) for diagonal in diagonals])
    maps = _transports(spreads, share, classes, tol=tol, max_steps=max_steps)
    guarantee = (
        "On the rows it was fitted on, each told its class, class means are equal and so are class covariances"
        + (", the latter before shrinkage only nearly" if shrinkage > 0 else "")
        + ", so no quadratic function of a row differs between the classes on average. It must be told z, so it says "
        "nothing of rows whose class is unknown, nor of what higher moments hold."
    )
    return QuadraticEraser(maps, means, share @ means, classes, method="QuadraticLEACE", guarantee=guarantee, tol=tol)


def _moments(
    X: Float[NDArray[Any], "n d"], weight: Float[NDArray[Any], " n"]
) -> tuple[Float[NDArray[np.float64], " d"], Float[NDArray[np.float64], "d d"]]:
    origin = X[0].astype(np.float64)
    rows = X.astype(np.float64) - origin
    mean = weight @ rows / weight.sum()
    rows -= mean
    return origin + mean, rows.T @ (weight[:, None] * rows) / weight.sum()


def _transports(
    spreads: Float[NDArray[np.float64], "c d d"],
    share: Float[NDArray[np.float64], " c"],
    classes: NDArray[Any],
    *,
    tol: float,
    max_steps: int,
) -> Float[NDArray[np.float64], "c d d"]:
    """Return the optimal transport of each covariance to their common barycentre."""
    # features that are constant everywhere stay, as the identity
    varies = np.einsum("cdd->d", spreads) > 0
    inner = spreads[:, varies][:, :, varies]
    maps = np.tile(np.eye(len(varies)), (len(spreads), 1, 1))
    if not varies.any():  # a row a class, say: equal means are all there is to it
        return maps
    for name, covariance in zip(classes.tolist(), inner, strict=True):
        values = np.linalg.eigvalsh(covariance)
        if not values[0] > _SINGULAR * values[-1]:
            raise ArrayError(
                f"The covariance of class {name!r} is singular, so no affine map gives it that of the others; give "
                "more rows than features in every class, drop copied features, or use shrinkage above 0."
            )
    center = _barycentre(inner, share, tol=tol, max_steps=max_steps)
    for i, covariance in enumerate(inner):
        root, inverse = _roots(covariance)
        transport = inverse @ _roots(root @ center @ root)[0] @ inverse
        left = np.linalg.norm(transport @ covariance @ transport - center) / np.linalg.norm(center)
        if not left <= _LEFT:
            raise ArrayError(
                f"The map of class {classes.tolist()[i]!r} leaves {left:.1e} between its covariance and the others' "
                f"({_LEFT} is allowed): its covariance is too ill-conditioned; use shrinkage above 0."
            )
        maps[i][np.ix_(varies, varies)] = transport
    return maps


def _barycentre(
    spreads: Float[NDArray[np.float64], "c d d"], share: Float[NDArray[np.float64], " c"], *, tol: float, max_steps: int
) -> Float[NDArray[np.float64], "d d"]:
    """Return the covariance of least mean transport cost, by the fixed point of its equation."""
    center = np.einsum("c,cde->de", share, spreads)
    residual = np.inf
    for _ in range(max_steps):
        root, inverse = _roots(center)
        mean = np.zeros_like(center)
        for weight, covariance in zip(share, spreads, strict=True):
            mean += weight * _roots(root @ covariance @ root)[0]
        residual = float(np.linalg.norm(mean - center) / np.linalg.norm(center))
        if residual <= tol:
            return np.asarray(center)
        center = inverse @ mean @ mean @ inverse
        center = (center + center.T) / 2
    warnings.warn(
        f"The common covariance has a residual of {residual:.1e} after {max_steps} steps ({tol} is asked for): classes "
        "are made equal, but not at quite the least change.",
        ConvergenceWarning,
        stacklevel=5,
    )
    return np.asarray(center)


def _roots(
    covariance: Float[NDArray[np.float64], "d d"],
) -> tuple[Float[NDArray[np.float64], "d d"], Float[NDArray[np.float64], "d d"]]:
    """Return the symmetric square root and its inverse."""
    values, vectors = linalg.eigh((covariance + covariance.T) / 2)
    roots = np.sqrt(np.maximum(values, 0.0))
    inverse = np.divide(1.0, roots, out=np.zeros_like(roots), where=roots > 0)
    return np.asarray(vectors * roots @ vectors.T), np.asarray(vectors * inverse @ vectors.T)


class QuadraticLEACE(OracleMethod):
    """Give all classes the same mean and covariance; labels must be known wherever it is applied.

    On the rows it was fitted on no quadratic function of a row differs between the classes on average. Each class is
    moved by the optimal transport between normal distributions, so the change is the least. It costs eigenvectors of
    a (d, d) matrix for each class and step.

    Parameters
    ----------
    shrinkage
        In [0, 1], the weight of the features' variances alone in each class covariance; then the covariances are equal
        but for that share. Needed where a class has no more rows than there are features.
    tol
        Residual at which the common covariance counts as found, as a share of it.
    max_steps
        Most steps of its search.

    See Also
    --------
    MeanTranslation : makes means equal alone.

    Notes
    -----
    x ↦ T_z (x − μ_z) + μ with T_z = Σ_z^−½ (Σ_z^½ S Σ_z^½)^½ Σ_z^−½, where S is the barycentre:
    S = Σ p_z (S^½ Σ_z S^½)^½, and μ the mean of all rows. Class covariances are equal for any S; S decides the change.

    References
    ----------
    Álvarez-Esteban et al. (2016), "A fixed-point approach to barycenters in Wasserstein space", for S.

    Examples
    --------
    >>> X, z = np.array([[-1.0], [1.0], [3.0], [7.0]]), np.array([0, 0, 1, 1])
    >>> QuadraticLEACE().fit(X, z).transform(X, z).ravel().round(9).tolist()
    [1.0, 4.0, 1.0, 4.0]
    """

    def __init__(self, shrinkage: float = 0.0, *, tol: float = 1e-10, max_steps: int = 500) -> None:
        self.shrinkage = shrinkage
        self.tol = tol
        self.max_steps = max_steps

    def _find(
        self, X: Float[NDArray[Any], "n d"], z: NDArray[Any], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> QuadraticEraser:
        return quadratic_leace(
            X, z, sample_weight=sample_weight, shrinkage=self.shrinkage, tol=self.tol, max_steps=self.max_steps
        )
