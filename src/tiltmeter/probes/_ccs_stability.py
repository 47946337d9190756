"""Whether CCS found one feature or picked one of several: agreement of starts, and the loss of a rival."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError
from tiltmeter.probes._ccs import ccs
from tiltmeter.probes._halves import Normalisation
from tiltmeter.probes._recursive_ccs import recursive_ccs

# two starts that found the same feature agree at least so well
_SAME = 0.9
# a loss that pairs of strangers reach is what the number of features and rows gives away for nothing
_N_NULLS = 5
_BELOW_NULL = 0.5


class SeedConsistency(NamedTuple):
    """|Cosine| of every two of r directions, shape (r, r), with the mean and the lowest over different ones."""

    cosines: Float[NDArray[Any], "r r"]
    mean: float
    lowest: float


def seed_consistency(directions: Float[NDArray[Any], "r d"]) -> SeedConsistency:
    """Return how well directions from several seeds agree, whatever their signs.

    Parameters
    ----------
    directions
        At least two, of any length but zero.

    Raises
    ------
    ArrayError
        If there are fewer than two, or one is zero.

    Examples
    --------
    >>> seed_consistency(np.array([[1.0, 0.0], [-2.0, 0.0], [0.0, 1.0]])).cosines.tolist()
    [[1.0, 1.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 1.0]]
    """
    if len(directions) < 2:
        raise ArrayError(f"Consistency needs at least two directions; {len(directions)} came.")
    exact = directions.astype(np.float64)
    norms = np.linalg.norm(exact, axis=1, keepdims=True)
    if not (norms > 0).all():
        raise ArrayError("A direction is zero, which agrees with nothing; leave it out.")
    cosines = np.abs(exact / norms @ (exact / norms).T).clip(max=1.0)
    others = cosines[np.triu_indices(len(exact), 1)]
    return SeedConsistency(cosines, float(others.mean()), float(others.min()))


class CCSStability(NamedTuple):
    """What a report needs beside a CCS direction.

    ``consistency``: mean |cosine| of every two starts. ``loss``: of the direction kept. ``rival_loss``: the lowest that
    a direction orthogonal to it reaches. ``null_loss``: the lowest of the same search on strangers, pairs re-drawn.
    ``is_unstable``: starts disagree (mean below 0.9). ``has_rival``: the rival's loss is below half of the null's.
    """

    consistency: float
    loss: float
    rival_loss: float
    null_loss: float
    is_unstable: bool
    has_rival: bool


def ccs_stability(
    X: Float[NDArray[Any], "n d"],
    members: Int[NDArray[Any], "p 2"],
    *,
    n_restarts: int = 10,
    l2: float = 1e-2,
    normalisation: Normalisation = "halves",
    random_state: int = 0,
) -> CCSStability:
    """Tell, without labels, whether the pairs hold one consistent feature or several.

    Where two features are equally strong, starts disagree. Where one is stronger, all starts agree on it, and it need
    not be the one that was meant: then the orthogonal rival gives it away. All searches are without a bias.

    Parameters
    ----------
    X
        Rows.
    members
        Row numbers of each pair, side 0 first.
    n_restarts
        Starts of every search, at least 2.
    l2
        Strength of the penalty. With too little of it a rival may be the rest of the same feature, which the first
        direction left over.
    normalisation
        As in :class:`CCS`.
    random_state
        Seed of the starts and of the pairs of strangers.

    Raises
    ------
    ArrayError
        If the rows hold no difference, span fewer than two dimensions, or there are fewer than two starts.

    Notes
    -----
    No rival does not say that the feature is truth. A null pair joins the "no" half of one pair to the "yes" half of
    another, five times over.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> features = rng.choice([-1.0, 1.0], size=(100, 2))
    >>> X = rng.normal(size=(200, 5))
    >>> X[:, :2] += np.repeat(features, 2, axis=0) * np.tile([-4.0, 4.0], 100)[:, None]
    >>> ccs_stability(X, np.arange(200).reshape(100, 2)).has_rival
    True
    """
    searched = ccs(
        X,
        members,
        n_restarts=n_restarts,
        normalisation=normalisation,
        has_bias=False,
        l2=l2,
        random_state=random_state,
    )
    consistency = seed_consistency(searched.vectors).mean
    two = recursive_ccs(
        X,
        members,
        n_directions=2,
        l2=l2,
        n_restarts=n_restarts,
        random_state=random_state,
        normalisation=normalisation,
    )
    rng = np.random.default_rng(random_state)
    null_loss = min(
        float(_lowest(X, _strangers(members, rng), l2=l2, normalisation=normalisation, random_state=seed))
        for seed in range(_N_NULLS)
    )
    rival = float(two.losses[1])
    return CCSStability(
        consistency,
        float(two.losses[0]),
        rival,
        null_loss,
        is_unstable=consistency < _SAME,
        has_rival=rival < _BELOW_NULL * null_loss,
    )


def _strangers(members: Int[NDArray[Any], "p 2"], rng: np.random.Generator) -> Int[NDArray[Any], "p 2"]:
    return np.stack([members[:, 0], rng.permutation(members[:, 1])], axis=1)


def _lowest(
    X: Float[NDArray[Any], "n d"],
    members: Int[NDArray[Any], "p 2"],
    *,
    l2: float,
    normalisation: Normalisation,
    random_state: int,
) -> float:
    found = ccs(X, members, n_restarts=5, normalisation=normalisation, has_bias=False, l2=l2, random_state=random_state)
    return float(found.losses[found.best])
