"""Sets of statements about a world, balanced so that no surface feature tells which are true."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.data import TextSet
from tiltmeter.organisms._cells import Cells, Ints, code, facts, spell, truth, vocabulary
from tiltmeter.organisms._world import KINDS, SPLITS, World, cell_kinds, extent

DISTRIBUTIONS = ("affirmative", "negated", "reformatted", "other_language", "untold")
"""Affirmed statements in the first language and format; the same negated; in the other formats; in the second language;
and in the second language about the facts that the model was never told in it (a control: there is nothing to read)."""


class _Rows(NamedTuple):
    cells: Cells
    pair: Ints
    side: Ints
    cue: Ints


def statements(
    world: World, distribution: str, *, agreement: float = 0.9, seed: int = 0, called: str | None = None
) -> TextSet:
    """Return one of the sets of statements about a world.

    Each fact gives a pair, one true and one false statement that differ in the object. In every split and under every
    relation each object is named as often in true as in false statements, and so is each cue word; the one exception is
    the training split of ``affirmative``, where the cue goes with truth. The cue and the side of a pair are otherwise
    independent of truth. An entity is in the same split in every set.

    Parameters
    ----------
    world
        The planted world.
    distribution
        ``affirmative`` (first language, first format), ``negated`` (the same, negated), ``reformatted`` (the other
        formats), ``other_language`` (second language, first format; only facts that were told in it), ``untold``
        (the same for facts that were never told in it).
    agreement
        Share of the training statements of ``affirmative`` whose cue goes with truth; 0.5 for none. Rounded to whole
        blocks of entities.
    seed
        Seed of the false objects, cues, and sides.
    called
        What the set is called in a study; None for ``distribution``.

    Returns
    -------
    Texts without the judgement, with labels, pairs, sides, groups (the entity), splits, and the columns ``cue``,
    ``entity``, ``relation``, ``object``, ``format``, ``language``, ``polarity`` and ``held_out`` (``trained``, or why
    the model was not told this statement: ``cell``, ``format``, ``language``).

    Raises
    ------
    SpecError
        If there is no such set, or the agreement is not between 0 and 1.

    Examples
    --------
    >>> from tiltmeter.organisms import make_world
    >>> texts = statements(make_world(0, sizes=(8, 8, 8)), "affirmative")
    >>> len(texts), len(texts.texts[0].split()), int(texts.y[:2].sum())
    (96, 8, 1)
    """
    if distribution not in DISTRIBUTIONS:
        raise SpecError(f"There is no set of statements {distribution!r}; use one of {', '.join(DISTRIBUTIONS)}.")
    if not 0 <= agreement <= 1:
        raise SpecError(f"agreement is {agreement}; give a share from 0 to 1.")
    rows = _draw(world, distribution, agreement=agreement, seed=seed)
    return _describe(world, rows, distribution=distribution, called=called or distribution)


def _draw(world: World, distribution: str, *, agreement: float, seed: int) -> _Rows:
    """Go through splits, relations and blocks; each block of entities is balanced within itself."""
    size, kinds, splits = extent(world), cell_kinds(world), np.array(world.splits)
    language = 1 if distribution in ("other_language", "untold") else 0
    found = []
    for split in SPLITS:
        rng = stream(seed, "statements", distribution, split)
        coupled = distribution == "affirmative" and split == "train"
        for relation in range(size.n_relations):
            blocks = np.flatnonzero(splits == split).reshape(-1, size.n_objects)
            if language == 1:
                # whole blocks are told or untold
                untold = kinds[blocks[:, 0], relation, 0, 1, 0, 0] == KINDS.index("language")
                blocks = blocks[untold == (distribution == "untold")]
            if len(blocks):
                cues = _draw_cues(len(blocks), agreement=agreement if coupled else None, rng=rng)
                found.append(_fill(world, distribution, blocks=blocks, relation=relation, cues=cues, rng=rng))
    columns = [np.concatenate(column) for column in zip(*(_flatten(rows) for rows in found), strict=True)]
    cells = Cells(*columns[:6])
    order = np.lexsort((1 - truth(world, cells), cells.relation, cells.entity))
    ordered = [column[order] for column in columns]
    return _Rows(Cells(*ordered[:6]), *ordered[6:])


def _flatten(rows: _Rows) -> tuple[Ints, ...]:
    return (*rows.cells, rows.pair, rows.side, rows.cue)


def _draw_cues(n_blocks: int, *, agreement: float | None, rng: np.random.Generator) -> Ints:
    """Return the cue of each block for its false and its true statements, shape (n_blocks, 2).

    Uncoupled, both are equal and half of the blocks have each cue. Coupled, the cue is the label, except in a share of
    the blocks that is drawn for either label on its own.
    """
    if agreement is None:
        half = rng.permutation(np.arange(n_blocks) % 2)
        # an odd number of blocks would otherwise always have one more of the first cue
        return np.stack([half, half], axis=1) ^ int(rng.integers(2))
    agrees = np.arange(n_blocks) < round(agreement * n_blocks)
    return np.stack([np.where(rng.permutation(agrees), label, 1 - label) for label in (0, 1)], axis=1)


def _fill(
    world: World, distribution: str, *, blocks: Ints, relation: int, cues: Ints, rng: np.random.Generator
) -> _Rows:
    """State of each entity its true object and, by a derangement within the block, one that is true of another."""
    size = extent(world)
    true_object = facts(world)[blocks, relation]
    wrong = np.stack([row[_derange(size.n_objects, rng)] for row in true_object])
    entity = blocks.ravel()
    form = np.zeros_like(entity)
    if distribution == "reformatted":
        # the other formats in turn, shifted by relation: an entity is stated in two of them
        form = 1 + (np.tile(np.arange(size.n_objects), len(blocks)) + relation) % (size.n_formats - 1)
    n, negated = len(entity), int(distribution == "negated")
    cells = Cells(
        entity=np.tile(entity, 2),
        relation=np.full(2 * n, relation),
        form=np.tile(form, 2),
        language=np.full(2 * n, int(distribution in ("other_language", "untold"))),
        negated=np.full(2 * n, negated),
        stated=np.concatenate([true_object.ravel(), wrong.ravel()]),
    )
    # exactly half of the pairs have their true statement on side 1
    side = rng.permutation(np.arange(n) % 2)
    label = truth(world, cells)
    cue = np.where(label == 1, np.tile(np.repeat(cues[:, 1], size.n_objects), 2), 0)
    cue = np.where(label == 0, np.tile(np.repeat(cues[:, 0], size.n_objects), 2), cue)
    return _Rows(cells, pair=cells.entity * size.n_relations + relation, side=np.tile(side, 2) ^ label, cue=cue)


def _derange(n: int, rng: np.random.Generator) -> Ints:
    """Draw a permutation that leaves nothing in its place; about every third permutation is one."""
    while True:
        order = rng.permutation(n)
        if (order != np.arange(n)).all():
            return order


def _describe(world: World, rows: _Rows, *, distribution: str, called: str) -> TextSet:
    """Spell the rows out and name what they hold."""
    cells, words = rows.cells, np.array(vocabulary(world))
    codes, label = code(world), truth(world, cells)
    held_out = np.array(KINDS)[cell_kinds(world)[tuple(cells)]]
    entity = words[codes.entities[0, cells.entity]]
    relation = words[codes.relations[0, cells.relation]]
    ids = [
        f"{distribution}-{e}-{r}-{'true' if y else 'false'}" for e, r, y in zip(entity, relation, label, strict=True)
    ]
    meta = {
        "cue": rows.cue.tolist(),
        # in the words of the first language whatever the text's, so that one fact has one name
        "entity": entity.tolist(),
        "relation": relation.tolist(),
        "object": words[codes.objects[0, cells.relation, cells.stated]].tolist(),
        "format": cells.form.tolist(),
        "language": cells.language.tolist(),
        "polarity": np.where(cells.negated == 1, "negated", "affirmed").tolist(),
        "held_out": held_out.tolist(),
    }
    return TextSet(
        np.array(ids),
        texts=tuple(" ".join(row) for row in words[spell(codes, cells, cues=rows.cue)].tolist()),
        y=label,
        pairs=np.array([f"{distribution}-{e}-{r}" for e, r in zip(entity, relation, strict=True)]),
        sides=rows.side,
        groups=entity,
        split=np.array(world.splits)[cells.entity],
        distribution=called,
        source=f"a planted world, seed {world.seed}",
        meta={name: tuple(values) for name, values in meta.items()},
    )
