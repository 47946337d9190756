"""Whether texts are like those on which a threshold was certified: the records of a study."""

from __future__ import annotations

from tiltmeter.core.records import Measured, Record, Threshold, Unavailable


class Flagged(Record):
    """What share of a test set's texts is flagged as unlike the calibration texts.

    ``negative`` and ``positive``: of its texts of label 0 and 1. ``unit``: of the units of label 0, which is the rate
    that was certified.
    """

    test: str
    negative: Measured
    positive: Measured
    unit: Measured


class Likeness(Record):
    """The check at the chosen site, and what it does on each test set.

    A text is flagged where its squared Mahalanobis distance to the nearest of ``classes`` class means of ``n_train``
    train texts lies above ``threshold``, which was certified on the very texts that set the alarm's threshold.
    ``shrinkage`` in [0, 1]: how far their covariance was drawn towards a multiple of the identity.
    """

    site: str
    n_train: int
    classes: tuple[str, ...]
    shrinkage: float
    threshold: Threshold | Unavailable
    flagged: tuple[Flagged, ...]
