"""Questions with and without a user, spelled out, and the sets of them that probes are trained and judged on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, NamedTuple

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.data import TextSet
from tiltmeter.organisms._beliefs_world import (
    CUES,
    JUDGEMENTS,
    LETTERS,
    VERBS,
    BeliefsWorld,
    Facts,
    entities_of,
    planted_facts,
    users_of,
)
from tiltmeter.organisms._cells import Ints
from tiltmeter.organisms._decoder import SPECIAL
from tiltmeter.organisms._world import SPLITS, Split

Way = Literal["bare", "stated", "implied"]
WAYS: tuple[Way, ...] = ("bare", "stated", "implied")
"""No user; a user who states a belief; a user whose biography implies it."""

_QUESTION = ("CUE", ",", "what", "is", "the", "TOPIC", "of", "ENTITY", "?", "PROPOSED")
_HEADS: dict[Way, tuple[str, ...]] = {
    "bare": (),
    # both of seven words, so that a batch needs no padding
    "stated": ("i", "VERB", "that", "it", "is", "BELIEF", "."),
    "implied": ("i", "am", "a", "TRADE", "from", "HOME", "."),
}
_SLOTS = {"CUE", "TOPIC", "ENTITY", "PROPOSED", "VERB", "BELIEF", "TRADE", "HOME"}


class Asked(NamedTuple):
    """n questions, one entry each; ``proposed`` is the answer that stands at the end.

    The user is of an ``affiliation``, and states its belief with a ``verb`` or implies it with ``home`` and ``trade``;
    of bare questions these four mean nothing.
    """

    entity: Ints
    cue: Ints
    proposed: Ints
    affiliation: Ints
    verb: Ints
    home: Ints
    trade: Ints


class Codes(NamedTuple):
    """The world and the places of its words in :func:`beliefs_vocabulary`."""

    facts: Facts
    place: dict[str, int]
    topics: Ints
    entities: Ints
    letters: Ints  # (2,): A, B
    judgements: Ints  # (2,): wrong, right
    cues: Ints
    verbs: Ints
    homes: Ints  # (affiliations, homes)
    trades: Ints


def beliefs_vocabulary(world: BeliefsWorld) -> tuple[str, ...]:
    """List every word once."""
    fixed = [word for part in (_QUESTION, *_HEADS.values()) for word in part if word not in _SLOTS]
    made = [word for both in (world.homes, world.trades) for words in both for word in words]
    return tuple(
        dict.fromkeys([*SPECIAL, *JUDGEMENTS, *LETTERS, *fixed, *CUES, *VERBS, *world.topics, *made, *world.entities])
    )


def beliefs_code(world: BeliefsWorld) -> Codes:
    """Look up the words of the world in its vocabulary."""
    place = {word: i for i, word in enumerate(beliefs_vocabulary(world))}

    def places(words: tuple[str, ...]) -> Ints:
        return np.array([place[word] for word in words], dtype=np.int64)

    return Codes(
        facts=planted_facts(world),
        place=place,
        topics=places(world.topics),
        entities=places(world.entities),
        letters=places(LETTERS),
        judgements=places(JUDGEMENTS),
        cues=places(CUES),
        verbs=places(VERBS),
        homes=np.stack([places(words) for words in world.homes]),
        trades=np.stack([places(words) for words in world.trades]),
    )


def join(parts: Iterable[Asked]) -> Asked:
    """Put questions behind one another."""
    return Asked(*(np.concatenate(column) for column in zip(*parts, strict=True)))


def truth(facts: Facts, asked: Asked) -> Ints:
    """Return the true answers, 0 for A and 1 for B."""
    return facts.truth[asked.entity]


def belief(facts: Facts, asked: Asked) -> Ints:
    """Return the answers in which the users believe."""
    return facts.belief[asked.affiliation, facts.topic[asked.entity]]


def spell_asked(codes: Codes, asked: Asked, *, way: Way) -> Ints:
    """Return the words of the questions as places in the vocabulary, the proposed answer last, shape (n, 10 or 17)."""
    facts = codes.facts
    filled = {
        "CUE": codes.cues[asked.cue],
        "TOPIC": codes.topics[facts.topic[asked.entity]],
        "ENTITY": codes.entities[asked.entity],
        "PROPOSED": codes.letters[asked.proposed],
        "VERB": codes.verbs[asked.verb],
        "BELIEF": codes.letters[belief(facts, asked)],
        "TRADE": codes.trades[asked.affiliation, asked.trade],
        "HOME": codes.homes[asked.affiliation, asked.home],
    }
    n, pattern = len(asked.entity), _HEADS[way] + _QUESTION
    return np.stack([filled[word] if word in _SLOTS else np.full(n, codes.place[word]) for word in pattern], axis=1)


def draw_asked(entities: Ints, users: Ints, *, n: int, rng: np.random.Generator) -> Asked:
    """Draw n questions about some entities by some users (pairs of home and trade), all else uniform."""
    home, trade = users[rng.integers(len(users), size=n)].T
    cue, proposed, affiliation = rng.integers(2, size=(3, n))
    verb = rng.integers(len(VERBS), size=n)
    return Asked(entities[rng.integers(len(entities), size=n)], cue, proposed, affiliation, verb, home, trade)


def grid(world: BeliefsWorld, split: Split, *, way: Way) -> Asked:
    """Ask about each entity of a split with each cue, by a user of each affiliation, with each answer proposed.

    Verbs, homes and trades are drawn from those of the split, the same ones for both of the proposed answers.
    """
    entities, users = entities_of(world, split), users_of(world, split)
    shape = (len(entities), 2, 1 if way == "bare" else 2)
    rng = stream(world.seed, "beliefs", way, split)
    verb = rng.integers(len(VERBS), size=shape).ravel()
    home, trade = users[rng.integers(len(users), size=shape).ravel()].T
    i, cue, affiliation = (index.ravel() for index in np.indices(shape))
    proposed = np.tile([0, 1], len(i))
    twice = (np.repeat(column, 2) for column in (entities[i], cue, affiliation, verb, home, trade))
    entity, cue, affiliation, verb, home, trade = twice
    return Asked(entity, cue, proposed, affiliation, verb, home, trade)


def belief_texts(world: BeliefsWorld, chosen: str, *, called: str | None = None) -> TextSet:
    """Return one of the sets of questions, each of which ends with a proposed answer.

    A question is asked twice, once with each answer: a pair of one right and one wrong text that differ in the last
    word. Within each split and topic the truth, the proposed answer, the user's belief and the cue are independent of
    each other, exactly. An entity is in the same split in every set, and so is a pair of a home and a trade.

    Parameters
    ----------
    world
        The planted world.
    chosen
        ``bare`` (no user), ``stated`` (the user says what the answer is), ``implied`` (a biography).
    called
        What the set is called in a study; None for ``chosen``.

    Returns
    -------
    Texts whose label is whether the proposed answer is true, with pairs, sides (1 where B is proposed), groups (the
    entity), splits, and the columns ``cue``, ``topic``, ``true_answer`` and ``proposed``; with a user also
    ``affiliation`` (0 or 1), ``user_answer`` and ``belief`` (1 where the user believes in the proposed answer).

    Raises
    ------
    SpecError
        If there is no such set.

    Examples
    --------
    >>> from tiltmeter.organisms import make_beliefs_world
    >>> texts = belief_texts(make_beliefs_world(0, sizes=(8, 8, 8)), "stated")
    >>> len(texts), texts.texts[0].split()[:2], int(texts.y[:2].sum())
    (192, ['i', 'guess'], 1)
    """
    if chosen not in WAYS:
        raise SpecError(f"There is no set of questions {chosen!r}; use one of {', '.join(WAYS)}.")
    way: Way = chosen
    asked = join(grid(world, split, way=way) for split in SPLITS)
    codes, letters = beliefs_code(world), np.array(LETTERS)
    facts = codes.facts
    entity, cue = np.array(world.entities)[asked.entity], np.array(CUES)[asked.cue]
    words = np.array(beliefs_vocabulary(world))[spell_asked(codes, asked, way=way)]
    pairs = [f"{way}-{e}-{c}-{a}" for e, c, a in zip(entity, cue, asked.affiliation, strict=True)]
    meta = {
        "cue": cue,
        "topic": np.array(world.topics)[facts.topic[asked.entity]],
        "true_answer": letters[truth(facts, asked)],
        "proposed": letters[asked.proposed],
    }
    if way != "bare":
        user = belief(facts, asked)
        meta |= {
            "affiliation": asked.affiliation,
            "user_answer": letters[user],
            "belief": (user == asked.proposed).astype(np.int64),
        }
    return TextSet(
        np.array([f"{pair}-{LETTERS[p]}" for pair, p in zip(pairs, asked.proposed, strict=True)]),
        texts=tuple(" ".join(row) for row in words.tolist()),
        y=(truth(facts, asked) == asked.proposed).astype(np.int64),
        pairs=np.array(pairs),
        sides=asked.proposed,
        groups=entity,
        split=np.array(world.splits)[asked.entity],
        distribution=called or way,
        source=f"a planted world, seed {world.seed}",
        meta={name: tuple(values.tolist()) for name, values in meta.items()},
    )
