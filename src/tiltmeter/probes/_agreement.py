"""How far directions of several methods, seeds or sets of rows agree, beside what chance gives."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray
from scipy import special, stats

from tiltmeter.core.direction import Direction
from tiltmeter.core.errors import ArrayError, SpecError

# sites that all read and write the same coordinates
_STREAM = {"resid_pre", "resid_mid", "resid_post", "attn_out", "mlp_out"}


class Agreement(NamedTuple):
    """Cosines between k named directions, shape (k, k), and the null: |cosine| of two random directions.

    ``null_mean`` and ``null_95`` are the mean and the 95 % quantile of |cosine| for one pair of random directions of
    this width; ``null_largest_95`` is the quantile of the largest over all pairs of the table.
    """

    names: tuple[str, ...]
    cosines: Float[NDArray[Any], "k k"]
    null_mean: float
    null_95: float
    null_largest_95: float


def agreement(directions: Mapping[str, NDArray[Any] | Direction]) -> Agreement:
    """Return the cosines between directions that share coordinates, and what two random ones would have.

    Parameters
    ----------
    directions
        At least two, by name: vectors (d,) of any length but 0, or :class:`~tiltmeter.core.direction.Direction`. All in
        the coordinates of one site.

    Raises
    ------
    ArrayError
        If there are fewer than two, a vector is zero or not finite, or widths differ.
    SpecError
        If directions are of sites that do not share coordinates, as blocks of the residual stream do: a cosine would
        mean nothing.

    Notes
    -----
    In d dimensions the squared cosine of two directions drawn from the sphere follows Beta(1/2, (d − 1)/2). The mean
    of its root is Γ(d/2) / (√π Γ((d + 1)/2)), near √(2 / (π d)). Pairs of independent random directions are pairwise
    independent; the largest of m pairs has its quantile at 0.95^(1/m) of one pair's, near enough for small m.

    The sign of an unsupervised direction is arbitrary: compare |cosine|. The null is that of directions which know
    nothing of the rows. Two that were fitted on *noise with the rows' covariance* agree more than that, since both lean
    towards where the rows vary most; refit on shuffled labels to see by how much.

    Examples
    --------
    >>> found = agreement({"a": np.array([1.0, 0.0, 0.0]), "b": np.array([3.0, 4.0, 0.0])})
    >>> found.cosines.round(6).tolist(), found.null_mean
    ([[1.0, 0.6], [0.6, 1.0]], 0.5)
    """
    if len(directions) < 2:
        raise ArrayError(f"{len(directions)} directions were given; at least two are needed.")
    sites = {one.site for one in directions.values() if isinstance(one, Direction) and one.site is not None}
    if len(sites) > 1 and not {site.point for site in sites} <= _STREAM:
        raise SpecError(
            f"The directions are of the sites {', '.join(sorted(map(str, sites)))}, which share no coordinates; "
            "compare those of one site, or of the residual stream in several blocks."
        )
    unit = np.stack(_units({name: _vector(one) for name, one in directions.items()}))
    d, k = unit.shape[1], len(unit)
    return Agreement(
        tuple(directions),
        unit @ unit.T,
        float(np.exp(special.gammaln(d / 2) - special.gammaln((d + 1) / 2)) / np.sqrt(np.pi)),
        _quantile(0.95, d),
        _quantile(0.95 ** (2 / (k * (k - 1))), d),
    )


def _vector(one: NDArray[Any] | Direction) -> NDArray[Any]:
    """Return the vector that points to the presence of the concept, where a sign is known."""
    if not isinstance(one, Direction):
        return one
    return -one.vector if one.sign == -1 else one.vector


def _units(vectors: Mapping[str, NDArray[Any]]) -> list[Float[NDArray[Any], " d"]]:
    shapes = {vector.shape for vector in vectors.values()}
    if len(shapes) > 1 or len(next(iter(shapes))) != 1:
        raise ArrayError(f"The directions have the shapes {sorted(shapes)}; all must be vectors of one width.")
    units = []
    for name, vector in vectors.items():
        length = float(np.linalg.norm(vector.astype(np.float64)))
        if not np.isfinite(length) or length == 0:
            raise ArrayError(f"Direction {name!r} has norm {length:g}; it must be finite and not zero.")
        units.append(vector.astype(np.float64) / length)
    return units


def _quantile(level: float, d: int) -> float:
    # in one dimension all directions are alike, and Beta(1/2, 0) is no distribution
    return 1.0 if d == 1 else float(np.sqrt(stats.beta.ppf(level, 0.5, (d - 1) / 2)))
