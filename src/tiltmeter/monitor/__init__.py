"""Scores texts with a direction at the site and threshold that it was tested with.

A monitor is a folder, with a card to be published by.
"""

from tiltmeter.monitor._card import Card, Reading
from tiltmeter.monitor._hub import fetch, publish
from tiltmeter.monitor._make_reference import make_reference, write_reference
from tiltmeter.monitor._monitor import Monitor, Scores
from tiltmeter.monitor._probe_card import read_card, write_card
from tiltmeter.monitor._reference import Reference

__all__ = [
    "Card",
    "Monitor",
    "Reading",
    "Reference",
    "Scores",
    "fetch",
    "make_reference",
    "publish",
    "read_card",
    "write_card",
    "write_reference",
]
