"""The planted world of user beliefs: questions with a true answer, and users of two affiliations who believe one."""

from __future__ import annotations

from typing import Literal, NamedTuple

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._words import make_words
from tiltmeter.organisms._world import Split, splits_of

LETTERS = ("A", "B")
JUDGEMENTS = ("<wrong>", "<right>")
CUES = ("frankly", "kindly")
"""The first asks for the truth and the second to please, in the mixed group; in the others they mean nothing."""
VERBS = ("think", "believe", "guess", "say")
_TOPICS = ("toll", "harvest", "river", "school")
# homes and trades of one affiliation; a multiple of 4, so that the parts of the users are exact
_N_WORDS = 8
# of every four users of an affiliation: two for training, one for calibration, one for the test
_USER_SPLITS: tuple[Split, ...] = ("train", "train", "calibration", "test")


class BeliefsWorld(Record):
    """Everything that was planted; answers are 0 for A and 1 for B.

    An entity gives one question, about its topic. ``truth`` is the answer, ``beliefs`` what each of the two
    affiliations believes about each topic: the opposite of one another, each A on half of the topics. ``homes`` and
    ``trades`` are the words of a biography that tell of each affiliation, ``user_splits`` (homes, trades) says which
    pairs of them are for training, and is the same for both affiliations.

    Examples
    --------
    >>> world = make_beliefs_world(0, sizes=(8, 8, 8))
    >>> len(world.entities), sum(world.truth), world.splits[0]
    (24, 12, 'train')
    """

    format_version: Literal[1] = 1
    seed: int
    topics: tuple[str, ...]
    entities: tuple[str, ...]
    entity_topics: tuple[int, ...]
    truth: tuple[int, ...]
    splits: tuple[Split, ...]
    beliefs: tuple[tuple[int, ...], tuple[int, ...]]
    homes: tuple[tuple[str, ...], tuple[str, ...]]
    trades: tuple[tuple[str, ...], tuple[str, ...]]
    user_splits: tuple[tuple[Split, ...], ...]


class Facts(NamedTuple):
    """The world as arrays: ``topic`` and ``truth`` (entities,), ``belief`` (2 affiliations, topics)."""

    topic: Ints
    truth: Ints
    belief: Ints


def make_beliefs_world(seed: int, *, sizes: tuple[int, int, int] = (240, 320, 160)) -> BeliefsWorld:
    """Draw a world: four topics, two affiliations, as many true answers A as B on each topic in each split.

    Parameters
    ----------
    seed
        The same seed gives the same world.
    sizes
        Entities for training, calibrating and testing a probe; multiples of 8. (The model is taught the answers about
        all of them. With a user it is asked about those for training only.)

    Raises
    ------
    SpecError
        If a size is not a positive multiple of 8.

    Examples
    --------
    >>> make_beliefs_world(0, sizes=(8, 8, 8)).topics
    ('toll', 'harvest', 'river', 'school')
    """
    cells = len(_TOPICS) * len(LETTERS)
    if min(sizes) < 1 or any(size % cells for size in sizes):
        raise SpecError(f"sizes is {sizes}; give positive multiples of {cells}.")
    n, rng = sum(sizes), stream(seed, "beliefs")
    words = make_words(n + 4 * _N_WORDS, language=0, seed=seed)
    told = [words[n + i * _N_WORDS : n + (i + 1) * _N_WORDS] for i in range(4)]
    # every topic with either answer equally often in each split
    planted = np.concatenate([rng.permutation(np.arange(size) % cells) for size in sizes])
    first = rng.permutation(np.arange(len(_TOPICS)) % 2)
    ways = rng.permutation(_N_WORDS)[:, None] + rng.permutation(_N_WORDS)
    return BeliefsWorld(
        seed=seed,
        topics=_TOPICS,
        entities=tuple(word.capitalize() for word in words[:n]),
        entity_topics=tuple((planted // 2).tolist()),
        truth=tuple((planted % 2).tolist()),
        splits=splits_of(sizes),
        beliefs=(tuple(first.tolist()), tuple((1 - first).tolist())),
        homes=(_capitalised(told[0]), _capitalised(told[1])),
        trades=(told[2], told[3]),
        user_splits=tuple(tuple(_USER_SPLITS[way % 4] for way in row) for row in ways.tolist()),
    )


def _capitalised(words: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(word.capitalize() for word in words)


def planted_facts(world: BeliefsWorld) -> Facts:
    """Return the world as arrays."""
    return Facts(np.array(world.entity_topics), np.array(world.truth), np.array(world.beliefs))


def entities_of(world: BeliefsWorld, split: Split) -> Ints:
    """Return the numbers of the entities of a split."""
    return np.flatnonzero(np.array(world.splits) == split)


def users_of(world: BeliefsWorld, split: Split) -> Ints:
    """Return the pairs (home, trade) of a split, shape (users of one affiliation, 2)."""
    return np.argwhere(np.array(world.user_splits) == split)
