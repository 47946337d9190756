"""Pure functions on arrays: intervals, resampling, pairs, medians, moments, distances, fits. No model, no files."""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.numerics._bootstrap import bootstrap_weights
    from tiltmeter.numerics._distributions import POWER_BOUNDS, Family, FittedFamily, fit_family, log_density
    from tiltmeter.numerics._grid import share_on_grid
    from tiltmeter.numerics._intervals import clopper_pearson
    from tiltmeter.numerics._kurtosis import (
        ScaleKurtosis,
        excess_kurtosis,
        power_sums,
        scale_kurtosis,
        shared_kurtosis,
        skewness,
    )
    from tiltmeter.numerics._log_histogram import LogHistogram, Straightness, log_histogram, straightness
    from tiltmeter.numerics._mahalanobis import Ellipsoids, fit_ellipsoids, squared_mahalanobis
    from tiltmeter.numerics._medians import GeometricMedian, TukeyMedian, geometric_median, tukey_median
    from tiltmeter.numerics._minimise import Minimised, Objective, minimise
    from tiltmeter.numerics._moments import MomentCounts, Moments, PairDifferences, RowMoments
    from tiltmeter.numerics._pairs import pair_rows
    from tiltmeter.numerics._power import PowerError, power_error
    from tiltmeter.numerics._power_law import (
        PowerLaw,
        TailComparison,
        TailRival,
        compare_tail,
        fit_power_law,
        power_law_draws,
    )
    from tiltmeter.numerics._solve import solve_positive
    from tiltmeter.numerics._within import ClassMeans, WithinCovariance, class_means, within_covariance
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "POWER_BOUNDS",
    "ClassMeans",
    "Ellipsoids",
    "Family",
    "FittedFamily",
    "GeometricMedian",
    "LogHistogram",
    "Minimised",
    "MomentCounts",
    "Moments",
    "Objective",
    "PairDifferences",
    "PowerError",
    "PowerLaw",
    "RowMoments",
    "ScaleKurtosis",
    "Straightness",
    "TailComparison",
    "TailRival",
    "TukeyMedian",
    "WithinCovariance",
    "bootstrap_weights",
    "class_means",
    "clopper_pearson",
    "compare_tail",
    "excess_kurtosis",
    "fit_ellipsoids",
    "fit_family",
    "fit_power_law",
    "geometric_median",
    "log_density",
    "log_histogram",
    "minimise",
    "pair_rows",
    "power_error",
    "power_law_draws",
    "power_sums",
    "scale_kurtosis",
    "share_on_grid",
    "shared_kurtosis",
    "skewness",
    "solve_positive",
    "squared_mahalanobis",
    "straightness",
    "tukey_median",
    "within_covariance",
]
