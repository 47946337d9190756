"""The contract that all probes of whole texts share: fitted on tokens with a label a text, they score both."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, NamedTuple, Self

import numpy as np
import torch
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, column_or_1d, validate_data

from tiltmeter.core.errors import ArrayError, ConvergenceWarning, NoDirectionError, SpecError
from tiltmeter.numerics import Minimised, minimise
from tiltmeter.probes._probe import binary_classes
from tiltmeter.probes._segments import Scale, are_all_equal, token_scale

# starts that end within this share of the lowest loss have found the same minimum: the first of them is kept, so that
# rounding does not choose among them
_SAME_LOSS = 1e-7


class Search(NamedTuple):
    """How a loss with several minima is searched: from ``n_starts`` points, side by side, the lowest end kept.

    ``tol`` and ``max_steps`` are those of :func:`tiltmeter.numerics.minimise`.
    """

    n_starts: int = 4
    random_state: int = 0
    tol: float = 1e-10
    max_steps: int = 2000


DEFAULT_SEARCH = Search()


class Texts(NamedTuple):
    """Token rows (t, d), the offsets of n texts, whether the concept is present (n,), and the texts' weights (n,)."""

    rows: Float[NDArray[Any], "t d"]
    offsets: Int[NDArray[Any], " m"]
    present: Int[NDArray[Any], " n"]
    weights: Float[NDArray[Any], " n"] | None


