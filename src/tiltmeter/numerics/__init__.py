"""Pure functions on arrays: intervals, resampling, class means and covariances. No language model, no files."""

from tiltmeter.numerics._bootstrap import bootstrap_weights
from tiltmeter.numerics._intervals import clopper_pearson
from tiltmeter.numerics._within import ClassMeans, WithinCovariance, class_means, within_covariance

__all__ = [
    "ClassMeans",
    "WithinCovariance",
    "bootstrap_weights",
    "class_means",
    "clopper_pearson",
    "within_covariance",
]
