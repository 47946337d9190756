"""The salience law: of two features that agree wherever there are labels, the louder one is learned."""

from __future__ import annotations

import math

from scipy.stats import norm

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record


class SalienceLaw(Record):
    """What a classifier does on hard items that learned on easy ones, in the limit of many of them.

    ``sides_with_truth``: share of the items on which truth and the other feature disagree that it calls truly.
    ``accuracy``: share of right calls on hard items, where the other feature is right half of the time. ``ceiling``:
    the same for a classifier that learned on hard items.
    """

    sides_with_truth: float
    accuracy: float
    ceiling: float


def salience_law(truth: float, other: float) -> SalienceLaw:
    """Return what is learned from easy items, on which two features agree, about hard ones, on which they need not.

    A row has the truth along one direction and the other feature along an orthogonal one, ``+truth`` or ``-truth`` and
    ``+other`` or ``-other`` in units of the noise, which is normal and alike in all directions. On easy items both have
    the sign of the label, so that the best classifier weighs each as loud as it is: it reads ``truth**2 + other**2``
    where they agree, and ``truth**2 - other**2`` where they do not, with a noise of ``hypot(truth, other)``.

    Parameters
    ----------
    truth
        How loud the truth is, above 0.
    other
        How loud the feature is that agrees with it on easy items, at least 0.

    Raises
    ------
    SpecError
        If a loudness is out of its range.

    Examples
    --------
    >>> [round(salience_law(*loud).sides_with_truth, 2) for loud in ((2, 1), (1, 1), (1, 2), (1, 4))]
    [0.91, 0.5, 0.09, 0.0]
    """
    if not (0 < truth < math.inf and 0 <= other < math.inf):
        raise SpecError(
            f"The loudnesses are {truth} and {other}; give a finite one above 0 and a finite one that is not negative."
        )
    both = math.hypot(truth, other)
    sides = float(norm.cdf((truth**2 - other**2) / both))
    return SalienceLaw(
        sides_with_truth=sides,
        accuracy=(float(norm.cdf(both)) + sides) / 2,
        ceiling=float(norm.cdf(truth)),
    )
