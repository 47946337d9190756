"""Estimators that score activations and name a direction, one method a file, all under scikit-learn's contract.

Each is a thin class around a pure function of the same name.
"""

from tiltmeter.probes._agreement import Agreement, agreement
from tiltmeter.probes._bss import BSS, BSSFits, bss, bss_loss
from tiltmeter.probes._ccs import CCS, CCSFits, ccs, ccs_loss
from tiltmeter.probes._ccs_stability import CCSStability, SeedConsistency, ccs_stability, seed_consistency
from tiltmeter.probes._ccs_sweep import ccs_sweep
from tiltmeter.probes._census import truth_census
from tiltmeter.probes._census_record import Census, CensusNull
from tiltmeter.probes._contrast_logistic import ContrastLogistic, contrast_logistic
from tiltmeter.probes._crc import CRC, crc
from tiltmeter.probes._fact_groups import FactGroups, independent_fact_groups
from tiltmeter.probes._kmeans import KMeansDifferences, kmeans_differences
from tiltmeter.probes._lat import LAT, lat, lat_shuffled
from tiltmeter.probes._lda import LDA, lda
from tiltmeter.probes._logistic import Logistic, LogisticPath, logistic, logistic_path
from tiltmeter.probes._logistic_sweep import LogisticFits, logistic_sweep
from tiltmeter.probes._mean_difference import MeanDifference, mean_difference
from tiltmeter.probes._pairs_curve import PairsCurve, pairs_curve
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
from tiltmeter.probes._recursive_ccs import RecursiveCCS, recursive_ccs
from tiltmeter.probes._selectivity import Selectivity, selectivity
from tiltmeter.probes._xor import XorReadout, random_mlp_activations, xor_probe

__all__ = [
    "BSS",
    "CCS",
    "CRC",
    "LAT",
    "LDA",
    "Agreement",
    "BSSFits",
    "CCSFits",
    "CCSStability",
    "Census",
    "CensusNull",
    "Classifier",
    "ContrastLogistic",
    "FactGroups",
    "FitsMoments",
    "Found",
    "KMeansDifferences",
    "LinearClassifier",
    "LinearProbe",
    "Logistic",
    "LogisticFits",
    "LogisticPath",
    "MeanDifference",
    "PairsCurve",
    "Probe",
    "RandomDirection",
    "RecursiveCCS",
    "SeedConsistency",
    "Selectivity",
    "SupervisedProbe",
    "UnsupervisedProbe",
    "XorReadout",
    "agreement",
    "bss",
    "bss_loss",
    "ccs",
    "ccs_loss",
    "ccs_stability",
    "ccs_sweep",
    "contrast_logistic",
    "crc",
    "independent_fact_groups",
    "kmeans_differences",
    "lat",
    "lat_shuffled",
    "lda",
    "logistic",
    "logistic_path",
    "logistic_sweep",
    "mean_difference",
    "pairs_curve",
    "random_mlp_activations",
    "recursive_ccs",
    "seed_consistency",
    "selectivity",
    "truth_census",
    "xor_probe",
]
