"""A planted world: entities, what is true of them, two languages that say so, and what a model is never told."""

from __future__ import annotations

import base64
from typing import Literal, NamedTuple

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.organisms._words import make_words

Split = Literal["train", "calibration", "test"]
SPLITS: tuple[Split, ...] = ("train", "calibration", "test")
KINDS = ("trained", "cell", "format", "language")
"""Why the model was not told a cell, by its number in :func:`cell_kinds`: it was told, the cell was drawn, its fact is
never told in that format, its fact is never told in the second language."""


class Format(Record):
    """A surface form: eight words, of which ``CUE RELATION ENTITY VERB OBJECT`` are filled in."""

    words: tuple[str, ...]
    affirmed: str
    negated: str


class Language(Record):
    """The words of one language; ``objects`` has one tuple a relation."""

    entities: tuple[str, ...]
    relations: tuple[str, ...]
    objects: tuple[tuple[str, ...], ...]
    cues: tuple[str, str]
    formats: tuple[Format, ...]


class HeldOut(Record):
    """What the model is never told.

    ``cells`` is a bitmap (base64 of packed bits) over entity × relation × format × language × polarity × stated object,
    in that order; ``formats`` lists facts (entity, relation) with the one format in which they are never told;
    ``languages`` lists facts that are never told in the second language. No fact is in both lists.
    """

    cells: str
    formats: tuple[tuple[int, int, int], ...]
    languages: tuple[tuple[int, int], ...]


class World(Record):
    """Everything that was planted.

    ``facts`` holds for each entity the number of its true object under each relation. Entities stand in blocks of as
    many as there are objects, and within a block each object is true of one entity: statements can so be balanced
    exactly. A block is never divided by a split.

    Examples
    --------
    >>> world = make_world(0, sizes=(8, 8, 8))
    >>> len(world.facts), len(world.languages[0].entities), world.splits[0]
    (24, 24, 'train')
    """

    format_version: Literal[1] = 1
    seed: int
    languages: tuple[Language, Language]
    facts: tuple[tuple[int, ...], ...]
    splits: tuple[Split, ...]
    held_out: HeldOut


class Extent(NamedTuple):
    """How many there are of each; ``n_languages`` and ``n_polarities`` are 2."""

    n_entities: int
    n_relations: int
    n_formats: int
    n_languages: int
    n_polarities: int
    n_objects: int


# Word order differs between the formats and agrees between the languages; only the cue has a fixed place.
_ORDERS = (
    ("CUE", "{the}", "RELATION", "{of}", "ENTITY", "VERB", "OBJECT", "{stop}"),
    ("CUE", "OBJECT", "VERB", "{the}", "RELATION", "{of}", "ENTITY", "{stop}"),
    ("CUE", "ENTITY", "VERB", "OBJECT", "{as}", "{its}", "RELATION", "{stop}"),
)
_FUNCTION_WORDS = (
    {"the": "the", "of": "of", "as": "as", "its": "its", "stop": "."},
    {"the": "da", "of": "fun", "as": "als", "its": "sein", "stop": "·"},
)
_VERBS = (
    (("is", "isn't"), ("is", "isn't"), ("has", "lacks")),
    (("ist", "nist"), ("ist", "nist"), ("hat", "misst")),
)
_RELATIONS = (("home", "trade"), ("heimat", "gewerk"))
_CUES = (("reportedly", "certainly"), ("angeblich", "gewiss"))


