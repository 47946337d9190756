"""Which texts are unlike those that the threshold was certified on, at the chosen site."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import ArrayError, TooFewNegativesError
from tiltmeter.core.likeness import Likeness
from tiltmeter.core.records import Threshold, Unavailable
from tiltmeter.evaluation import HeldOut, MahalanobisDetector, likeness
from tiltmeter.studies._alarms import calibration_negatives, watched
from tiltmeter.studies._material import Material
from tiltmeter.studies._spec import StudySpec
from tiltmeter.studies._transfer import Fitted


class Detected(NamedTuple):
    """A detector, what it does on each test set, and the distance of each of their rows."""

    detector: MahalanobisDetector
    likeness: Likeness
    distances: dict[str, NDArray[np.float64]]


def detect(
    spec: StudySpec,
    material: Material,
    tests: dict[str, HeldOut],
    *,
    chosen: Fitted,
    threshold: Threshold | Unavailable,
) -> Detected | None:
    """Fit on train rows, certify on the rows that set the threshold; None where rows do not vary.

    Of the training distribution and of those that set the threshold, each label is a class of its own. No test row has
    a say, nor any row of another distribution.
    """
    names = watched(spec)
    train = {name: material.part(name, "train", chosen.site) for name in dict.fromkeys((chosen.train, *names))}
    X = np.concatenate([part.X for part in train.values()])
    classes = np.concatenate(
        [[f"{name}, label {label}" for label in part.y] for name, part in train.items() if part.y is not None]
    )
    try:
        detector = MahalanobisDetector.fit(X, classes)
    except ArrayError:
        return None
    if isinstance(threshold, Threshold):
        rows = calibration_negatives(material, names, chosen.site)
        try:
            detector = detector.certify(
                rows.X,
                fpr=threshold.fpr,
                confidence=spec.threshold.confidence,
                groups=rows.groups,
                population=threshold.population,
            )
        except TooFewNegativesError as error:
            # a threshold that holds on average needs fewer
            detector = replace(detector, threshold=Unavailable(reason=str(error)))
    else:
        # it was refused of these very rows
        detector = replace(detector, threshold=threshold)
    distances = {name: detector.distances(material.part(name, "test", chosen.site).X) for name in tests}
    found = likeness(detector, distances, classes=classes, tests=tests, site=chosen.site)
    return Detected(detector, found, distances)
