"""Where texts and models come from: files, hubs, or a bundled organism by name."""

from __future__ import annotations

from pathlib import Path

from tiltmeter.core.errors import SpecError
from tiltmeter.data import TextSet, read_texts
from tiltmeter.models import SubjectModel, load
from tiltmeter.organisms import Organism
from tiltmeter.organisms import load as load_organism
from tiltmeter.organisms import texts as organism_texts
from tiltmeter.studies._spec import ModelSpec

_ORGANISM = "organism:"


def open_texts(where: str, *, distribution: str) -> TextSet:
    """Read ``organism:NAME/SET`` or a file; the set takes the name that the study gives it.

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
    name, _, chosen = where.removeprefix(_ORGANISM).partition("/")
    if not chosen:
        raise SpecError(f"{where!r} names an organism but no set of texts; write organism:{name}/SET.")
    return organism_texts(name, chosen, distribution=distribution)


def open_model(spec: ModelSpec) -> SubjectModel:
    """Load ``organism:NAME``, a folder or a hub id.

    Raises
    ------
    TiltmeterError
        If there is no such organism or model, or its family is not known.

    Examples
    --------
    >>> open_model(ModelSpec(path="organism:facts")).fingerprint.model_type
    'llama'
    """
    return load(locate_model(spec.path), revision=spec.revision, dtype=spec.dtype, device=spec.device)


def open_organism(path: str) -> Organism | None:
    """Open ``organism:NAME``; None for any other model.

    Examples
    --------
    >>> open_organism("organism:facts").name, open_organism("Qwen/Qwen3-0.6B")
    ('facts', None)
    """
    return load_organism(path.removeprefix(_ORGANISM)) if path.startswith(_ORGANISM) else None


def locate_model(path: str) -> str:
    """Return the folder of a bundled organism, or any other name as it is.

    Examples
    --------
    >>> Path(locate_model("organism:facts")).name, locate_model("Qwen/Qwen3-0.6B")
    ('facts', 'Qwen/Qwen3-0.6B')
    """
    if (organism := open_organism(path)) is not None:
        return str(organism.folder)
    return str(Path(path).expanduser()) if Path(path).expanduser().exists() else path
