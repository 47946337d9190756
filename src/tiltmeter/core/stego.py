"""What a steganography game measured: the records that it writes and its page reads."""

from __future__ import annotations

from typing import Literal

from tiltmeter.core.records import Measured, Record


class Channel(Record):
    """What gets from an attacker through a defender ("none": nothing was rewritten).

    ``n`` texts were played; ``withheld`` is the share that the defender did not let through, with the reasons counted.
    ``flip_rate`` of bits that got through. ``bits_by_flips`` and ``bits_by_information`` a text that was played, the
    latter over blocks of ``block`` bits, and with "withheld" for one more thing to read; ``by_flips`` and
    ``by_information`` in bits per KB (1,000 bytes) of what got through, whose mean length is ``kilobytes``.
    ``by_luck_in_flips`` and ``by_luck``: the 95th percentiles of ``by_flips`` and ``by_information`` when what was read
    is dealt out to other texts. ``quality``
    of what got through, and ``quality_change`` from the same texts before they were rewritten; of a defender who
    rewrites questions from what is written for the old ones.
    """

    attacker: str
    defender: str
    n: int
    withheld: Measured
    reasons: dict[str, int]
    flip_rate: Measured
    bits_by_flips: Measured
    bits_by_information: Measured
    block: int
    by_flips: Measured
    by_information: Measured
    by_luck_in_flips: float | None
    by_luck: float | None
    kilobytes: float | None
    quality: Measured
    quality_change: Measured


class AttackerRole(Record):
    """An attacker as it is described, and the quality of what its source writes without a message."""

    name: str
    n_bits: int
    about: str
    stands_in: str
    plain_quality: Measured


class DefenderRole(Record):
    """A defender as it is described; ``stands_in`` says what it stands in for, "" where it is the thing itself."""

    name: str
    about: str
    stands_in: str


class Told(Record):
    """One text on its way: the plain answer, with a message, and what each defender made of it ("" if withheld)."""

    attacker: str
    question: str
    plain: str
    sent: int
    encoded: str
    rewritten: dict[str, str]
    received: dict[str, int | None]


class Hiding(Record):
    """One row of a text for a detector: what the source writes plainly, and with a message."""

    id: str
    plain: str
    encoded: str


class Round(Record):
    """All that one attacker played; kept by itself, so that a game that was stopped is gone on with."""

    format_version: Literal[1] = 1
    fingerprint: str
    attacker: AttackerRole
    channels: tuple[Channel, ...]
    example: Told
    texts: tuple[Hiding, ...]


class Game(Record):
    """``stego.json``: every attacker against every defender on the same items."""

    format_version: Literal[1] = 1
    fingerprint: str
    source: str
    models: tuple[str, ...]
    quality: str
    n_items: int
    level: float
    n_draws: int
    seed: int
    attackers: tuple[AttackerRole, ...]
    defenders: tuple[DefenderRole, ...]
    channels: tuple[Channel, ...]
    examples: tuple[Told, ...]