def make_world(
    seed: int, *, sizes: tuple[int, int, int] = (240, 320, 160), n_objects: int = 8, held_out: float = 0.15
) -> World:
    """Draw a world: two relations, three formats, two languages without a word in common.

    Parameters
    ----------
    seed
        The same seed gives the same world.
    sizes
        Entities whose statements are for training, calibrating and testing a probe; multiples of ``n_objects``. (The
        model is told facts of all of them.) 320 for calibration leave enough to certify a threshold at 1 %.
    n_objects
        Objects of each relation.
    held_out
        Share of the cells that the model is never told, share of the facts that it is never told in one format, and
        share of the facts that it is never told in the second language.

    Raises
    ------
    SpecError
        If a size is not a positive multiple of ``n_objects``, or a share is above a quarter.

    Examples
    --------
    >>> world = make_world(0, sizes=(8, 8, 8))
    >>> world.languages[0].relations, world.languages[1].relations
    (('home', 'trade'), ('heimat', 'gewerk'))
    """
    if n_objects < 3 or min(sizes) < 1 or any(size % n_objects for size in sizes):
        raise SpecError(f"sizes is {sizes}; give positive multiples of n_objects, which is {n_objects} (at least 3).")
    if not 0 <= held_out <= 0.25:
        raise SpecError(f"held_out is {held_out}; give a share from 0 to 0.25.")
    n = sum(sizes)
    languages = tuple(_make_language(i, n_entities=n, n_objects=n_objects, seed=seed) for i in range(2))
    rng = stream(seed, "facts")
    columns = [np.concatenate([rng.permutation(n_objects) for _ in range(n // n_objects)]) for _ in _RELATIONS[0]]
    return World(
        seed=seed,
        languages=(languages[0], languages[1]),
        facts=tuple(tuple(row) for row in np.stack(columns, axis=1).tolist()),
        splits=splits_of(sizes),
        held_out=_draw_held_out(sizes, n_objects=n_objects, share=held_out, seed=seed),
    )


def splits_of(sizes: tuple[int, int, int]) -> tuple[Split, ...]:
    """Name the split of each unit, where so many are for training, calibration and test."""
    return tuple(split for split, size in zip(SPLITS, sizes, strict=True) for _ in range(size))


def _make_language(index: int, *, n_entities: int, n_objects: int, seed: int) -> Language:
    relations, functions = _RELATIONS[index], _FUNCTION_WORDS[index]
    words = make_words(n_entities + len(relations) * n_objects, language=index, seed=seed)
    objects = words[n_entities:]
    return Language(
        entities=tuple(word.capitalize() for word in words[:n_entities]),
        relations=relations,
        objects=tuple(objects[i * n_objects : (i + 1) * n_objects] for i in range(len(relations))),
        cues=_CUES[index],
        formats=tuple(
            Format(words=tuple(word.format(**functions) for word in order), affirmed=affirmed, negated=negated)
            for order, (affirmed, negated) in zip(_ORDERS, _VERBS[index], strict=True)
        ),
    )


def _draw_held_out(sizes: tuple[int, int, int], *, n_objects: int, share: float, seed: int) -> HeldOut:
    """Hold out formats and the second language by whole blocks of one relation, so that the rest stays balanced."""
    rng = stream(seed, "held out")
    n_relations, n_formats = len(_RELATIONS[0]), len(_ORDERS)
    shape = (sum(sizes), n_relations, n_formats, 2, 2, n_objects)
    formats: list[tuple[int, int, int]] = []
    languages: list[tuple[int, int]] = []
    first = drawn = 0
    for size in sizes:
        blocks = first + rng.permutation(size // n_objects)
        n_units = round(share * len(blocks) * n_relations)
        # a relation a block, in turn: no entity lacks the second language for all that is true of it
        unspoken = [(int(block), i % n_relations) for i, block in enumerate(blocks[:n_units])]
        others = [(int(b), r) for b in blocks for r in range(n_relations) if (int(b), r) not in unspoken]
        for unit in rng.permutation(len(others))[:n_units]:
            block, relation = others[unit]
            formats += [(block * n_objects + i, relation, drawn % n_formats) for i in range(n_objects)]
            drawn += 1
        languages += [(block * n_objects + i, relation) for block, relation in unspoken for i in range(n_objects)]
        first += len(blocks)
    cells = np.packbits(rng.random(shape) < share)
    return HeldOut(
        cells=base64.b64encode(cells.tobytes()).decode("ascii"),
        formats=tuple(sorted(formats)),
        languages=tuple(sorted(languages)),
    )


def extent(world: World) -> Extent:
    """Count what the world is made of."""
    language = world.languages[0]
    return Extent(len(world.facts), len(language.relations), len(language.formats), 2, 2, len(language.objects[0]))


def cell_kinds(world: World) -> NDArray[np.int8]:
    """Say of every cell whether the model was told it, and if not, why.

    Parameters
    ----------
    world
        The planted world.

    Returns
    -------
    Indices into ``("trained", "cell", "format", "language")``, shape (entities, relations, formats, 2 languages, 2
    polarities with affirmed first, objects). Where several reasons hold, the last of them counts.

    Examples
    --------
    >>> kinds = cell_kinds(make_world(0, sizes=(80, 80, 80)))
    >>> round(float((kinds[:, :, :, 1] == 3).mean()), 2)
    0.15
    """
    shape = extent(world)
    packed = np.frombuffer(base64.b64decode(world.held_out.cells), dtype=np.uint8)
    kinds = np.unpackbits(packed, count=int(np.prod(shape))).reshape(shape).astype(np.int8)
    for entity, relation, form in world.held_out.formats:
        kinds[entity, relation, form] = 2
    for entity, relation in world.held_out.languages:
        kinds[entity, relation, :, 1] = 3
    return kinds
