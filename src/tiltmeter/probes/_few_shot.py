"""How good a probe that was trained off-policy becomes with a few positives that a model brought forth itself."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from sklearn.base import clone

from tiltmeter.core.activations import Activations
from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import auroc, tpr_at_fpr
from tiltmeter.probes._feeding import labels_of, one_row_a_text
from tiltmeter.probes._probe import Classifier

_COUNTS = (0, 1, 2, 4, 8, 16)
_FPR = 0.01


class FewShotCurve(NamedTuple):
    """Quality by number of on-policy positives, shape (c, r): c counts, each with r draws of positives.

    ``tprs`` are at a false-positive rate of 1 % among the negatives of the fresh rows: a figure of their ranking, not
    of a threshold that was certified beforehand.
    """

    counts: Int[NDArray[Any], " c"]
    tprs: Float[NDArray[Any], "c r"]
    aurocs: Float[NDArray[Any], "c r"]


def few_shot_curve(
    probe: Classifier,
    off_policy: Activations,
    *,
    on_policy: Activations,
    test: Activations,
    counts: tuple[int, ...] = _COUNTS,
    n_draws: int = 10,
    random_state: int = 0,
) -> FewShotCurve:
    """Add ever more on-policy positives to an off-policy training set, several draws of each number.

    However few they are, the added positives together weigh as much as all off-policy ones together, and positives
    weigh in all what they weighed before. Draws are nested: a draw's larger numbers hold its smaller ones.

    Parameters
    ----------
    probe
        Unfitted, with sample weights; it stays as it is.
    off_policy
        One row a text, with labels.
    on_policy
        One row a text, of positives alone, such as attempts that a model sampled.
    test
        Fresh on-policy rows of both labels, of none of the groups that are trained on.
    counts
        Numbers of positives, at least 0.
    n_draws
        Draws of each number.
    random_state
        Seed.

    Raises
    ------
    ArrayError
        If labels are absent or of one class, rows are tokens, widths differ, or a group of ``off_policy`` or
        ``on_policy`` is in ``test``.
    SpecError
        If a count is below 0 or above the number of on-policy positives, or ``n_draws`` is below 1.

    Notes
    -----
    c · r fits. The spread is over draws from these positives and says nothing of other negatives.

    References
    ----------
    "Few-shot coup probes" (2024), which plots performance against the number of on-policy positives.

    Examples
    --------
    >>> from tiltmeter.probes import Logistic
    >>> rng = np.random.default_rng(0)
    >>> u, v = 6 * np.eye(20)[0], 6 * (0.3 * np.eye(20)[0] + 0.95 * np.eye(20)[1])
    >>> def rows(n, shift, y):
    ...     return Activations(rng.normal(size=(n, 20)) + y[:, None] * shift, ids=np.arange(n).astype(str), y=y)
    >>> halves, ones = np.arange(200) % 2, np.ones(16, dtype=int)
    >>> found = few_shot_curve(Logistic(), rows(200, u, halves), on_policy=rows(16, v, ones), test=rows(200, v, halves))
    >>> bool(found.tprs[-1].mean() > found.tprs[0].mean() + 0.3)
    True
    """
    _check(off_policy, on_policy, test, counts, n_draws)
    y, y_test = labels_of(off_policy), labels_of(test)
    tprs, aurocs = np.empty((2, len(counts), n_draws))
    for draw in range(n_draws):
        order = stream(random_state, "few shots", draw).permutation(len(on_policy))
        for i, count in enumerate(counts):
            X = np.concatenate([off_policy.X, on_policy.X[order[:count]]])
            labels = np.concatenate([y, np.ones(count, dtype=y.dtype)])
            fitted: Any = clone(probe)
            scores = fitted.fit(X, labels, sample_weight=_weights(y, count)).decision_function(test.X)
            tprs[i, draw], aurocs[i, draw] = tpr_at_fpr(y_test, scores, fpr=_FPR), auroc(y_test, scores)
    return FewShotCurve(np.array(counts), tprs, aurocs)


def _weights(y: Int[NDArray[Any], " n"], count: int) -> Float[NDArray[Any], " m"]:
    """Return weights of the off-policy rows and of the added positives."""
    weights = np.ones(len(y) + count)
    if count:
        weights[: len(y)][y == 1] = 0.5
        weights[len(y) :] = 0.5 * y.sum() / count
    return weights


def _check(
    off_policy: Activations, on_policy: Activations, test: Activations, counts: tuple[int, ...], n_draws: int
) -> None:
    one_row_a_text(off_policy)
    for other in (on_policy, test):
        one_row_a_text(other, like=off_policy)
    if on_policy.y is None or not (on_policy.y == 1).all():
        raise ArrayError("on_policy must hold positives alone, with label 1; select them first.")
    for name, rows in (("off_policy", off_policy), ("on_policy", on_policy)):
        if rows.groups is not None and test.groups is not None and set(rows.groups) & set(test.groups):
            raise ArrayError(f"A group of {name} is in test; what is trained on must be of other groups.")
    if n_draws < 1 or not counts or min(counts) < 0 or max(counts) > len(on_policy):
        raise SpecError(
            f"counts are {counts} and n_draws is {n_draws}; give counts from 0 to the {len(on_policy)} positives there "
            "are, and at least one draw."
        )
