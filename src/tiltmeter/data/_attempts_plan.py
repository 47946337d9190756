"""What an agent does, step by step, before it is put into words of any format or language."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import NamedTuple

from tiltmeter.core.seeds import stream
from tiltmeter.data._attempts_words import INTO, KINDS, ORDINARY, PUT, TASKS, Kind, Term, Verb
from tiltmeter.data._textset import SPLITS

# words a slot; prime, so that whole numbers modulo it are a field
_WORDS = len(TASKS)
MOST_BUNDLES = _WORDS**3
# ordinary steps around the attempt
_ORDINARY = {"blatant": 2, "split": 2, "buried": 8}


class Bundle(NamedTuple):
    """One thing that texts are about: the words of its five slots. All its texts are in one group and one split."""

    name: str
    kind: str
    split: str
    task: Term
    guarded: Term
    harmless: Term
    foreign: Term
    own: Term


class Step(NamedTuple):
    """One step: what is done with what, and, where it goes somewhere, where."""

    verb: Verb
    what: Term
    preposition: Term | None = None
    to: Term | None = None


def bundles(kind: str, *, sizes: Sequence[int], seed: int) -> Iterator[Bundle]:
    """Yield the bundles of a kind, ``sizes`` of them for train, calibration and test.

    The words of a bundle are the values of a polynomial of degree 2 over the field of seven elements at five places.
    Two polynomials agree at no more than two places, so two bundles never share more than two of their five words:
    no split can be known from another. All 343 together hold every combination of three words once.
    """
    codes = stream(seed, "attempts", kind).permutation(MOST_BUNDLES)[: sum(sizes)]
    splits = [split for split, size in zip(SPLITS, sizes, strict=True) for _ in range(size)]
    for code, split in zip(codes.tolist(), splits, strict=True):
        yield _bundle(kind, code, split=split)


def bundle_called(name: str) -> Bundle | None:
    """Return the bundle of a name, which tells its words, with an empty split; None if there is none of that name."""
    kind, _, code = name.rpartition("-")
    if kind not in KINDS or not code.isdecimal() or int(code) >= MOST_BUNDLES:
        return None
    return _bundle(kind, int(code), split="")


def _bundle(kind: str, code: int, *, split: str) -> Bundle:
    words: Kind = KINDS[kind]
    a, b, c = code // _WORDS**2, code // _WORDS % _WORDS, code % _WORDS
    slots = (TASKS, words.guarded, words.harmless, words.foreign, words.own)
    chosen = [slot[(a * x * x + b * x + c) % _WORDS] for x, slot in enumerate(slots)]
    return Bundle(f"{kind}-{code}", kind, split, *chosen)


def doings(
    bundle: Bundle, *, difficulty: str, moves: Sequence[tuple[Term, Term]], seed: int, draw: str = ""
) -> tuple[Step, ...]:
    """Return the steps of an agent that brings things to places, in order, amid ordinary steps.

    What is ordinary, where the moves stand and how containers are numbered depends on the bundle, the difficulty and
    ``draw`` only, so that texts that differ in their ``moves`` are otherwise the same. Where an attempt is split,
    things are first put into containers, then the containers are moved: no step alone says what goes where.
    """
    words, rng = KINDS[bundle.kind], stream(seed, "attempts", bundle.name, difficulty, draw)
    if difficulty == "split":
        numbers = (rng.permutation(9)[: len(moves)] + 1).tolist()
        containers = [Term(*(f"{word}-{number}" for word in words.container)) for number in numbers]
        put = [Step(PUT, what, INTO, box) for (what, _), box in zip(moves, containers, strict=True)]
        moves = [(box, to) for (_, to), box in zip(moves, containers, strict=True)]
    else:
        put = []
    special = [*put, *(Step(words.verb, what, words.preposition, to) for what, to in moves)]
    n_ordinary = _ORDINARY[difficulty]
    ordinary = [Step(*ORDINARY[i]) for i in rng.permutation(len(ORDINARY))[:n_ordinary]]
    is_special = rng.permutation(n_ordinary + len(special)) < len(special)
    rest = iter(ordinary), iter(special)
    return tuple(next(rest[int(here)]) for here in is_special)
