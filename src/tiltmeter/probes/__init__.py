"""Estimators that score activations and name a direction, one method a file, all under scikit-learn's contract.

Each is a thin class around a pure function of the same name.
"""

from tiltmeter.probes._fact_groups import FactGroups, independent_fact_groups
from tiltmeter.probes._lat import LAT, lat, lat_shuffled
from tiltmeter.probes._lda import LDA, lda
from tiltmeter.probes._logistic import Logistic, LogisticPath, logistic, logistic_path
from tiltmeter.probes._logistic_sweep import LogisticFits, logistic_sweep
from tiltmeter.probes._mean_difference import MeanDifference, mean_difference
from tiltmeter.probes._median_difference import MedianDifference, median_difference
from tiltmeter.probes._mlp import MLP, Network, mlp
from tiltmeter.probes._probe import (
    Classifier,
    FitsMoments,
    Found,
    LinearClassifier,
    LinearProbe,
    Probe,
    SupervisedProbe,
    UnsupervisedProbe,
)
from tiltmeter.probes._random_direction import RandomDirection
from tiltmeter.probes._ridge import Ridge, ridge
from tiltmeter.probes._svm import LinearSVM, linear_svm
from tiltmeter.probes._ttpd import TTPD, TruthAndPolarity, ttpd

__all__ = [
    "LAT",
    "LDA",
    "MLP",
    "TTPD",
    "Classifier",
    "FactGroups",
    "FitsMoments",
    "Found",
    "LinearClassifier",
    "LinearProbe",
    "LinearSVM",
    "Logistic",
    "LogisticFits",
    "LogisticPath",
    "MeanDifference",
    "MedianDifference",
    "Network",
    "Probe",
    "RandomDirection",
    "Ridge",
    "SupervisedProbe",
    "TruthAndPolarity",
    "UnsupervisedProbe",
    "independent_fact_groups",
    "lat",
    "lat_shuffled",
    "lda",
    "linear_svm",
    "logistic",
    "logistic_path",
    "logistic_sweep",
    "mean_difference",
    "median_difference",
    "mlp",
    "ridge",
    "ttpd",
]
