"""Tiny trained transformers with planted, recorded ground truth. What they know is known, so a probe can be judged."""

from tiltmeter.organisms._bundled import (
    Card,
    Organism,
    describe,
    load,
    names,
    read_organism,
    texts,
    train,
    train_world,
)
from tiltmeter.organisms._knowledge import Slice, knowledge
from tiltmeter.organisms._pairs import statement_pairs
from tiltmeter.organisms._statements import DISTRIBUTIONS, statements
from tiltmeter.organisms._training import Schedule
from tiltmeter.organisms._world import World, make_world

__all__ = [
    "DISTRIBUTIONS",
    "Card",
    "Organism",
    "Schedule",
    "Slice",
    "World",
    "describe",
    "knowledge",
    "load",
    "make_world",
    "names",
    "read_organism",
    "statement_pairs",
    "statements",
    "texts",
    "train",
    "train_world",
]
