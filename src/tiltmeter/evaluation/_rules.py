"""The rules of the verdict: each turns figures of the evidence into sentences, for, against or to be noted.

``RULES`` lists what looks at the evidence, in the order in which it is read, and ``BOOK`` the rules that speak there.
Change a rule and ``RULES_VERSION`` rises.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable

from tiltmeter.core.evidence import Evidence, Statement
from tiltmeter.evaluation._rule import Rule
from tiltmeter.evaluation._rules_alarms import CAUGHT, FALSE_ALARMS, THRESHOLD, alarms
from tiltmeter.evaluation._rules_causality import CAUSALITY, causality
from tiltmeter.evaluation._rules_data import GROUPS, LEAKAGE, SIZE, TRUNCATION, data
from tiltmeter.evaluation._rules_generalisation import LEAVE_ONE_OUT, MORE_TEXTS, generalisation
from tiltmeter.evaluation._rules_likeness import LIKENESS, UNSEEN_SHIFT, likeness
from tiltmeter.evaluation._rules_luck import DOMINANT_LABEL, RANDOM_DIRECTIONS, SHUFFLED, luck
from tiltmeter.evaluation._rules_planted import PLANTED_TRUTH, planted_truth
from tiltmeter.evaluation._rules_probabilities import PROBABILITIES, probabilities
from tiltmeter.evaluation._rules_reading import (
    CHOICE,
    IN_DISTRIBUTION,
    OTHERS,
    TRANSFER,
    choice,
    elsewhere,
    in_distribution,
    others,
)
from tiltmeter.evaluation._rules_rivals import (
    ASKING,
    CONTROL_TASK,
    OTHER_MODELS,
    SHUFFLED_PAIRS,
    UNTRAINED,
    UNTRAINED_UNCLEAR,
    by_heart,
    pairing,
    readers,
    training,
)
from tiltmeter.evaluation._rules_shortcuts import FOLLOWERS, SHORTCUT, followers, shortcuts
from tiltmeter.evaluation._rules_surface import COUNTERFACTUAL_PAIRS, KINSHIP, RARE_CLASS, VOCABULARY, rare, surface
from tiltmeter.evaluation._rules_text import (
    EMBEDDING,
    EMBEDDING_UNCLEAR,
    GROUPING,
    TEXT_ALONE,
    TEXT_ALONE_UNCLEAR,
    embedding,
    text_alone,
)

RULES_VERSION = 6

RULES: tuple[Callable[[Evidence], Iterable[Statement]], ...] = (
    in_distribution,
    choice,
    elsewhere,
    generalisation,
    others,
    luck,
    text_alone,
    embedding,
    readers,
    training,
    by_heart,
    pairing,
    shortcuts,
    followers,
    surface,
    alarms,
    likeness,
    probabilities,
    data,
    rare,
    causality,
    planted_truth,
)

BOOK: tuple[Rule, ...] = (
    IN_DISTRIBUTION,
    CHOICE,
    TRANSFER,
    LEAVE_ONE_OUT,
    MORE_TEXTS,
    OTHERS,
    RANDOM_DIRECTIONS,
    DOMINANT_LABEL,
    SHUFFLED,
    TEXT_ALONE,
    TEXT_ALONE_UNCLEAR,
    GROUPING,
    ASKING,
    OTHER_MODELS,
    EMBEDDING,
    EMBEDDING_UNCLEAR,
    UNTRAINED,
    UNTRAINED_UNCLEAR,
    CONTROL_TASK,
    SHUFFLED_PAIRS,
    SHORTCUT,
    FOLLOWERS,
    VOCABULARY,
    COUNTERFACTUAL_PAIRS,
    KINSHIP,
    THRESHOLD,
    FALSE_ALARMS,
    CAUGHT,
    PROBABILITIES,
    LIKENESS,
    UNSEEN_SHIFT,
    LEAKAGE,
    SIZE,
    GROUPS,
    TRUNCATION,
    RARE_CLASS,
    CAUSALITY,
    PLANTED_TRUTH,
)
