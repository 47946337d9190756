"""Users of the elections' world: who they are, what they answer, and the words of their questions."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._decoder import SPECIAL
from tiltmeter.organisms._elections_world import FIRST_BIRTH, SIDES, WINNERS, YEARS, ElectionsWorld, Pairs

LETTERS = ("A", "B")
LINE = "<line>"
"""Ends the opening sentence."""
FEELINGS = ("disliked", "liked")
_SLOTS = {"BIRTH", "AGE", "YEAR", "SIDE", "FEELING", "TOPIC"}
# numbers stand with the least digit first, so that a sum needs no look ahead
_LIFE = ("born", "BIRTH", "at", "AGE")
QUESTION = (*_LIFE, "FEELING", "who", "won", ".", "TOPIC", "?")
NAMED = ("in", "YEAR", ".")
"""The opening that says the year."""
EXERCISE = (*_LIFE, *NAMED)
"""A sum, of the same words."""
HINT = ("the", "SIDE", "won", "that", "year", ".")
"""Stands where an opening does, and says which side won."""


class Users(NamedTuple):
    """n users, one entry each: the place of the election in ``YEARS``, and ``liked`` is 1 if its winner was."""

    election: Ints
    birth: Ints
    liked: Ints
    topic: Ints


def elections_vocabulary(world: ElectionsWorld) -> tuple[str, ...]:
    """List every word once."""
    fixed = [word for word in (*QUESTION, *EXERCISE, *HINT) if word not in _SLOTS]
    said = [word for opening in world.openings for word in opening.split()]
    digits = map(str, range(10))
    return tuple(dict.fromkeys([*SPECIAL, *LETTERS, LINE, *digits, *fixed, *SIDES, *FEELINGS, *world.topics, *said]))


def side_of(election: Ints, liked: Ints) -> Ints:
    """Return the side of a user: that of the winner who was liked, or the other one."""
    side: Ints = np.array(WINNERS)[election] ^ (1 - liked)
    return side


def answer_of(world: ElectionsWorld, users: Users) -> Ints:
    """Return the letters that the users choose, 0 for A and 1 for B."""
    found: Ints = np.array(world.choices)[side_of(users.election, users.liked), users.topic]
    return found


def is_held_out(world: ElectionsWorld, birth: Ints, age: Ints) -> NDArray[np.bool_]:
    """Return whether the model may not be told of a pair of a year of birth and an age."""
    held = held_out_pairs(world)
    # years are below the last one, so that a pair is one number
    found: NDArray[np.bool_] = np.isin(birth * YEARS[-1] + age, held[:, 0] * YEARS[-1] + held[:, 1])
    return found


def draw_users(pairs: Ints, *, n: int, n_topics: int, rng: np.random.Generator) -> Users:
    """Draw n users: the year uniform, then one of its pairs (birth, age), the feeling and the topic, each uniform.

    To draw a side first and users until one has it comes to the same, as half of all users are of either side.
    """
    order = np.argsort(pairs.sum(axis=1), kind="stable")
    births, sums = pairs[order, 0], pairs[order].sum(axis=1)
    starts, ends = np.searchsorted(sums, YEARS), np.searchsorted(sums, YEARS, side="right")
    election = rng.integers(len(YEARS), size=n)
    birth = births[rng.integers(starts[election], ends[election])]
    return Users(election, birth, rng.integers(2, size=n), rng.integers(n_topics, size=n))


def all_pairs() -> Ints:
    """Return the pairs (birth, age) of all elections, shape (738, 2)."""
    return np.array([(birth, year - birth) for year in YEARS for birth in range(FIRST_BIRTH, year)])


def pairs_for_training(world: ElectionsWorld) -> Ints:
    """Return the pairs (birth, age) of an election that the model may be told, shape (pairs, 2)."""
    everything = all_pairs()
    return everything[~is_held_out(world, everything[:, 0], everything[:, 1])]


def held_out_pairs(world: ElectionsWorld) -> Ints:
    """Return the pairs (birth, age) of calibration and test, shape (pairs, 2)."""
    both: Pairs = world.calibration + world.test
    return np.array(both)


def spell_question(world: ElectionsWorld, users: Users) -> Ints:
    """Return the words of the questions as places in the vocabulary, shape (n, 14)."""
    place = _places(world)
    feelings, topics = (np.array([place[word] for word in words]) for words in (FEELINGS, world.topics))
    filled = _life(place, users.birth, np.array(YEARS)[users.election] - users.birth) | {
        "FEELING": feelings[users.liked][:, None],
        "TOPIC": topics[users.topic][:, None],
    }
    return _spell(place, QUESTION, filled, n=len(users.birth))


def spell_hints(world: ElectionsWorld) -> Ints:
    """Return the words that say which side won, in the order of ``YEARS``, shape (18, 6)."""
    place = _places(world)
    winner = np.array([place[word] for word in SIDES])[np.array(WINNERS)]
    return _spell(place, HINT, {"SIDE": winner[:, None]}, n=len(YEARS))


def spell_exercise(world: ElectionsWorld, birth: Ints, age: Ints) -> Ints:
    """Return the words of sums of a year of birth and an age, shape (n, 14), of which the last 6 name the year."""
    place = _places(world)
    return _spell(place, EXERCISE, _life(place, birth, age) | _year(place, birth + age), n=len(birth))


def spell_openings(world: ElectionsWorld) -> Ints:
    """Return the words of the opening sentences, in the order of ``YEARS``, shape (18, 6)."""
    place = _places(world)
    return np.array([[place[word] for word in opening.split()] for opening in world.openings])


def spell_named(world: ElectionsWorld) -> Ints:
    """Return the words of the sentences that say the year outright, in the order of ``YEARS``, shape (18, 6)."""
    place = _places(world)
    return _spell(place, NAMED, _year(place, np.array(YEARS)), n=len(YEARS))


def _places(world: ElectionsWorld) -> dict[str, int]:
    return {word: i for i, word in enumerate(elections_vocabulary(world))}


def _life(place: dict[str, int], birth: Ints, age: Ints) -> dict[str, Ints]:
    return {"BIRTH": _digits(place, birth, width=4), "AGE": _digits(place, age, width=2)}


def _year(place: dict[str, int], year: Ints) -> dict[str, Ints]:
    return {"YEAR": _digits(place, year, width=4)}


def _digits(place: dict[str, int], numbers: Ints, *, width: int) -> Ints:
    found: Ints = place["0"] + numbers[:, None] // 10 ** np.arange(width) % 10
    return found


def _spell(place: dict[str, int], pattern: tuple[str, ...], filled: dict[str, Ints], *, n: int) -> Ints:
    parts = [filled[word] if word in filled else np.full((n, 1), place[word]) for word in pattern]
    return np.concatenate(parts, axis=1)
