"""How far readers get that do without the step half-way, by enumeration of all that can be asked."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.records import Record
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._chain_world import N_MOVES, ChainWorld, all_walks, states_passed
from tiltmeter.organisms._elections_users import all_pairs, held_out_pairs, side_of
from tiltmeter.organisms._elections_world import YEARS, ElectionsWorld


class Shortcut(Record):
    """The best share of right answers that a reader can have who knows this much and no more."""

    reader: str
    accuracy: float


def elections_ceilings(world: ElectionsWorld | None = None) -> tuple[Shortcut, ...]:
    """Tell how often the side of a user can be told from a part of the question, over all users that can be drawn.

    The year is uniform, the year of birth uniform from 1945 to the year before, the feeling uniform. The topic is
    known, so that the side gives the answer.

    Parameters
    ----------
    world
        Whose held-out pairs the users are drawn from, as the evaluation draws them; None for all pairs. The best
        reader of so few knows which they are, and so is better than one who knows how users come in general.

    Returns
    -------
    One for each reader.

    Examples
    --------
    >>> for ceiling in elections_ceilings():
    ...     print(f"{ceiling.reader}: {ceiling.accuracy:.4f}")
    nothing: 0.5000
    liked or disliked: 0.5556
    year of birth: 0.5000
    year of birth, and liked or disliked: 0.5918
    age, and liked or disliked: 0.5918
    year of the election: 0.5000
    year of the election, and liked or disliked: 1.0000
    >>> from tiltmeter.organisms import make_elections_world
    >>> print(f"{elections_ceilings(make_elections_world(0))[3].accuracy:.4f}")
    0.6759
    """
    pairs = all_pairs() if world is None else held_out_pairs(world)
    birth, liked = np.repeat(pairs[:, 0], 2), np.tile([0, 1], len(pairs))
    year = np.repeat(pairs.sum(axis=1), 2)
    election = (year - YEARS[0]) // 4
    weight = 1 / (len(YEARS) * np.bincount(election)[election])
    side = side_of(election, liked)
    readers = {
        "nothing": np.zeros_like(year),
        "liked or disliked": liked,
        "year of birth": birth,
        "year of birth, and liked or disliked": 2 * birth + liked,
        "age, and liked or disliked": 2 * (year - birth) + liked,
        "year of the election": year,
        "year of the election, and liked or disliked": 2 * year + liked,
    }
    return tuple(
        Shortcut(reader=reader, accuracy=_best(known, side, weight=weight)) for reader, known in readers.items()
    )


def chain_ceilings(world: ChainWorld) -> tuple[Shortcut, ...]:
    """Tell how often the side of the last state can be told by a reader who lacks one part of the walk, over all walks.

    Parameters
    ----------
    world
        The planted world.

    Returns
    -------
    One for each part that is lacking.

    Examples
    --------
    >>> from tiltmeter.organisms import make_chain_world
    >>> {ceiling.accuracy for ceiling in chain_ceilings(make_chain_world(0))}
    {0.5}
    """
    n = len(world.states)
    walks = all_walks(n)
    side = np.array(world.sides)[states_passed(np.array(world.table), walks)[:, -1]]
    weight = np.full(len(walks), 1 / len(walks))
    found = []
    for lacking in range(N_MOVES + 1):
        known = np.delete(walks, lacking, axis=1) @ n ** np.arange(N_MOVES)
        reader = f"all but move {lacking}" if lacking else "all but the first state"
        found.append(Shortcut(reader=reader, accuracy=_best(known, side, weight=weight)))
    return tuple(found)


def _best(known: Ints, side: Ints, *, weight: NDArray[np.float64]) -> float:
    """Return the share of right answers of a reader who says the likelier side given what is known."""
    shares = [np.bincount(known, weight * (side == one)) for one in (0, 1)]
    return float(np.maximum(*shares).sum())
