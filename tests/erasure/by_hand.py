"""Erasers in a few lines each, from which nothing but the frozen map is taken, and planted rows to erase from."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.activations import Activations
from tiltmeter.erasure import AffineEraser
from tiltmeter.numerics import geometric_median


def along(X, vector, method="by hand", guarantee="the rows do not vary along one direction"):
    """The orthogonal projection that takes one direction out of rows like X."""
    unit = (vector / np.linalg.norm(vector)).astype(np.float64)
    return AffineEraser(
        unit[:, None], unit[None], X.mean(axis=0, dtype=np.float64), method=method, guarantee=guarantee, tol=0.0
    )


def mean_projection(X, z):
    means = [X[z == label].mean(axis=0, dtype=np.float64) for label in (0, 1)]
    return along(X, means[1] - means[0], "mean projection", "the class means of the fitting rows are equal")


def median_projection(X, z):
    centers = [geometric_median(X[z == label]).center for label in (0, 1)]
    return along(X, centers[1] - centers[0], "geometric-median projection")


def rows(X, z, *, start=0, groups=None):
    return Activations(X, ids=np.array([f"t{start + i}" for i in range(len(X))]), y=z, groups=groups)


def shifted(n, d, *, shift, seed, prevalence=0.5):
    """Standard normal rows; positives are moved by ``shift`` along the first feature."""
    rng = np.random.default_rng(seed)
    z = np.zeros(n, dtype=np.int64)
    z[rng.permutation(n)[: round(prevalence * n)]] = 1
    X = rng.normal(size=(n, d))
    X[:, 0] += shift * z
    return X, z


def dealt(made, n_parts):
    """Parts of a counterexample that all have its share of outliers in both classes, so that all class means agree."""
    is_outlier = (made.X @ made.direction > 0) != made.z
    order = np.lexsort((np.arange(len(made.z)), is_outlier, made.z))
    return [np.sort(order[part::n_parts]) for part in range(n_parts)]
