"""Scores texts with a direction at the site and threshold that it was tested with.

A monitor is a folder, with a card to be published by.
"""

from tiltmeter.monitor._hub import fetch, publish
from tiltmeter.monitor._log import LoggedAlarm, MonitorLog
from tiltmeter.monitor._monitor import Card, Monitor, Reading, Scores
from tiltmeter.monitor._probe_card import read_card, write_card

__all__ = [
    "Card",
    "LoggedAlarm",
    "Monitor",
    "MonitorLog",
    "Reading",
    "Scores",
    "fetch",
    "publish",
    "read_card",
    "write_card",
]
