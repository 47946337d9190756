"""The difference of class centres that outliers do not move."""

from __future__ import annotations

from typing import Any, Literal

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.numerics import class_means, geometric_median, tukey_median
from tiltmeter.probes._probe import Found, SupervisedProbe, one_of

Center = Literal["geometric", "tukey"]


def median_difference(
    X: Float[NDArray[Any], "n d"],
    y: Int[NDArray[Any], " n"],
    *,
    center: Center = "geometric",
    sample_weight: Float[NDArray[Any], " n"] | None = None,
    n_directions: int = 1000,
    random_state: int = 0,
) -> Found:
    """Return the difference of the classes' medians and the offset that puts zero midway between them.

    Parameters
    ----------
    X, y
        Rows and labels 0 and 1, both present.
    center
        Which median: :func:`tiltmeter.numerics.geometric_median` or :func:`tiltmeter.numerics.tukey_median`.
    sample_weight
        Shape (n,), or None; weight 2 counts as the row twice for both medians.
    n_directions, random_state
        As in :func:`tiltmeter.numerics.tukey_median`; without effect on the geometric median.

    Raises
    ------
    ArrayError
        If a class is absent.

    Examples
    --------
    >>> X = np.array([[0.0], [1.0], [2.0], [10.0], [11.0], [1e9]])
    >>> median_difference(X, np.array([0, 0, 0, 1, 1, 1])).vector.tolist()
    [10.0]
    """
    one_of("center", center, ("geometric", "tukey"))
    class_means(X, y, sample_weight=sample_weight)  # refuses a class without weight
    weight = np.ones(len(X)) if sample_weight is None else sample_weight
    negative, positive = (
        geometric_median(X[y == label], sample_weight=weight[y == label]).center
        if center == "geometric"
        else tukey_median(
            X[y == label],
            sample_weight=weight[y == label],
            n_directions=n_directions,
            random_state=random_state,
        ).center
        for label in (0, 1)
    )
    vector = positive - negative
    return Found(vector, -float(vector @ (positive + negative)) / 2)


class MedianDifference(SupervisedProbe):
    """Project on the difference of the classes' medians.

    The mean difference for rows with outliers: rows of less than half of a class's weight cannot drag its geometric
    median away. It costs some precision where rows are Gaussian, and does not help where the classes themselves are
    skewed.

    Parameters
    ----------
    center
        ``"geometric"``: the point whose summed distance from the rows is least. ``"tukey"``: the point of greatest
        half-space depth, exact in one and two dimensions and approximate beyond, where it is found along random
        directions; it tells little where rows are fewer than about twice the features.
    n_directions
        How many of those directions.
    random_state
        Their seed.

    See Also
    --------
    MeanDifference : the same between means, in closed form.
    tiltmeter.numerics.tukey_median : what is exact and what is not.

    Notes
    -----
    Moments of the rows do not hold their medians: there is no ``fit_moments``.

    References
    ----------
    Vardi and Zhang (2000) for the geometric median; Tukey (1975) for the other.

    Examples
    --------
    >>> X = np.array([[0.0, 1.0], [1.0, 0.0], [0.0, 0.0], [4.0, 0.0], [4.0, 1.0], [5.0, 0.0], [-900.0, 9e3]])
    >>> probe = MedianDifference().fit(X, np.array([0, 0, 0, 1, 1, 1, 1]))
    >>> probe.predict(X[:6]).tolist()
    [0, 0, 0, 1, 1, 1]
    """

    def __init__(self, center: Center = "geometric", *, n_directions: int = 1000, random_state: int = 0) -> None:
        self.center = center
        self.n_directions = n_directions
        self.random_state = random_state

    def _find(
        self, X: Float[NDArray[Any], "n d"], y: Int[NDArray[Any], " n"], sample_weight: Float[NDArray[Any], " n"] | None
    ) -> Found:
        return median_difference(
            X,
            y,
            center=self.center,
            sample_weight=sample_weight,
            n_directions=self.n_directions,
            random_state=self.random_state,
        )
