"""The contract that erasing methods share: ``fit(X, z)``, and then a frozen eraser."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, Self

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted, validate_data

from tiltmeter.erasure._arguments import as_array, check_choice, concept_array, detached, weights_of
from tiltmeter.erasure._concept import ConceptKind
from tiltmeter.erasure._eraser import AffineEraser, Eraser
from tiltmeter.numerics import Moments


class ErasureMethod(ABC, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """Something that is fitted on rows and their concept, and leaves an eraser. Abstract: use a method.

    After ``fit``: ``eraser_``, frozen, and ``n_features_in_``.
    """

    eraser_: Eraser
    n_features_in_: int

    def fit(self, X: ArrayLike, z: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None) -> Self:
        """Fit on rows (n, d) and their concept.

        Parameters
        ----------
        X
            Finite activations, an array, a frame or a tensor.
        z
            The concept: labels (n,) of two or more classes, or real numbers, (n,) or (n, c), where the method takes
            them. Whole numbers in one column are labels.
        sample_weight
            Non-negative, shape (n,), not all 0: weight 2 counts as the row twice. None for equal weights.

        Raises
        ------
        ValueError
            If z is missing or X is not finite.
        ArrayError
            If lengths differ, z is constant, or not finite or missing in a row, or what was found would not erase it.
        NoDirectionError
            If no feature goes with z.
        SpecError
            If a hyperparameter is not among what is allowed.
        """
        rows = validate_data(self, detached(X), dtype=[np.float64, np.float32], ensure_min_samples=2)
        concept = concept_array(z, of=type(self).__name__)
        self.eraser_ = self._find(rows, concept, weights_of(sample_weight, n=len(rows)))
        return self

    @abstractmethod
    def _find(
        self, X: Float[NDArray[Any], "n d"], z: NDArray[Any], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> Eraser: ...

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.target_tags.required = True
        return tags


class AffineMethod(OneToOneFeatureMixin, TransformerMixin, ErasureMethod):  # type: ignore[misc]
    """A method whose eraser needs the rows alone: a scikit-learn transformer. Abstract: use a method."""

    eraser_: AffineEraser

    def transform(self, X: ArrayLike) -> NDArray[Any]:
        """Erase from rows (n, d); float64, float32 and float16 stay what they are."""
        check_is_fitted(self, "eraser_")
        rows = validate_data(self, detached(X), reset=False, dtype=[np.float64, np.float32, np.float16])
        return np.asarray(self.eraser_(rows))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.transformer_tags.preserves_dtype = ["float64", "float32", "float16"]
        return tags


class MomentsMethod(AffineMethod):
    """A closed form: ``numerics.Moments`` of rows labelled 0 and 1 are all that it needs. Abstract: use a method."""

    concept: ConceptKind

    def fit_moments(self, moments: Moments) -> Self:
        """Fit on moments of labelled rows, as ``fit`` does on the rows themselves, to rounding.

        Many sites take one pass over the data: gather moments for each, then
        ``{site: LEACE().fit_moments(of_site).eraser_ for site, of_site in moments.items()}``.

        Raises
        ------
        ArrayError
            If a label has no rows, or what was found would not erase it.
        NoDirectionError
            If the class means coincide.
        SpecError
            If a hyperparameter is not among what is allowed.
        """
        check_choice("concept", self.concept, ConceptKind)
        self.eraser_ = self._find_in_moments(moments)
        self.n_features_in_ = moments.n_features
        if hasattr(self, "feature_names_in_"):  # of an earlier fit; moments carry no names
            del self.feature_names_in_
        return self

    @abstractmethod
    def _find_in_moments(self, moments: Moments) -> AffineEraser: ...


class OracleMethod(ErasureMethod):
    """A method whose eraser must be told z of every row, so that it is no step of a pipeline. Abstract: use a method.

    Its ``eraser_`` is called with rows and z.
    """

    def transform(self, X: ArrayLike, z: ArrayLike) -> NDArray[Any]:
        """Erase from rows (n, d) of known z."""
        check_is_fitted(self, "eraser_")
        rows = validate_data(self, detached(X), reset=False, dtype=[np.float64, np.float32, np.float16])
        return np.asarray(self.eraser_(rows, as_array(z)))  # type: ignore[operator]
