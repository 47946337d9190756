"""What docstrings leave to the reader of the source is put in for the reader of the site.

Neighbours that are named become links: ``:func:`share``` and the lines of a See Also section, where the reference has a
place for the name; elsewhere they are code, so that every link leads somewhere. The fields of records and named tuples
are listed with their types, and parameters that are told of together one by one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|meth|attr|data):`~?([\w.]+)`")
_SEE_ALSO = re.compile(r"(?<=\n)See Also\n-+\n(.*?)(?=\n\n[A-Z][\w ]+\n-+\n|\Z)", re.DOTALL)
_SECTION = re.compile(r"(.*?)(\n\n[A-Z][\w ]+\n-{3,}\n|\Z)(.*)", re.DOTALL)
_TOGETHER = re.compile(r"^(\w+(?:, \w+)+)\n((?: {4}.*\n?|\n(?= {4}))+)", re.MULTILINE)
_NEIGHBOUR = re.compile(r"^([\w.]+(?:, [\w.]+)*) : ", re.MULTILINE)
_LONGEST_VALUE = 300


class ForTheSite(griffe.Extension):
    """Rewrites docstrings once the whole package is loaded, when every public path is known."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Put links in place of names."""
        public = set(_public(pkg))
        for thing in _everything(pkg):
            if thing.is_attribute and thing.parent.is_module and thing.docstring is None:
                _as_it_is_written(thing)
            if thing.docstring is not None:
                text = _TOGETHER.sub(_one_by_one, thing.docstring.value)
                thing.docstring.value = _with_fields(_linked(text, thing, public), thing)


def _one_by_one(found: re.Match[str]) -> str:
    """Give each of the parameters that are told of together its own entry, and so its own type and default."""
    told = found[2] if found[2].endswith("\n") else f"{found[2]}\n"
    return "".join(f"{name}\n{told}" for name in found[1].split(", "))


def _with_fields(text: str, thing: griffe.Object) -> str:
    """Return a docstring with the fields of a class that only holds them, before its first section."""
    if not (thing.is_class and any(str(base).rpartition(".")[2] in ("NamedTuple", "Record") for base in thing.bases)):
        return text
    held = [one for one in thing.members.values() if one.is_attribute and one.annotation is not None]
    listed = "\n".join(f"- `{one.name}`: `{one.annotation}`" for one in held if one.docstring is None)
    head, first, rest = _SECTION.match(text).groups()
    return f"{head}\n\n**Fields:**\n\n{listed}{first}{rest}" if listed else text


def _as_it_is_written(thing: griffe.Object) -> None:
    """Have a type or a constant shown that says what it is by its value, where that is no table of many lines."""
    thing.docstring = griffe.Docstring("A constant." if thing.name.isupper() else "A type, as it is written.")
    if len(str(thing.value)) > _LONGEST_VALUE:
        thing.value = None


def _linked(text: str, near: griffe.Object, public: set[str]) -> str:
    text = _SEE_ALSO.sub(lambda found: _neighbours(found[0], near, public), text)
    return _ROLE.sub(lambda found: _link(found[1], near, public), text)


def _public(pkg: griffe.Module) -> Iterator[str]:
    """Yield the paths that the reference holds: what packages export, the records of core, and methods of classes."""
    for package in pkg.modules.values():
        records = package.modules.values() if package.name == "core" else ()
        exported = [package.members[str(name)] for name in package.exports or ()]
        for member in (*exported, *(one for module in records for one in module.members.values() if not one.is_alias)):
            if not member.name.startswith("_"):
                yield member.path
                target = member.final_target if member.is_alias else member
                methods = target.members if target.is_class else ()
                yield from (f"{member.path}.{name}" for name in methods if not name.startswith("_"))


def _everything(thing: griffe.Object) -> Iterator[griffe.Object]:
    yield thing
    for member in thing.members.values():
        if not member.is_alias:
            yield from _everything(member)


def _neighbours(section: str, near: griffe.Object, public: set[str]) -> str:
    head, rule, body = section.split("\n", 2)
    listed = _NEIGHBOUR.sub(
        lambda found: "- " + ", ".join(_link(name, near, public) for name in found[1].split(", ")) + ": ", body
    )
    return f"{head}\n{rule}\n{listed}"


def _link(name: str, near: griffe.Object, public: set[str]) -> str:
    """Return a link to a name as it is seen from where it is written, or the name as code."""
    package = ".".join(near.path.split(".")[:2])
    around = [near.path.split(".")[-2], near.name]
    for path in (name, f"{package}.{name}", *(f"{package}.{outer}.{name}" for outer in around), f"tiltmeter.{name}"):
        if path in public:
            return f"[`{name.rpartition('.')[2] if name.startswith('tiltmeter.') else name}`][{path}]"
    return f"`{name}`"
