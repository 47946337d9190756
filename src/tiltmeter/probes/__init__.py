"""Estimators that score activations and name a direction, one method a file, all under scikit-learn's contract.

Each is a thin class around a pure function of the same name.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.probes._agreement import Agreement, agreement
    from tiltmeter.probes._attention_probe import AttentionFit, AttentionProbe, attention_probe
    from tiltmeter.probes._bss import BSS, BSSFits, bss, bss_loss
    from tiltmeter.probes._ccs import CCS, CCSFits, ccs, ccs_loss
    from tiltmeter.probes._ccs_stability import CCSStability, SeedConsistency, ccs_stability, seed_consistency
    from tiltmeter.probes._ccs_sweep import ccs_sweep
    from tiltmeter.probes._census import truth_census
    from tiltmeter.probes._census_record import Census, CensusNull
    from tiltmeter.probes._contrast_logistic import ContrastLogistic, contrast_logistic
    from tiltmeter.probes._crc import CRC, crc
    from tiltmeter.probes._fact_groups import FactGroups, independent_fact_groups
    from tiltmeter.probes._few_shot import FewShotCurve, few_shot_curve
    from tiltmeter.probes._kmeans import KMeansDifferences, kmeans_differences
    from tiltmeter.probes._lat import LAT, lat, lat_shuffled
    from tiltmeter.probes._lda import LDA, lda
    from tiltmeter.probes._logistic import Logistic, LogisticPath, logistic, logistic_path
    from tiltmeter.probes._logistic_sweep import LogisticFits, logistic_sweep
    from tiltmeter.probes._mean_difference import MeanDifference, mean_difference
    from tiltmeter.probes._median_difference import MedianDifference, median_difference
    from tiltmeter.probes._mlp import MLP, Network, mlp
    from tiltmeter.probes._pairs_curve import PairsCurve, pairs_curve
    from tiltmeter.probes._pooled_tokens import (
        PooledFit,
        PooledTokens,
        PoolRule,
        TokenPooling,
        pool_scores,
        pooled_tokens,
    )
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
    from tiltmeter.probes._ridge import Ridge, ridge
    from tiltmeter.probes._saved import load, save
    from tiltmeter.probes._selectivity import Selectivity, selectivity
    from tiltmeter.probes._sequence_probe import Search, SequenceProbe
    from tiltmeter.probes._svm import LinearSVM, linear_svm
    from tiltmeter.probes._tampered_activations import TamperedActivations, tampered_activations
    from tiltmeter.probes._tampering import (
        TamperingLabels,
        TamperingMethod,
        ground_truth_probe,
        tampering_labels,
        tampering_probe,
    )
    from tiltmeter.probes._ttpd import TTPD, TruthAndPolarity, ttpd
    from tiltmeter.probes._xor import XorReadout, random_mlp_activations, xor_probe
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "BSS",
    "CCS",
    "CRC",
    "LAT",
    "LDA",
    "MLP",
    "TTPD",
    "Agreement",
    "AttentionFit",
    "AttentionProbe",
    "BSSFits",
    "CCSFits",
    "CCSStability",
    "Census",
    "CensusNull",
    "Classifier",
    "ContrastLogistic",
    "FactGroups",
    "FewShotCurve",
    "FitsMoments",
    "Found",
    "KMeansDifferences",
    "LinearClassifier",
    "LinearProbe",
    "LinearSVM",
    "Logistic",
    "LogisticFits",
    "LogisticPath",
    "MeanDifference",
    "MedianDifference",
    "Network",
    "PairsCurve",
    "PoolRule",
    "PooledFit",
    "PooledTokens",
    "Probe",
    "RandomDirection",
    "RecursiveCCS",
    "Ridge",
    "Search",
    "SeedConsistency",
    "Selectivity",
    "SequenceProbe",
    "SupervisedProbe",
    "TamperedActivations",
    "TamperingLabels",
    "TamperingMethod",
    "TokenPooling",
    "TruthAndPolarity",
    "UnsupervisedProbe",
    "XorReadout",
    "agreement",
    "attention_probe",
    "bss",
    "bss_loss",
    "ccs",
    "ccs_loss",
    "ccs_stability",
    "ccs_sweep",
    "contrast_logistic",
    "crc",
    "few_shot_curve",
    "ground_truth_probe",
    "independent_fact_groups",
    "kmeans_differences",
    "lat",
    "lat_shuffled",
    "lda",
    "linear_svm",
    "load",
    "logistic",
    "logistic_path",
    "logistic_sweep",
    "mean_difference",
    "median_difference",
    "mlp",
    "pairs_curve",
    "pool_scores",
    "pooled_tokens",
    "random_mlp_activations",
    "recursive_ccs",
    "ridge",
    "save",
    "seed_consistency",
    "selectivity",
    "tampered_activations",
    "tampering_labels",
    "tampering_probe",
    "truth_census",
    "ttpd",
    "xor_probe",
]
