"""Pure functions on arrays: intervals, resampling, pairs, medians, moments, distances. No model, no files."""

from tiltmeter.numerics._bootstrap import bootstrap_weights
from tiltmeter.numerics._intervals import clopper_pearson
from tiltmeter.numerics._mahalanobis import Ellipsoids, fit_ellipsoids, squared_mahalanobis
from tiltmeter.numerics._medians import GeometricMedian, TukeyMedian, geometric_median, tukey_median
from tiltmeter.numerics._minimise import Minimised, Objective, minimise
from tiltmeter.numerics._moments import MomentCounts, Moments, PairDifferences, RowMoments
from tiltmeter.numerics._pairs import pair_rows
from tiltmeter.numerics._solve import solve_positive
from tiltmeter.numerics._within import ClassMeans, WithinCovariance, class_means, within_covariance

__all__ = [
    "ClassMeans",
    "Ellipsoids",
    "GeometricMedian",
    "Minimised",
    "MomentCounts",
    "Moments",
    "Objective",
    "PairDifferences",
    "RowMoments",
    "TukeyMedian",
    "WithinCovariance",
    "bootstrap_weights",
    "class_means",
    "clopper_pearson",
    "fit_ellipsoids",
    "geometric_median",
    "minimise",
    "pair_rows",
    "solve_positive",
    "squared_mahalanobis",
    "tukey_median",
    "within_covariance",
]
