"""An organism: a trained model, the world that was planted in it, and what was measured."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from tiltmeter.core.errors import FormatError
from tiltmeter.core.files import read_json
from tiltmeter.core.records import Record
from tiltmeter.data import TextSet
from tiltmeter.organisms._card import Card
from tiltmeter.organisms._kinds import kind_of


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
        The planted truth; its type is that of the kind.
    card
        How it was trained and how it behaves.
    """

    name: str
    folder: Path
    world: Any
    card: Card

    @property
    def planted(self) -> tuple[str, ...]:
        """The ground truth, in sentences."""
        return kind_of(self.card.kind).planted(self.world)

    @property
    def columns(self) -> Mapping[str, str]:
        """Which columns of its texts say what is said or believed, where the label says what is true."""
        return kind_of(self.card.kind).columns

    def texts(self, chosen: str, *, distribution: str | None = None) -> TextSet:
        """Return a set of texts about its world, under the name ``distribution``, or its own; SpecError if unknown."""
        return kind_of(self.card.kind).texts(self.world, chosen, called=distribution)


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
    tiltmeter.core.errors.FileError: no-such-folder/card.json does not exist; check the path.
    """
    path = Path(folder)
    card = _read(path / "card.json", Card, what="card")
    return Organism(path.resolve().name, path, _read(path / "world.json", kind_of(card.kind).world, what="world"), card)


def _read(path: Path, record: type[Record], *, what: str) -> Any:  # noqa: ANN401
    try:
        return record.model_validate(read_json(path))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(map(str, first["loc"]))
        raise FormatError(f"{path} is no {what} that this version reads: {where}: {first['msg']}.") from error


def describe(organism: Organism) -> str:
    """Say in plain text what was planted in an organism, which texts it offers, and how it behaves.

    Parameters
    ----------
    organism
        A bundled or a new one.

    Returns
    -------
    Several lines.

    Examples
    --------
    >>> from tiltmeter.organisms import load
    >>> print(describe(load("facts")).splitlines()[0])
    facts: a decoder with 587,712 parameters; facts in two languages, with their negations: which statements are true
    """
    card = organism.card
    kind = kind_of(card.kind)
    lines = [
        f"{organism.name}: a decoder with {card.n_parameters:,} parameters; {kind.about}",
        f"folder: {organism.folder}",
        "planted:",
        *(f"  {sentence}" for sentence in organism.planted),
        "sets of texts:",
    ]
    for name, meaning in kind.sets.items():
        found = kind.texts(organism.world, name)
        lines.append(f"  {name}: {len(found)} texts; {meaning}. For example: {_example(found.texts)}")
    lines.append(f"trained in {card.seconds:.0f} s ({card.cpu_seconds:.0f} s of processor time), seed {card.seed}")
    lines.append("behaviour (chance):")
    for figure in card.figures:
        chance = "" if figure.chance is None else f" ({figure.chance:.1%})"
        lines.append(f"  {figure.name}: {figure.value:.1%}{chance} of {figure.n:,}")
    return "\n".join(lines)


def _example(texts: tuple[str, ...] | None) -> str:
    # in one line, whatever breaks it has
    return "" if not texts else " ".join(texts[0].split())
