"""Coherence of singular directions beside three nulls: random directions, a rotated basis, and the rows without SVD."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray
from scipy.stats import false_discovery_control

from tiltmeter.anatomy._model_svd import SideVectors
from tiltmeter.anatomy._rotations import rotations
from tiltmeter.anatomy._token_coherence import end_coherence
from tiltmeter.anatomy._token_lens import TokenLens
from tiltmeter.core.records import Measured
from tiltmeter.core.seeds import stream
from tiltmeter.core.weights import NullName
from tiltmeter.evaluation import mean_estimate, resampling

# fewer matrices than this have no interval over matrices
_FEWEST_MATRICES = 8


class CoherenceSettings(NamedTuple):
    """How coherence is measured and compared.

    ``n_directions``: the first of each matrix. ``n_top``: tokens of an end. ``n_random``: random directions, drawn once
    for all matrices. ``n_rotations``: of each matrix; :func:`weight_anatomy` has ten times as many of one that is alone
    of its kind, whose p-value has no finer steps. ``max_rows``: raw rows of each matrix, drawn where it has more.
    ``n_draws``: of every test and interval. ``false_share``: what share of the directions that are named may be false.
    """

    n_directions: int = 8
    n_top: int = 10
    n_random: int = 5000
    n_rotations: int = 100
    max_rows: int = 200
    n_draws: int = 10_000
    level: float = 0.95
    false_share: float = 0.05
    gap_tol: float = 0.01
    seed: int = 0


class SideCoherence(NamedTuple):
    """Coherence of one side of a matrix by one judge.

    ``found``: of its first directions. ``rotated``: means over as many directions, one for each rotation of these.
    ``rows``: of raw rows.
    """

    found: Float[NDArray[Any], " n"]
    rotated: Float[NDArray[Any], " b"]
    rows: Float[NDArray[Any], " m"]


class Compared(NamedTuple):
    """Directions of several matrices against one null; ``p`` is not corrected."""

    null: NullName
    coherence: float
    null_coherence: float
    difference: Measured
    is_by_matrix: bool
    p: float


def random_coherence(
    lens: TokenLens, judges: Mapping[str, NDArray[Any]], *, settings: CoherenceSettings
) -> dict[str, Float[NDArray[Any], " n"]]:
    """Return, by judge, the coherence of directions drawn evenly from all, as lists of this lens.

    It is the floor: what tokens have in common because rows of alike tokens lie close together, and because long rows
    are listed often.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> lens = TokenLens(rng.normal(size=(50, 4)), np.arange(50), tuple(map(str, range(50))), "rows")
    >>> random_coherence(lens, {"own": lens.rows}, settings=CoherenceSettings(n_random=20))["own"].shape
    (20,)
    """
    drawn = stream(settings.seed, "random directions").normal(size=(settings.n_random, lens.rows.shape[1]))
    return end_coherence(drawn @ lens.rows.T, judges, n_top=settings.n_top)


def side_coherence(
    side: SideVectors,
    lens: TokenLens,
    *,
    judges: Mapping[str, NDArray[Any]],
    settings: CoherenceSettings,
    names: Sequence[str | int] = (),
) -> dict[str, SideCoherence]:
    """Measure one side of one matrix: its first directions, random rotations of them, and its rows without SVD.

    Parameters
    ----------
    side
        From :func:`weight_svds`.
    lens
        Rows that turn directions into tokens.
    judges
        By name, vectors of the tokens of the lens.
    settings
        How much is drawn.
    names
        What sets this matrix apart, for its random numbers.

    Notes
    -----
    A rotation keeps the subspace that the first directions span, and takes away that they are singular.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> lens = TokenLens(rng.normal(size=(50, 4)), np.arange(50), tuple(map(str, range(50))), "rows")
    >>> side = SideVectors(np.eye(4), rng.normal(size=(6, 4)))
    >>> settings = CoherenceSettings(n_directions=3, n_rotations=7)
    >>> one = side_coherence(side, lens, judges={"own": lens.rows}, settings=settings)["own"]
    >>> one.found.shape, one.rotated.shape, one.rows.shape
    ((3,), (7,), (6,))
    """
    rng = stream(settings.seed, "coherence", *names)
    scores = side.vectors[: settings.n_directions] @ lens.rows.T
    n = len(scores)
    found = end_coherence(scores, judges, n_top=settings.n_top)
    turns = rotations(n, settings.n_rotations, rng=rng)
    turned = end_coherence((turns @ scores).reshape(-1, scores.shape[1]), judges, n_top=settings.n_top)
    picked = side.rows
    if len(picked) > settings.max_rows:
        picked = picked[rng.choice(len(picked), settings.max_rows, replace=False)]
    rows = end_coherence(picked @ lens.rows.T, judges, n_top=settings.n_top)
    return {name: SideCoherence(found[name], turned[name].reshape(-1, n).mean(axis=1), rows[name]) for name in judges}


def compare_coherence(
    matrices: Sequence[SideCoherence],
    random: Float[NDArray[Any], " r"],
    *,
    settings: CoherenceSettings,
    groups: Int[NDArray[Any], " n"] | None = None,
) -> tuple[Compared, ...]:
    """Compare the first directions of several matrices with the three nulls.

    Parameters
    ----------
    matrices
        Of one kind, side and judge.
    random
        Coherence of random directions by the same judge.
    settings
        How much is drawn.
    groups
        One number a matrix; those of one number hold the same weights, as heads do that share keys and values, and are
        drawn together. None: each stands alone.

    Returns
    -------
    One comparison a null. The difference has an interval over matrices (their groups) where there are eight or more,
    else over directions, which are not independent within a matrix.

    Notes
    -----
    p is the share of draws whose mean is at least as high, counting the observed one among them: as many random
    directions, a random rotation, or as many raw rows of each matrix. One-sided: more coherent than the null. The null
    of random directions is known from ``n_random`` of them, and the doubt of that is not in p: have several times more
    of them than directions.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> one = SideCoherence(rng.normal(2, 1, size=8), rng.normal(size=50), rng.normal(size=30))
    >>> [found.p < 0.05 for found in compare_coherence([one], rng.normal(size=99), settings=CoherenceSettings())]
    [True, True, True]
    """
    rng = stream(settings.seed, "nulls", len(matrices))
    of = np.arange(len(matrices)) if groups is None else groups
    means = np.array([one.found.mean() for one in matrices])

    def drawn_rows(sources: Sequence[NDArray[Any]]) -> NDArray[np.float64]:
        # matrices of one group have the same draws: the same weights are no second look at chance
        first = [int(np.flatnonzero(of == group)[0]) for group in of]
        draws = {i: _means(sources[i], len(matrices[i].found), settings.n_draws, rng=rng) for i in dict.fromkeys(first)}
        return np.stack([draws[i] for i in first])

    by_null: dict[NullName, tuple[NDArray[np.float64], NDArray[np.float64]]] = {
        "random directions": (
            np.full(len(matrices), random.mean()),
            drawn_rows([random] * len(matrices)),
        ),
        "rotated basis": (
            np.array([one.rotated.mean() for one in matrices]),
            # one matrix has no more draws than it has rotations
            matrices[0].rotated[None]
            if len(matrices) == 1
            else np.stack([rng.choice(one.rotated, settings.n_draws) for one in matrices]),
        ),
        "raw rows": (
            np.array([one.rows.mean() for one in matrices]),
            drawn_rows([one.rows for one in matrices]),
        ),
    }
    return tuple(
        _compared(null, matrices, means=means, centres=centres, drawn=drawn.mean(axis=0), groups=of, settings=settings)
        for null, (centres, drawn) in by_null.items()
    )


def directions_found(p_values: Float[NDArray[Any], " n"], *, false_share: float) -> NDArray[np.bool_]:
    """Say which directions are named when a set share of false ones among them is let through.

    Parameters
    ----------
    p_values
        One a direction, of all directions that were looked at.
    false_share
        Expected share of directions among the named ones that are as random ones.

    References
    ----------
    Benjamini and Hochberg (1995), which holds for independent tests and for those that rise and fall together.

    Examples
    --------
    >>> directions_found(np.array([0.001, 0.02, 0.9]), false_share=0.05).tolist()
    [True, True, False]
    """
    if not len(p_values):
        return np.zeros(0, dtype=bool)
    return np.asarray(false_discovery_control(p_values) <= false_share)


def p_of_directions(found: Float[NDArray[Any], " n"], random: Float[NDArray[Any], " r"]) -> Float[NDArray[Any], " n"]:
    """Return the share of random directions at least as coherent as each direction, the direction counted among them.

    Examples
    --------
    >>> p_of_directions(np.array([2.0, 0.0]), np.array([1.0, 1.0, -1.0])).tolist()
    [0.25, 0.75]
    """
    at_least = len(random) - np.searchsorted(np.sort(random), found, side="left")
    return np.asarray((1 + at_least) / (1 + len(random)))


def _compared(
    null: NullName,
    matrices: Sequence[SideCoherence],
    *,
    means: NDArray[np.float64],
    centres: NDArray[np.float64],
    drawn: NDArray[np.float64],
    groups: NDArray[np.int64],
    settings: CoherenceSettings,
) -> Compared:
    n_groups = len(np.unique(groups))
    is_by_matrix = n_groups >= _FEWEST_MATRICES
    apart = [one.found - centre for one, centre in zip(matrices, centres, strict=True)]
    values = means - centres if is_by_matrix else np.concatenate(apart)
    by = resampling(
        len(values),
        groups=groups if is_by_matrix and n_groups < len(matrices) else None,
        n_draws=settings.n_draws,
        level=settings.level,
        seed=settings.seed,
    )
    observed = float(means.mean())
    return Compared(
        null,
        observed,
        float(centres.mean()),
        mean_estimate(values, by=by),
        is_by_matrix,
        float((1 + (drawn >= observed).sum()) / (1 + len(drawn))),
    )


def _means(values: NDArray[Any], n: int, n_draws: int, *, rng: np.random.Generator) -> NDArray[np.float64]:
    return np.asarray(values[rng.integers(len(values), size=(n_draws, n))].mean(axis=1))