class SequenceProbe(ABC, BaseEstimator):  # type: ignore[misc]  # scikit-learn ships no types
    """A score of whole texts, fitted on all their tokens: above 0 means that the concept is present. Abstract.

    Every token has a score as well: that of a text which holds this token alone. Texts may differ in length; their
    rows are never padded.

    Examples
    --------
    With ``core.Activations`` of tokens, as collecting returns them:

    >>> from tiltmeter.core import Activations
    >>> from tiltmeter.probes import PooledTokens
    >>> acts = Activations(
    ...     np.array([[0.0, 1.0], [5.0, 0.0], [0.0, 0.0], [0.0, 1.0], [1.0, 0.0]]),
    ...     ids=np.array(["a", "b", "c"]),
    ...     offsets=np.array([0, 2, 3, 5]),
    ...     y=np.array([1, 0, 0]),
    ... )
    >>> probe = PooledTokens("max").fit(acts.X, acts.y, offsets=acts.offsets)
    >>> probe.predict(acts.X, offsets=acts.offsets).tolist()
    [1, 0, 0]
    >>> probe.token_scores(acts.X).shape
    (5,)
    """

    classes_: NDArray[Any]
    n_features_in_: int

    def fit(
        self, X: ArrayLike, y: ArrayLike, *, offsets: ArrayLike | None, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Fit on the tokens (t, d) of n texts, their offsets (n + 1,) and one label a text (n,).

        Parameters
        ----------
        X
            Finite activations, one row a token.
        y
            Labels of two classes, one a text; the larger is the one whose presence is scored.
        offsets
            Rise from 0 to t: text i owns rows ``offsets[i]:offsets[i + 1]``, at least one.
        sample_weight
            Non-negative, shape (n,): weight 2 counts as the text twice. None for equal weights.

        Raises
        ------
        ValueError
            If X is not finite or there are no texts.
        ArrayError
            If there are not exactly two classes, or offsets do not divide the rows.
        SpecError
            If a hyperparameter is out of range.
        NoDirectionError
            If all tokens are equal, or nothing in them goes with the labels.
        """
        self._learn(self._texts(X, y, offsets, sample_weight))
        return self

    @abstractmethod
    def token_scores(self, X: ArrayLike) -> NDArray[Any]:
        """Score tokens, shape (t, d) to (t,), each as if it were a whole text."""

    def decision_function(self, X: ArrayLike, *, offsets: ArrayLike | None) -> NDArray[Any]:
        """Score texts, tokens of shape (t, d) and offsets of shape (n + 1,) to (n,); higher means more of the concept.

        ``offsets`` start at 0, rise, and end at t: text i owns rows ``offsets[i]:offsets[i + 1]``.
        """
        rows = self._known_rows(X)
        return self._score(rows, checked_offsets(offsets, n_rows=len(rows)))

    def predict(self, X: ArrayLike, *, offsets: ArrayLike | None) -> NDArray[Any]:
        """Return the class of each text: the larger label where the score is above 0."""
        is_present = self.decision_function(X, offsets=offsets) > 0
        return np.asarray(self.classes_[is_present.astype(int)])

    @abstractmethod
    def _learn(self, texts: Texts) -> None: ...

    @abstractmethod
    def _score(self, rows: Float[NDArray[Any], "t d"], offsets: Int[NDArray[Any], " m"]) -> NDArray[Any]: ...

    def _known_rows(self, X: ArrayLike) -> Float[NDArray[Any], "t d"]:
        check_is_fitted(self, "classes_")
        return np.asarray(validate_data(self, X, reset=False, dtype=[np.float64, np.float32]))

    def _texts(
        self, X: ArrayLike, y: ArrayLike, offsets: ArrayLike | None, sample_weight: ArrayLike | None = None
    ) -> Texts:
        """Check what ``fit`` was given; nothing of the probe has changed when it is refused but ``n_features_in_``."""
        rows = validate_data(self, X, dtype=[np.float64, np.float32])
        bounds = checked_offsets(offsets, n_rows=len(rows))
        labels = column_or_1d(y)
        if len(labels) != len(bounds) - 1:
            raise ArrayError(f"y has {len(labels)} labels for {len(bounds) - 1} texts; give one label a text.")
        classes = binary_classes(labels)
        weights = None
        if sample_weight is not None:
            weights = _check_sample_weight(sample_weight, labels, dtype=np.float64, ensure_non_negative=True)
        if are_all_equal(rows):
            raise self._refuse()
        self.classes_ = classes
        return Texts(rows, bounds, (labels == classes[1]).astype(np.int64), weights)

    def _refuse(self) -> NoDirectionError:
        return NoDirectionError(
            f"{type(self).__name__} found no direction: the tokens hold no difference that it could follow."
        )


def checked_offsets(offsets: ArrayLike | None, *, n_rows: int) -> Int[NDArray[Any], " m"]:
    """Return offsets as int64 after checking that they divide the rows among texts of at least one token."""
    if offsets is None:
        raise ArrayError("offsets is None; give the offsets of texts whose rows are tokens, shape (n + 1,).")
    bounds = np.asarray(offsets)
    if bounds.ndim != 1 or len(bounds) < 2 or not np.issubdtype(bounds.dtype, np.integer):
        raise ArrayError(
            f"offsets have shape {bounds.shape} and type {bounds.dtype}; they must be n + 1 integers for n texts."
        )
    bounds = bounds.astype(np.int64)
    if (empty := np.flatnonzero(np.diff(bounds) == 0)).size:
        raise ArrayError(f"Text {empty[0]} has no tokens ({empty.size} such texts); leave it out.")
    if bounds[0] != 0 or bounds[-1] != n_rows or (np.diff(bounds) < 0).any():
        raise ArrayError(
            f"offsets go from {bounds[0]} to {bounds[-1]}; they must rise from 0 to {n_rows}, the number of rows."
        )
    return bounds


def scale_of_texts(
    X: Float[NDArray[Any], "t d"],
    y: Int[NDArray[Any], " n"],
    *,
    offsets: Int[NDArray[Any], " m"],
    weights: Float[NDArray[Any], " n"],
) -> Scale:
    """Measure tokens under the label and the weight of their text; ArrayError if a label has no weight."""
    if not 0 < weights[y == 1].sum() < weights.sum():
        raise ArrayError("y has one class only (or all weight is on one); texts of both labels are needed.")
    lengths = np.diff(offsets)
    return token_scale(X, np.repeat(y, lengths), np.repeat(weights, lengths))


def check_strength(C: float) -> None:
    """Refuse a penalty that is none."""
    if not C > 0:
        raise SpecError(f"C is {C}; the inverse strength of the penalty must be positive.")


# points (s, p) to losses (s,) and gradients (s, p), in NumPy
Loss = Callable[[NDArray[Any]], tuple[NDArray[Any], NDArray[Any]]]


def minimise_loss(
    loss: Loss, starts: Float[NDArray[Any], "s p"], *, curvature: Float[NDArray[Any], " p"], search: Search
) -> Minimised:
    """Minimise one loss from several starts side by side."""

    def objective(x: torch.Tensor, which: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:  # noqa: ARG001
        values, gradients = loss(x.numpy())
        return torch.from_numpy(values), torch.from_numpy(gradients)

    start = torch.from_numpy(starts)
    guess = torch.from_numpy(curvature).expand_as(start)
    return minimise(objective, start, curvature=guess, tol=search.tol, max_steps=search.max_steps)


def lowest(found: Minimised, *, name: str) -> int:
    """Return which start ended lowest, and warn with what was left to gain if it had not converged."""
    values = found.values.numpy()
    best = int(np.flatnonzero(values <= values.min() + _SAME_LOSS * max(1.0, abs(values.min())))[0])
    if not found.is_converged[best]:
        warnings.warn(
            f"{name} stopped after {int(found.n_steps[best])} steps with a residual of "
            f"{float(found.decrement[best]):.1g}, the relative gain still promised; use a smaller C.",
            ConvergenceWarning,
            stacklevel=3,
        )
    return best
