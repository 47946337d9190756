"""A small network with one hidden layer: what a linear probe could have missed."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray
from sklearn.exceptions import ConvergenceWarning as SklearnConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sklearn.utils.validation import check_is_fitted, validate_data

from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.numerics import class_means
from tiltmeter.probes._probe import Classifier

# A feature that varies less than this beside the most varied one is dead, and holds rounding. In a unit of its own it
# would be as large as the others, and a change of 1e-30 in it would decide.
_LEAST_SCALE = 1e-7


class Network(NamedTuple):
    """A network of one hidden layer: logit = tanh((x − center) / scale · hidden + hidden_bias) · output + bias."""

    center: Float[NDArray[Any], " d"]
    scale: Float[NDArray[Any], " d"]
    hidden: Float[NDArray[Any], "d h"]
    hidden_bias: Float[NDArray[Any], " h"]
    output: Float[NDArray[Any], " h"]
    output_bias: float

    def score(self, X: Float[NDArray[Any], "n d"]) -> Float[NDArray[Any], " n"]:
        """Return the logit of each row, in float64."""
        standard = (X.astype(np.float64) - self.center) / self.scale
        return np.asarray(np.tanh(standard @ self.hidden + self.hidden_bias) @ self.output + self.output_bias)


def mlp(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    width: int = 32,
    alpha: float = 1.0,
    random_state: int = 0,
    max_steps: int = 2000,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
) -> Network:
    """Minimise Σ log-loss + alpha |weights|² / 2 of a network with one hidden layer, on standardised features.

    Solved in float64 by scikit-learn's L-BFGS. The problem is not convex: what is found is a local minimum, and which
    one depends on the seed.

    Parameters
    ----------
    X, y
        Rows and labels 0 and 1, both present.
    width
        Number of hidden units, at least 1.
    alpha
        Strength of the penalty, ≥ 0, scikit-learn's; the inverse of the ``C`` of logistic regression.
    random_state
        Seed of the first weights.
    max_steps
        Most steps.
    sample_weight
        Shape (n,), or None.

    Returns
    -------
    Plain arrays, which is all that scoring needs.

    Raises
    ------
    ArrayError
        If a class is absent, ``width`` is less than 1 or ``alpha`` negative.

    Warns
    -----
    ConvergenceWarning
        If the search stopped at ``max_steps``; the message gives the loss.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> (mlp(X, np.array([0, 1, 1, 0]), alpha=1e-3).score(X) > 0).tolist()
    [False, True, True, False]
    """
    if width < 1:
        raise ArrayError(f"width is {width}; a hidden layer needs at least one unit.")
    if not 0 <= alpha < np.inf:
        raise ArrayError(f"alpha is {alpha}; the strength of the penalty must be finite and not negative.")
    class_means(X, y, sample_weight=sample_weight)  # refuses a class without weight
    weight = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    is_in = weight > 0
    # equal rows as one, and in an order of their own: the search follows rounding, and would otherwise end elsewhere
    # for a row of weight two than for the row twice
    both, which = np.unique(np.column_stack([X[is_in].astype(np.float64), y[is_in]]), axis=0, return_inverse=True)
    rows, labels = both[:, :-1].copy(), both[:, -1] > 0
    weight = np.bincount(which.ravel(), weights=weight[is_in]).astype(np.float64)
    rows -= (origin := rows[0].copy())
    center = weight @ rows / weight.sum()
    scale = np.sqrt(weight @ (rows - center) ** 2 / weight.sum())
    scale[scale <= _LEAST_SCALE * scale.max()] = scale.max() or 1.0
    model = MLPClassifier(
        (width,),
        activation="tanh",  # smooth, so that the search converges; with kinks it takes about three times the steps
        solver="lbfgs",
        alpha=alpha,
        max_iter=max_steps,
        max_fun=10 * max_steps,
        tol=1e-6,
        random_state=random_state,
    )
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        model.fit((rows - center) / scale, labels, sample_weight=weight)
    if any(issubclass(warning.category, SklearnConvergenceWarning) for warning in caught):
        warnings.warn(
            f"MLP stopped after {int(model.n_iter_)} steps at a loss of {float(model.loss_):.4g}, before its gradient "
            "vanished; raise alpha or max_steps.",
            ConvergenceWarning,
            stacklevel=2,
        )
    (hidden, output), (hidden_bias, output_bias) = model.coefs_, model.intercepts_
    return Network(origin + center, scale, hidden, hidden_bias, output[:, 0], float(output_bias[0]))


class MLP(Classifier):
    """A network of one hidden layer, which names no direction.

    The check on every linear probe: what it reads and they do not is not linear in the activations. It also has far
    more freedom to learn its train rows by heart, so compare on held-out rows only. Scores are logits; the features
    are standardised inside, so that the scale of X does not matter.

    After ``fit``: ``center_`` and ``scale_`` (d,), ``hidden_`` (d, width), ``hidden_bias_`` and ``output_`` (width,)
    and ``output_bias_``, as in :class:`Network`.

    Parameters
    ----------
    width
        Number of hidden units.
    alpha
        Strength of the L2 penalty on the weights, ≥ 0; the inverse of the ``C`` of logistic regression.
    random_state
        Seed of the first weights.

    See Also
    --------
    Logistic : the linear reader to compare with.

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
    >>> MLP(alpha=1e-3).fit(X, np.array([0, 1, 1, 0])).predict(X).tolist()
    [0, 1, 1, 0]
    """

    center_: NDArray[Any]
    scale_: NDArray[Any]
    hidden_: NDArray[Any]
    hidden_bias_: NDArray[Any]
    output_: NDArray[Any]
    output_bias_: float

    def __init__(self, width: int = 32, *, alpha: float = 1.0, random_state: int = 0) -> None:
        self.width = width
        self.alpha = alpha
        self.random_state = random_state

    def fit(self, X: ArrayLike, y: ArrayLike | None = None, *, sample_weight: ArrayLike | None = None) -> MLP:
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
            If there are not exactly two classes, or all rows are equal.
        """
        rows, present, weights = self._labelled(X, y, sample_weight)
        found = mlp(
            rows,
            present,
            width=self.width,
            alpha=self.alpha,
            random_state=self.random_state,
            sample_weight=weights,
        )
        self.center_, self.scale_ = found.center, found.scale
        self.hidden_, self.hidden_bias_ = found.hidden, found.hidden_bias
        self.output_, self.output_bias_ = found.output, found.output_bias
        return self

    def decision_function(self, X: ArrayLike) -> NDArray[Any]:
        """Score rows, shape (n, d) to (n,): the logit of the concept, float64."""
        check_is_fitted(self, "hidden_")
        rows = validate_data(self, X, reset=False, dtype=[np.float64, np.float32])
        network = Network(self.center_, self.scale_, self.hidden_, self.hidden_bias_, self.output_, self.output_bias_)
        return network.score(rows)
