"""The two halves of contrast pairs, normalised each by itself, and the way back to single rows."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError
from tiltmeter.probes._probe import Found

Normalisation = Literal["halves", "concatenated", "whole", "none"]

# relative to the size of the rows: what centring leaves of equal rows is rounding
ROUNDING = 1e-12


class Halves(NamedTuple):
    """Rows of side 0 and of side 1, each shape (p, d), after (x − mean) / scale with the mean and scale of their side.

    ``means``: shape (2, d). ``scales``: shape (2,), positive.
    """

    negative: Float[NDArray[Any], "p d"]
    positive: Float[NDArray[Any], "p d"]
    means: Float[NDArray[Any], "2 d"]
    scales: Float[NDArray[Any], 2]

    def of_single_rows(self, vector: Float[NDArray[Any], " d"], bias: float = 0.0) -> Found:
        """Return what scores a raw row whose side is not known: the mean of its scores as either half."""
        inverse = 1 / self.scales
        return Found(vector * inverse.mean(), bias - float(vector @ (inverse @ self.means)) / 2)


def halves(
    X: Float[NDArray[Any], "n d"], members: Int[NDArray[Any], "p 2"], *, normalisation: Normalisation = "halves"
) -> Halves:
    """Split rows by side and normalise them, in float64.

    Subtracting each half's own mean removes what tells the halves apart in every pair, such as the token "yes" or
    "no"; subtracting the mean of all rows does not.

    Parameters
    ----------
    X
        Rows.
    members
        Row numbers of each pair, side 0 first.
    normalisation
        ``"halves"``: each half minus its mean, divided by its average norm, times √d. ``"concatenated"``: the same
        means, but one scale: the average norm of (x⁻, x⁺) as one vector of 2d numbers, times √(2d). ``"whole"``: the
        mean and average norm of all rows, for comparison. ``"none"``: the rows as they are.

    Raises
    ------
    ArrayError
        If ``normalisation`` is none of these.

    References
    ----------
    Burns et al., arXiv 2212.03827, section 2.2 (the means); the released code and its replication (the scales).

    Examples
    --------
    >>> X = np.array([[1.0, 5.0], [3.0, 9.0], [2.0, 5.0], [6.0, 9.0]])
    >>> halves(X, np.array([[0, 1], [2, 3]])).negative.round(3).tolist()
    [[-1.414, 0.0], [1.414, 0.0]]
    """
    pair = X.astype(np.float64)[members]
    p, _, d = pair.shape
    if normalisation == "none":
        means, scales = np.zeros((2, d)), np.ones(2)
    elif normalisation in ("halves", "concatenated"):
        means = pair.mean(axis=0)
        centred = _without_rounding(pair - means, pair)
        if normalisation == "halves":
            scales = np.linalg.norm(centred, axis=2).mean(axis=0) / np.sqrt(d)
        else:
            scales = np.full(2, np.linalg.norm(centred.reshape(p, -1), axis=1).mean() / np.sqrt(2 * d))
    elif normalisation == "whole":
        means = np.tile(pair.mean(axis=(0, 1)), (2, 1))
        scales = np.full(2, np.linalg.norm(_without_rounding(pair - means, pair), axis=2).mean() / np.sqrt(d))
    else:
        raise ArrayError(f'normalisation is {normalisation!r}; it must be "halves", "concatenated", "whole" or "none".')
    scales = np.where(scales > 0, scales, 1.0)
    kept = _without_rounding(pair - means, pair) / scales[:, None]
    return Halves(kept[:, 0], kept[:, 1], means, scales)


def centred_differences(
    X: Float[NDArray[Any], "n d"], members: Int[NDArray[Any], "p 2"]
) -> tuple[Float[NDArray[Any], "p d"], Float[NDArray[Any], " d"]]:
    """Return x⁺ − x⁻, each half minus its own mean, and the mean of the two halves' means."""
    pair = X.astype(np.float64)[members]
    means = pair.mean(axis=0)
    centred = _without_rounding(pair - means, pair)
    return _without_rounding(centred[:, 1] - centred[:, 0], pair[:, 1]), means.mean(axis=0)


def _without_rounding(centred: NDArray[Any], raw: NDArray[Any]) -> NDArray[Any]:
    """Put zero where a feature of a half does not vary but for the rounding of its mean."""
    is_constant = np.abs(centred).max(axis=0) <= ROUNDING * np.abs(raw).max(axis=0)
    return np.where(is_constant, 0.0, centred)
