"""Fitters that yield frozen erasers, and audits that try to read the concept back.

What a fit guarantees is said in words; what can still be read is measured on rows that the eraser never saw.
"""

from tiltmeter.erasure._eraser import AffineEraser, Eraser
from tiltmeter.erasure._inlp import INLP, INLPFit, inlp
from tiltmeter.erasure._kernel_sal import Kernel, KernelSAL, KernelSALFit, kernel_sal
from tiltmeter.erasure._rlace import RLACE, RLACEFit, rlace
from tiltmeter.erasure._rlace_game import LeastLogLoss, least_log_loss
from tiltmeter.erasure._rlace_sgd import RLACESGDFit, SGDSettings, project_on_fantope, rlace_sgd

__all__ = [
    "INLP",
    "RLACE",
    "AffineEraser",
    "Eraser",
    "INLPFit",
    "Kernel",
    "KernelSAL",
    "KernelSALFit",
    "LeastLogLoss",
    "RLACEFit",
    "RLACESGDFit",
    "SGDSettings",
    "inlp",
    "kernel_sal",
    "least_log_loss",
    "project_on_fantope",
    "rlace",
    "rlace_sgd",
]
