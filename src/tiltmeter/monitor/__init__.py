"""Scores texts with a direction at the site and threshold that it was tested with. A monitor is a folder."""

from tiltmeter.monitor._monitor import Card, Monitor, Reading, Scores

__all__ = ["Card", "Monitor", "Reading", "Scores"]
