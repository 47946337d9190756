"""INLP: project out one linear classifier after another."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float, Int
from numpy.typing import NDArray

from tiltmeter.core.errors import NoDirectionError, SpecError
from tiltmeter.erasure._arguments import check_count
from tiltmeter.erasure._class_fitter import ClassFitter, check_codes, projection
from tiltmeter.erasure._eraser import AffineEraser
from tiltmeter.probes import logistic

# of the largest singular value of unit directions: less than this adds no new dimension
_RANK_TOL = 1e-8


class INLPFit(NamedTuple):
    """The directions removed, shape (k, d), orthonormal, and what each iteration did.

    ``accuracies``, shape (i + 1,): that of the classifier fitted on rows from which i iterations' directions were gone,
    the last one judging what is left. ``squared_changes``, shape (i + 1,): the mean squared distance that rows had
    moved by then. ``ranks``, shape (i + 1,): directions gone by then. ``majority``: the share of the largest class.
    ``is_exhausted``: it stopped because the accuracy came near the majority, not for want of iterations.
    """

    directions: Float[NDArray[np.float64], "k d"]
    accuracies: Float[NDArray[np.float64], " i"]
    squared_changes: Float[NDArray[np.float64], " i"]
    ranks: Int[NDArray[np.int64], " i"]
    majority: float
    is_exhausted: bool


def inlp(
    X: Float[NDArray[Any], "n d"],
    z: Int[NDArray[Any], " n"],
    *,
    n_iterations: int = 20,
    C: float = 1.0,
    stop_margin: float = 0.01,
) -> INLPFit:
    """Fit linear classifiers in turn, each on rows from which the row spaces of all before are projected out.

    The classifier is logistic regression, one against the rest where classes are more than two. The projection goes
    onto the intersection of the null spaces: onto what is at right angles to the span of all directions found, by a
    singular value decomposition of them together. A product of the single projections would be no projection once two
    directions are not at right angles, and would bring earlier ones back.

    Accuracies are those on the fitting rows, which flatter the classifier: with fewer rows than features it tells any
    two classes apart at first, whether there is anything to tell or not.

    Parameters
    ----------
    X
        Rows; all is computed in float64.
    z
        Class numbers 0, 1, …, each present.
    n_iterations
        Most classifiers to remove, at least 1.
    C
        Inverse strength of each classifier's penalty, in units of the mean within-class variance of the rows given.
    stop_margin
        Stop once the accuracy is at most the majority share plus this.

    Raises
    ------
    SpecError
        If there are no iterations, or the margin is negative.
    ArrayError
        If a class is missing or C is not positive.
    NoDirectionError
        If all rows are equal.

    Notes
    -----
    Equal class means are not what it aims for, and nothing is guaranteed: the concept may leak after many iterations
    while the rows have changed many times more than LEACE changes them. Each iteration costs a logistic regression a
    class.

    References
    ----------
    Ravfogel et al., "Null it out", ACL 2020, algorithm 1 and equation 4.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(400) % 2
    >>> found = inlp(rng.normal(size=(400, 5)) + 3 * z[:, None] * np.eye(5)[0], z)
    >>> bool(found.accuracies[0] > 0.9), bool(found.accuracies[-1] < 0.6)
    (True, True)
    """
    check_count("n_iterations", n_iterations)
    if not stop_margin >= 0:
        raise SpecError(f"stop_margin is {stop_margin}; it is a distance from the majority share, 0 or more.")
    n_classes = check_codes(z, n=len(X))
    centred = X.astype(np.float64) - X.mean(axis=0, dtype=np.float64)
    axes = _axes_that_vary(centred)
    scores = centred @ axes.T
    strength = C / _within_variance(centred, z)
    majority = float(np.bincount(z).max() / len(z))
    found = np.zeros((0, len(axes)))
    gone, left = found, np.eye(len(axes))
    accuracies: list[float] = []
    changes: list[float] = []
    ranks: list[int] = []
    is_exhausted = False
    for i in range(n_iterations + 1):
        # in coordinates of what is left: in those of the rows a classifier could follow the rounding of what is gone
        weights, accuracy = _classifiers(scores @ left.T, z, n_classes=n_classes, C=strength)
        accuracies.append(accuracy)
        changes.append(float(((scores @ gone.T) ** 2).sum(axis=1).mean()))
        ranks.append(len(gone))
        # the first classifier goes in any case: an eraser of rank 0 would pass for one that erases
        is_exhausted = i > 0 and (accuracy <= majority + stop_margin or not len(left))
        if is_exhausted or i == n_iterations:
            break
        found = np.concatenate([found, weights @ left])
        gone = row_space(found)
        left = np.linalg.svd(gone, full_matrices=True)[2][len(gone) :]
    return INLPFit(gone @ axes, np.array(accuracies), np.array(changes), np.array(ranks), majority, is_exhausted)


def _axes_that_vary(centred: Float[NDArray[np.float64], "n d"]) -> Float[NDArray[np.float64], "r d"]:
    n, d = centred.shape
    narrow = np.linalg.qr(centred, mode="r") if n > d else centred
    _, sizes, axes = np.linalg.svd(narrow, full_matrices=False)
    kept = sizes > max(n, d) * np.finfo(np.float64).eps * sizes[0]
    if not kept.any():
        raise NoDirectionError("All rows are equal: no classifier can tell classes apart, and INLP erases nothing.")
    return np.asarray(axes[kept])


def _within_variance(centred: Float[NDArray[np.float64], "n d"], z: Int[NDArray[Any], " n"]) -> float:
    means = np.stack([centred[z == code].mean(axis=0) for code in range(int(z.max()) + 1)])
    variance = float(((centred - means[z]) ** 2).mean())
    # rows that equal their class mean leave no scale to divide by
    return variance if variance > 0 else 1.0


def row_space(directions: Float[NDArray[np.float64], "b d"]) -> Float[NDArray[np.float64], "k d"]:
    """Return an orthonormal basis of the span of directions of any length; those of length 0 count for nothing.

    What is at right angles to it is the intersection of the directions' null spaces. The basis is made of the
    eigenvectors of the sum of the single projectors whose eigenvalue is not 0, by way of singular values.
    """
    lengths = np.linalg.norm(directions, axis=1, keepdims=True)
    unit = directions[lengths[:, 0] > 0] / lengths[lengths[:, 0] > 0]
    if not len(unit):
        return directions[:0]
    _, sizes, components = np.linalg.svd(unit, full_matrices=False)
    return np.asarray(components[sizes > _RANK_TOL * sizes[0]])


def _classifiers(
    X: Float[NDArray[np.float64], "n d"], z: Int[NDArray[Any], " n"], *, n_classes: int, C: float
) -> tuple[Float[NDArray[np.float64], "b d"], float]:
    """Return the weights of one classifier, or of one for each of several classes, and their accuracy on the rows."""
    if not X.shape[1]:
        return np.zeros((1, 0)), float(np.bincount(z).max() / len(z))
    positives = [1] if n_classes == 2 else list(range(n_classes))
    fits = [logistic(X, (z == code).astype(np.int64), C=C) for code in positives]
    weights = np.stack([fit.vector for fit in fits])
    scores = X @ weights.T + np.array([fit.offset for fit in fits])
    predicted = (scores[:, 0] > 0).astype(np.int64) if n_classes == 2 else scores.argmax(axis=1)
    return weights, float((predicted == z).mean())


class INLP(ClassFitter):
    """Remove the directions of linear classifiers fitted in turn, until they read little more than the majority.

    The oldest of the erasers and the bluntest: it takes out every direction that some classifier used, not what makes
    class means differ, so that it changes rows many times more than LEACE and still leaks. It is here to be compared
    with.

    After ``fit``: ``eraser_``, ``directions_`` (k, d), ``accuracies_``, ``squared_changes_``, ``majority_``,
    ``is_exhausted_`` and ``classes_``; accuracies are on the fitting rows.

    Parameters
    ----------
    n_iterations
        Most classifiers to remove.
    C
        Inverse strength of each classifier's penalty, in units of the mean within-class variance of the rows given.
    stop_margin
        Stop once the accuracy on the fitting rows is at most the majority share plus this.

    See Also
    --------
    rlace : the least log loss of a classifier after one projection, made as high as it can be.

    References
    ----------
    Ravfogel et al., "Null it out", ACL 2020.

    Examples
    --------
    >>> rng = np.random.default_rng(0)
    >>> z = np.arange(400) % 2
    >>> X = rng.normal(size=(400, 5)) + 3 * z[:, None] * np.eye(5)[0]
    >>> INLP(n_iterations=5).fit(X, z).transform(X).shape
    (400, 5)
    """

    def __init__(self, n_iterations: int = 20, *, C: float = 1.0, stop_margin: float = 0.01) -> None:
        self.n_iterations = n_iterations
        self.C = C
        self.stop_margin = stop_margin

    def _find(self, X: Float[NDArray[np.float64], "n d"], z: Int[NDArray[np.int64], " n"]) -> AffineEraser:
        found = inlp(X, z, n_iterations=self.n_iterations, C=self.C, stop_margin=self.stop_margin)
        self.directions_ = found.directions
        self.accuracies_, self.squared_changes_ = found.accuracies, found.squared_changes
        self.majority_, self.is_exhausted_ = found.majority, found.is_exhausted
        guarantee = (
            f"None: {len(found.accuracies) - 1} classifiers are gone, and the next one read {found.accuracies[-1]:.3f} "
            f"of the fitting rows, of which the largest class is {found.majority:.3f}."
        )
        return projection(found.directions, X.mean(axis=0), method="INLP", guarantee=guarantee, tol=_RANK_TOL)
