"""Errors, versioned records, sites, directions, activations, seeds and atomic files. Needs NumPy only."""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.core.activations import Activations, Pooling
    from tiltmeter.core.direction import Direction
    from tiltmeter.core.evidence import Evidence
    from tiltmeter.core.records import Estimate, Measured, Record, Threshold, Unavailable
    from tiltmeter.core.run import Run
    from tiltmeter.core.seeds import stream
    from tiltmeter.core.site import Site
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "Activations",
    "Direction",
    "Estimate",
    "Evidence",
    "Measured",
    "Pooling",
    "Record",
    "Run",
    "Site",
    "Threshold",
    "Unavailable",
    "stream",
]
