"""Texts × model × sites → activations: batches of like length, a forward no deeper than needed, pooling on the device.

What comes back equals one plain forward a text, whatever the batch mates.
"""

from tiltmeter.activations._collect import Collected, OnProgress, collect
from tiltmeter.activations._plan import plan_batches
from tiltmeter.activations._pool import Reading

__all__ = ["Collected", "OnProgress", "Reading", "collect", "plan_batches"]
