"""Kernel SAL: features of a kernel from which what covaries with the concept is gone. Not an eraser of rows."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Self

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.metrics.pairwise import pairwise_kernels
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.erasure._arguments import check_choice, check_count, concept_array, detached
from tiltmeter.erasure._concept import encode

Kernel = Literal["linear", "poly", "rbf", "sigmoid"]

# of the largest eigenvalue of the kernel: smaller ones are rounding, and so are features divided by their root
_EIGENVALUE_TOL = 1e-10


class KernelSALFit(NamedTuple):
    """How centred kernel values become features: coefficients, shape (n, f); and the singular values, largest first.

    ``n_removed`` is the number of directions gone.
    """

    coefficients: Float[NDArray[np.float64], "n f"]
    singular_values: Float[NDArray[np.float64], " c"]
    n_removed: int


def kernel_sal(
    K: Float[NDArray[Any], "n n"],
    z: Float[NDArray[Any], "n c"],
    *,
    rank: int | None = None,
    tol: float = _EIGENVALUE_TOL,
) -> KernelSALFit:
    """Return the coefficients that turn a centred kernel into features without the concept's leading directions.

    ``K @ coefficients`` are then features of the fitting rows, whose covariance with z is 0 when all directions are
    gone. They are coordinates of what is left, with none of the removed directions among them as a column of rounding.

    Parameters
    ----------
    K
        The kernel of the fitting rows with themselves, symmetric, with rows and columns centred.
    z
        The concept as columns, such as one-hot labels.
    rank
        Directions to remove, at least 1; None for all in which the features covary with z.
    tol
        Eigenvalues of K and singular values of the covariance below this share of the largest count as 0.

    Raises
    ------
    SpecError
        If the rank is no whole number of 1 or more.
    NoDirectionError
        If no feature covaries with z.
    ArrayError
        If the covariance has less than this rank, or nothing would be left.

    Notes
    -----
    With K = V Λ Vᵀ the features of the fitting rows are Φ = V Λ^½, and the left singular vectors of Φᵀz are
    Λ^½ Vᵀ w for the eigenvectors w of z zᵀ K. Cost O(n³).

    References
    ----------
    Shao, Ziser and Cohen, arXiv 2203.07893, section 3.3 and its appendix.

    Examples
    --------
    >>> X = np.array([[-1.0, 0.0], [-1.0, 1.0], [1.0, 0.0], [1.0, 1.0]]) - [0.0, 0.5]
    >>> found = kernel_sal(X @ X.T, np.array([[0.0], [0.0], [1.0], [1.0]]))
    >>> np.abs(X @ X.T @ found.coefficients).round(6).ravel().tolist()
    [0.5, 0.5, 0.5, 0.5]
    """
    if rank is not None:
        check_count("rank", rank)
    values, vectors = np.linalg.eigh((K + K.T) / 2)
    kept = values > tol * values[-1]
    if not kept.any():
        raise NoDirectionError("The kernel is constant on these rows; there is nothing to erase.")
    to_features = vectors[:, kept] / np.sqrt(values[kept])
    features = vectors[:, kept] * np.sqrt(values[kept])
    columns = z.astype(np.float64) - z.mean(axis=0, dtype=np.float64)
    left, sizes, _ = np.linalg.svd(features.T @ columns, full_matrices=True)
    # rows whose kernel values are equal have features that differ by rounding, most where the eigenvalue is least
    rounding = 100 * np.finfo(np.float64).eps / np.sqrt(tol) * np.sqrt(values[-1]) * np.linalg.norm(columns)
    full = int((sizes > max(tol * sizes[0], rounding)).sum())
    if full == 0:
        raise NoDirectionError("No feature of the kernel covaries with the concept; there is nothing to erase.")
    removed = full if rank is None else rank
    if removed > full:
        raise ArrayError(
            f"rank is {rank}, and the covariance of the features with z has rank {full}; give at most that."
        )
    if removed == features.shape[1]:
        raise ArrayError(f"The kernel has {removed} features on these rows, and all of them would go; give more rows.")
    return KernelSALFit(to_features @ left[:, removed:], sizes, removed)


class KernelSAL(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):  # type: ignore[misc]  # untyped
    """Turn rows into features of a kernel from which the directions that covary most with the concept are gone.

    It is no eraser: what comes out is other features, as many as the kernel has on the fitting rows less those removed,
    and there is no way back to activations. It has no ``eraser_`` and never enters interventions or monitors; it shows
    what predictors in this kernel's space can still read. Readers with another kernel may read the concept still.

    After ``fit``: ``singular_values_``, ``n_removed_``, ``gamma_`` and ``n_features_in_``.

    Parameters
    ----------
    rank
        Directions to remove, at least 1; None for all in which the features covary with the concept.
    kernel
        ``"linear"`` (then it is SAL, in other coordinates), ``"poly"``, ``"rbf"`` or ``"sigmoid"``, as scikit-learn
        defines them.
    gamma
        The kernel's scale, > 0; None for 1 / (d · mean variance of the columns), so that X and 1000 X give the same.
    degree
        Of ``"poly"``.
    coef0
        Added to the scaled product in ``"poly"`` and ``"sigmoid"``.

    Notes
    -----
    Rows and the kernel are centred on the fitting rows, and a fresh row is described by its kernel values with them
    alone: no fresh row changes another's features. Part of a fresh row that lies outside the fitting rows' span in the
    kernel's space is lost. Cost O(n³), and the fitting rows are kept.

    References
    ----------
    Shao, Ziser and Cohen, arXiv 2203.07893, section 3.3.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> X = rng.normal(size=(100, 2))
    >>> z = (X[:, 0] * X[:, 1] > 0).astype(int)  # no linear reader can tell
    >>> features = KernelSAL(kernel="poly", degree=2).fit_transform(X, z)
    >>> gap = features[z == 1].mean(axis=0) - features[z == 0].mean(axis=0)
    >>> bool(np.abs(gap).max() < 1e-9)
    True
    """

    n_features_in_: int

    def __init__(
        self,
        rank: int | None = None,
        *,
        kernel: Kernel = "rbf",
        gamma: float | None = None,
        degree: int = 3,
        coef0: float = 1.0,
    ) -> None:
        self.rank = rank
        self.kernel = kernel
        self.gamma = gamma
        self.degree = degree
        self.coef0 = coef0

    def fit(self, X: ArrayLike, z: ArrayLike | None = None) -> Self:
        """Fit on rows (n, d) and their concept: one label a row, or real numbers, (n,) or (n, c).

        Raises
        ------
        ValueError
            If z is missing or X is not finite.
        ArrayError
            If z is constant, lengths differ, or what :func:`kernel_sal` refuses.
        SpecError
            If gamma is not positive, or there is no such kernel.
        """
        check_choice("kernel", self.kernel, Kernel)
        rows = validate_data(self, detached(X), dtype=[np.float64, np.float32], ensure_min_samples=2)
        columns = encode(concept_array(z, of=type(self).__name__), n=len(rows)).columns
        self._center = rows.mean(axis=0, dtype=np.float64)
        self._rows = rows.astype(np.float64) - self._center
        self.gamma_ = self._scale(self._rows)
        K = self._kernel(self._rows)
        self._means, self._mean = K.mean(axis=0), float(K.mean())
        found = kernel_sal(self._centred(K), columns, rank=self.rank)
        self._coefficients = found.coefficients
        self.singular_values_, self.n_removed_ = found.singular_values, found.n_removed
        self._n_features_out = found.coefficients.shape[1]
        return self

    def transform(self, X: ArrayLike) -> NDArray[np.float64]:
        """Return the features (n, f) of rows (n, d), in float64."""
        check_is_fitted(self, "singular_values_")
        rows = validate_data(self, detached(X), reset=False, dtype=[np.float64, np.float32])
        return np.asarray(self._centred(self._kernel(rows.astype(np.float64) - self._center)) @ self._coefficients)

    def _scale(self, rows: Float[NDArray[np.float64], "n d"]) -> float:
        if self.gamma is not None:
            if not self.gamma > 0:
                raise SpecError(f"gamma is {self.gamma}; the kernel's scale must be positive.")
            return float(self.gamma)
        total = float((rows**2).mean()) * rows.shape[1]
        return 1 / total if total > 0 else 1.0

    def _kernel(self, rows: Float[NDArray[np.float64], "b d"]) -> NDArray[np.float64]:
        options = {"gamma": self.gamma_, "degree": self.degree, "coef0": self.coef0}
        return np.asarray(pairwise_kernels(rows, self._rows, metric=self.kernel, filter_params=True, **options))

    def _centred(self, K: Float[NDArray[np.float64], "b n"]) -> NDArray[np.float64]:
        return np.asarray(K - K.mean(axis=1, keepdims=True) - self._means + self._mean)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags
