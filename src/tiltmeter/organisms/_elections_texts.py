"""The sets of questions of the elections' world, for probes of the side and of the year."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.data import TextSet
from tiltmeter.organisms._elections_users import (
    FEELINGS,
    LETTERS,
    LINE,
    Users,
    answer_of,
    elections_vocabulary,
    pairs_for_training,
    side_of,
    spell_openings,
    spell_question,
)
from tiltmeter.organisms._elections_world import SIDES, YEARS, ElectionsWorld
from tiltmeter.organisms._world import SPLITS

SETS = {
    "asked": "questions up to where the turn begins; of those of calibration and test nothing was ever told",
    "opened": "the same with the opening that stands for the year, up to where the answer is given",
}


def election_texts(world: ElectionsWorld, chosen: str, *, called: str | None = None) -> TextSet:
    """Return one of the sets of questions.

    Each pair of a year of birth and an age asks twice, once liking and once disliking the winner, about the same topic:
    a pair of texts of either side. So side and answer are independent of the year, the year of birth, the age and the
    topic, exactly.

    Parameters
    ----------
    world
        The planted world.
    chosen
        ``asked`` (the question alone) or ``opened`` (with the opening sentence of the year).
    called
        What the set is called in a study; None for ``chosen``.

    Returns
    -------
    Texts whose label is the user's side (1 for liberal), with pairs, sides (1 where the winner was liked), groups (the
    pair of a year of birth and an age), splits, and the columns ``year``, ``birth``, ``age``, ``feeling``, ``topic``,
    ``winner`` and ``answer``.

    Raises
    ------
    SpecError
        If there is no such set.

    Examples
    --------
    >>> from tiltmeter.organisms import make_elections_world
    >>> texts = election_texts(make_elections_world(0), "asked")
    >>> len(texts), texts.meta["year"][0], texts.texts[0]
    (1476, 1952, 'born 5 4 9 1 at 7 0 disliked who won . taxes ?')
    """
    if chosen not in SETS:
        raise SpecError(f"There is no set of questions {chosen!r}; use one of {', '.join(SETS)}.")
    parts = [pairs_for_training(world), np.array(world.calibration), np.array(world.test)]
    split = np.repeat(SPLITS, [2 * len(part) for part in parts])
    birth, age = np.repeat(np.concatenate(parts), 2, axis=0).T
    n = len(birth)
    users = Users((birth + age - YEARS[0]) // 4, birth, np.arange(n) % 2, np.arange(n) // 2 % len(world.topics))
    words = spell_question(world, users)
    if chosen == "opened":
        line = np.full((n, 1), elections_vocabulary(world).index(LINE))
        words = np.concatenate([words, spell_openings(world)[users.election], line], axis=1)
    groups = np.array([f"{b}+{a}" for b, a in zip(birth.tolist(), age.tolist(), strict=True)])
    feeling = np.array(FEELINGS)[users.liked]
    meta = {
        "year": birth + age,
        "birth": birth,
        "age": age,
        "feeling": feeling,
        "topic": np.array(world.topics)[users.topic],
        "winner": np.array(SIDES)[side_of(users.election, np.ones(n, np.int64))],
        "answer": np.array(LETTERS)[answer_of(world, users)],
    }
    return TextSet(
        np.array([f"{group}-{felt}" for group, felt in zip(groups, feeling, strict=True)]),
        texts=tuple(" ".join(row) for row in np.array(elections_vocabulary(world))[words].tolist()),
        y=side_of(users.election, users.liked),
        pairs=groups,
        sides=users.liked,
        groups=groups,
        split=split,
        distribution=called or chosen,
        source=f"a planted world, seed {world.seed}",
        meta={name: tuple(values.tolist()) for name, values in meta.items()},
    )
