"""The organisms that come with Tiltmeter: their folders, their cards, and how each is trained again."""

from __future__ import annotations

import platform
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tokenizers
import torch
import transformers
from pydantic import ValidationError
from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from transformers.utils import logging as transformers_logging

from tiltmeter.core.errors import FormatError, SpecError
from tiltmeter.core.files import new_folder, read_json, write_json
from tiltmeter.core.records import Record
from tiltmeter.data import TextSet
from tiltmeter.organisms._knowledge import Slice, knowledge
from tiltmeter.organisms._statements import statements
from tiltmeter.organisms._training import OnProgress, Schedule, Trained, fit_world
from tiltmeter.organisms._world import World, make_world, read_world

_BUNDLED = ("facts",)


class Card(Record):
    """What an organism is, and what was measured when it was made."""

    format_version: Literal[1] = 1
    seed: int
    n_parameters: int
    schedule: Schedule
    seconds: float
    cpu_seconds: float
    platform: str
    versions: dict[str, str]
    knowledge: tuple[Slice, ...]


@dataclass(frozen=True, slots=True)
class Organism:
    """A trained model with the world that was planted in it.

    Parameters
    ----------
    name
        What it is called.
    folder
        Model and tokenizer as ``transformers`` saves them, with ``world.json`` and ``card.json``.
    world
        The planted truth.
    card
        How it was trained and how well it knows its world.
    """

    name: str
    folder: Path
    world: World
    card: Card

    @property
    def summary(self) -> str:
        """One line on what was planted and what the model knows of it."""
        world, worst = self.world, _worst(self.card.knowledge, cells=("cell", "format"))
        relations = len(world.languages[0].relations)
        known = "" if worst is None else f"; judges statements it was never told right in {worst:.1%} or more"
        return (
            f"{len(world.facts)} entities, {relations} facts each, in two languages, with their negations; "
            f"{self.card.n_parameters:,} parameters{known}"
        )


def names() -> tuple[str, ...]:
    """Name the bundled organisms.

    Returns
    -------
    Names that :func:`load`, :func:`texts` and :func:`train` take.

    Examples
    --------
    >>> names()
    ('facts',)
    """
    return _BUNDLED


def load(name: str) -> Organism:
    """Open a bundled organism; its weights are read by :func:`tiltmeter.models.load`, given its folder.

    Parameters
    ----------
    name
        One of :func:`names`.

    Returns
    -------
    Its folder, world and card.

    Raises
    ------
    SpecError
        If there is no such organism; the message lists those there are.

    Examples
    --------
    >>> load("facts").card.n_parameters < 2_000_000
    True
    """
    _check_name(name)
    return read_organism(Path(__file__).parent / name)


def read_organism(folder: str | Path) -> Organism:
    """Open an organism's folder, such as :func:`train` writes.

    Parameters
    ----------
    folder
        The folder; its name is the organism's.

    Returns
    -------
    Its folder, world and card.

    Raises
    ------
    FileError
        If the world or the card is missing.
    FormatError
        If either is damaged or of another version.

    Examples
    --------
    >>> read_organism("no-such-folder")
    Traceback (most recent call last):
    tiltmeter.core.errors.FileError: no-such-folder/world.json does not exist; check the path.
    """
    path = Path(folder)
    world = read_world(path / "world.json")
    try:
        card = Card.model_validate(read_json(path / "card.json"))
    except ValidationError as error:
        what = error.errors()[0]
        where = ".".join(map(str, what["loc"]))
        raise FormatError(f"{path / 'card.json'} is no card this version reads: {where}: {what['msg']}.") from error
    return Organism(path.resolve().name, path, world, card)


def texts(name: str, chosen: str, *, distribution: str | None = None) -> TextSet:
    """Return a set of statements about the world of a bundled organism.

    Parameters
    ----------
    name
        One of :func:`names`.
    chosen
        One of :data:`DISTRIBUTIONS`; see :func:`statements`.
    distribution
        What the set is called in a study; None for the name it has here.

    Returns
    -------
    Statements with labels, pairs, sides, groups and splits.

    Raises
    ------
    SpecError
        If there is no such organism or set.

    Examples
    --------
    >>> texts("facts", "negated").distribution
    'negated'
    """
    return statements(load(name).world, chosen, called=distribution)


def train(name: str, out: str | Path, *, seed: int = 0, progress: bool | OnProgress = True) -> Organism:
    """Train a bundled organism again: the same seed on the same machine gives the same weights.

    Parameters
    ----------
    name
        One of :func:`names`.
    out
        The folder to write; it appears only when everything in it is complete.
    seed
        Seed of the world and of the training. The bundled one has seed 0.
    progress
        True shows a bar on standard error; a function is called with the number of steps done and their total.

    Returns
    -------
    The new organism.

    Raises
    ------
    SpecError
        If there is no such organism.
    FileError
        If ``out`` exists.

    Examples
    --------
    >>> train("facts", "my_facts").card.cpu_seconds  # doctest: +SKIP
    741.2
    """
    _check_name(name)
    return train_world(make_world(seed), out, seed=seed, progress=progress)


