"""Pages that are written from the program when the site is built: every command, and every key of a spec.

The page in ``docs/`` holds what a person says, and a comment where the rest goes.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Callable
from pathlib import Path
from types import NoneType, UnionType
from typing import Any

import griffe
import typer.main
from mkdocs.config.defaults import MkDocsConfig
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

_COMMANDS, _KEYS = "<!-- every command -->", "<!-- every key of a study -->"
_EXPERTS = "<!-- every key of a contest -->"
_ROLE = re.compile(r":\w+:`([\w.]+)`")


def on_page_markdown(markdown: str, *, config: MkDocsConfig, **_: Any) -> str:
    """Fill the places that are marked."""
    written: dict[str, Callable[[], str]] = {
        _COMMANDS: commands,
        _KEYS: lambda: keys("StudySpec", Path(config.docs_dir)),
        _EXPERTS: lambda: keys("ExpertsSpec", Path(config.docs_dir)),
    }
    for mark, write in written.items():
        if mark in markdown:
            markdown = markdown.replace(mark, write())
    return markdown


def commands() -> str:
    """Return a section for every command: what it does, how it is called, its arguments and options."""
    from tiltmeter.cli._app import app

    top = typer.main.get_command(app)
    # what stands above the first heading is the help of the whole program, and its call says nothing more
    return "\n\n".join(_command(top, top.context_class(top, info_name="tiltmeter"), level=1)[1:])


def _command(command: Any, context: Any, *, level: int) -> list[str]:
    said = [f"{'#' * level} {context.command_path}", _prose(command.help or "")]
    if hasattr(command, "list_commands"):
        for name in command.list_commands(context):
            inner = command.get_command(context, name)
            if not inner.hidden:
                below = inner.context_class(inner, info_name=name, parent=context)
                said += _command(inner, below, level=level + 1)
        return said
    said.insert(1, f"```text\n{command.get_usage(context).removeprefix('Usage: ')}\n```")
    for kind in ("argument", "option"):
        told = [one.get_help_record(context) for one in command.params if one.param_type_name == kind]
        rows = [(f"`{name}`", meaning) for name, meaning in filter(None, told)]
        if rows:
            said.append(_table((kind, "what it is" if kind == "argument" else "what it does"), rows))
    return said


def _prose(text: str) -> str:
    """Return help as Markdown: an example is code, and so is what is indented."""
    said = []
    for part in text.strip().split("\n\n"):
        head, sign, example = part.partition("Example: ")
        said.append(
            f"For example:\n\n```bash\n{example.strip()}\n```"
            if sign and not head.strip()
            else part.replace("<", "&lt;")
        )
    return "\n\n".join(said)


def _table(head: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    lines = [head, tuple("---" for _ in head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(text: str) -> str:
    """Return a cell in which a bar is a bar, and outside of code a < is no tag."""
    parts = re.split(r"(`+[^`]+`+)", " ".join(text.split()).replace("|", "\\|"))
    return "".join(part if part.startswith("`") else part.replace("<", "&lt;") for part in parts)


def keys(name: str, docs: Path) -> str:
    """Return a table for a spec and one for each spec inside it."""
    from tiltmeter import studies

    source = griffe.load("tiltmeter", search_paths=[str(docs.parent / "src")])
    todo: list[tuple[str, type[BaseModel]]] = [("", getattr(studies, name))]
    said = []
    for path, model in todo:
        where = f"{path}." if path else ""
        written = source[f"{model.__module__.removeprefix('tiltmeter.')}.{model.__name__}"]
        rows = []
        for key, field in model.model_fields.items():
            inner = _record(field.annotation)
            if inner is not None:
                todo.append((f"{where}{key}", inner))
            told = written.members[key].docstring
            meaning = told.value if told is not None else ""
            rows.append((f"`{key}`", _kind(field), _field_default(field), _ROLE.sub(r"`\1`", meaning)))
        about = written.docstring.value.split("\n\nExamples")[0]
        said += [
            f"### `{path}`" if path else f"### `{name}`",
            about,
            _table(("key", "type", "default", "meaning"), rows),
        ]
    return "\n\n".join(said)


def _record(annotation: Any) -> type[BaseModel] | None:
    kinds = [annotation, *typing.get_args(annotation)]
    return next((kind for kind in kinds if isinstance(kind, type) and issubclass(kind, BaseModel)), None)


def _kind(field: FieldInfo) -> str:
    bounds = [
        f"{sign} {getattr(one, name):g}"
        for one in field.metadata
        for name, sign in (("gt", ">"), ("ge", "≥"), ("lt", "<"), ("le", "≤"))
        if getattr(one, name, None) is not None
    ]
    return _type(field.annotation) + (f", {' and '.join(bounds)}" if bounds else "")


def _type(kind: Any) -> str:
    """Write a type as a person would put it in YAML."""
    origin, args = typing.get_origin(kind), typing.get_args(kind)
    if origin is typing.Annotated:
        return _type(args[0])
    if origin is typing.Literal:
        return " or ".join(str(one) for one in args)
    if origin in (typing.Union, UnionType):
        return " or ".join(_type(one) for one in args if one is not NoneType)
    if origin is tuple:
        return f"list of {_type(args[0])}" if args[-1] is ... else f"list of {len(args)} × {_type(args[0])}"
    if origin is dict:
        return f"{_type(args[0])}: {_type(args[1])}"
    if kind is NoneType:
        return "nothing"
    plain = {str: "text", int: "whole number", float: "number", bool: "true or false"}
    return plain.get(kind) or (kind.__name__ if isinstance(kind, type) else str(kind))


def _field_default(field: FieldInfo) -> str:
    default = field.get_default(call_default_factory=True) if field.default_factory is not None else field.default
    if default is PydanticUndefined:
        return "must be given"
    if default is None or default in ((), {}):
        return ""
    return (
        "see below"
        if isinstance(default, BaseModel)
        else f"`{list(default) if isinstance(default, tuple) else default}`"
    )
