"""Calibrated probabilities of the chosen probe: fitted on calibration texts, held against every test set."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.calibration import CalibrationMethod, Calibrator, Probabilities, Reliability
from tiltmeter.core.errors import DataError
from tiltmeter.core.evidence import Leakage
from tiltmeter.core.records import Unavailable
from tiltmeter.evaluation import (
    HeldOut,
    calibrated_probabilities,
    expected_calibration_error,
    fit_calibrator,
    reliability_table,
    require_fresh,
)
from tiltmeter.studies._alarms import copies_among_calibration
from tiltmeter.studies._material import Material
from tiltmeter.studies._transfer import Fitted, test_scores

# fixed beforehand: two parameters are what a few hundred texts can tell
_SHIPPED: CalibrationMethod = "platt"
_METHODS: tuple[CalibrationMethod, ...] = ("platt", "beta", "isotonic")


def probabilities(
    material: Material, tests: dict[str, HeldOut], *, chosen: Fitted, leakage: Leakage
) -> Probabilities | Unavailable:
    """Turn the chosen probe's scores into probabilities on its own calibration split, and see what they are worth."""
    if copied := copies_among_calibration(leakage):
        return Unavailable(reason=f"{copied}; probabilities would say nothing about fresh ones")
    home = chosen.train
    part = material.part(home, "calibration", chosen.site)
    if part.y is None or len(np.unique(part.y)) < 2:
        return Unavailable(reason=f"the calibration split of {home} does not hold both labels")
    splits, units = material.splits[home], material.units[home]
    try:
        require_fresh(units[splits == "calibration"], fitted=units[splits == "train"])
    except DataError as error:
        return Unavailable(reason=str(error))
    own = chosen.probe.decision_function(part.X)
    calibrators = tuple(fit_calibrator(part.y, own, method=method) for method in _METHODS)
    scores = test_scores(chosen, material, tests)
    return Probabilities(
        population=f"texts like those of {home}",
        shipped=_SHIPPED,
        calibrators=calibrators,
        sets=tuple(_reliability(test, scores[name], fitted) for name, test in tests.items() for fitted in calibrators),
    )


def _reliability(test: HeldOut, scores: NDArray[Any], fitted: Calibrator) -> Reliability:
    p = calibrated_probabilities(fitted, scores)
    return Reliability(
        test=test.name,
        method=fitted.method,
        base_rate=float(test.y.mean()),
        ece_mass=expected_calibration_error(test.y, p, by=test.by),
        ece_width=expected_calibration_error(test.y, p, by=test.by, bins="equal_width"),
        bins=reliability_table(test.y, p, groups=test.by.groups, level=test.by.level),
    )
