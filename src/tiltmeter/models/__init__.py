"""Hugging Face models whose sites have names: loading them, reading their activations, and rendering texts for them.

A family's module layout is written down in one table row, and a model of an unknown family is refused, never guessed.
"""

from tiltmeter.models._encode import Encoded, LongTexts, encode
from tiltmeter.models._family import FAMILIES, Family, Tap
from tiltmeter.models._fingerprint import Fingerprint
from tiltmeter.models._load import DType, load
from tiltmeter.models._subject import Sites, SubjectModel, bind

__all__ = [
    "FAMILIES",
    "DType",
    "Encoded",
    "Family",
    "Fingerprint",
    "LongTexts",
    "Sites",
    "SubjectModel",
    "Tap",
    "bind",
    "encode",
    "load",
]
