"""Whether two dictionaries have the same atoms, and how alike they would be if they had nothing in common."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Bool, Float
from numpy.typing import NDArray

from tiltmeter.anatomy._dictionary import Dictionary
from tiltmeter.anatomy._rotations import rotations
from tiltmeter.core.dictionaries import Chance
from tiltmeter.core.errors import ArrayError
from tiltmeter.core.records import Measured, Unavailable
from tiltmeter.core.seeds import stream
from tiltmeter.evaluation import mean_estimate, resampling


def greatest_cosines(
    atoms: Float[NDArray[Any], "f d"], others: Float[NDArray[Any], "g d"]
) -> Float[NDArray[Any], " f"]:
    """Return the greatest cosine of each unit atom with any of the others; a cosine of -1 is no match.

    Examples
    --------
    >>> greatest_cosines(np.array([[1.0, 0.0], [0.0, 1.0]]), np.array([[1.0, 0.0], [0.0, -1.0]])).tolist()
    [1.0, 0.0]
    """
    return np.asarray((atoms @ others.T).max(axis=1))


def mmcs(
    atoms: Float[NDArray[Any], "f d"], others: Float[NDArray[Any], "g d"], *, level: float = 0.95, seed: int = 0
) -> Measured:
    """Estimate the mean over atoms of the greatest cosine with any of the others (MMCS), resampling atoms.

    It says nothing by itself: see :func:`mmcs_chance` and :func:`mmcs_turned`.

    Parameters
    ----------
    atoms, others
        Unit rows. The figure is of the first: it is another one when they change places.
    level, seed
        Of the interval and its draws, which know nothing of the luck of a training.

    Returns
    -------
    ``Unavailable`` where one of the two is empty, or there are fewer than eight atoms.

    References
    ----------
    Sharkey, Braun and Millidge (2022), "Taking features out of superposition with sparse autoencoders".

    Examples
    --------
    >>> mmcs(np.eye(8), np.eye(8)).value
    1.0
    """
    if not len(atoms) or not len(others):
        return Unavailable(reason="a dictionary of which no latent is live has no atoms to compare")
    by = resampling(len(atoms), groups=None, n_draws=500, level=level, seed=seed)._replace(unit="atoms")
    return mean_estimate(greatest_cosines(atoms, others), by=by, bounds=(-1.0, 1.0))


def mmcs_chance(n_atoms: int, n_others: int, *, d: int, n_draws: int = 10, seed: int = 0) -> Chance:
    """Return the MMCS of as many random directions in as many dimensions: what knowing nothing gives.

    Parameters
    ----------
    n_atoms, n_others
        How many directions on either side.
    d
        Dimensions.
    n_draws
        How often both sides are drawn.
    seed
        Of the draws.

    Returns
    -------
    Mean, least and greatest of the draws.

    Raises
    ------
    ArrayError
        If there are no directions or no draws.

    Examples
    --------
    >>> round(mmcs_chance(64, 128, d=2).mean, 2), round(mmcs_chance(64, 128, d=256).mean, 2)
    (1.0, 0.16)
    """
    if min(n_atoms, n_others, d, n_draws) < 1:
        raise ArrayError(
            f"{n_atoms} and {n_others} directions in {d} dimensions, {n_draws} draws: each must be 1 or more."
        )
    rng = stream(seed, "mmcs", n_atoms, n_others, d)
    draws = [
        float(greatest_cosines(_directions(n_atoms, d, rng), _directions(n_others, d, rng)).mean())
        for _ in range(n_draws)
    ]
    return Chance(mean=float(np.mean(draws)), low=min(draws), high=max(draws), n_draws=n_draws)


def mmcs_turned(
    atoms: Float[NDArray[Any], "f d"],
    others: Sequence[Float[NDArray[Any], "g d"]],
    *,
    n_draws: int = 10,
    seed: int = 0,
) -> Chance:
    """Return the MMCS of atoms with others that are turned as a whole at random: how they lie to each other is kept.

    Atoms of one dictionary often shun each other, and so cover the sphere better than random directions do: where
    nothing is shared, the greatest cosine with them is higher than :func:`mmcs_chance` says. Where they crowd about one
    direction it is lower, so that the higher of the two is the null.

    Parameters
    ----------
    atoms
        Unit rows, whose mean is taken.
    others
        One or more sets of unit rows, each turned by itself; the mean over the sets is taken.
    n_draws
        How often they are turned.
    seed
        Of the draws.

    Returns
    -------
    Mean, least and greatest of the draws.

    Raises
    ------
    ArrayError
        If there are no atoms, no others or no draws.

    Notes
    -----
    The turns are uniform over the rotations and reflections of the space. They keep neither the covariance of the rows
    nor what it forces on both dictionaries: for that stand dictionaries trained on noise.

    Examples
    --------
    >>> axes = np.eye(32)
    >>> mmcs_turned(axes, [axes]).mean > mmcs_chance(32, 32, d=32).mean
    True
    """
    if not len(atoms) or not others or not min(map(len, others)) or n_draws < 1:
        raise ArrayError(f"{len(atoms)} atoms, {len(others)} sets of others, {n_draws} draws: none may be empty.")
    d = atoms.shape[1]
    rng = stream(seed, "turned", len(atoms), d)
    draws = []
    for _ in range(n_draws):
        turned = [other @ turn for other, turn in zip(others, rotations(d, len(others), rng=rng), strict=True)]
        draws.append(float(np.mean([greatest_cosines(atoms, other).mean() for other in turned])))
    return Chance(mean=float(np.mean(draws)), low=min(draws), high=max(draws), n_draws=n_draws)


def _directions(n: int, d: int, rng: np.random.Generator) -> Float[NDArray[Any], "n d"]:
    drawn = rng.normal(size=(n, d)).astype(np.float32)
    return np.asarray(drawn / np.linalg.norm(drawn, axis=1, keepdims=True))


def live_atoms(dictionary: Dictionary, live: Bool[NDArray[Any], " f"]) -> Float[NDArray[Any], "g d"]:
    """Return the unit atoms of the latents that are live.

    Examples
    --------
    >>> live_atoms(Dictionary(np.eye(2), np.zeros(2), 2 * np.eye(2), np.zeros(2)), np.array([True, False])).tolist()
    [[1.0, 0.0]]
    """
    return np.asarray(dictionary.atoms[live])
