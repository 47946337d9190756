"""Median projection: orthogonal to the differences of centres that outliers do not move."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray

from tiltmeter.core.errors import ArrayError, NoDirectionError
from tiltmeter.erasure._arguments import check_choice, weights_of
from tiltmeter.erasure._concept import encode
from tiltmeter.erasure._eraser import AffineEraser
from tiltmeter.erasure._joint import check_rows
from tiltmeter.erasure._method import AffineMethod
from tiltmeter.erasure._projection import span
from tiltmeter.numerics import geometric_median, tukey_median

Center = Literal["geometric", "tukey"]

# of the rows' spread: medians that are found by iteration agree no better than this
_EQUAL = 1e-7


def median_projection(
    X: Float[NDArray[Any], "n d"],
    z: ArrayLike,
    *,
    center: Center = "geometric",
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    n_directions: int = 1000,
    random_state: int = 0,
    tol: float = 1e-6,
) -> AffineEraser:
    """Return the orthogonal projection along all differences of class medians, about the mean of the medians.

    Parameters
    ----------
    X
        Finite rows of any floating type.
    z
        Labels (n,) of two or more classes.
    center
        As in :class:`MedianProjection`.
    sample_weight
        Non-negative, shape (n,), not all 0: weight 2 counts as the row twice.
    n_directions, random_state, tol
        As in :class:`MedianProjection`.

    Raises
    ------
    ArrayError
        If shapes disagree, a value is not finite, z is constant, or a class has no weight.
    NoDirectionError
        If the medians coincide.
    SpecError
        If there is no such center.

    Warns
    -----
    ConvergenceWarning
        If a geometric median was not found to its tolerance.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [10.0, 1.0], [11.0, 1.0], [1e9, 1.0]])
    >>> median_projection(X, np.array([0, 0, 0, 1, 1, 1])).right.tolist()
    [[1.0, 0.0]]
    """
    check_choice("center", center, Center)
    check_rows(X)
    concept = encode(z, n=len(X), kind="labels")
    given = weights_of(sample_weight, n=len(X))
    weight = np.ones(len(X)) if given is None else given
    n_classes = int(concept.codes.max()) + 1 if concept.codes is not None else 0
    members = [np.flatnonzero((concept.codes == i) & (weight > 0)) for i in range(n_classes)]
    if min(map(len, members)) == 0:
        raise ArrayError("A class of z has no weight; every class needs some row.")
    medians = np.stack(
        [
            geometric_median(X[rows], sample_weight=weight[rows]).center
            if center == "geometric"
            else tukey_median(
                X[rows], sample_weight=weight[rows], n_directions=n_directions, random_state=random_state
            ).center
            for rows in members
        ]
    )
    share = np.array([weight[rows].sum() for rows in members]) / weight.sum()
    middle = share @ medians
    # exactly 0 where a feature is constant: medians of equal values agree to rounding only
    counted = X[weight > 0]
    steps = np.where((counted == counted[0]).all(axis=0), 0.0, medians - middle)
    spread = float(np.median(np.linalg.norm(counted.astype(np.float64) - middle, axis=1)))
    if not np.abs(steps).max() > _EQUAL * spread:
        raise NoDirectionError("There is nothing to erase: the class medians coincide; more rows may tell them apart.")
    basis = span(steps.T, tol=tol)
    guarantee = (
        f"The differences of the classes' {center} medians on the rows it was fitted on are gone from every row. Class "
        "means may still differ, so affine predictors may still read z, as may others."
    )
    return AffineEraser(basis, basis.T, middle, method="MedianProjection", guarantee=guarantee, tol=tol)


class MedianProjection(AffineMethod):
    """Project out the difference of the class medians; for more than two classes, all of them.

    Mean projection for classes with outliers: these draw the mean away from where a threshold reads the concept, and
    not the median. It does not make class means equal, so a fitted linear probe may read more than after
    mean projection.

    Parameters
    ----------
    center
        ``"geometric"``: the point whose summed distance from the rows is least. ``"tukey"``: the point of greatest
        half-space depth, exact in one and two dimensions and approximate beyond.
    n_directions
        Of the approximation.
    random_state
        Their seed.
    tol
        Singular values of the differences below this share of the largest count as 0.

    See Also
    --------
    MeanProjection : makes class means equal.
    tiltmeter.numerics.tukey_median : what is exact and what is not.

    References
    ----------
    Haghighatkhah et al., arXiv 2212.04273, for Tukey's median.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [1.0, 1.0], [2.0, 1.0], [10.0, 1.0], [11.0, 1.0], [1e9, 1.0]])
    >>> MedianProjection().fit(X, np.array([0, 0, 0, 1, 1, 1])).transform(X[:1]).round(6).tolist() != X[:1].tolist()
    True
    """

    def __init__(
        self,
        center: Center = "geometric",
        *,
        n_directions: int = 1000,
        random_state: int = 0,
        tol: float = 1e-6,
    ) -> None:
        self.center = center
        self.n_directions = n_directions
        self.random_state = random_state
        self.tol = tol

    def _find(
        self, X: Float[NDArray[Any], "n d"], z: NDArray[Any], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> AffineEraser:
        return median_projection(
            X,
            z,
            center=self.center,
            sample_weight=sample_weight,
            n_directions=self.n_directions,
            random_state=self.random_state,
            tol=self.tol,
        )
