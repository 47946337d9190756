"""Tiny trained transformers with planted, recorded ground truth. What they know is known, so a probe can be judged."""

from typing import TYPE_CHECKING

from tiltmeter.core.on_demand import names_on_demand

if TYPE_CHECKING:
    from tiltmeter.organisms._beliefs_texts import belief_texts
    from tiltmeter.organisms._beliefs_world import BeliefsWorld, make_beliefs_world
    from tiltmeter.organisms._card import Card, Figure, Moment
    from tiltmeter.organisms._chain_texts import chain_texts
    from tiltmeter.organisms._chain_world import ChainWorld, make_chain_world
    from tiltmeter.organisms._coup_samples import coup_samples
    from tiltmeter.organisms._coup_texts import coup_texts
    from tiltmeter.organisms._coup_world import CoupWorld, make_coup_world
    from tiltmeter.organisms._deception_texts import deception_texts
    from tiltmeter.organisms._deception_world import DeceptionWorld, make_deception_world
    from tiltmeter.organisms._elections_texts import election_texts
    from tiltmeter.organisms._elections_world import ElectionsWorld, make_elections_world
    from tiltmeter.organisms._knowledge import Slice, knowledge
    from tiltmeter.organisms._organism import Organism, describe, read_organism
    from tiltmeter.organisms._oversight import OversightScheme, oversee
    from tiltmeter.organisms._pairs import statement_pairs
    from tiltmeter.organisms._pupil_outcome import PupilOutcome, pupil_outcome
    from tiltmeter.organisms._pupil_texts import pupil_texts
    from tiltmeter.organisms._pupil_world import PupilWorld, make_pupil_world
    from tiltmeter.organisms._quirky_ceilings import Ceiling, quirky_ceilings
    from tiltmeter.organisms._quirky_texts import quirky_texts
    from tiltmeter.organisms._quirky_world import QuirkyWorld, make_quirky_world
    from tiltmeter.organisms._salience import SalienceLaw, salience_law
    from tiltmeter.organisms._schedule import Schedule
    from tiltmeter.organisms._shelf import load, names, shelf_line, texts
    from tiltmeter.organisms._shortcuts import Shortcut, chain_ceilings, elections_ceilings
    from tiltmeter.organisms._statements import DISTRIBUTIONS, statements
    from tiltmeter.organisms._tampering_ceilings import TamperingCeiling, tampering_ceilings
    from tiltmeter.organisms._tampering_outcome import foretold_all_on, measured_rows
    from tiltmeter.organisms._tampering_scheme import TamperingScheme, train_against_tampering
    from tiltmeter.organisms._tampering_texts import tampering_texts
    from tiltmeter.organisms._tampering_world import TamperingWorld, make_tampering_world
    from tiltmeter.organisms._train import train, train_world
    from tiltmeter.organisms._world import World, make_world
else:
    __getattr__, __dir__ = names_on_demand(__name__)

__all__ = [
    "DISTRIBUTIONS",
    "BeliefsWorld",
    "Card",
    "Ceiling",
    "ChainWorld",
    "CoupWorld",
    "DeceptionWorld",
    "ElectionsWorld",
    "Figure",
    "Moment",
    "Organism",
    "OversightScheme",
    "PupilOutcome",
    "PupilWorld",
    "QuirkyWorld",
    "SalienceLaw",
    "Schedule",
    "Shortcut",
    "Slice",
    "TamperingCeiling",
    "TamperingScheme",
    "TamperingWorld",
    "World",
    "belief_texts",
    "chain_ceilings",
    "chain_texts",
    "coup_samples",
    "coup_texts",
    "deception_texts",
    "describe",
    "election_texts",
    "elections_ceilings",
    "foretold_all_on",
    "knowledge",
    "load",
    "make_beliefs_world",
    "make_chain_world",
    "make_coup_world",
    "make_deception_world",
    "make_elections_world",
    "make_pupil_world",
    "make_quirky_world",
    "make_tampering_world",
    "make_world",
    "measured_rows",
    "names",
    "oversee",
    "pupil_outcome",
    "pupil_texts",
    "quirky_ceilings",
    "quirky_texts",
    "read_organism",
    "salience_law",
    "shelf_line",
    "statement_pairs",
    "statements",
    "tampering_ceilings",
    "tampering_texts",
    "texts",
    "train",
    "train_against_tampering",
    "train_world",
]
