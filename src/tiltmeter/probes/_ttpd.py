"""Truth and polarity directions: a truth probe that holds for affirmative and negated statements alike."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import ArrayLike, NDArray

from tiltmeter.core.errors import ArrayError
from tiltmeter.numerics import class_means
from tiltmeter.probes._logistic import logistic
from tiltmeter.probes._probe import Found, LinearClassifier


class TruthAndPolarity(NamedTuple):
    """Directions (d,) of truth, of truth that flips with negation, and of polarity; and the score made of them.

    ``truth`` and ``flipped`` are half-differences as they were fitted, in units of X; ``polarity`` has norm 1 and
    points to affirmative statements. The score of a row is X · ``vector`` + ``offset``.
    """

    truth: Float[NDArray[Any], " d"]
    flipped: Float[NDArray[Any], " d"]
    polarity: Float[NDArray[Any], " d"]
    vector: Float[NDArray[Any], " d"]
    offset: float


def ttpd(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    is_negated: Bool[NDArray[Any], " n"],
    topics: Shaped[NDArray[Any], " n"] | None = None,
    C: float = 1.0,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
) -> TruthAndPolarity:
    """Fit truth and polarity directions, then logistic regression on the projections on both.

    Parameters
    ----------
    X, y
        Rows and labels 0 and 1, both present.
    is_negated
        Shape (n,): whether a statement is negated. Affirmative and negated ones of both labels are needed.
    topics
        Shape (n,), what a statement is about; None for one topic.
    C
        Inverse strength of the penalty of both logistic regressions, > 0, on standardised scales.
    sample_weight
        Shape (n,), or None.

    Raises
    ------
    ArrayError
        If labels, affirmative or negated statements are absent, or if within the topics the affirmative or the negated
        statements all have one label.

    Notes
    -----
    Rows are modelled as x = μ + τ t_G + τ p t_P with τ = ±1 for the label, p = ±1 for affirmative and negated, and a
    mean μ of each topic and polarity; least squares gives t_G and t_P. The polarity direction is that of a logistic
    regression of p on the rows. The published method has no penalty, which leaves that direction without a limit where
    polarity is separable; as C grows, this one tends to it. It centres rows but not τ, which is the same where labels
    are balanced within each topic and polarity; here τ is centred too, so that an unbalanced topic biases nothing.

    References
    ----------
    Bürger, Hamprecht and Nadler, "Truth is Universal", arXiv 2407.12831.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y, is_negated = np.arange(200) % 2, np.arange(200) % 4 > 1
    >>> sign = np.where(is_negated, -1, 1)
    >>> X = rng.normal(size=(200, 3)) + np.stack([4 * y, 8 * sign * y, 8 * sign], axis=1)
    >>> found = ttpd(X, y, is_negated=is_negated)
    >>> (found.truth / np.linalg.norm(found.truth)).round().tolist()
    [1.0, -0.0, 0.0]
    """
    weight = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    class_means(X, y, sample_weight=sample_weight)  # refuses a class without weight
    truth, flipped = _truth(X, y, is_negated=is_negated, topics=topics, weight=weight)
    polarity = logistic(
        X, 1 - is_negated.astype(np.int64), C=C, penalty_scale="within", sample_weight=sample_weight
    ).vector
    polarity = polarity / (float(np.linalg.norm(polarity)) or 1.0)

    # each projection to unit spread, so that the penalty treats both alike
    axes = np.stack([truth, polarity], axis=1)
    projected = X.astype(np.float64) @ axes
    mean = np.average(projected, axis=0, weights=weight)
    spread = np.sqrt(np.average((projected - mean) ** 2, axis=0, weights=weight))
    spread[spread == 0] = 1.0
    found = logistic((projected - mean) / spread, y, C=C, penalty_scale="within", sample_weight=sample_weight)
    shares = found.vector / spread
    has_truth = bool(np.linalg.norm(truth) > 0)
    return TruthAndPolarity(
        truth, flipped, polarity, axes @ shares * float(has_truth), found.offset - float(mean @ shares)
    )


def _truth(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    is_negated: Bool[NDArray[Any], " n"],
    topics: Shaped[NDArray[Any], " n"] | None,
    weight: Float[NDArray[Any], " n"],
) -> tuple[Float[NDArray[Any], " d"], Float[NDArray[Any], " d"]]:
    """Regress the rows on τ and τ p, after taking out the mean of each topic and polarity."""
    tau, sign = 2.0 * y - 1, np.where(is_negated, -1.0, 1.0)
    topic = np.zeros(len(X), dtype=np.int64) if topics is None else np.unique(topics, return_inverse=True)[1].ravel()
    _, cell = np.unique(2 * topic + is_negated, return_inverse=True)
    total = np.bincount(cell, weights=weight)
    # cells without any weight have no mean, and no row that counts
    tau = tau - (np.bincount(cell, weights=weight * tau) / np.where(total > 0, total, 1.0))[cell]
    # the rows' own means drop out against a regressor that is centred in each cell
    regressors = np.stack([tau, sign * tau], axis=1)
    moment = regressors.T @ (weight[:, None] * regressors)
    for name, is_kind in (("affirmative", ~is_negated), ("negated", is_negated)):
        if not float(weight[is_kind].sum()) > 0:
            raise ArrayError(f"No {name} statement was given; TTPD needs affirmative and negated ones of both labels.")
        if not float(weight[is_kind] @ tau[is_kind] ** 2) > 1e-12 * float(weight[is_kind].sum()):
            raise ArrayError(
                f"Within each topic all {name} statements have one label; TTPD needs both labels of each polarity."
            )
    # about one of the rows, so that a constant feature is exactly 0
    found = np.linalg.solve(moment, (weight[:, None] * regressors).T @ (X.astype(np.float64) - X[0]))
    return found[0], found[1]


class TTPD(LinearClassifier):
    """Training of truth and polarity directions: a truth probe that holds for negated statements too.

    A probe of affirmative statements follows the sum of two directions, truth itself and truth that flips sign under
    negation, and so may rank negated statements the wrong way round. This one tells the two apart, and scores by
    truth and polarity only.

    After ``fit`` it also has ``truth_direction_`` and ``polarity_direction_`` (shape (d,), norm 1 each): t_G, and the
    direction that tells affirmative from negated statements. It claims no more topics than it was fitted on hold in
    common.

    Parameters
    ----------
    C
        Inverse strength of the penalty of both logistic regressions inside, > 0; the direction does not depend on the
        scale of X.

    See Also
    --------
    MeanDifference : blind to polarity, the truth direction where both polarities are balanced.

    References
    ----------
    Bürger, Hamprecht and Nadler, "Truth is Universal", arXiv 2407.12831.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y, is_negated = np.arange(200) % 2, np.arange(200) % 4 > 1
    >>> sign = np.where(is_negated, -1, 1)
    >>> X = rng.normal(size=(200, 3)) + np.stack([4 * y, 8 * sign * y, 8 * sign], axis=1)
    >>> probe = TTPD().fit(X, y, is_negated=is_negated)
    >>> bool((probe.predict(X) == y).mean() > 0.9)
    True
    """

    truth_direction_: NDArray[Any]
    polarity_direction_: NDArray[Any]

    def __init__(self, C: float = 1.0) -> None:
        self.C = C

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        is_negated: ArrayLike | None = None,
        topics: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> TTPD:
        """Fit on rows (n, d), labels (n,) of two classes, and which statements are negated.

        Parameters
        ----------
        X
            Finite activations.
        y
            Labels, usually 0 and 1.
        is_negated
            Shape (n,), booleans or 0 and 1. Needed.
        topics
            Shape (n,), the name of each statement's topic; None for one topic.
        sample_weight
            Non-negative, shape (n,): weight 2 counts as the row twice. None for equal weights.

        Raises
        ------
        ValueError
            If y is missing, X is not finite, or lengths differ.
        ArrayError
            If there are not exactly two classes, ``is_negated`` is missing or holds one value only, or the statements
            of one polarity have one label only within each topic.
        NoDirectionError
            If no truth direction is found.
        """
        rows, present, weights = self._labelled(X, y, sample_weight)
        if is_negated is None:
            raise ArrayError("TTPD needs is_negated: for each row, whether its statement is negated.")
        negated = np.asarray(is_negated)
        if negated.shape != (len(rows),) or not np.isin(negated, (0, 1)).all():
            raise ArrayError(f"is_negated must hold True or False for each of the {len(rows)} rows.")
        names = None if topics is None else np.asarray(topics)
        if names is not None and names.shape != (len(rows),):
            raise ArrayError(f"topics have shape {names.shape} for {len(rows)} rows; give one a row.")
        found = ttpd(rows, present, is_negated=negated.astype(np.bool_), topics=names, C=self.C, sample_weight=weights)
        self._keep(Found(found.vector, found.offset), rows.dtype)
        self.truth_direction_ = (found.truth / np.linalg.norm(found.truth)).astype(rows.dtype)
        self.polarity_direction_ = found.polarity.astype(rows.dtype)
        return self
