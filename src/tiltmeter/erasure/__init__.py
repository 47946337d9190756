"""Fitters that yield frozen erasers, and audits that try to read the concept back.

What a fit guarantees is said in words; what can still be read is measured on rows that the eraser never saw.
"""

from tiltmeter.erasure._audit import READERS, Erasing, audit
from tiltmeter.erasure._audit_record import Audit, Bystander, Reading, Shuffled
from tiltmeter.erasure._counterexample import Breaking, Counterexample, breaking_fraction, counterexample
from tiltmeter.erasure._eraser import AffineEraser, Eraser
from tiltmeter.erasure._readers import Reader, read
from tiltmeter.erasure._threshold_reader import BestThresholds, ThresholdFit, best_thresholds, threshold_reader

__all__ = [
    "READERS",
    "AffineEraser",
    "Audit",
    "BestThresholds",
    "Breaking",
    "Bystander",
    "Counterexample",
    "Eraser",
    "Erasing",
    "Reader",
    "Reading",
    "Shuffled",
    "ThresholdFit",
    "audit",
    "best_thresholds",
    "breaking_fraction",
    "counterexample",
    "read",
    "threshold_reader",
]
