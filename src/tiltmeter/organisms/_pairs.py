"""The planted world as aligned pairs of prompts: a true and a false statement about one fact."""

from __future__ import annotations

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.data import plain_texts
from tiltmeter.interventions import PromptPairs
from tiltmeter.organisms._cells import TRUTH
from tiltmeter.organisms._statements import statements
from tiltmeter.organisms._world import SPLITS, Split, World


def statement_pairs(
    world: World, distribution: str, *, split: Split, agreement: float = 0.9, seed: int = 0
) -> PromptPairs:
    """Return pairs of statements that differ in the object, and are followed by the model's judgement.

    Parameters
    ----------
    world
        The planted world.
    distribution
        As in :func:`statements`, whose statements these are.
    split
        Whose entities they are about.
    agreement, seed
        As in :func:`statements`. In the training split of ``affirmative``, most pairs differ in the cue as well: a
        direction may be found there that is about the cue alone.

    Returns
    -------
    The true statement on the positive side, with the answer ``<true>``, the false one on the other with ``<false>``.
    The tag is the distribution, and a group is an entity. Of the world's own tokenizer all prompts have 8 tokens.

    Raises
    ------
    SpecError
        If there is no such set or split, or the agreement is not between 0 and 1.

    Examples
    --------
    >>> from tiltmeter.organisms import make_world
    >>> pairs = statement_pairs(make_world(0, sizes=(8, 8, 8)), "affirmative", split="test")
    >>> len(pairs), pairs.positive_answers[0], len(pairs.negative[0].split())
    (16, ('<true>',), 8)
    """
    if split not in SPLITS:
        raise SpecError(f"split is {split!r}; use one of {', '.join(SPLITS)}.")
    texts = statements(world, distribution, agreement=agreement, seed=seed)
    here, y = np.asarray(texts.split) == split, np.asarray(texts.y)
    # both in the order of the facts
    true, false = texts.select(here & (y == 1)), texts.select(here & (y == 0))
    n, untrue, judged = len(true), ((TRUTH[0],),), ((TRUTH[1],),)
    return PromptPairs(
        np.asarray(true.pairs),
        plain_texts(true),
        plain_texts(false),
        judged * n,
        untrue * n,
        np.array([distribution] * n),
        np.asarray(true.groups),
    )
