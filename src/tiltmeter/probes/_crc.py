"""Contrastive representation clustering by the top principal component (TPC)."""

from __future__ import annotations

from typing import Any

from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError
from tiltmeter.probes._halves import centred_differences
from tiltmeter.probes._lat import first_direction
from tiltmeter.probes._probe import Found, UnsupervisedProbe


def crc(X: Float[NDArray[Any], "n d"], members: Int[NDArray[Any], "p 2"]) -> Found:
    """Return the first principal component of x⁺ − x⁻, each half minus its mean; the offset is of those means.

    Parameters
    ----------
    X
        Rows.
    members
        Row numbers of each pair, side 0 first.

    Examples
    --------
    >>> X = np.array([[4.0, 1.0], [0.0, 5.0], [0.0, 1.0], [4.0, 5.0], [4.0, 1.1], [0.0, 5.0], [0.0, 1.1], [4.0, 5.0]])
    >>> crc(X, np.arange(8).reshape(4, 2)).vector.round(3).tolist()
    [1.0, 0.0]
    """
    differences, mean = centred_differences(X, members)
    vector = first_direction(differences)
    return Found(vector, -float(vector @ mean))


class CRC(UnsupervisedProbe):
    """The first principal component of the differences x⁺ − x⁻, where x⁺ is side 1, with the mean difference removed.

    Centring removes what tells the halves apart in every pair, such as "yes" from "no"; truth varies from pair to pair
    and stays. So the sides must not be the labels: with the true statement always on side 1 truth is what centring
    removes, and a probe that is blind to it comes back. Cost O(p d²).

    Rows are scored about the means of the rows that were fitted on; nothing is recentred on new rows.

    See Also
    --------
    LAT : uncentred, so that it needs no sides, and follows a constant difference of the halves.
    CCS : asks for two clusters and not for variance.

    References
    ----------
    Burns et al., arXiv 2212.03827, section 3.1 and appendix: CRC by TPC.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> y = np.concatenate([rng.permutation([0, 1]) for _ in range(50)])
    >>> sides = np.tile([0, 1], 50)
    >>> X = rng.normal(size=(100, 3)) + np.outer(y, [6, 0, 0]) + np.outer(sides, [0, 20, 0])
    >>> probe = CRC().fit(X, pairs=np.repeat(np.arange(50), 2), sides=sides).orient(X, y)
    >>> bool(probe.direction_[0] > 0.98)
    True
    """

    needs_pairs = True
    needs_sides = True

    def _find(self, X: Float[NDArray[Any], "n d"], pairs: Int[NDArray[Any], "p 2"] | None) -> Found:
        if pairs is None:
            raise SpecError("CRC needs pairs.")
        return crc(X, pairs)
