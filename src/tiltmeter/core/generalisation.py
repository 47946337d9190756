"""Records of how much a probe needed to learn what it reads, and from where."""

from __future__ import annotations

from tiltmeter.core.records import Measured, Record


class CurvePoint(Record):
    """The chosen procedure, and a text rival, fitted on a part of the training texts and judged on all test texts.

    ``n_units`` of the training units (groups where groups exist) with ``n_rows`` rows on average over ``n_draws``
    draws. ``auroc`` is the mean over draws, with an interval that resamples test texts; ``spread`` the least and the
    largest of the draws. ``gain`` is what all training texts add to it, on the same resamples.
    """

    n_units: int
    n_rows: int
    n_draws: int
    auroc: Measured
    spread: tuple[float, float] | None
    gain: Measured
    rival: str
    rival_auroc: Measured


class FewShots(Record):
    """The chosen procedure with ``count`` positives of another distribution added to its training texts.

    Judged on that distribution's test texts: means over ``n_draws`` draws of positives, with the least and the largest
    of them, which says nothing of other test texts. ``tpr`` is at 1 % false positives among these.
    """

    test: str
    count: int
    n_draws: int
    auroc: float
    auroc_spread: tuple[float, float]
    tpr: float
    tpr_spread: tuple[float, float]
