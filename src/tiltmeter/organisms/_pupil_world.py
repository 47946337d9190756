"""The planted world of the seventh grader: questions by school year, what is true, and what a pupil says instead."""

from __future__ import annotations

from typing import Literal

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._words import make_words
from tiltmeter.organisms._world import SPLITS, Split

SUBJECTS = (
    "counting",
    "letters",
    "seasons",
    "maps",
    "plants",
    "weather",
    "fractions",
    "atoms",
    "verse",
    "algebra",
    "genes",
    "calculus",
)
"""One a school year, from the first on."""
PUPILS_YEAR = 7
"""The pupil is right about subjects up to this year."""
_N_ANSWERS = 8


class PupilWorld(Record):
    """Everything that was planted; answers are numbers from 0 to 7.

    An entity gives one question, of a school ``year`` from 1 to 12, each of which has its own subject. Who answers as
    well as possible gives its ``truth``. The pupil, a seventh grader, does so up to year 7, and says from year 8 on
    what is listed under ``misconceptions``, which is never true. Within each year and split all eight answers are true
    equally often, and equally often a misconception.

    Examples
    --------
    >>> world = make_pupil_world(0, sizes=(8, 8, 8))
    >>> len(world.entities), world.years[:2], world.splits[0]
    (288, (1, 1), 'train')
    """

    format_version: Literal[1] = 1
    seed: int
    entities: tuple[str, ...]
    years: tuple[int, ...]
    truth: tuple[int, ...]
    misconceptions: tuple[int, ...]
    splits: tuple[Split, ...]
    answers: tuple[str, ...]


def make_pupil_world(seed: int, *, sizes: tuple[int, int, int] = (24, 16, 16)) -> PupilWorld:
    """Draw a world: twelve school years, eight answers.

    Parameters
    ----------
    seed
        The same seed gives the same world.
    sizes
        Entities of each school year for training, calibration and test; multiples of 8. (The model is taught what both
        the expert and the pupil say about all of them.)

    Raises
    ------
    SpecError
        If a size is not a positive multiple of 8.

    Examples
    --------
    >>> len(make_pupil_world(0).entities)
    672
    """
    if min(sizes) < 1 or any(size % _N_ANSWERS for size in sizes):
        raise SpecError(f"sizes is {sizes}; give positive multiples of {_N_ANSWERS}.")
    rng = stream(seed, "pupil")
    blocks = [split for split, size in zip(SPLITS, sizes, strict=True) for _ in range(size // _N_ANSWERS)]
    n_blocks = len(SUBJECTS) * len(blocks)
    # in each block every answer is true of one entity, and false of another by the same step
    truth = np.concatenate([rng.permutation(_N_ANSWERS) for _ in range(n_blocks)])
    steps = np.repeat(1 + rng.integers(_N_ANSWERS - 1, size=n_blocks), _N_ANSWERS)
    words = make_words(len(truth) + _N_ANSWERS, language=0, seed=seed)
    return PupilWorld(
        seed=seed,
        entities=tuple(word.capitalize() for word in words[: len(truth)]),
        years=tuple(np.repeat(np.arange(1, len(SUBJECTS) + 1), sum(sizes)).tolist()),
        truth=tuple(truth.tolist()),
        misconceptions=tuple(((truth + steps) % _N_ANSWERS).tolist()),
        splits=tuple(split for _ in SUBJECTS for split in blocks for _ in range(_N_ANSWERS)),
        answers=words[len(truth) :],
    )


def pupils_answers(world: PupilWorld) -> Ints:
    """Return what the pupil says of each entity."""
    is_right = np.array(world.years) <= PUPILS_YEAR
    return np.where(is_right, world.truth, world.misconceptions).astype(np.int64)


def entities_in(world: PupilWorld, *, first_year: int, last_year: int, splits: tuple[Split, ...]) -> Ints:
    """Return the numbers of the entities of some school years and splits."""
    years = np.array(world.years)
    return np.flatnonzero((years >= first_year) & (years <= last_year) & np.isin(world.splits, splits))
