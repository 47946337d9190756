"""Logistic regression on the differences within pairs of a true and a false row."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import ArrayLike, NDArray

from tiltmeter.core.errors import ArrayError
from tiltmeter.probes._logistic import logistic
from tiltmeter.probes._probe import Found, LinearClassifier


def contrast_logistic(
    X: Float[NDArray[Any], "n d"],
    members: Int[NDArray[Any], "p 2"],
    *,
    C: float = 0.1,
    penalty_scale: Literal["raw", "within"] = "raw",
    pair_weight: Float[NDArray[Any], " p"] | None = None,
) -> Found:
    """Minimise Σ log(1 + exp(−w · (x_true − x_false))) + |w|² / (2C) over w.

    There is no intercept: which half of a pair is the true one is for w to say, and both orders of a pair say the same.
    The offset that goes with w, for single rows, lies midway between the mean scores of true and false rows.

    Parameters
    ----------
    X
        Rows.
    members
        Row numbers of each pair, the false row first.
    C
        Inverse strength of the penalty, > 0.
    penalty_scale
        ``"raw"``: the objective above. ``"within"``: the penalty is |w|² s² / (2C), with s² the mean variance of the
        features of x_true − x_false, so that the direction does not change when X is rescaled.
    pair_weight
        Non-negative, or None for equal weights.

    Raises
    ------
    ArrayError
        If C is not positive.

    Examples
    --------
    >>> X = np.array([[0.0, 3.0], [2.0, 3.0], [5.0, 1.0], [6.0, 1.0]])
    >>> found = contrast_logistic(X, np.array([[0, 1], [2, 3]]))
    >>> bool(found.vector[0] > 0), bool(abs(found.vector[1]) < 1e-8)
    (True, True)
    """
    exact = X.astype(np.float64)
    differences = exact[members[:, 1]] - exact[members[:, 0]]
    if not differences.any():
        return Found(np.zeros(X.shape[1]), 0.0)
    weights = np.ones(len(members)) if pair_weight is None else pair_weight.astype(np.float64)
    # each pair in both orders, at half its weight: the free intercept is then 0 by symmetry, and the loss as above
    found = logistic(
        np.concatenate([differences, -differences]),
        np.repeat([1, 0], len(members)),
        C=C,
        penalty_scale=penalty_scale,
        sample_weight=np.tile(weights / 2, 2),
    )
    middles = np.average((exact[members[:, 0]] + exact[members[:, 1]]) / 2, axis=0, weights=weights)
    return Found(found.vector, -float(found.vector @ middles))


class ContrastLogistic(LinearClassifier):
    """L2-regularised logistic regression on x_true − x_false, fitted on labelled pairs and scoring single rows.

    What both halves of a pair share, such as the question, cancels and cannot be learned: of the supervised methods the
    one that carried over best from easy to hard questions and from one persona to another. The zero lies midway between
    the mean scores of true and false rows.

    Parameters
    ----------
    C
        Inverse strength of the penalty, > 0; 0.1 in Burns et al. and its replication.
    penalty_scale
        ``"raw"`` or ``"within"``, as in :func:`contrast_logistic`.

    See Also
    --------
    Logistic : on single rows.

    References
    ----------
    Burns et al., arXiv 2212.03827, section 3.1; Mallen and Belrose, arXiv 2312.01037.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [5.0], [6.0]])
    >>> probe = ContrastLogistic().fit(X, np.array([0, 1, 0, 1]), pairs=np.array(["a", "a", "b", "b"]))
    >>> bool(probe.direction_[0] > 0), round(float(probe.intercept_), 6)
    (True, -3.0)
    """

    needs_pairs = True

    def __init__(self, C: float = 0.1, *, penalty_scale: Literal["raw", "within"] = "raw") -> None:
        self.C = C
        self.penalty_scale = penalty_scale

    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike | None = None,
        *,
        pairs: ArrayLike | None = None,
        sides: ArrayLike | None = None,
        sample_weight: ArrayLike | None = None,
    ) -> ContrastLogistic:
        """Fit on rows (n, d), labels (n,) of two classes, and pairs of one row of each.

        Parameters
        ----------
        X
            Finite activations.
        y
            Whether the statement of each row is true: usually 0 and 1.
        pairs
            Shape (n,), the identifier of each row's pair; exactly two rows a pair.
        sides
            Shape (n,), 0 or 1, or None. Checked, and without influence: both orders of a pair say the same.
        sample_weight
            Non-negative, shape (n,), the same for both rows of a pair: weight 2 counts as the pair twice.

        Raises
        ------
        ValueError
            If y is missing, X is not finite, or lengths differ.
        ArrayError
            If there are not exactly two classes, a pair does not hold one row of each, or its rows differ in weight.
        NoDirectionError
            If the rows of every pair are equal.
        """
        rows, present, weights = self._labelled(X, y, sample_weight)
        members = self._members(rows, pairs, sides)
        if members is None:
            raise ArrayError("ContrastLogistic needs pairs.")
        names = np.asarray(pairs)
        of_pairs = present[members]
        if (of_pairs.sum(axis=1) != 1).any():
            which = int((of_pairs.sum(axis=1) != 1).argmax())
            both = self.classes_[of_pairs[which]].tolist()
            raise ArrayError(
                f"Pair {str(names[members[which, 0]])!r} has the labels {both}; every pair needs one row of each class."
            )
        members = np.take_along_axis(members, np.argsort(of_pairs, axis=1), axis=1)
        pair_weight = None
        if weights is not None:
            of_rows = weights[members]
            if (of_rows[:, 0] != of_rows[:, 1]).any():
                which = int((of_rows[:, 0] != of_rows[:, 1]).argmax())
                raise ArrayError(
                    f"The rows of pair {str(names[members[which, 0]])!r} have the weights {of_rows[which].tolist()}; "
                    "a pair has one weight."
                )
            pair_weight = of_rows[:, 0]
        found = contrast_logistic(rows, members, C=self.C, penalty_scale=self.penalty_scale, pair_weight=pair_weight)
        self._keep(found, rows.dtype)
        return self
