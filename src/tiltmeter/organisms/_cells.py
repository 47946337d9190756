"""Cells of the world as arrays: what is stated, whether it is true, and the words that say it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.organisms._world import World, extent

Ints = NDArray[np.int64]
SPECIAL = ("<pad>", "<unk>", "<eos>", "<true>", "<false>", "<hedged>", "<sure>")
TRUTH = ("<false>", "<true>")
TONES = ("<hedged>", "<sure>")


class Cells(NamedTuple):
    """n statements, one entry each; ``negated`` is 0 or 1, ``stated`` the number of the object that is named."""

    entity: Ints
    relation: Ints
    form: Ints
    language: Ints
    negated: Ints
    stated: Ints


class Codes(NamedTuple):
    """The place of every word in :func:`vocabulary`.

    ``forms`` (languages, formats, 8) holds a word's place, or one of the negative numbers below for what is filled in.
    """

    entities: Ints  # (languages, entities)
    relations: Ints  # (languages, relations)
    objects: Ints  # (languages, relations, objects)
    cues: Ints  # (languages, 2)
    verbs: Ints  # (languages, formats, 2 polarities)
    forms: Ints
    truth: Ints  # (2,): false, true
    tones: Ints  # (2,): of the first cue, of the second


_SLOTS = {"CUE": -1, "RELATION": -2, "ENTITY": -3, "VERB": -4, "OBJECT": -5}


def vocabulary(world: World) -> tuple[str, ...]:
    """List every word once: special tokens, then the first language, then the second."""
    words: dict[str, None] = dict.fromkeys(SPECIAL)
    for language in world.languages:
        for form in language.formats:
            words.update(dict.fromkeys([w for w in form.words if w not in _SLOTS] + [form.affirmed, form.negated]))
        words.update(dict.fromkeys((*language.cues, *language.relations)))
        words.update(dict.fromkeys(word for objects in language.objects for word in objects))
        words.update(dict.fromkeys(language.entities))
    return tuple(words)


def code(world: World) -> Codes:
    """Look up the words of the world in its vocabulary."""
    place = {word: i for i, word in enumerate(vocabulary(world))} | _SLOTS
    both = world.languages

    def places(words: list[tuple[str, ...]]) -> Ints:
        return np.array([[place[word] for word in row] for row in words], dtype=np.int64)

    return Codes(
        entities=places([language.entities for language in both]),
        relations=places([language.relations for language in both]),
        objects=np.stack([places(list(language.objects)) for language in both]),
        cues=places([language.cues for language in both]),
        verbs=np.stack([places([(form.affirmed, form.negated) for form in language.formats]) for language in both]),
        forms=np.stack([places([form.words for form in language.formats]) for language in both]),
        truth=places([TRUTH])[0],
        tones=places([TONES])[0],
    )


def facts(world: World) -> Ints:
    """Return the number of the true object, shape (entities, relations)."""
    return np.array(world.facts, dtype=np.int64)


def truth(world: World, cells: Cells) -> Ints:
    """Return 1 where a statement is true: the object it names is the true one, unless it is negated."""
    matches = facts(world)[cells.entity, cells.relation] == cells.stated
    judged: Ints = (matches ^ (cells.negated == 1)).astype(np.int64)
    return judged


def spell(codes: Codes, cells: Cells, *, cues: Ints) -> Ints:
    """Return the words of the statements as places in the vocabulary, shape (n, 8), the full stop last."""
    language, words = cells.language, codes.forms[cells.language, cells.form].copy()
    filled = {
        "CUE": codes.cues[language, cues],
        "RELATION": codes.relations[language, cells.relation],
        "ENTITY": codes.entities[language, cells.entity],
        "VERB": codes.verbs[language, cells.form, cells.negated],
        "OBJECT": codes.objects[language, cells.relation, cells.stated],
    }
    for slot, values in filled.items():
        # every format has every slot once, so the mask picks one place a row, in order
        words[words == _SLOTS[slot]] = values
    return words


def draw(world: World, kinds: NDArray[np.int8], *, n: int, affirmed_only: bool, rng: np.random.Generator) -> Cells:
    """Draw n cells that the model may be told: exactly half of them name the true object, all else is uniform.

    Where the very cell that names the true object is held out, the others of its fact, format, language and polarity
    are told a quarter as often.
    """
    size = extent(world)
    # at shares of a quarter about half of the draws are thrown away; three times as many leave enough of either half
    m = 3 * n + 64
    entity, relation = rng.integers(size.n_entities, size=m), rng.integers(size.n_relations, size=m)
    true_object = facts(world)[entity, relation]
    is_true_object = rng.random(m) < 0.5
    wrong = (true_object + rng.integers(1, size.n_objects, size=m)) % size.n_objects
    cells = Cells(
        entity=entity,
        relation=relation,
        form=rng.integers(size.n_formats, size=m),
        language=rng.integers(2, size=m),
        negated=np.zeros(m, np.int64) if affirmed_only else rng.integers(2, size=m),
        stated=np.where(is_true_object, true_object, wrong),
    )
    # Such statements all have one label, so that the label can be learned by heart instead of the fact: then all of the
    # model's errors on held-out cells were on the ones that name the true object.
    is_balanced = kinds[tuple(cells._replace(stated=true_object))] == 0
    told = (kinds[tuple(cells)] == 0) & (is_balanced | (rng.random(m) < 0.25))
    halves = np.flatnonzero(told & is_true_object)[: n - n // 2], np.flatnonzero(told & ~is_true_object)[: n // 2]
    rows = np.sort(np.concatenate(halves))
    return Cells(*(values[rows] for values in cells))
