"""The readers of an audit: each is fitted on rows with labels, and scores other rows."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Bool, Float, Int, Shaped
from numpy.typing import NDArray
from scipy import linalg
from sklearn.covariance import ledoit_wolf
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.neighbors import NearestNeighbors

from tiltmeter.core.errors import ArrayError, ConvergenceWarning, SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.erasure._threshold_reader import threshold_reader
from tiltmeter.evaluation import auroc
from tiltmeter.numerics import class_means
from tiltmeter.probes import linear_svm, logistic, mlp

Reader = Literal["logistic", "hinge", "threshold", "mlp", "neighbours", "boosting", "covariances"]

# of the penalty, in units of the variance within classes; the best on a part of the rows that was held back
_STRENGTHS = (1e-3, 1e-1, 10.0)
_N_NEIGHBOURS = 15
_ROUNDING = 100
_N_HIDDEN = 32
_N_TREES = 40
_N_LEAVES = 8
_N_BINS = 32


def read(
    reader: Reader,
    X: Float[NDArray[Any], "n d"],
    *,
    y: Int[NDArray[Any], " n"],
    X_test: Float[NDArray[Any], "m d"],
    groups: Shaped[NDArray[Any], " n"] | None = None,
    random_state: int = 0,
) -> Float[NDArray[np.float64], " m"]:
    """Fit a reader on rows and labels, and return its scores of the test rows: above 0, the concept is called present.

    Both classes count alike in every fit, so that 0 is the place to cut however rare the concept is.

    Parameters
    ----------
    reader
        ``"logistic"`` and ``"hinge"`` (squared): the linear readers of convex loss, their penalty chosen on a part of
        the rows that was held back. ``"threshold"``: :func:`threshold_reader`. ``"mlp"``: one hidden layer of 32.
        ``"neighbours"``: the 15 nearest rows. ``"boosting"``: 40 trees. ``"covariances"``: a normal distribution for
        each class, with a shrunk covariance of its own, so that it reads what is quadratic.
    X, y
        Finite rows and labels 0 and 1, both present.
    X_test
        Rows to score.
    groups
        Shape (n,), or None: what is held back is whole groups.
    random_state
        Seed.

    Raises
    ------
    SpecError
        If there is no such reader.
    ArrayError
        If a class is absent, lengths differ, or a number is not finite.

    Notes
    -----
    The last four see features in units of their standard deviation: a channel that varies hardly at all counts as much
    as any other, as for whoever puts a scaler before a probe. Only where it varies by rounding (less than 100 of its
    last digits) it counts as constant. Rows that all agree are scored 0.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.arange(200) % 2
    >>> X = rng.normal(size=(200, 3)) * np.where(y == 1, 5.0, 1.0)[:, None]
    >>> scores = read("covariances", X[:100], y=y[:100], X_test=X[100:])
    >>> bool(((scores > 0) == y[100:]).mean() > 0.9)
    True
    """
    if reader not in get_args(Reader):
        raise SpecError(f"Reader is {reader!r}; use one of {', '.join(get_args(Reader))}.")
    if not (np.isfinite(X).all() and np.isfinite(X_test).all()):
        raise ArrayError("Rows hold NaN or infinity; leave them out before reading.")
    class_means(X, y)  # refuses a class that is absent
    center = X.mean(axis=0, dtype=np.float64)
    rows, others = X.astype(np.float64) - center, X_test.astype(np.float64) - center
    scale = rows.std(axis=0)
    # a feature in which the rows differ by rounding alone is constant: no reader is to blame for its last digits
    rounding = _ROUNDING * float(np.finfo(X.dtype).eps) * np.abs(X).max(axis=0).astype(np.float64)
    if (scale <= rounding).all():
        return np.zeros(len(others))
    with warnings.catch_warnings():
        # a reader that stopped early is a reader still: what counts is what it reads on other rows
        warnings.simplefilter("ignore", ConvergenceWarning)
        if reader in ("logistic", "hinge"):
            is_held = _held_back(y, groups, stream(random_state, "held back"))
            return _linear(rows, others, y, is_held=is_held, loss="logistic" if reader == "logistic" else "hinge")
        if reader == "threshold":
            return threshold_reader(rows, y, random_state=random_state).score(others)
        scale[scale <= rounding] = 1.0
        return _NONLINEAR[reader](rows / scale, others / scale, y, random_state)


def halves(
    y: Int[NDArray[Any], " n"], groups: Shaped[NDArray[Any], " n"] | None, rng: np.random.Generator
) -> Bool[NDArray[np.bool_], " n"]:
    """Choose half of the rows, or of the groups, with about half of the positives among them."""
    codes = np.arange(len(y)) if groups is None else np.unique(groups, return_inverse=True)[1]
    size = np.bincount(codes)
    share = np.bincount(codes, weights=y) / size
    # neighbours in this order have like shares of positives and like sizes: one of each two is taken
    order = np.lexsort((rng.random(len(share)), size, share))
    is_taken = np.zeros(len(share), dtype=bool)
    for i in range(0, len(order), 2):
        two = order[i : i + 2]
        is_taken[two[rng.integers(len(two))]] = len(two) == 2 or bool(rng.integers(2))
    return np.asarray(is_taken[codes])


def _held_back(
    y: Int[NDArray[Any], " n"], groups: Shaped[NDArray[Any], " n"] | None, rng: np.random.Generator
) -> Bool[NDArray[np.bool_], " n"]:
    """Return about a quarter of the rows: half of a half."""
    is_held = halves(y, groups, rng)
    if not is_held.any():
        return is_held
    part = halves(y[is_held], None if groups is None else groups[is_held], rng)
    is_held[np.flatnonzero(is_held)] = part
    return is_held


def _linear(
    rows: Float[NDArray[Any], "n d"],
    others: Float[NDArray[Any], "m d"],
    y: Int[NDArray[Any], " n"],
    *,
    is_held: Bool[NDArray[Any], " n"],
    loss: Literal["logistic", "hinge"],
) -> Float[NDArray[np.float64], " m"]:
    fit = logistic if loss == "logistic" else linear_svm

    def scores(part: NDArray[Any], labels: NDArray[Any], strength: float, to: NDArray[Any]) -> NDArray[np.float64]:
        found = fit(part, labels, C=strength, penalty_scale="within", sample_weight=_alike(labels))
        return np.asarray(to @ found.vector + found.offset)

    best = _STRENGTHS[1]
    is_judged = all(0 < y[part].sum() < part.sum() for part in (is_held, ~is_held))
    if is_judged:
        rated = [
            auroc(y[is_held], scores(rows[~is_held], y[~is_held], strength, rows[is_held])) for strength in _STRENGTHS
        ]
        best = _STRENGTHS[int(np.argmax(rated))]
    return scores(rows, y, best, others)


def _alike(y: Int[NDArray[Any], " n"]) -> Float[NDArray[np.float64], " n"]:
    """Return weights under which both classes count as half of the rows."""
    return np.asarray(np.where(y == 1, 0.5 / y.mean(), 0.5 / (1 - y.mean())))


def _mlp(
    rows: NDArray[np.float64], others: NDArray[np.float64], y: NDArray[Any], random_state: int
) -> NDArray[np.float64]:
    network = mlp(rows, y, width=_N_HIDDEN, random_state=random_state, sample_weight=_alike(y))
    return network.score(others)


def _neighbours(rows: NDArray[np.float64], others: NDArray[np.float64], y: NDArray[Any], _: int) -> NDArray[np.float64]:
    near = NearestNeighbors(n_neighbors=min(_N_NEIGHBOURS, len(rows))).fit(rows).kneighbors(others)[1]
    # as many of each class as chance would bring count as none
    return np.asarray((y[near] - y.mean()).mean(axis=1))


def _boosting(
    rows: NDArray[np.float64], others: NDArray[np.float64], y: NDArray[Any], random_state: int
) -> NDArray[np.float64]:
    model = HistGradientBoostingClassifier(
        max_iter=_N_TREES,
        max_leaf_nodes=_N_LEAVES,
        max_bins=_N_BINS,
        class_weight="balanced",
        early_stopping=False,
        random_state=random_state,
    )
    return np.asarray(model.fit(rows, y).decision_function(others), dtype=np.float64)


def _covariances(
    rows: NDArray[np.float64], others: NDArray[np.float64], y: NDArray[Any], _: int
) -> NDArray[np.float64]:
    logs = []
    for label in (0, 1):
        part = rows[y == label]
        mean = part.mean(axis=0)
        # of a class of one row only its mean is known; of equal rows no spread
        spread = ledoit_wolf(part - mean, assume_centered=True)[0] if len(part) > 1 else np.zeros((rows.shape[1],) * 2)
        spread[np.diag_indices(len(spread))] += 1e-6
        lower = linalg.cholesky(spread, lower=True)
        away = linalg.solve_triangular(lower, (others - mean).T, lower=True)
        logs.append(-(away**2).sum(axis=0) / 2 - np.log(np.diag(lower)).sum())
    return np.asarray(logs[1] - logs[0])


_NONLINEAR: dict[str, Callable[[NDArray[Any], NDArray[Any], NDArray[Any], int], NDArray[np.float64]]] = {
    "mlp": _mlp,
    "neighbours": _neighbours,
    "boosting": _boosting,
    "covariances": _covariances,
}
