"""What the iterative fitters share: they learn from classes, and yield an orthogonal projection."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from tiltmeter.core.errors import ArrayError
from tiltmeter.erasure._arguments import concept_array, detached
from tiltmeter.erasure._concept import encode
from tiltmeter.erasure._eraser import AffineEraser


def check_codes(codes: Int[NDArray[Any], " n"], *, n: int) -> int:
    """Return the number of classes of codes 0, 1, …; ArrayError where a number is missing or the length is wrong."""
    if not np.issubdtype(codes.dtype, np.integer):
        raise ArrayError(f"z has dtype {codes.dtype}; number the classes 0, 1, 2 … by integers, as z.astype(int) does.")
    if len(codes) != n:
        raise ArrayError(f"z has {len(codes)} labels for {n} rows; give one label a row.")
    present = np.unique(codes)
    if len(present) < 2 or present[0] != 0 or present[-1] != len(present) - 1:
        raise ArrayError("z must number at least two classes as 0, 1, 2 … with none left out.")
    return len(present)


def projection(
    directions: Float[NDArray[np.float64], "k d"],
    center: Float[NDArray[np.float64], " d"],
    *,
    method: str,
    guarantee: str,
    tol: float,
) -> AffineEraser:
    """Return the eraser that projects out orthonormal directions about a center."""
    return AffineEraser(
        np.ascontiguousarray(directions.T), directions, center, method=method, guarantee=guarantee, tol=tol
    )


class ClassFitter(OneToOneFeatureMixin, TransformerMixin, BaseEstimator, ABC):  # type: ignore[misc]  # untyped
    """A transformer that is fitted on classes. Abstract: use INLP or RLACE.

    After ``fit``: ``eraser_`` (frozen), ``classes_`` and ``n_features_in_``.
    """

    eraser_: AffineEraser
    classes_: NDArray[Any]
    n_features_in_: int

    def fit(self, X: ArrayLike, z: ArrayLike | None = None) -> Self:
        """Fit on rows (n, d) and one label a row, of two or more classes.

        Raises
        ------
        ValueError
            If X is not finite, or z is missing.
        ArrayError
            If there are fewer than two classes, lengths differ, z holds real numbers, or there is nothing to erase.
        SpecError
            If a hyperparameter is not among what is allowed.
        """
        rows = validate_data(self, detached(X), dtype=[np.float64, np.float32], ensure_min_samples=2)
        concept = encode(concept_array(z, of=type(self).__name__), n=len(rows))
        if concept.classes is None or concept.codes is None:
            raise ArrayError(
                "Unknown label type: z holds real numbers, and this method needs classes; use LEACE or SAL for numbers."
            )
        self.classes_ = concept.classes
        self.eraser_ = self._find(rows.astype(np.float64), concept.codes)
        return self

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Erase the concept from rows (n, d); float64, float32 and float16 stay what they are."""
        check_is_fitted(self, "eraser_")
        rows = validate_data(self, detached(X), reset=False, dtype=[np.float64, np.float32, np.float16])
        return np.asarray(self.eraser_(rows))

    @abstractmethod
    def _find(self, X: Float[NDArray[np.float64], "n d"], z: Int[NDArray[np.int64], " n"]) -> AffineEraser: ...

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        tags.transformer_tags.preserves_dtype = ["float64", "float32", "float16"]
        return tags
