"""Centres of point clouds that outliers do not move: the geometric median and Tukey's."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.numerics._plane import EQUAL, ROUNDING, deepest_in_plane

# of the largest singular value: below lies rounding. No larger, since outliers may make that value large
_RANK_TOL = 1e-13
# all pairs of points are looked at in the plane: above this many, their tables no longer fit
_MOST_EXACT_ROWS = 1000
_SHORTENINGS = (1.0, 0.5, 0.25, 0.1, 0.03)
_WORST = 8
_MOST_MOVES = 300


class GeometricMedian(NamedTuple):
    """The centre (d,), the share of the pull that is left unbalanced there, and how the search ended.

    ``residual``: |Σ w u| / Σ w with u the unit vectors to the rows, less what rows at the centre can balance; 0 at a
    minimum, 1 far outside.
    """

    center: Float[NDArray[Any], " d"]
    residual: float
    is_converged: bool
    n_steps: int


class TukeyMedian(NamedTuple):
    """The centre (d,), its half-space depth as a share of the weight, and whether both are exact.

    Where they are not, the depth is the least over the directions that were tried, which is an upper bound.
    """

    center: Float[NDArray[Any], " d"]
    depth: float
    is_exact: bool


def geometric_median(
    X: Float[NDArray[Any], "n d"],
    *,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    tol: float = 1e-9,
    max_steps: int = 2000,
) -> GeometricMedian:
    """Return the point whose summed distance from the rows is least.

    Follows translation, rotation and a common scale of the rows. Rows of less than half of the weight cannot drag it
    away, however far they lie. Computed in float64.

    Parameters
    ----------
    X
        Finite rows, at least one.
    sample_weight
        Non-negative, shape (n,): weight 2 counts as the row twice. None for equal weights.
    tol
        Largest residual that counts as converged.
    max_steps
        Most steps.

    Raises
    ------
    ArrayError
        If there is no weight or lengths differ.

    Warns
    -----
    ConvergenceWarning
        If the residual is above ``tol`` after ``max_steps`` steps.

    Notes
    -----
    Weiszfeld's fixed point, with the step of Vardi and Zhang where it meets a row. The row nearest to the iterate is
    tested for being the minimum itself, since the fixed point nears such a row only slowly. Where all rows lie on a
    line and the minimum is a whole segment, any point of it may come back. Cost of a step: O(n d).

    References
    ----------
    Weiszfeld (1937); Vardi and Zhang (2000), "The multivariate L1-median and associated data depth".

    Examples
    --------
    >>> X = np.array([[0.0, 0.0], [0.0, 2.0], [2.0, 0.0], [2.0, 2.0], [1.0, 1.0], [1e6, 1e6]])
    >>> geometric_median(X).center.tolist()
    [1.0, 1.0]
    """
    given, weight = _weighted(X, sample_weight)
    # about a place among the bulk: neither a shared offset nor outliers cost digits
    origin = np.median(given, axis=0)
    rows = given - origin
    scale = float(np.abs(rows).max()) or 1.0
    rows /= scale
    center, nearest = weight @ rows / weight.sum(), -1
    residual = np.inf
    for step in range(max_steps + 1):
        pull, target, here, closest = _pulled(rows, weight, center)
        residual = _unbalanced(pull, here, weight)
        if residual <= tol:
            return GeometricMedian(origin + scale * center, residual, is_converged=True, n_steps=step)
        if closest != nearest:
            nearest = closest
            pull_there, _, there, _ = _pulled(rows, weight, rows[nearest])
            if np.linalg.norm(pull_there) <= there * (1 + EQUAL):
                return GeometricMedian(given[nearest], 0.0, is_converged=True, n_steps=step)
        stay = here / float(np.linalg.norm(pull))  # below 1, or the residual were 0
        center = (1 - stay) * target + stay * center
    warnings.warn(
        f"The geometric median stopped after {max_steps} steps with a residual of {residual:.1e}, above its tolerance "
        f"of {tol:.1e}; raise max_steps.",
        ConvergenceWarning,
        stacklevel=2,
    )
    return GeometricMedian(origin + scale * center, residual, is_converged=False, n_steps=max_steps)


def tukey_median(
    X: Float[NDArray[Any], "n d"],
    *,
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    n_directions: int = 1000,
    random_state: int = 0,
) -> TukeyMedian:
    """Return a point of greatest half-space depth: the least weight of a closed half-space that holds it is largest.

    Exact where the rows span a line, or a plane and are at most 1,000 distinct ones: the centroid of the deepest
    region. Otherwise approximate, and named so: the depth is that of random directions within the rows' span, and the
    search for the deepest point is an ascent from the geometric median, which never ends less deep than it began.

    Parameters
    ----------
    X
        Finite rows, at least one.
    sample_weight
        Non-negative, shape (n,): weight 2 counts as the row twice. None for equal weights.
    n_directions
        How many random directions are looked along, at least 1, where the result is approximate.
    random_state
        Seed of the directions.

    Raises
    ------
    ArrayError
        If there is no weight, lengths differ or ``n_directions`` is less than 1.

    Notes
    -----
    Depth tells little where rows are fewer than about twice the features: in general position every row then has the
    depth of one row. Cost: O(n² log n) exactly in the plane; O(n d min(n, d) + n · directions) for the first look and
    O(n · directions) a move otherwise.

    References
    ----------
    Tukey (1975); Rousseeuw and Ruts (1998), "Constructing the bivariate Tukey median"; Cuesta-Albertos and
    Nieto-Reyes (2008), "The random Tukey depth".

    Examples
    --------
    >>> found = tukey_median(np.array([[0.0], [1.0], [2.0], [3.0], [100.0]]))
    >>> found.center.tolist(), round(found.depth, 6), found.is_exact
    ([2.0], 0.6, True)
    """
    if n_directions < 1:
        raise ArrayError(f"n_directions is {n_directions}; at least one direction is needed.")
    rows, weight = _weighted(X, sample_weight)
    # equal rows as one: a weight of two is then the row twice, to the bit
    rows, which = np.unique(rows, axis=0, return_inverse=True)
    weight = np.bincount(which.ravel(), weights=weight) / weight.sum()
    # about a row of the bulk and in units of the bulk, so that outliers cost no digits
    origin = rows[np.abs(rows - np.median(rows, axis=0)).max(axis=1).argmin()].copy()
    rows -= origin
    distances = np.abs(rows).max(axis=1)
    scale = float(np.median(distances)) or float(distances.max()) or 1.0
    basis = _span(rows / scale)
    rank = basis.shape[1]
    if rank == 0:
        return TukeyMedian(origin, 1.0, is_exact=True)
    points = (rows / scale) @ basis
    if rank == 1:
        inner, depth, is_exact = *_deepest_on_line(points[:, 0], weight), True
    elif rank == 2 and len(points) <= _MOST_EXACT_ROWS:
        inner, depth, is_exact = *deepest_in_plane(points, weight), True
    else:
        directions = np.random.default_rng(random_state).normal(size=(n_directions, rank))
        directions /= np.linalg.norm(directions, axis=1, keepdims=True)
        inner, depth = _ascend(points, weight, directions)
        is_exact = False
    return TukeyMedian(origin + scale * (basis @ inner), depth, is_exact=is_exact)


def _weighted(
    X: Float[NDArray[Any], "n d"], sample_weight: Float[NDArray[Any], " n"] | None
) -> tuple[Float[NDArray[Any], "m d"], Float[NDArray[Any], " m"]]:
    """Return the rows that have weight, as a copy in float64, and their weights."""
    weight = np.ones(len(X)) if sample_weight is None else sample_weight.astype(np.float64)
    if len(weight) != len(X):
        raise ArrayError(f"sample_weight has {len(weight)} entries for {len(X)} rows; give one a row.")
    if (weight < 0).any() or not weight.sum() > 0:
        raise ArrayError("No row has a weight above 0, or one has less than 0; a median needs some weight.")
    is_in = weight > 0
    return X[is_in].astype(np.float64), weight[is_in]


# ------------------------------------------------------------ the geometric median


def _pulled(
    rows: Float[NDArray[Any], "n d"], weight: Float[NDArray[Any], " n"], center: Float[NDArray[Any], " d"]
) -> tuple[Float[NDArray[Any], " d"], Float[NDArray[Any], " d"], float, int]:
    """Return the pull of the rows elsewhere, Weiszfeld's next point, the weight at the centre, and the nearest row."""
    distance = np.linalg.norm(rows - center, axis=1)
    closest = int(distance.argmin())
    here = float(weight[distance == 0].sum())
    share = np.divide(weight, distance, out=np.zeros_like(weight), where=distance > 0)
    total = float(share.sum())
    if total == 0.0:  # all rows are here
        return np.zeros_like(center), center, here, closest
    target = share @ rows / total
    return total * (target - center), target, here, closest


