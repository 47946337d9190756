"""The best threshold on a direction that a search can find: a reader that equal class means do not stop."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.special import expit
from sklearn.covariance import ledoit_wolf_shrinkage

from tiltmeter.core.errors import ArrayError
from tiltmeter.core.seeds import stream
from tiltmeter.numerics import class_means, geometric_median
from tiltmeter.probes import logistic

# widths of the smooth step, in standard deviations of the rows along the direction, and steps at each
_WIDTHS = (1.0, 0.4, 0.15, 0.05)
_STEPS = 25
_BEST_STARTS = 12
# the direct search: how many candidates it begins from, moves a round, and when it gives up
_FINALISTS = 3
_MOVES = 32
_ROUNDS = 24
_SHORTEST = 0.01
# rows that the search looks at; the threshold itself is set on all of them
_MOST_ROWS = 4000
# of the largest score: scores that differ by less differ by rounding
_TIE = 1e-11


class BestThresholds(NamedTuple):
    """Per column of scores, shape (k,): the best balanced accuracy, where to cut, and which side holds the positives.

    ``signs`` is +1 where rows above the threshold are called positive, −1 where rows below it are.
    """

    accuracies: Float[NDArray[np.float64], " k"]
    thresholds: Float[NDArray[np.float64], " k"]
    signs: Float[NDArray[np.float64], " k"]


class ThresholdFit(NamedTuple):
    """A direction (d,) of unit norm, the threshold above which a row counts as positive, and what it reaches.

    ``accuracy`` is the balanced accuracy on the rows that it was fitted on, ``majority`` the share of the larger class
    there, ``n_tried`` the number of directions whose threshold was set exactly.
    """

    direction: Float[NDArray[np.float64], " d"]
    threshold: float
    accuracy: float
    majority: float
    n_tried: int

    def score(self, X: Float[NDArray[Any], "n d"]) -> Float[NDArray[np.float64], " n"]:
        """Return X · direction − threshold in float64: above 0, the row counts as positive."""
        return np.asarray(X.astype(np.float64) @ self.direction - self.threshold)


def best_thresholds(scores: Float[NDArray[Any], "n k"], y: Int[NDArray[Any], " n"]) -> BestThresholds:
    """Cut each column of ``scores`` where the balanced accuracy is greatest, exactly, with either class above.

    Equal scores, and scores that differ by rounding, are never cut apart.

    Parameters
    ----------
    scores
        Finite.
    y
        Labels 0 and 1, both present.

    Raises
    ------
    ArrayError
        If a class is absent, or lengths differ.

    Notes
    -----
    With F the distribution functions of the two classes, the balanced accuracy of a cut is (1 ± (F₀ − F₁)) / 2, so the
    best one is (1 + the Kolmogorov–Smirnov distance) / 2. Never below 1/2, for a cut beyond all rows is a cut. Cost:
    O(n log n) a column.

    Examples
    --------
    >>> found = best_thresholds(np.array([[0.0], [1.0], [2.0], [9.0]]), np.array([1, 1, 0, 1]))
    >>> found.accuracies.round(3).tolist(), found.thresholds.tolist(), found.signs.tolist()
    ([0.833], [1.5], [-1.0])
    """
    n_positive = int(y.sum())
    if len(y) != len(scores) or not 0 < n_positive < len(y):
        raise ArrayError(
            f"{len(scores)} rows of scores and {len(y)} labels, {n_positive} of them 1; one label a row is needed, "
            "and both classes."
        )
    order = np.argsort(scores, axis=0)
    places = np.take_along_axis(scores, order, axis=0).astype(np.float64)
    step = np.where(y == 1, -1.0 / n_positive, 1.0 / (len(y) - n_positive))
    # share of the negatives below a cut, less that of the positives; the first cut lies below all rows
    gap = np.concatenate([np.zeros((1, scores.shape[1])), np.cumsum(step[order], axis=0)])
    is_cut = np.diff(places, axis=0) > _TIE * np.abs(places).max(axis=0)
    size = np.abs(gap)
    size[1:-1][~is_cut] = 0.0
    size[-1] = 0.0  # the sum of all steps, zero but for rounding
    at, columns = size.argmax(axis=0), np.arange(scores.shape[1])
    below, above = places[np.maximum(at - 1, 0), columns], places[np.minimum(at, len(y) - 1), columns]
    lowest = places[0] - np.maximum(1.0, np.abs(places[0]))
    thresholds = np.where(at == 0, lowest, below + (above - below) / 2)
    signs = np.where(gap[at, columns] < 0, -1.0, 1.0)
    return BestThresholds((1 + size[at, columns]) / 2, thresholds, signs)


def threshold_reader(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    n_random: int = 64,
    random_state: int = 0,
) -> ThresholdFit:
    """Search for the direction and the threshold of greatest balanced accuracy on these rows.

    A lower bound of the best one, which is hard to find for sure. Balanced accuracy counts both classes alike, so that
    chance is 1/2 however rare the concept is; where the classes are of one size it is plain accuracy.

    Parameters
    ----------
    X, y
        Finite rows and labels 0 and 1, both present.
    n_random
        Number of random directions among the starts.
    random_state
        Seed of the starts and of the search.

    Raises
    ------
    ArrayError
        If a class is absent, or all rows are equal.

    Notes
    -----
    Three stages, in coordinates in which the rows' shrunk covariance is the identity. Starts: differences of means (in
    these coordinates, which is LDA, and in the given ones), of medians, geometric medians and mean signs, logistic
    regression, every feature, every principal axis, random directions. From the best: ascent of a smooth step that
    narrows. From the best of all: a direct search, that is moves along axes and random directions of the sphere, kept
    when the exact accuracy rises, halved when none does.

    On more than 4,000 rows the search looks at 4,000 of them. Where features are about as many as rows, any labels can
    be read in the rows that the reader was fitted on: judge it on others. Cost: O(n d min(n, d)) for the coordinates,
    then about 100 products of the rows with a dozen directions, and about 2,000 sorts.

    References
    ----------
    Nguyen and Sanner (2013), "Algorithms for direct 0–1 loss optimization in binary classification".

    Examples
    --------
    >>> X = np.array([[1.0], [1.0], [-9.0], [1.0], [-1.0], [-1.0], [9.0], [-1.0]])
    >>> threshold_reader(X, np.array([1, 1, 1, 1, 0, 0, 0, 0])).accuracy
    0.75
    """
    class_means(X, y)  # refuses a class that is absent
    rng = stream(random_state, "threshold reader")
    is_seen = _subsample(y, rng)
    rows, labels = X[is_seen].astype(np.float64), y[is_seen]
    to_raw = _coordinates(rows, np.finfo(X.dtype).eps)
    center = np.median(rows, axis=0)
    Z = (rows - center) @ to_raw
    starts = _starts(rows, Z, labels, to_raw=to_raw, n_random=n_random, rng=rng)
    rated = best_thresholds(Z @ starts, labels).accuracies
    # stable: of directions that are equally good, the one that was thought of first
    found = starts[:, np.argsort(-rated, kind="stable")[:_BEST_STARTS]]
    n_tried = starts.shape[1] + found.shape[1] * len(_WIDTHS)
    candidates = np.column_stack([found, *_ascended(Z, labels, best=found)])
    rated = best_thresholds(Z @ candidates, labels).accuracies
    for k in np.argsort(-rated, kind="stable")[:_FINALISTS]:
        moved, tried = _searched(Z, labels, start=candidates[:, k], rng=rng)
        candidates, n_tried = np.column_stack([candidates, moved]), n_tried + tried
    best = int(best_thresholds(Z @ candidates, labels).accuracies.argmax())
    direction = to_raw @ candidates[:, best]
    direction /= np.linalg.norm(direction)
    # on all rows, about the centre: a large offset would cost the scores their digits
    last = best_thresholds((X.astype(np.float64) - center) @ direction[:, None], y)
    sign = float(last.signs[0])
    share = float(y.mean())
    return ThresholdFit(
        sign * direction,
        sign * float(last.thresholds[0] + center @ direction),
        float(last.accuracies[0]),
        max(share, 1 - share),
        n_tried,
    )


def _subsample(y: Int[NDArray[Any], " n"], rng: np.random.Generator) -> Int[NDArray[Any], " m"]:
    """Return the rows that the search looks at: all, or as many of both classes as there may be."""
    if len(y) <= _MOST_ROWS:
        return np.arange(len(y))
    by_class = [rng.permutation(np.flatnonzero(y == label)) for label in (0, 1)]
    few = min(len(rows) for rows in by_class)
    # of a rare class all rows
    share = max(_MOST_ROWS - few, _MOST_ROWS // 2)
    return np.sort(np.concatenate([rows[: min(len(rows), share)] for rows in by_class]))


def _coordinates(rows: Float[NDArray[Any], "n d"], eps: float) -> Float[NDArray[Any], "d k"]:
    """Return the map from the new coordinates to directions of the rows: their shrunk covariance becomes 1."""
    centred = rows - rows.mean(axis=0)
    _, values, axes = np.linalg.svd(centred, full_matrices=False)
    # a channel that only rounding fills is no channel
    is_real = values > eps * np.sqrt(rows.size) * np.abs(rows).max()
    if not is_real.any():
        raise ArrayError("All rows are equal; a threshold needs rows that differ.")
    variance = values**2 / len(rows)
    shrinkage = ledoit_wolf_shrinkage(centred, assume_centered=True)
    shrunk = (1 - shrinkage) * variance + shrinkage * variance.sum() / rows.shape[1]
    return np.asarray((axes[is_real] / np.sqrt(shrunk[is_real])[:, None]).T)


def _starts(
    rows: Float[NDArray[Any], "n d"],
    Z: Float[NDArray[Any], "n k"],
    y: Int[NDArray[Any], " n"],
    *,
    to_raw: Float[NDArray[Any], "d k"],
    n_random: int,
    rng: np.random.Generator,
) -> Float[NDArray[Any], "k m"]:
    """Return unit directions in the new coordinates, the best grounded first."""
    is_positive = y == 1
    # to_raw is orthogonal but for the length of its columns, so a direction v of the rows is to_raw⁺ v here
    from_raw = (to_raw / (to_raw**2).sum(axis=0)).T
    halves = Z[is_positive], Z[~is_positive]
    means, medians, signs = (
        centre(halves[0]) - centre(halves[1])
        for centre in (
            lambda half: half.mean(axis=0),
            lambda half: np.median(half, axis=0),
            lambda half: np.sign(half).mean(axis=0),
        )
    )
    geometric = [geometric_median(half, tol=1e-4).center for half in halves]
    raw = rows[is_positive].mean(axis=0) - rows[~is_positive].mean(axis=0)
    grounded = [means, logistic(Z, y).vector, geometric[0] - geometric[1], medians, signs, from_raw @ raw]
    axes = np.eye(Z.shape[1])
    drawn = rng.normal(size=(Z.shape[1], n_random))
    starts = np.column_stack([*grounded, axes, from_raw, drawn])
    norms = np.linalg.norm(starts, axis=0)
    return np.asarray(starts[:, norms > 0] / norms[norms > 0])


def _ascended(
    Z: Float[NDArray[Any], "n k"], y: Int[NDArray[Any], " n"], *, best: Float[NDArray[Any], "k m"]
) -> list[Float[NDArray[Any], "k m"]]:
    """Climb the balanced accuracy of a smooth step, all starts at once; return where they are at each width."""
    weight = np.where(y == 1, 1.0 / y.sum(), 1.0 / (1 - y).sum())
    side = np.where(y == 1, 1.0, -1.0) * weight / 2
    fit = best_thresholds(Z @ best, y)
    directions, cuts = best * fit.signs, fit.signs * fit.thresholds
    reached = []
    for width in _WIDTHS:
        for step in range(_STEPS):
            up = expit((Z @ directions - cuts) / width)
            slope = side[:, None] * up * (1 - up) / width
            # along the sphere, by a length of its own: the gradient vanishes where the step is narrow
            gradient = Z.T @ slope
            gradient -= directions * (directions * gradient).sum(axis=0)
            down = slope.sum(axis=0)
            size = np.sqrt((gradient**2).sum(axis=0) + down**2)
            pace = 0.5 * width * (1 - step / _STEPS) / np.where(size > 0, size, 1.0)
            directions = directions + pace * gradient
            norms = np.linalg.norm(directions, axis=0)
            directions, cuts = directions / norms, (cuts - pace * down) / norms
        reached.append(directions)
    return reached


def _searched(
    Z: Float[NDArray[Any], "n k"],
    y: Int[NDArray[Any], " n"],
    *,
    start: Float[NDArray[Any], " k"],
    rng: np.random.Generator,
) -> tuple[Float[NDArray[Any], " k"], int]:
    """Move on the sphere while the exact accuracy rises; return where it ended and how many directions it tried."""
    here, scores = start, Z @ start
    reached = float(best_thresholds(scores[:, None], y).accuracies[0])
    length, n_tried = 0.5, 1
    k = Z.shape[1]
    for _ in range(_ROUNDS):
        if reached >= 1 or length < _SHORTEST or k == 1:
            break
        axes = rng.integers(k, size=_MOVES // 2)
        moves = rng.normal(size=(k, _MOVES)) / np.sqrt(k)
        moves[:, : len(axes)] = np.eye(k)[:, axes] * rng.choice([-1.0, 1.0], size=len(axes))
        tried = scores[:, None] + length * (Z @ moves)
        rated = best_thresholds(tried, y).accuracies
        n_tried += _MOVES
        best = int(rated.argmax())
        if rated[best] > reached:
            here = here + length * moves[:, best]
            norm = np.linalg.norm(here)
            here, scores, reached = here / norm, tried[:, best] / norm, float(rated[best])
        else:
            length /= 2
    return here, n_tried
