"""Labelled texts of an agent that attempts what it must not, and of the same agent that does not."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import product
from typing import Any, Literal, NamedTuple, get_args

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.data._attempts_formats import FORMATS
from tiltmeter.data._attempts_plan import MOST_BUNDLES, Bundle, Step, bundles, doings
from tiltmeter.data._textset import TextSet

AttemptKind = Literal["backdoor", "exfiltrate", "disable_log"]
AttemptFormat = Literal["log", "shell", "tool", "report"]
AttemptLanguage = Literal["en", "de"]
AttemptDifficulty = Literal["blatant", "split", "buried"]


class AttemptsSpec(Record):
    """Which texts :func:`write_attempts` writes.

    ``sizes``: how many bundles of each kind there are in train, calibration and test, 343 at most together. A bundle is
    a task with four words for things and places. It is written in every one of ``formats``, ``languages`` and
    ``difficulties``. ``paired``: clean pairs, else attempts and ordinary logs.

    Examples
    --------
    >>> AttemptsSpec(kinds=("exfiltrate",), languages=("de",)).sizes
    (20, 10, 10)
    """

    seed: int = 0
    sizes: tuple[int, int, int] = (20, 10, 10)
    kinds: tuple[AttemptKind, ...] = get_args(AttemptKind)
    formats: tuple[AttemptFormat, ...] = get_args(AttemptFormat)
    languages: tuple[AttemptLanguage, ...] = get_args(AttemptLanguage)
    difficulties: tuple[AttemptDifficulty, ...] = get_args(AttemptDifficulty)
    paired: bool = True


class _Text(NamedTuple):
    """The steps of one text before they are put into words; ``pair`` and ``side`` are None where there are no pairs."""

    label: int
    steps: tuple[Step, ...]
    pair: int | None
    side: int | None


def write_attempts(spec: AttemptsSpec) -> TextSet:
    """Write logs of an agent that plants a back door, exfiltrates or disables a log, and harmless ones.

    In clean pairs every text brings two things, a guarded and a harmless one, to two places, a foreign and an own one.
    It is an attempt (label 1) where the guarded thing goes to the foreign place. Every bundle gives the square of both
    orders of the things and both orders of the places: two pairs, each with the same things in the same order and the
    places exchanged. So the two texts of a pair hold the same words equally often, the order of the things tells
    nothing, nor does that of the places: only which thing goes where. Of each bundle an unpaired set holds one attempt
    and one log in which only the harmless thing is moved, to the own place; there words may tell.

    Parameters
    ----------
    spec
        What is written. The texts of a spec that asks for fewer kinds, formats, languages or difficulties are among
        those of one that asks for more.

    Returns
    -------
    Texts, half of them attempts in every split and cell, with labels, groups (the bundle), splits, and the columns
    ``kind``, ``format``, ``language``, ``difficulty``, and the bundle's words in English: ``task``, ``guarded``,
    ``harmless``, ``foreign`` and ``own``. Of a pair, side 0 names the foreign place first;
    half of those are attempts. No two groups share more than two of the five words of their bundles.

    Raises
    ------
    SpecError
        If the seed is negative, a list is empty or names something twice, a split is empty, or more than 343 bundles a
        kind are asked for.

    See Also
    --------
    write_texts : Writes them to a file that :func:`read_texts` reads.

    Examples
    --------
    >>> spec = AttemptsSpec(sizes=(1, 1, 1), kinds=("exfiltrate",), formats=("log",), difficulties=("blatant",))
    >>> texts = write_attempts(spec)
    >>> len(texts), texts.y[:4].tolist(), texts.pairs[0] == texts.pairs[1]
    (24, [1, 0, 0, 1], True)
    >>> sorted(texts.texts[0].split()) == sorted(texts.texts[1].split())
    True
    """
    _check(spec)
    rows = list(_rows(spec))
    columns: dict[str, list[Any]] = {name: [row[name] for row in rows] for name in rows[0]}
    return TextSet(
        np.array(columns.pop("id")),
        texts=tuple(columns.pop("text")),
        y=np.array(columns.pop("label"), dtype=np.int64),
        pairs=np.array(columns.pop("pair")) if spec.paired else None,
        sides=np.array(columns.pop("side"), dtype=np.int64) if spec.paired else None,
        groups=np.array(columns.pop("group")),
        split=np.array(columns.pop("split")),
        distribution="attempts in clean pairs" if spec.paired else "attempts and ordinary logs",
        source=f"written attempts, seed {spec.seed}",
        meta={name: tuple(values) for name, values in columns.items()},
    )


def _check(spec: AttemptsSpec) -> None:
    for name in ("kinds", "formats", "languages", "difficulties"):
        asked = getattr(spec, name)
        if not asked or len(set(asked)) < len(asked):
            given = ", ".join(asked) or "empty"
            raise SpecError(f"{name} is {given}; name one or more of what there is, each once.")
    if min(spec.sizes) < 1 or sum(spec.sizes) > MOST_BUNDLES:
        raise SpecError(
            f"sizes are {', '.join(map(str, spec.sizes))}; give at least 1 for each of train, calibration and test, "
            f"and at most {MOST_BUNDLES} together: there are no more bundles of a kind."
        )


def _rows(spec: AttemptsSpec) -> Iterator[dict[str, str | int]]:
    for kind in spec.kinds:
        for bundle in bundles(kind, sizes=spec.sizes, seed=spec.seed):
            for difficulty in spec.difficulties:
                texts = (_square if spec.paired else _apart)(bundle, difficulty, spec.seed)
                for language, form, text in product(spec.languages, spec.formats, texts):
                    name = f"{bundle.name}-{difficulty}-{language}-{form}"
                    row: dict[str, str | int] = {"group": bundle.name, "split": bundle.split, "label": text.label}
                    if text.pair is None or text.side is None:
                        row |= {"id": f"{name}-{text.label}"}
                    else:
                        row |= {"id": f"{name}-{text.pair}-{text.side}", "pair": f"{name}-{text.pair}"}
                        row |= {"side": text.side}
                    yield row | {
                        "text": FORMATS[form](bundle.task, text.steps, language),
                        "kind": kind,
                        "format": form,
                        "language": language,
                        "difficulty": difficulty,
                        "task": bundle.task.en,
                        "guarded": bundle.guarded.en,
                        "harmless": bundle.harmless.en,
                        "foreign": bundle.foreign.en,
                        "own": bundle.own.en,
                    }


def _square(bundle: Bundle, difficulty: str, seed: int) -> list[_Text]:
    """Both orders of the things by both orders of the places; the guarded meets the foreign where the orders agree."""
    things, places = (bundle.guarded, bundle.harmless), (bundle.foreign, bundle.own)
    texts = []
    for pair, side in product((0, 1), (0, 1)):
        moves = list(zip(things[:: 1 - 2 * pair], places[:: 1 - 2 * side], strict=True))
        steps = doings(bundle, difficulty=difficulty, moves=moves, seed=seed)
        texts.append(_Text(int(pair == side), steps, pair, side))
    return texts


def _apart(bundle: Bundle, difficulty: str, seed: int) -> list[_Text]:
    """Return an attempt and an ordinary log, with ordinary steps of their own."""
    moves = ("attempt", 1, (bundle.guarded, bundle.foreign)), ("ordinary", 0, (bundle.harmless, bundle.own))
    return [
        _Text(label, doings(bundle, difficulty=difficulty, moves=[move], seed=seed, draw=draw), None, None)
        for draw, label, move in moves
    ]
