"""Where texts and models come from: files, hubs, or a bundled organism by name."""

from __future__ import annotations

from pathlib import Path

from tiltmeter import data, models, organisms
from tiltmeter.core.errors import SpecError
from tiltmeter.data import TextSet
from tiltmeter.models import SubjectModel
from tiltmeter.studies._spec import ModelSpec

_ORGANISM = "organism:"


def open_texts(where: str, *, distribution: str) -> TextSet:
    """Read ``organism:NAME/SET`` or a file; the set takes the name that the study gives it."""
    if not where.startswith(_ORGANISM):
        return data.read_texts(where, distribution=distribution)
    name, _, chosen = where.removeprefix(_ORGANISM).partition("/")
    if not chosen:
        raise SpecError(f"{where!r} names an organism but no set of texts; write organism:{name}/SET.")
    return organisms.texts(name, chosen, distribution=distribution)


def open_model(spec: ModelSpec) -> SubjectModel:
    """Load ``organism:NAME``, a folder or a hub id."""
    return models.load(locate_model(spec.path), revision=spec.revision, dtype=spec.dtype, device=spec.device)


def locate_model(path: str) -> str:
    """Return the folder of a bundled organism, or any other name as it is."""
    if path.startswith(_ORGANISM):
        return str(organisms.load(path.removeprefix(_ORGANISM)).folder)
    return str(Path(path).expanduser()) if Path(path).expanduser().exists() else path
