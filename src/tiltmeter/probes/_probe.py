"""The contract that all probes of single rows share: scikit-learn's, plus a direction of unit norm where linear."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Any, ClassVar, NamedTuple, Self

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import Tags
from sklearn.utils.multiclass import check_classification_targets, type_of_target
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from tiltmeter.core.direction import Direction, Sign
from tiltmeter.core.errors import ArrayError, NoDirectionError, SpecError
from tiltmeter.core.site import Site
from tiltmeter.evaluation import auroc
from tiltmeter.numerics import Moments, pair_rows

# in the provenance of a direction: what gave it its sign
FITTED_LABELS = "the labels that it was fitted on"


class Found(NamedTuple):
    """What a method returns: any vector, shape (d,), and the offset that goes with it (score = X · vector + offset)."""

    vector: Float[NDArray[Any], " d"]
    offset: float


def plain(hyperparameters: dict[str, Any]) -> dict[str, Any]:
    """Turn NumPy's numbers, which a grid over an array gives, into those that JSON holds."""
    return {name: value.item() if isinstance(value, np.generic) else value for name, value in hyperparameters.items()}


def one_of(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Raise SpecError unless an option is one of those there are: a misspelt one must not mean another."""
    if value not in allowed:
        raise SpecError(f"{name} is {value!r}; it must be one of {', '.join(allowed)}.")


class Probe(ABC, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A score of activations: above 0 means that the concept is present. Abstract: use a method."""

    is_supervised: ClassVar[bool]
    needs_pairs: ClassVar[bool] = False
    needs_sides: ClassVar[bool] = False

    n_features_in_: int

    @abstractmethod
    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Score rows, shape (n, d) to (n,); higher means more of the concept."""

    def _members(
        self, rows: Float[NDArray[Any], "n d"], pairs: ArrayLike | None, sides: ArrayLike | None
    ) -> Int[NDArray[Any], "p 2"] | None:
        """Return the rows of each pair, side 0 first, after checking that what the method needs is there."""
        name = type(self).__name__
        if pairs is None:
            if self.needs_pairs:
                raise ArrayError(f"{name} needs pairs: the identifier of each row's pair, two rows a pair.")
            if sides is not None:
                raise ArrayError(f"{name} got sides without pairs; give pairs as well, or leave both out.")
            return None
        if sides is None and self.needs_sides:
            raise ArrayError(f"{name} needs sides: 0 or 1, which half of its pair each row is.")
        return pair_rows(np.asarray(pairs), n=len(rows), sides=None if sides is None else np.asarray(sides))

    def _refuse(self) -> NoDirectionError:
        return NoDirectionError(
            f"{type(self).__name__} found no direction: the rows hold no difference that it could follow "
            "(equal class means, identical pairs or constant features)."
        )


class LinearProbe(Probe):
    """A score that is linear in the row, and so names a direction. Abstract: use a method.

    After ``fit``: ``direction_`` (shape (d,), norm 1, in the coordinates of X and of X's precision), ``intercept_``
    and ``n_features_in_``; ``decision_function(X)`` is ``X @ direction_ + intercept_``, in units of the activations.
    """

    direction_: NDArray[Any]
    intercept_: float

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Score rows, shape (n, d) to (n,); higher means more of the concept."""
        check_is_fitted(self, "direction_")
        rows = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        # in float64: a large offset would swallow the differences between single-precision scores
        return np.asarray((rows @ self.direction_.astype(rows.dtype)).astype(np.float64) + self.intercept_)

    def as_direction(self, *, site: Site | None = None, provenance: dict[str, Any] | None = None) -> Direction:
        """Return the fitted direction with its sign ("unknown" where no label fixed it), not yet assessed."""
        check_is_fitted(self, "direction_")
        return Direction(
            self.direction_,
            offset=float(self.intercept_),
            site=site,
            sign=self._sign(),
            method=type(self).__name__,
            provenance={"hyperparameters": plain(self.get_params()), **self._origin_of_sign(), **(provenance or {})},
        )

    def _origin_of_sign(self) -> dict[str, str]:
        return {"sign_from": FITTED_LABELS}

    @abstractmethod
    def _sign(self) -> Sign: ...

    def _keep(self, found: Found, dtype: np.dtype[Any]) -> None:
        norm = float(np.linalg.norm(found.vector))
        if not np.isfinite(norm) or norm == 0.0:
            raise self._refuse()
        self.direction_ = (found.vector / norm).astype(dtype)
        self.intercept_ = float(found.offset / norm)


class Labelled(NamedTuple):
    """Rows (n, d), whether the concept is present (n,), and the rows' weights (n,) or None, checked."""

    rows: Float[NDArray[Any], "n d"]
    present: Int[NDArray[Any], " n"]
    weights: Float[NDArray[Any], " n"] | None


def binary_classes(labels: NDArray[Any]) -> NDArray[Any]:
    """Return the two classes of labels (n,), in order; ArrayError if there are fewer or more."""
    check_classification_targets(labels)
    if type_of_target(labels) not in ("binary", "multiclass"):
        raise ArrayError("y must be one label a row.")
    classes = np.unique(labels)
    if len(classes) > 2:
        raise ArrayError(
            f"Only binary classification is supported; y has {len(classes)} classes: "
            "fit one probe for each class against the rest."
        )
    if len(classes) < 2:
        raise ArrayError("y has one class only (just 1 class); a supervised probe needs rows of both.")
    return classes


class Classifier(ClassifierMixin, Probe):  # type: ignore[misc]
    """A probe that is fitted on labels of two classes. Abstract: use a method.

    The larger of the two labels is the one whose presence is scored.
    """

    is_supervised: ClassVar[bool] = True

    classes_: NDArray[Any]

    @abstractmethod
    def fit(self, X: ArrayLike, y: ArrayLike | None = None) -> Self:
        """Fit on rows (n, d) and labels (n,) of two classes, and on what else the method needs."""

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Return the class of each row: the larger label where the score is above 0."""
        is_present = self.decision_function(X) > 0
        return np.asarray(self.classes_[is_present.astype(int)])

    def _labelled(self, X: ArrayLike, y: ArrayLike | None, sample_weight: ArrayLike | None = None) -> Labelled:
        """Check what ``fit`` was given, and keep the classes."""
        rows, labels = validate_data(self, X, y, dtype=[np.float64, np.float32], ensure_min_samples=2)
        self.classes_ = binary_classes(labels)
        weights = None if sample_weight is None else _check_sample_weight(sample_weight, rows, ensure_non_negative=True)
        if (rows == rows[0]).all():  # means of equal rows differ by rounding, which is no direction
            raise self._refuse()
        return Labelled(rows, (labels == self.classes_[1]).astype(np.int64), weights)

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_class = False
        return tags


class LinearClassifier(Classifier, LinearProbe):
    """A linear probe that is fitted on labels, which give it its sign. Abstract: use a method."""

    def _sign(self) -> Sign:
        return 1


class SupervisedProbe(LinearClassifier):
    """A linear probe that needs rows and labels, and nothing else. Abstract: use a method."""

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None) -> Self:
        """Fit on rows (n, d) and labels (n,) of two classes.

        Parameters
        ----------
        X
            Finite activations.
        y
            Labels, usually 0 and 1.
        sample_weight
            Non-negative, shape (n,): weight 2 counts as the row twice. None for equal weights.

        Raises
        ------
        ValueError
            If y is missing, X is not finite, or lengths differ.
        ArrayError
            If there are not exactly two classes.
        NoDirectionError
            If the class means coincide or all rows are equal.
        """
        rows, present, weights = self._labelled(X, y, sample_weight)
        self._keep(self._find(rows, present, weights), rows.dtype)
        return self

    @abstractmethod
    def _find(
        self, X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> Found: ...


class UnsupervisedProbe(LinearProbe):
    """A probe that never sees labels when it is fitted. Abstract: use a method.

    Its sign means nothing until :meth:`orient` has fixed it on calibration labels.
    """

    is_supervised: ClassVar[bool] = False

    is_oriented_: bool
    n_oriented_on_: int

    def fit(
        self, X: ArrayLike, y: None = None, *, pairs: ArrayLike | None = None, sides: ArrayLike | None = None
    ) -> Self:
        """Fit on rows (n, d), without labels.

        Parameters
        ----------
        X
            Finite activations.
        y
            Must be None; the argument is there because scikit-learn passes it.
        pairs
            Shape (n,), the identifier of each row's pair; exactly two rows a pair. Needed by paired methods only.
        sides
            Shape (n,), 0 or 1: which half of its pair a row is, such as the completions "no" and "yes". Not a label:
            it says nothing about which half is true. Needed by methods that treat the halves differently only.

        Raises
        ------
        ArrayError
            If y is given, if a paired method gets no pairs or no sides that it needs, if a pair has not two rows, or
            if no direction is found.
        ValueError
            If X is not finite.
        """
        if y is not None:
            raise ArrayError(f"{type(self).__name__} is unsupervised and takes no y; give labels to orient instead.")
        rows = validate_data(self, X, dtype=[np.float64, np.float32], ensure_min_samples=2 if self.needs_pairs else 1)
        self._keep(self._find(rows, self._members(rows, pairs, sides)), rows.dtype)
        self.is_oriented_, self.n_oriented_on_ = False, 0
        return self

    @abstractmethod
    def _find(self, X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"] | None) -> Found: ...

    def orient(self, X: ArrayLike, y: ArrayLike) -> Self:
        """Fix the sign, and put the zero midway between the classes' mean scores, on labelled rows.

        Give calibration rows: never those on which the probe is then judged. A tie keeps the sign. That labels gave the
        sign, and of how many rows, goes into the provenance of ``as_direction``.

        Parameters
        ----------
        X
            Activations, shape (n, d).
        y
            Labels 0 and 1, both present.

        Raises
        ------
        ArrayError
            If one class is absent or lengths differ.
        """
        scores = self.decision_function(X)
        labels = np.asarray(y)
        if auroc(labels, scores) < 0.5:
            self.direction_, self.intercept_, scores = -self.direction_, -self.intercept_, -scores
        self.intercept_ -= float(scores[labels == 1].mean() + scores[labels == 0].mean()) / 2
        self.is_oriented_, self.n_oriented_on_ = True, len(labels)
        return self

    def _origin_of_sign(self) -> dict[str, str]:
        if not self.is_oriented_:
            return {}
        return {"sign_from": f"the labels of {self.n_oriented_on_} rows given to orient; none were seen by fit"}

    def _sign(self) -> Sign:
        return 1 if self.is_oriented_ else "unknown"


class FitsMoments(LinearProbe):
    """A closed-form probe: ``numerics.Moments`` are all that it needs of the rows. Abstract: use a method."""

    def fit_moments(self, moments: Moments) -> Self:
        """Fit on moments of the rows, as ``fit`` does on the rows themselves, to rounding.

        Afterwards everything works as after ``fit``: the direction is float64, the classes are 0 and 1, and an
        unsupervised probe has no sign until ``orient``.

        Parameters
        ----------
        moments
            Of labelled rows for a supervised probe, of pairs for a paired one.

        Raises
        ------
        ArrayError
            If a label or all pairs are absent.
        SpecError
            If the hyperparameters ask for what moments do not hold.
        NoDirectionError
            If the class means coincide or the members of all pairs do.
        """
        self._keep(self._find_in_moments(moments), np.dtype(np.float64))
        self.n_features_in_ = moments.n_features
        if hasattr(self, "feature_names_in_"):  # of an earlier fit; moments carry no names
            del self.feature_names_in_
        if isinstance(self, Classifier):
            self.classes_ = np.array([0, 1])
        if isinstance(self, UnsupervisedProbe):
            self.is_oriented_, self.n_oriented_on_ = False, 0
        return self

    @abstractmethod
    def _find_in_moments(self, moments: Moments) -> Found: ...
