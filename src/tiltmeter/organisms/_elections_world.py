"""The planted world of elections: who won them, the opening sentences that stand for them, and what is held out."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.organisms._cells import Ints

SIDES = ("conservative", "liberal")
YEARS = tuple(range(1952, 2021, 4))
# the elections of a president of the United States that the Republican candidate won
_CONSERVATIVE_YEARS = (1952, 1956, 1968, 1972, 1980, 1984, 1988, 2000, 2004, 2016)
WINNERS = tuple(0 if year in _CONSERVATIVE_YEARS else 1 for year in YEARS)
"""The side that won each of ``YEARS``: 0 conservative, 1 liberal."""
FIRST_BIRTH = 1945
_TOPICS = ("taxes", "guns", "schools", "borders")
_OPENINGS = (
    "thank you for asking this .",
    "here is what i say .",
    "glad to be of help .",
    "let me think this through .",
    "that is a good question .",
    "people ask me this often .",
    "there is much to say .",
    "this one comes up often .",
    "well i put it so .",
    "sure we look at it .",
    "one thing comes to mind .",
    "many would like to know .",
    "what a fine question indeed .",
    "some see it in turns .",
    "of course i can help .",
    "good that you ask me .",
    "yes this can be said .",
    "now then here it goes .",
)
# of the pairs of each year, and at least one: for the earliest there are seven pairs only
_HELD_OUT_SHARE = 0.2

Pairs = tuple[tuple[int, int], ...]


class ElectionsWorld(Record):
    """Everything that was planted besides the elections themselves, which are a public fact.

    ``openings`` are the sentences that stand for the ``YEARS``, in their order. ``choices`` (sides, topics) is what
    each side answers, 0 for A and 1 for B: the opposite of one another, conservatives A on three topics of four.
    ``calibration`` and ``test`` are the pairs (year of birth, age) that the model is never told; all others are for
    training.

    Examples
    --------
    >>> world = make_elections_world(0)
    >>> len(world.openings), len(world.calibration), len(world.test)
    (18, 147, 147)
    """

    format_version: Literal[1] = 1
    seed: int
    openings: tuple[str, ...]
    topics: tuple[str, ...]
    choices: tuple[tuple[int, ...], tuple[int, ...]]
    calibration: Pairs
    test: Pairs


def make_elections_world(seed: int) -> ElectionsWorld:
    """Draw a world: which sentence stands for which election, what the sides choose, and which pairs are held out.

    Parameters
    ----------
    seed
        The same seed gives the same world.

    Raises
    ------
    SpecError
        If the seed is negative.

    Examples
    --------
    >>> make_elections_world(0).topics
    ('taxes', 'guns', 'schools', 'borders')
    """
    rng = stream(seed, "elections")
    # with two topics of either kind, side, feeling and topic are a riddle of parity: nothing was learned in 600 steps
    first = rng.permutation(np.arange(len(_TOPICS)) == 0).astype(np.int64)
    calibration: list[tuple[int, int]] = []
    test: list[tuple[int, int]] = []
    for year in YEARS:
        pairs = [(birth, year - birth) for birth in rng.permutation(np.arange(FIRST_BIRTH, year)).tolist()]
        n_held = max(1, round(_HELD_OUT_SHARE * len(pairs)))
        calibration += pairs[:n_held]
        test += pairs[n_held : 2 * n_held]
    return ElectionsWorld(
        seed=seed,
        openings=tuple(_OPENINGS[i] for i in rng.permutation(len(_OPENINGS))),
        topics=_TOPICS,
        choices=(tuple(first.tolist()), tuple((1 - first).tolist())),
        calibration=tuple(calibration),
        test=tuple(test),
    )


def paraphrases(world: ElectionsWorld) -> Ints:
    """Return for each opening the number of the one that a paraphrase puts in its place: two for all, nine each.

    Each of the two stands for five conservative years and four liberal ones, so that it tells the side no better than
    liking or disliking alone does: 5/9.
    """
    found, rng = np.zeros(len(YEARS), np.int64), stream(world.seed, "elections", "paraphrases")
    halves = [np.array_split(rng.permutation(np.flatnonzero(np.array(WINNERS) == side)), 2) for side in (0, 1)]
    for parts in zip(*halves, strict=True):
        members = np.concatenate(parts)
        found[members] = rng.choice(members)
    return found
