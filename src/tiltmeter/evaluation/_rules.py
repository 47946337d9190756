"""The rules of the verdict: each turns figures of the evidence into sentences, for, against or to be noted.

``RULES`` lists them in the order in which they are read. Change a rule and ``RULES_VERSION`` rises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.evaluation._rules_alarms import alarms
from tiltmeter.evaluation._rules_causality import causality
from tiltmeter.evaluation._rules_data import data
from tiltmeter.evaluation._rules_luck import luck
from tiltmeter.evaluation._rules_planted import planted_truth
from tiltmeter.evaluation._rules_probabilities import probabilities
from tiltmeter.evaluation._rules_reading import choice, elsewhere, in_distribution, others
from tiltmeter.evaluation._rules_shortcuts import followers, shortcuts
from tiltmeter.evaluation._rules_text import embedding, text_alone

RULES_VERSION = 4

Rule = Callable[[Evidence], Iterable[Statement]]

RULES: tuple[Rule, ...] = (
    in_distribution,
    choice,
    elsewhere,
    others,
    luck,
    text_alone,
    embedding,
    shortcuts,
    followers,
    alarms,
    probabilities,
    data,
    causality,
    planted_truth,
)
