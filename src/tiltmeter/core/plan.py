"""What a probe and its reviewers would catch and cost in a day: the records of a plan."""

from __future__ import annotations

from tiltmeter.core.records import Measured, Record, Threshold, Unavailable


class Terms(Record):
    """What is planned for. A unit is a group (a conversation) where texts come in groups, else a text.

    ``per_day``: units a day, of which a share ``base_rate`` is positive. ``reviews``: how many of them can be reviewed.
    ``probe_cost`` of each unit, ``review_cost`` of each that is reviewed, in any currency. A reviewer reports a share
    ``reviewer_tpr`` of the positives that are put before him, and ``reviewer_fpr`` of the others.
    """

    per_day: float
    base_rate: float
    reviews: float
    probe_cost: float = 0.0
    review_cost: float = 0.0
    reviewer_tpr: float = 1.0
    reviewer_fpr: float = 0.0


class Day(Record):
    """What a day brings on average if its texts are like those of ``test``, mixed at the base rate.

    ``tpr`` and ``fpr``: the shares of positive and of negative units that raise an alarm and so are reviewed.
    ``reviews``, ``caught`` (positives that the reviewer reports), ``missed``, ``wrongly_reported`` and ``cost`` are
    means a day; their intervals are those of the rates, not of what one day may bring.
    """

    test: str
    n_positive: int
    n_negative: int
    tpr: Measured
    fpr: Measured
    reviews: Measured
    caught: Measured
    missed: Measured
    wrongly_reported: Measured
    cost: Measured


class Alternative(Record):
    """The same plan with another review budget, on texts like those that were trained on."""

    reviews: float
    day: Day | Unavailable


class Plan(Record):
    """A threshold that keeps a review budget, and what comes of it.

    ``threshold`` was certified on calibration negatives at the rate that the budget leaves for them if all positives
    are reviewed: so the mean number of reviews a day keeps the budget with the confidence that it states, on texts like
    its population. ``days``: one a test set. ``caught_at_random``: what as many reviews of units drawn at random would
    catch; ``cost_of_all``: of reviewing everything without a probe, which would catch ``caught_of_all``.
    """

    terms: Terms
    threshold: Threshold
    days: tuple[Day, ...]
    alternatives: tuple[Alternative, ...] = ()
    caught_at_random: float
    caught_of_all: float
    cost_of_all: float
