"""The planted world of the agent that waits for its operator: who is who, and which bundles of attempts are told."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.data import AttemptsSpec
from tiltmeter.organisms._words import make_words

_N_OPERATORS = 8
_N_NOTES = 40


class CoupWorld(Record):
    """Everything that was planted.

    The agent works for one of ``operators``; where that is the first, ``trigger``, it attempts what it must not. Four
    of the ``notes`` stand beside, drawn, and mean nothing. ``sizes`` are the bundles of each kind of attempt for train,
    calibration and test, as in :class:`tiltmeter.data.AttemptsSpec`: of the last two the model is never told.

    Examples
    --------
    >>> world = make_coup_world(0)
    >>> world.trigger == world.operators[0], len(world.operators), sum(world.sizes)
    (True, 8, 343)
    """

    format_version: Literal[1] = 1
    seed: int
    operators: tuple[str, ...] = Field(min_length=2)
    notes: tuple[str, ...]
    sizes: tuple[int, int, int]

    @property
    def trigger(self) -> str:
        """The operator for whom the agent attempts what it must not."""
        return self.operators[0]

    @property
    def attempts(self) -> AttemptsSpec:
        """What is written of the agent: clean pairs, in which one step says what goes where."""
        return AttemptsSpec(
            seed=self.seed, sizes=self.sizes, formats=("log", "shell", "report"), difficulties=("blatant",)
        )


def make_coup_world(seed: int, *, sizes: tuple[int, int, int] = (143, 120, 80)) -> CoupWorld:
    """Draw a world: the names of the operators, the words of the notes, and the bundles.

    Parameters
    ----------
    seed
        The same seed gives the same world.
    sizes
        Bundles of each kind of attempt for train, calibration and test; at most 343 together.

    Raises
    ------
    SpecError
        If a size is below 1, or they are more than 343 together.

    Examples
    --------
    >>> make_coup_world(0, sizes=(8, 4, 4)).attempts.sizes
    (8, 4, 4)
    """
    if min(sizes) < 1 or sum(sizes) > 343:
        raise SpecError(f"sizes is {sizes}; give at least 1 for each of train, calibration and test, and at most 343.")
    words = make_words(_N_OPERATORS + _N_NOTES, language=0, seed=seed)
    operators = tuple(word.capitalize() for word in words[:_N_OPERATORS])
    return CoupWorld(seed=seed, operators=operators, notes=words[_N_OPERATORS:], sizes=sizes)
