"""Data on which equal class means hide a concept from every convex loss but not from a threshold, made or planted."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int, Shaped
from numpy.typing import NDArray
from scipy import linalg
from sklearn.covariance import ledoit_wolf

from tiltmeter.core.errors import ArrayError, SpecError
from tiltmeter.core.records import Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.erasure._threshold_reader import best_thresholds, threshold_reader
from tiltmeter.numerics import class_means

# steps from the direction of least pull on the means to the threshold reader's own
_N_BLENDS = 41
_N_TILTS = 60


class Counterexample(NamedTuple):
    """Rows (n, d), labels (n,) and the unit direction (d,) along which a threshold reads them."""

    X: Float[NDArray[np.float64], "n d"]
    z: Int[NDArray[np.int64], " n"]
    direction: Float[NDArray[np.float64], " d"]


def counterexample(
    n: int,
    d: int,
    *,
    p: float = 0.1,
    direction: Float[NDArray[Any], " d"] | None = None,
    random_state: int = 0,
) -> Counterexample:
    """Make rows whose class means agree although a threshold tells the classes apart in a share 1 − p of the rows.

    Along one direction the class means are equal to rounding, by construction of the sample and not only of
    the population; across it the rows are standard normal and say nothing.

    Parameters
    ----------
    n
        Number of rows, half of each class.
    d
        Number of features.
    p
        Share of outliers, in (0, 0.5). The share used is the nearest that n allows.
    direction
        Shape (d,), not zero: as in another sample, for rows that are fresh. None for a random one.
    random_state
        Seed.

    Raises
    ------
    SpecError
        If p is out of range, n is so small that no row would be an outlier, or d is less than 1.
    ArrayError
        If the direction has another width, is zero, or is not finite.

    Notes
    -----
    With s = ±1 the class, the coordinate is s for all but a share p of its rows, and −s (1 − p) / p for those: the
    class mean is s (1 − p) − s (1 − p) = 0. For every convex loss the constant is then the best predictor that is
    affine in this coordinate, while the threshold 0 is right in 1 − p of the rows.

    Examples
    --------
    >>> made = counterexample(1000, 5)
    >>> coordinate = made.X @ made.direction
    >>> bool(abs(coordinate[made.z == 1].mean()) < 1e-12), float(((coordinate > 0) == made.z).mean())
    (True, 0.9)
    """
    if not 0 < p < 0.5:
        raise SpecError(f"p is {p}; the share of outliers must lie strictly between 0 and 0.5.")
    if d < 1 or n < 2 or round(p * (n // 2)) < 1:
        raise SpecError(f"{n} rows of {d} features hold no outlier at a share of {p}; use more rows, or a larger p.")
    rng = stream(random_state, "counterexample")
    z = np.arange(n) % 2
    coordinate = 2.0 * z - 1
    for label in (0, 1):
        rows = rng.permutation(np.flatnonzero(z == label))
        outliers = rows[: round(p * len(rows))]
        coordinate[outliers] *= -(len(rows) - len(outliers)) / len(outliers)
    unit = rng.normal(size=d) if direction is None else direction.astype(np.float64)
    norm = float(np.linalg.norm(unit))
    if unit.shape != (d,) or not 0 < norm < np.inf:
        raise ArrayError(f"direction has shape {unit.shape} and norm {norm}; give {d} finite numbers, not all 0.")
    unit = unit / norm
    across = rng.normal(size=(n, d))
    across -= np.outer(across @ unit, unit)
    return Counterexample(across + np.outer(coordinate, unit), z, unit)


class Breaking(NamedTuple):
    """How few rows of one class, moved how, make mean projection leave a threshold that reads the concept.

    Moving ``n_moved`` rows of class ``label``, whichever they are, by ``shift`` (d,) each makes the difference of the
    class means orthogonal to ``direction`` (d,), so that mean projection leaves the scores along it as they are. There
    the ``threshold`` has the balanced ``accuracy`` on the half of the rows to which neither was fitted (though it chose
    among some hundreds of them). ``fraction`` is ``n_moved`` over the rows of that class; 0 where mean projection
    breaks on the rows as they are.
    """

    fraction: float
    n_moved: int
    label: int
    shift: Float[NDArray[np.float64], " d"]
    direction: Float[NDArray[np.float64], " d"]
    threshold: float
    accuracy: float


def breaking_fraction(
    X: Float[NDArray[Any], "n d"],
    z: Int[NDArray[Any], " n"],
    *,
    level: float = 0.9,
    reach: float = 10.0,
    groups: Shaped[NDArray[Any], " n"] | None = None,
    random_state: int = 0,
) -> Breaking | Unavailable:
    """Find how few outliers in one class make mean projection leave a threshold reader of accuracy ``level``.

    An upper bound with its recipe: so many rows are enough. Whether fewer would be is not known, but for the direction
    that was found no fewer do.

    Parameters
    ----------
    X, z
        Rows and labels 0 and 1, both present.
    level
        Balanced accuracy that the threshold must reach, in (0.5, 1].
    reach
        How far a row may be moved, in units of the rows' root mean square distance from their mean, > 0.
    groups
        Shape (n,), or None: rows of a group stay on one side of the split into rows that choose the direction and
        rows that judge it.
    random_state
        Seed of the split and of the search.

    Returns
    -------
    The recipe, or ``Unavailable`` where no threshold reaches ``level`` even before erasing, or only by moving every
    row further than ``reach``.

    Raises
    ------
    ArrayError
        If a class is absent (from either half), or lengths differ.
    SpecError
        If level or reach is out of range.

    Notes
    -----
    With δ the difference of the class means, mean projection leaves exactly the scores along directions w (of norm 1)
    that are orthogonal to δ. Moving m of the n₁ rows of a class by at most R changes δ by at most m R / n₁, so a
    threshold along w survives from m = ⌈n₁ |δ · w| / R⌉ moved rows on, and no fewer: each is moved by
    ∓ (δ · w) (n₁ / m) w. What is left is to find w with a small |δ · w| on which a threshold still reads the concept.
    For normal classes of one covariance Σ the best are (Σ − μ I)⁻¹ δ with μ below the least eigenvalue, which lead
    from δ through LDA to the quietest axis; these are tried, and blends of what the threshold reader finds before and
    after mean projection. The rows that are moved count as what their label says; the accuracy is that of the rows
    before they are moved. The same holds for LEACE and for SAL with two classes, which leave the same directions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(2000) % 2
    >>> X = rng.normal(size=(2000, 4)) + np.outer(2.0 * z - 1, [2.0, 0.0, 0.0, 0.0])
    >>> found = breaking_fraction(X, z)
    >>> found.accuracy >= 0.9, 0 < found.fraction < 0.2
    (True, True)
    """
    if not 0.5 < level <= 1:
        raise SpecError(f"level is {level}; the balanced accuracy must lie above 0.5, up to 1.")
    if not 0 < reach < np.inf:
        raise SpecError(f"reach is {reach}; the distance that a row may be moved must be positive and finite.")
    if groups is not None and len(groups) != len(X):
        raise ArrayError(f"groups have {len(groups)} entries for {len(X)} rows; give one a row.")
    rows = X.astype(np.float64)
    means = class_means(rows, z)
    delta = means.positive - means.negative
    is_first = _halves(len(rows), groups, stream(random_state, "breaking fraction"))
    candidates = _candidates(rows[is_first], z[is_first], delta, random_state)
    cuts = best_thresholds(rows[is_first] @ candidates, z[is_first])
    candidates = candidates * cuts.signs
    thresholds = cuts.signs * cuts.thresholds
    accuracies = _balanced(rows[~is_first] @ candidates > thresholds, z[~is_first])
    is_enough = accuracies >= level
    if not is_enough.any():
        return Unavailable(reason=f"no threshold was found that reads {level:g} of these rows even before erasing")
    pull = np.where(is_enough, np.abs(delta @ candidates), np.inf)
    best = int(pull.argmin())
    w = candidates[:, best]
    # the smaller class: the same fraction is fewer rows there
    label = int(z.mean() < 0.5)
    n_class = int((z == label).sum())
    distance = reach * float(np.sqrt(((rows - rows.mean(axis=0)) ** 2).sum(axis=1).mean()))
    # a pull of rounding size is none
    is_free = pull[best] <= 1e-12 * np.linalg.norm(delta)
    n_moved = 0 if is_free else int(np.ceil(n_class * pull[best] / distance))
    if n_moved > n_class:
        return Unavailable(reason=f"moving all {n_class} rows of a class by {reach:g} units each is not enough")
    side = 1.0 if label == 1 else -1.0
    shift = np.zeros_like(w) if n_moved == 0 else -side * float(delta @ w) * n_class / n_moved * w
    return Breaking(n_moved / n_class, n_moved, label, shift, w, float(thresholds[best]), float(accuracies[best]))


def _halves(n: int, groups: Shaped[NDArray[Any], " n"] | None, rng: np.random.Generator) -> NDArray[np.bool_]:
    codes = np.arange(n) if groups is None else np.unique(groups, return_inverse=True)[1]
    is_first = rng.permutation(int(codes.max()) + 1) % 2 == 0
    return np.asarray(is_first[codes])


def _balanced(is_called: NDArray[np.bool_], y: Int[NDArray[Any], " n"]) -> Float[NDArray[np.float64], " k"]:
    if not 0 < y.sum() < len(y):
        raise ArrayError("The half that judges has one class only; more rows (or groups) of both classes are needed.")
    return np.asarray((is_called[y == 1].mean(axis=0) + 1 - is_called[y == 0].mean(axis=0)) / 2)


def _candidates(
    rows: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], delta: Float[NDArray[Any], " d"], seed: int
) -> Float[NDArray[np.float64], "d k"]:
    """Return unit directions that may read the concept while the class means differ little along them."""
    means = class_means(rows, y)
    own = means.positive - means.negative
    within, _ = ledoit_wolf(rows - np.where((y == 1)[:, None], means.positive, means.negative), assume_centered=True)
    values, axes = linalg.eigh(within)
    turned = axes.T @ own
    least = float(values[0])
    # μ from far below zero, where the direction is δ itself, up to the least eigenvalue
    spread = max(float(values[-1]) - least, least)
    distances = spread * np.geomspace(1e-6, 1e2, _N_TILTS)
    tilted = axes @ (turned[:, None] / (values[:, None] - least + distances))
    found = [tilted]
    before = threshold_reader(rows, y, random_state=seed).direction
    size = float(delta @ delta)
    if size > 0 and rows.shape[1] > 1:
        left = rows - np.outer(rows @ delta / size, delta)
        after = threshold_reader(left, y, random_state=seed).direction
        # exactly orthogonal, which rounding and the reader's own coordinates may spoil
        after = after - (after @ delta) / size * delta
        after /= np.linalg.norm(after)
        share = np.linspace(0, 1, _N_BLENDS)
        found.append(np.outer(after, share) + np.outer(before, 1 - share))
        # towards the hyperplane from every tilt as well: between these lies the least pull that still reads
        across = tilted / np.linalg.norm(tilted, axis=0)
        for part in (0.25, 0.5, 0.75, 0.9):
            found.append(across - part * np.outer(delta, delta @ across) / size)
    else:
        found.append(before[:, None])
    all_found = np.column_stack(found)
    norms = np.linalg.norm(all_found, axis=0)
    return np.asarray(all_found[:, norms > 0] / norms[norms > 0])
