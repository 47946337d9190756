"""The families of pairs by name."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from tiltmeter.interventions._templates import PairFamily
from tiltmeter.interventions._templates_facts import FACTS_TEST, FACTS_TRAIN
from tiltmeter.interventions._templates_french import FRENCH
from tiltmeter.interventions._templates_gender import GENDER_EASY, GENDER_HARD, GENDER_TRAIN
from tiltmeter.interventions._templates_stories import STORIES_EASY, STORIES_TRAIN

PAIR_FAMILIES: Mapping[str, PairFamily] = MappingProxyType(
    {
        family.name: family
        for family in (
            GENDER_TRAIN,
            GENDER_EASY,
            GENDER_HARD,
            FRENCH,
            FACTS_TRAIN,
            FACTS_TEST,
            STORIES_TRAIN,
            STORIES_EASY,
        )
    }
)
"""Families of pairs by name: ``-train`` to find directions on, and to test them: easy (gender to gender), hard (to and
from what stands in for it), French, facts. The stories are for models that know little else."""
