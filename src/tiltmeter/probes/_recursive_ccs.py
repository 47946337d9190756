"""Recursive contrast-consistent search: one direction after another, each orthogonal to all before."""

from __future__ import annotations

import warnings
from typing import Any, NamedTuple

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from numpy.typing import NDArray
from torch import Tensor

from tiltmeter.core.errors import ArrayError, ConvergenceWarning
from tiltmeter.probes._ccs import RowSpace, check_options, solve, unit_starts
from tiltmeter.probes._halves import Normalisation, halves


class RecursiveCCS(NamedTuple):
    """Directions (k, d), orthonormal, in the order in which they were found, each the best of its starts.

    ``losses`` (k,) are their CCS losses, without the penalty; ``constant_loss`` is 0.2, what a probe that says the same
    of every row reaches. ``all_losses`` (k, r) are those of all starts. ``offsets`` (k,) go with the directions:
    X @ direction + offset scores single rows, in units of the activations.
    """

    directions: Float[NDArray[Any], "k d"]
    losses: Float[NDArray[Any], " k"]
    offsets: Float[NDArray[Any], " k"]
    all_losses: Float[NDArray[Any], "k r"]
    is_converged: Bool[NDArray[Any], " k"]
    constant_loss: float


def recursive_ccs(
    X: Float[NDArray[Any], "n d"],
    members: Int[NDArray[Any], "p 2"],
    *,
    n_directions: int,
    l2: float = 0.0,
    n_restarts: int = 5,
    random_state: int = 0,
    normalisation: Normalisation = "halves",
) -> RecursiveCCS:
    """Find ``n_directions`` by CCS without a bias, each in the orthogonal complement of those before it.

    The complement has coordinates of its own, so that the constraint holds to rounding at every step of the search.

    Parameters
    ----------
    X
        Rows.
    members
        Row numbers of each pair, side 0 first; see :func:`tiltmeter.numerics.pair_rows`.
    n_directions
        How many, at most the dimensions that the normalised rows span.
    l2
        Strength of the penalty l2 |θ|² / 2, in units of the normalised rows; 0 as published.
    n_restarts
        Random unit starts for each direction; the one with the lowest loss and penalty is kept.
    random_state
        Seed of the starts.
    normalisation
        As in :class:`CCS`.

    Raises
    ------
    ArrayError
        If the rows span fewer dimensions than ``n_directions``, or an option is out of range.

    Warns
    -----
    ConvergenceWarning
        If directions did not converge.

    Notes
    -----
    That several orthogonal directions have a low loss does not say that there are several features. A direction with a
    cosine of c to the one feature keeps c times its separation, and Σ c² may be spread over many: where classes stand
    20 noise units apart, and nothing is penalised, the count tells of separation, of regularisation and of the search.
    Here the search goes straight from the random starts, as published. :func:`ccs` lets a penalty fall to ``l2``, which
    at 0 finds the one feature (0.98) where this finds several directions with a share of it (0.88, 0.40, 0.15).

    References
    ----------
    Roger (2023), "What discovering latent knowledge did and did not find".

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> found = recursive_ccs(rng.normal(size=(40, 6)), np.arange(40).reshape(20, 2), n_directions=3, l2=1e-3)
    >>> bool(np.allclose(found.directions @ found.directions.T, np.eye(3)))
    True
    """
    check_options(n_restarts=n_restarts, l2=l2)
    prepared = halves(X, members, normalisation=normalisation)
    whole = RowSpace.of(prepared, dtype=torch.float64, device="cpu")
    if not 1 <= n_directions <= whole.rows.shape[1]:
        raise ArrayError(
            f"n_directions is {n_directions}; the normalised rows span {whole.rows.shape[1]} dimensions, so ask for 1 "
            "to that many."
        )
    # for each direction its own starts: the first of k directions are those of a shorter search
    seeds = np.random.SeedSequence(random_state).generate_state(n_directions)
    left, basis = whole, torch.eye(whole.rows.shape[1], dtype=torch.float64)
    found, losses, are_converged = [], [], []
    for seed in seeds:
        drawn = torch.from_numpy(unit_starts(n_restarts, X.shape[1], random_state=int(seed)))
        one = solve(left, drawn @ left.components, has_bias=False, l2=l2, path=())
        losses.append((one.values - l2 / 2 * (one.x**2).sum(1)).numpy())
        best = int(one.values.argmin())
        are_converged.append(bool(one.is_converged[best]))
        theta = one.x[best]
        found.append((basis @ (theta / theta.norm()), best))
        complement = _complement(theta)
        left = RowSpace(left.rows @ complement, left.components @ complement)
        basis = basis @ complement
    if not all(are_converged):
        warnings.warn(
            f"{are_converged.count(False)} of {n_directions} directions of recursive CCS did not converge; use a "
            "larger l2.",
            ConvergenceWarning,
            stacklevel=2,
        )
    directions = torch.stack([vector for vector, _ in found]) @ whole.components.T
    raw = [prepared.of_single_rows(direction) for direction in directions.numpy()]
    norms = np.array([np.linalg.norm(one.vector) for one in raw])
    return RecursiveCCS(
        directions.numpy(),
        np.array([row[best] for row, (_, best) in zip(losses, found, strict=True)]),
        np.array([one.offset for one in raw]) / norms,
        np.stack(losses),
        np.array(are_converged),
        0.2,
    )


def _complement(vector: Tensor) -> Tensor:
    """Return an orthonormal basis (m, m − 1) of what is orthogonal to a vector (m,): Householder's reflection of it."""
    unit = vector / vector.norm()
    mirror = unit.clone()
    # away from cancellation
    mirror[0] += torch.sign(unit[0]) if unit[0] != 0 else 1.0
    reflection: Tensor = torch.eye(len(unit), dtype=unit.dtype) - 2 * torch.outer(mirror, mirror) / (mirror @ mirror)
    return reflection[:, 1:].contiguous()
