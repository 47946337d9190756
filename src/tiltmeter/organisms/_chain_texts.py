"""Questions about walks in words, and the sets of them for probes of the side and of the state half-way."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.data import TextSet
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._chain_world import N_MOVES, ChainWorld, states_passed
from tiltmeter.organisms._decoder import SPECIAL
from tiltmeter.organisms._world import SPLITS

LETTERS = ("A", "B")
HALF = N_MOVES // 2
STATE = tuple(f"state-{j}" for j in range(1, N_MOVES + 1))
"""Ask for the state after so many moves."""
SIDE = tuple(f"side-{j}" for j in range(1, N_MOVES + 1))
"""Ask for the side of the state after so many moves."""
SETS = {
    "asked": "walks up to where the turn begins; those of calibration and test were never told",
    "opened": "the same with the opening that stands for the state half-way and the moves after it, up to the answer",
}


def chain_vocabulary(world: ChainWorld) -> tuple[str, ...]:
    """List every word once."""
    return (*SPECIAL, *LETTERS, *STATE, *SIDE, *world.states, *world.moves, *world.openings)


def places(world: ChainWorld, words: tuple[str, ...]) -> Ints:
    """Look up words in the vocabulary."""
    place = {word: i for i, word in enumerate(chain_vocabulary(world))}
    return np.array([place[word] for word in words], dtype=np.int64)


def spell_walks(world: ChainWorld, walks: Ints, asked: Ints) -> Ints:
    """Return the words of walks and what is asked about them (a place each) as places, shape (n, 6)."""
    first, moves = places(world, world.states)[walks[:, :1]], places(world, world.moves)[walks[:, 1:]]
    return np.concatenate([first, moves, asked[:, None]], axis=1)


def chain_texts(world: ChainWorld, chosen: str, *, called: str | None = None) -> TextSet:
    """Return one of the sets of questions for the side of the last state.

    In each split the state half-way and the last state are independent and uniform, exactly.

    Parameters
    ----------
    world
        The planted world.
    chosen
        ``asked`` (the question alone) or ``opened`` (with the opening of the state half-way, and the rest of the moves
        said again).
    called
        What the set is called in a study; None for ``chosen``.

    Returns
    -------
    Texts whose label is the side of the last state (1 for B), with groups (the walk), splits, and the columns
    ``half_state``, ``last_state`` and ``answer``.

    Raises
    ------
    SpecError
        If there is no such set.

    Examples
    --------
    >>> from tiltmeter.organisms import make_chain_world
    >>> texts = chain_texts(make_chain_world(0, sizes=(64, 64, 64)), "asked")
    >>> len(texts), texts.texts[0].split()[-1], int(texts.y.sum())
    (192, 'side-4', 96)
    """
    if chosen not in SETS:
        raise SpecError(f"There is no set of questions {chosen!r}; use one of {', '.join(SETS)}.")
    parts = (world.train, world.calibration, world.test)
    walks = np.array([walk for part in parts for walk in part])
    passed = states_passed(np.array(world.table), walks)
    words = spell_walks(world, walks, np.full(len(walks), places(world, SIDE)[-1]))
    if chosen == "opened":
        opening, moves = places(world, world.openings)[passed[:, HALF]], places(world, world.moves)
        words = np.concatenate([words, opening[:, None], moves[walks[:, HALF + 1 :]]], axis=1)
    states, side = np.array(world.states), np.array(world.sides)[passed[:, -1]]
    ids = np.array(["-".join(map(str, walk)) for walk in walks.tolist()])
    return TextSet(
        ids,
        texts=tuple(" ".join(row) for row in np.array(chain_vocabulary(world))[words].tolist()),
        y=side,
        groups=ids,
        split=np.repeat(SPLITS, [len(part) for part in parts]),
        distribution=called or chosen,
        source=f"a planted world, seed {world.seed}",
        meta={
            "half_state": tuple(states[passed[:, HALF]].tolist()),
            "last_state": tuple(states[passed[:, -1]].tolist()),
            "answer": tuple(np.array(LETTERS)[side].tolist()),
        },
    )