def train_world(
    world: World,
    out: str | Path,
    *,
    schedule: Schedule | None = None,
    seed: int = 0,
    progress: bool | OnProgress = False,
) -> Organism:
    """Train a model on a world of one's own and write it as an organism.

    Parameters
    ----------
    world
        What is planted; see :func:`make_world`.
    out
        The folder to write; it appears only when everything in it is complete.
    schedule
        Size of the model and course of the training; None for that of the bundled organism.
    seed
        Seed of the initial weights and of the order of the statements.
    progress
        True shows a bar on standard error; a function is called with the number of steps done and their total.

    Returns
    -------
    The new organism, its knowledge measured on all cells.

    Raises
    ------
    FileError
        If ``out`` exists.

    Examples
    --------
    >>> world = make_world(0, sizes=(80, 80, 80))
    >>> train_world(world, "small", schedule=Schedule(steps=800, affirmed_steps=300))  # doctest: +SKIP
    """
    path, chosen = Path(out), schedule or Schedule()
    with new_folder(path) as folder:
        with _reporting(progress) as report:
            trained = fit_world(world, schedule=chosen, seed=seed, report=report)
        _save(trained, folder)
        card = Card(
            seed=seed,
            n_parameters=sum(p.numel() for p in trained.model.parameters()),
            schedule=chosen,
            seconds=round(trained.seconds, 1),
            cpu_seconds=round(trained.cpu_seconds, 1),
            platform=f"{platform.system()} {platform.machine()}",
            versions={part.__name__: part.__version__ for part in (torch, transformers, tokenizers)},
            knowledge=knowledge(trained.model, trained.tokenizer, world=world),
        )
        write_json(folder / "world.json", world.model_dump(mode="json"))
        write_json(folder / "card.json", card.model_dump(mode="json"))
    return read_organism(path)


def describe(organism: Organism) -> str:
    """Say in plain text what was planted in an organism, which texts it offers, and how well it knows its world.

    Parameters
    ----------
    organism
        A bundled or a new one.

    Returns
    -------
    Several lines.

    Examples
    --------
    >>> print(describe(load("facts")).splitlines()[0])
    facts: a decoder with 587,712 parameters, trained on a planted world of facts
    """
    world, card = organism.world, organism.card
    lines = [
        f"{organism.name}: a decoder with {card.n_parameters:,} parameters, trained on a planted world of facts",
        f"folder: {organism.folder}",
        f"world: {len(world.facts)} entities ({_count(world.splits)}), seed {world.seed}",
    ]
    for number, language in enumerate(world.languages):
        lines.append(f"language {number}, cue words {' and '.join(language.cues)}:")
        lines += [f"  {_example(world, language=number, form=i)}" for i in range(len(language.formats))]
    lines.append("sets of texts:")
    for name in _SETS:
        found = statements(world, name)
        lines.append(f"  {name}: {len(found)} statements; {_SETS[name]}")
    lines.append(f"trained in {card.seconds:.0f} s ({card.cpu_seconds:.0f} s of processor time), seed {card.seed}")
    lines.append("balanced accuracy of its judgement, mean over formats, languages and polarities (worst of them):")
    for cells, meaning in _CELLS.items():
        values = [part.balanced_accuracy for part in card.knowledge if part.cells == cells]
        if values:
            lines.append(f"  {meaning}: {sum(values) / len(values):.1%} ({min(values):.1%})")
    return "\n".join(lines)


_SETS = {
    "affirmative": "first language, first format; in the training split the cue goes with truth",
    "negated": "the same, negated",
    "reformatted": "first language, the other formats",
    "other_language": "second language, facts that the model was told in it",
    "untold": "second language, facts that the model was never told in it",
}
_CELLS = {
    "trained": "statements it was told",
    "cell": "statements held out at random",
    "format": "facts it was never told in that format",
    "language": "facts it was never told in the second language",
}


def _count(splits: tuple[str, ...]) -> str:
    return ", ".join(f"{splits.count(split)} {split}" for split in dict.fromkeys(splits))


def _example(world: World, *, language: int, form: int) -> str:
    words, chosen = world.languages[language], world.languages[language].formats[form]
    filled = {
        "CUE": words.cues[0],
        "RELATION": words.relations[0],
        "ENTITY": words.entities[0],
        "VERB": f"{chosen.affirmed}/{chosen.negated}",
        "OBJECT": words.objects[0][world.facts[0][0]],
    }
    return " ".join(filled.get(word, word) for word in chosen.words)


def _worst(slices: tuple[Slice, ...], *, cells: tuple[str, ...]) -> float | None:
    return min((part.balanced_accuracy for part in slices if part.cells in cells), default=None)


def _check_name(name: str) -> None:
    if name not in _BUNDLED:
        raise SpecError(f"There is no organism {name!r}; there is {', '.join(_BUNDLED)}.")


def _save(trained: Trained, folder: Path) -> None:
    bars = transformers_logging.is_progress_bar_enabled()
    # its own bar would be drawn over ours
    transformers_logging.disable_progress_bar()
    try:
        trained.model.save_pretrained(folder)
        trained.tokenizer.save_pretrained(folder)
        # safetensors makes files that only their owner may read
        (folder / "model.safetensors").chmod((folder / "config.json").stat().st_mode)
    finally:
        if bars:
            transformers_logging.enable_progress_bar()


@contextmanager
def _reporting(progress: bool | OnProgress) -> Iterator[OnProgress]:  # noqa: FBT001  (as the caller gave it)
    if not isinstance(progress, bool):
        yield progress
        return
    columns = (TextColumn("training"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), disable=not progress) as bar:
        task = bar.add_task("", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)
