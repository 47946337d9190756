"""How specs are read from YAML, and what is said of the first thing that is wrong in one."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from pathlib import Path
from typing import Any, get_args

import yaml
from pydantic import ValidationError

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.core.records import Record


def read_content(path: Path, *, kind: str) -> Any:  # noqa: ANN401  (YAML is any)
    """Return what stands in a YAML file; ``kind`` is what it should be, as in "a study spec"."""
    if not path.is_file():
        what = "is a folder" if path.is_dir() else "does not exist"
        raise FileError(f"{path} {what}; give the path of {kind} (YAML).")
    try:
        return yaml.load(path.read_text(encoding="utf-8"), Loader=_UniqueKeys)
    except (OSError, UnicodeDecodeError) as error:
        raise FileError(f"{path} cannot be read as UTF-8 text ({error}).") from None
    except yaml.YAMLError as error:
        raise SpecError(f"{path} is not valid YAML: {' '.join(str(error).split())}.") from None


def first_problem(error: ValidationError, *, spec: type[Record], hints: Mapping[str, str]) -> str:
    """Say in words what is wrong first; ``hints`` by key (``read.sites``) take the place of pydantic's words."""
    # a misspelt key is a missing one and an unknown one: the unknown one tells what was meant
    problem = min(error.errors(), key=lambda found: found["type"] != "extra_forbidden")
    where = [str(part) for part in problem["loc"]]
    if problem["type"] == "extra_forbidden":
        known = _known_keys(where[:-1], spec=spec)
        near = difflib.get_close_matches(where[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {near[0]!r}?" if near else f"known keys here are {', '.join(known)}"
        return f"unknown key {'.'.join(where)!r}; {hint}"
    if problem["type"] == "missing":
        return f"the key {'.'.join(where)!r} is missing"
    if problem["type"] != "value_error" and (told := hints.get(".".join(where[:2]))) is not None:
        return told
    if problem["type"] == "model_type":
        return f"{'.'.join(where)!r}: give keys and values, such as {', '.join(_known_keys(where, spec=spec))}"
    message = problem["msg"].removeprefix("Value error, ").removesuffix(".")
    at = f"{'.'.join(where)!r}: " if where else ""
    return f"{at}{message[0].lower()}{message[1:]}"


def beside(folder: Path, where: str) -> str:
    """Return a path relative to a folder where it exists there, else as it is; so that of one's own organism, too."""
    if (path := where.removeprefix("organism:")) != where:
        # the organism's folder, or a set in it, which is no file; a name of the shelf is no path
        there = folder / path
        is_here = path.startswith(".") and (there.is_dir() or (there.parent / "card.json").exists())
        return f"organism:{there.resolve()}" if is_here else where
    return str(folder / where) if (folder / where).exists() else where


def _known_keys(where: list[str], *, spec: type[Record]) -> list[str]:
    for part in where:
        annotation = spec.model_fields[part].annotation
        kinds = [kind for kind in (annotation, *get_args(annotation)) if isinstance(kind, type)]
        inner = [kind for kind in kinds if issubclass(kind, Record)]
        if not inner:
            return []
        spec = inner[0]
    return list(spec.model_fields)


class _UniqueKeys(yaml.SafeLoader):
    """YAML in which no key may stand twice: the second would silently replace the first."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:  # noqa: FBT001, FBT002
        keys = [self.construct_object(key, deep=True) for key, _ in node.value]
        for key in keys:
            if keys.count(key) > 1:
                raise yaml.MarkedYAMLError(problem=f"the key {key!r} stands twice", problem_mark=node.start_mark)
        return super().construct_mapping(node, deep=deep)
