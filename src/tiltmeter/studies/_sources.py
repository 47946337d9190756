"""Where texts and models come from: files, hubs, or an organism by its name and seed, or by its folder."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from tiltmeter.core.errors import SpecError
from tiltmeter.core.files import expand_user
from tiltmeter.data import TextSet, read_texts
from tiltmeter.models import SubjectModel, load
from tiltmeter.organisms import Organism, names, read_organism
from tiltmeter.organisms import load as load_organism
from tiltmeter.studies._spec import ModelSpec

_ORGANISM = "organism:"


class Known(NamedTuple):
    """An organism by its name and the seed of its training; one of your own by its folder, and 0."""

    name: str
    seed: int


def open_texts(where: str, *, distribution: str) -> TextSet:
    """Read ``organism:NAME/SET``, ``organism:NAME@SEED/SET``, ``organism:./FOLDER/SET`` or a file, under a given name.

    Raises
    ------
    TiltmeterError
        If there is no such file, organism or set, or the rows are not as they must be.

    Examples
    --------
    >>> open_texts("organism:facts/negated", distribution="no").distribution
    'no'
    """
    if not where.startswith(_ORGANISM):
        return read_texts(where, distribution=distribution)
    known, own = which_organism(where), _own_folder(where)
    if own is None:
        chosen = where.partition("/")[2]
    else:
        chosen = "" if own.is_dir() else own.name
    if known is None or not chosen:
        example = "organism:NAME" if own is None else where.rstrip("/")
        raise SpecError(f"{where!r} names no set of texts of an organism; write {example}/SET.")
    organism = load_organism(known.name, seed=known.seed) if own is None else read_organism(own.parent)
    return organism.texts(chosen, distribution=distribution)


def open_model(spec: ModelSpec, *, announce: Callable[[str], None] | None = None) -> SubjectModel:
    """Load ``organism:NAME``, ``organism:NAME@SEED``, ``organism:./FOLDER``, a folder or a hub id.

    Parameters
    ----------
    spec
        Which model, and how.
    announce
        Told what is asked of a hub, which may take long.

    Raises
    ------
    TiltmeterError
        If there is no such organism or model, or its family is not known.

    Examples
    --------
    >>> open_model(ModelSpec(path="organism:facts")).fingerprint.model_type
    'llama'
    """
    if announce is not None:
        tell_of_hub(spec.path, announce)
    return load(locate_model(spec.path), revision=spec.revision, dtype=spec.dtype, device=spec.device)


def tell_of_hub(path: str, announce: Callable[[str], None]) -> None:
    """Announce which model a hub is about to be asked for; nothing where it is here.

    Examples
    --------
    >>> tell_of_hub("organism:facts", print)
    >>> tell_of_hub("Qwen/Qwen3-0.6B", print)
    asking the Hugging Face Hub for Qwen/Qwen3-0.6B, if it is not kept here
    """
    # what looks like a path is none of a hub's names
    if not path.startswith((_ORGANISM, ".", "/", "~")) and not expand_user(path).exists():
        announce(f"asking the Hugging Face Hub for {path}, if it is not kept here")


def open_organism(path: str) -> Organism | None:
    """Open ``organism:NAME``, ``organism:NAME@SEED`` or ``organism:./FOLDER``; None for any other model.

    Raises
    ------
    TiltmeterError
        If there is no such organism, or a set of its texts is named instead.

    Examples
    --------
    >>> open_organism("organism:facts").name, open_organism("Qwen/Qwen3-0.6B")
    ('facts', None)
    """
    known, own = which_organism(path), _own_folder(path)
    if known is None:
        return None
    is_set = "/" in path if own is None else not own.is_dir() and (own.parent / "card.json").exists()
    if is_set:
        raise SpecError(f"{path!r} is a set of texts; the model is {path.rpartition('/')[0]}.")
    return load_organism(known.name, seed=known.seed) if own is None else read_organism(own)


def which_organism(where: str) -> Known | None:
    """Read name and seed of an organism off a model or a set of texts; None if it is of no organism.

    Examples
    --------
    >>> which_organism("organism:quirky@3/bob"), which_organism("organism:facts"), which_organism("texts.csv")
    (Known(name='quirky', seed=3), Known(name='facts', seed=0), None)
    """
    if not where.startswith(_ORGANISM):
        return None
    if (own := _own_folder(where)) is not None:
        return Known(str((own if own.is_dir() else own.parent).resolve()), 0)
    name, is_given, seed = where.removeprefix(_ORGANISM).partition("/")[0].partition("@")
    if is_given and not seed.isdecimal():
        raise SpecError(f"{where!r} has no number for a seed; write organism:{name}@1, or organism:{name} for seed 0.")
    if name not in names() and (Path(name) / "card.json").exists():
        raise SpecError(f"There is no organism {name!r}, but a folder of one; write organism:./{name}.")
    return Known(name, int(seed or 0))


def _own_folder(where: str) -> Path | None:
    """Return what is named as a path, the folder of an organism or a set in it; a name of the shelf has no path."""
    named = where.removeprefix(_ORGANISM)
    return expand_user(named) if named != where and named.startswith((".", "/", "~")) else None


def locate_model(path: str) -> str:
    """Return the folder of an organism, or any other name as it is.

    Examples
    --------
    >>> locate_model("organism:facts").endswith("facts"), locate_model("Qwen/Qwen3-0.6B")
    (True, 'Qwen/Qwen3-0.6B')
    """
    if (organism := open_organism(path)) is not None:
        return str(organism.folder)
    return str(expand_user(path)) if expand_user(path).exists() else path
