"""Fitters that yield frozen erasers, and audits that try to read the concept back.

What a fit guarantees is said in words; what can still be read is measured on rows that the eraser never saw.
"""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.erasure._audit import READERS, audit
    from tiltmeter.erasure._audit_record import Audit, Bystander, Reading, Shuffled
    from tiltmeter.erasure._audit_rows import Erasing
    from tiltmeter.erasure._counterexample import Breaking, Counterexample, breaking_fraction, counterexample
    from tiltmeter.erasure._eraser import AffineEraser, Eraser, OracleEraser, QuadraticEraser
    from tiltmeter.erasure._inlp import INLP, INLPFit, inlp
    from tiltmeter.erasure._kernel_sal import Kernel, KernelSAL, KernelSALFit, kernel_sal
    from tiltmeter.erasure._leace import LEACE, leace
    from tiltmeter.erasure._leace_fitter import LEACEFitter
    from tiltmeter.erasure._mean_projection import MeanProjection, mean_projection
    from tiltmeter.erasure._median_projection import MedianProjection, median_projection
    from tiltmeter.erasure._method import AffineMethod, ErasureMethod, MomentsMethod, OracleMethod
    from tiltmeter.erasure._oracle_leace import MeanTranslation, OracleLEACE, mean_translation, oracle_leace
    from tiltmeter.erasure._pace import ErasedProbe, pace
    from tiltmeter.erasure._quadratic_leace import QuadraticLEACE, quadratic_leace
    from tiltmeter.erasure._readers import Reader, read
    from tiltmeter.erasure._rlace import RLACE, RLACEFit, rlace
    from tiltmeter.erasure._rlace_game import LeastLogLoss, least_log_loss
    from tiltmeter.erasure._rlace_sgd import RLACESGDFit, SGDSettings, rlace_sgd
    from tiltmeter.erasure._sal import SAL, sal
    from tiltmeter.erasure._saved import load, save
    from tiltmeter.erasure._threshold_reader import BestThresholds, ThresholdFit, best_thresholds, threshold_reader
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "INLP",
    "LEACE",
    "READERS",
    "RLACE",
    "SAL",
    "AffineEraser",
    "AffineMethod",
    "Audit",
    "BestThresholds",
    "Breaking",
    "Bystander",
    "Counterexample",
    "ErasedProbe",
    "Eraser",
    "Erasing",
    "ErasureMethod",
    "INLPFit",
    "Kernel",
    "KernelSAL",
    "KernelSALFit",
    "LEACEFitter",
    "LeastLogLoss",
    "MeanProjection",
    "MeanTranslation",
    "MedianProjection",
    "MomentsMethod",
    "OracleEraser",
    "OracleLEACE",
    "OracleMethod",
    "QuadraticEraser",
    "QuadraticLEACE",
    "RLACEFit",
    "RLACESGDFit",
    "Reader",
    "Reading",
    "SGDSettings",
    "Shuffled",
    "ThresholdFit",
    "audit",
    "best_thresholds",
    "breaking_fraction",
    "counterexample",
    "inlp",
    "kernel_sal",
    "leace",
    "least_log_loss",
    "load",
    "mean_projection",
    "mean_translation",
    "median_projection",
    "oracle_leace",
    "pace",
    "quadratic_leace",
    "read",
    "rlace",
    "rlace_sgd",
    "sal",
    "save",
    "threshold_reader",
]
