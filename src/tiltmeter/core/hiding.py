"""How little hides a concept from a probe: the records of adversarial budgets."""

from __future__ import annotations

from tiltmeter.core.records import Measured, Record


class ActivationBudget(Record):
    """How far the activations of positives that raise an alarm must be pushed until they raise none; medians.

    ``push``: along the best direction, in units of the activations; ``in_norms``: of the mean norm of a text's
    activations, ``norm``; ``in_distances``: of the median distance between two texts, ``distance``.
    ``random_in_distances``: the same along one of ``count`` random directions, in the better sense of each.
    ``n_alarms``: how many positives of ``test`` raise an alarm.

    A small budget is normal of linear probes in many dimensions: a direction of which all texts hold a little is short
    beside what sets texts apart in all other directions. It says that who can write activations can hide, not that any
    text has such activations.
    """

    site: str
    method: str
    test: str
    n_alarms: int
    norm: float
    distance: float
    count: int
    push: Measured
    in_norms: Measured
    in_distances: Measured
    random_in_distances: Measured


class HiddenByWords(Record):
    """What share of held-out positives raises no more alarm with the words found after ``calls`` runs of the model.

    ``loss`` is that of the texts on which the words were sought, ``words`` the token identifiers.
    """

    calls: int
    words: tuple[int, ...]
    loss: float
    hidden: Measured


class PromptBudget(Record):
    """How many runs of the model it takes to find words that hide positives from a probe.

    Of ``n_alarms`` held-out texts that raise an alarm without them. ``random``: the share that words drawn at random
    hide, on average over ``count`` draws; ``best_random``: the most that one of them hides.
    """

    n_alarms: int
    found: tuple[HiddenByWords, ...]
    count: int
    random: Measured
    best_random: float