def _unbalanced(pull: Float[NDArray[Any], " d"], here: float, weight: Float[NDArray[Any], " n"]) -> float:
    return max(0.0, float(np.linalg.norm(pull)) - here) / float(weight.sum())


# ------------------------------------------------------------ Tukey's median


def _span(rows: Float[NDArray[Any], "n d"]) -> Float[NDArray[Any], "d r"]:
    """Return an orthonormal basis of what the rows span about the one that is zero."""
    _, values, components = np.linalg.svd(rows, full_matrices=False)
    return np.asarray(components[values > _RANK_TOL * values[0]].T if values[0] > 0 else components[:0].T)


def _deepest_on_line(x: Float[NDArray[Any], " n"], weight: Float[NDArray[Any], " n"]) -> tuple[NDArray[Any], float]:
    order = np.argsort(x)
    places, above = x[order], np.cumsum(weight[order])
    # depth 1/2 is always reached: the lower and the upper median bound the deepest segment
    low = places[np.searchsorted(above, 0.5 - EQUAL)]
    high = places[np.searchsorted(above, 0.5 + EQUAL)]
    center = (low + high) / 2
    return np.array([center]), float(min(weight[x <= center].sum(), weight[x >= center].sum()))


class _Ranked(NamedTuple):
    """Rows projected on m directions, each column sorted (n, m), and the weight below each place (n + 1, m)."""

    values: Float[NDArray[Any], "n m"]
    below: Float[NDArray[Any], "n1 m"]

    def weight_below(self, y: Float[NDArray[Any], " m"]) -> Float[NDArray[Any], " m"]:
        """Return the weight strictly below y in each column: a binary search in all columns at once."""
        columns = np.arange(self.values.shape[1])
        low, high = np.zeros_like(columns), np.full_like(columns, len(self.values))
        while (low < high).any():
            middle = np.minimum((low + high) // 2, len(self.values) - 1)
            is_below = (self.values[middle, columns] < y) & (low < high)
            low, high = np.where(is_below, middle + 1, low), np.where(is_below | (low >= high), high, middle)
        return np.asarray(self.below[low, columns])

    def depths(self, y: Float[NDArray[Any], " m"], *, tie: float) -> Float[NDArray[Any], " m"]:
        """Return the lesser of the weights on either side of y, y included."""
        least = np.minimum(self.weight_below(y + tie), self.below[-1] - self.weight_below(y - tie))
        # sums of weights that differ by rounding are equal, and must be ranked so
        return np.asarray(np.round(least, 12))


def _ascend(
    points: Float[NDArray[Any], "n r"], weight: Float[NDArray[Any], " n"], directions: Float[NDArray[Any], "m r"]
) -> tuple[NDArray[Any], float]:
    """Move from the geometric median towards the medians of the directions in which it lies least deep."""
    projected = points @ directions.T
    order = np.argsort(projected, axis=0)
    ranked = _Ranked(
        np.take_along_axis(projected, order, axis=0),
        np.concatenate([np.zeros((1, len(directions))), np.cumsum(weight[order], axis=0)]),
    )
    middle = (ranked.below[1:] < 0.5 - EQUAL).sum(axis=0)
    middles = ranked.values[middle, np.arange(len(directions))]
    tie = ROUNDING * float(np.abs(projected).max())
    few = max(1, len(directions) // 20)

    def rated(center: NDArray[Any]) -> tuple[float, float, NDArray[Any]]:
        depths = ranked.depths(directions @ center, tie=tie)
        # where the least cannot grow at once, the few next to it may
        return float(depths.min()), float(np.partition(depths, few - 1)[:few].mean()), depths

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # a start only
        center = geometric_median(points, sample_weight=weight).center
    least, mean, depths = rated(center)
    for _ in range(_MOST_MOVES):
        found = None
        for k in np.argsort(depths, kind="stable")[:_WORST]:
            gap = middles[k] - float(directions[k] @ center)
            for length in _SHORTENINGS:
                tried = center + length * gap * directions[k]
                rating = rated(tried)
                if rating[:2] > (least + EQUAL, 0.0) or (rating[0] >= least - EQUAL and rating[1] > mean + EQUAL):
                    found = tried, rating
                    break
            if found is not None:
                break
        if found is None:
            break
        center, (least, mean, depths) = found
    return center, least
