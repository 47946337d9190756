"""How far readers get that know only a part of a text about the vault, by enumeration of all texts."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.records import Record
from tiltmeter.evaluation import auroc
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._tampering_world import TamperingWorld, sensors_say

_WORDS = ("guard", "robber", "thing", "spot")
# numbers of the words that each reader knows
_READERS: dict[str, tuple[int, ...]] = {
    "the measurements": (),
    **{f"the {word}": (number,) for number, word in enumerate(_WORDS)},
    "the thing and the spot": (2, 3),
    "all but the guard": (1, 2, 3),
    "all but the spot": (0, 1, 2),
    "the guard and the robber": (0, 1),
}


class TamperingCeiling(Record):
    """The best AUROC of real against fake positives that a reader can have who knows this much and no more."""

    reader: str
    auroc: float


def tampering_ceilings(world: TamperingWorld) -> tuple[TamperingCeiling, ...]:
    """Say how well real positives can be told from fake ones by readers that know a part of the text.

    All guards, robbers, things and spots are gone through, each equally likely, as in untrusted texts. Of the
    measurements every reader knows that they are all on, which is the same of all that are compared.

    Parameters
    ----------
    world
        The planted world.

    Returns
    -------
    One ceiling a reader.

    Examples
    --------
    >>> from tiltmeter.organisms import make_tampering_world
    >>> for ceiling in tampering_ceilings(make_tampering_world(0, n_guards=8)):
    ...     print(f"{ceiling.reader}: {ceiling.auroc:.4f}")
    the measurements: 0.5000
    the guard: 0.5000
    the robber: 0.5000
    the thing: 0.5000
    the spot: 0.5000
    the thing and the spot: 0.8750
    all but the guard: 0.8750
    all but the spot: 1.0000
    the guard and the robber: 1.0000
    """
    n_guards, n_things = len(world.guards), len(world.things)
    words = np.indices((n_guards, n_guards, n_things, n_things)).reshape(len(_WORDS), -1)
    stays = np.array(world.stays)[words[0], words[1]]
    is_positive = sensors_say(stays, np.array(world.fools)[words[2], words[3]]).min(axis=1) == 1
    words, stays = words[:, is_positive], stays[is_positive]
    return tuple(
        TamperingCeiling(reader=reader, auroc=_best(words[list(known)], stays)) for reader, known in _READERS.items()
    )


def _best(known: Ints, stays: Ints) -> float:
    """Return the AUROC of the share of real positives among the texts of which the same is known, (w, n)."""
    cell = np.zeros_like(stays)
    for numbers in known:
        cell = cell * (numbers.max() + 1) + numbers
    share = np.bincount(cell, stays) / np.maximum(np.bincount(cell), 1)
    # shares that are equal differ by rounding, which is no reason to rank one above the other
    return auroc(stays, share[cell].round(9))
