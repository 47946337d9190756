"""Estimators that score activations and name a direction, one method a file, all under scikit-learn's contract.

Each is a thin class around a pure function of the same name.

"""

from tiltmeter.probes._lat import LAT, lat, lat_shuffled
from tiltmeter.probes._lda import LDA, lda
from tiltmeter.probes._logistic import Logistic, LogisticPath, logistic, logistic_path
from tiltmeter.probes._mean_difference import MeanDifference, mean_difference
from tiltmeter.probes._probe import FitsMoments, Found, Probe, SupervisedProbe, UnsupervisedProbe
from tiltmeter.probes._random_direction import RandomDirection

__all__ = [
    "LAT",
    "LDA",
    "FitsMoments",
    "Found",
    "Logistic",
    "LogisticPath",
    "MeanDifference",
    "Probe",
    "RandomDirection",
    "SupervisedProbe",
    "UnsupervisedProbe",
    "lat",
    "lat_shuffled",
    "lda",
    "logistic",
    "logistic_path",
    "mean_difference",
]
