"""Docstrings name their neighbours; on the site each name is a link to its place in the reference.

``:func:`share``` and the lines of a See Also section become links where the reference has a page for the name, and code
where it has none, so that every link leads somewhere.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import griffe

_ROLE = re.compile(r":(?:func|class|meth|attr|data):`~?([\w.]+)`")
_SEE_ALSO = re.compile(r"(?<=\n)See Also\n-+\n(.*?)(?=\n\n[A-Z][\w ]+\n-+\n|\Z)", re.DOTALL)
_NEIGHBOUR = re.compile(r"^([\w.]+(?:, [\w.]+)*) : ", re.MULTILINE)


class CrossReferences(griffe.Extension):
    """Rewrites docstrings once the whole package is loaded, when every public path is known."""

    def on_package(self, *, pkg: griffe.Module, **_: Any) -> None:
        """Put links in place of names."""
        public = set(_public(pkg))
        for thing in _everything(pkg):
            if thing.docstring is not None:
                text = _SEE_ALSO.sub(lambda found, near=thing: _neighbours(found[0], near, public), thing.docstring.value)
                thing.docstring.value = _ROLE.sub(lambda found, near=thing: _link(found[1], near, public), text)


def _public(pkg: griffe.Module) -> Iterator[str]:
    """Yield the paths that the reference holds: what each package exports, and the methods of its classes."""
    for package in pkg.modules.values():
        modules = package.modules.values() if package.name == "core" else ()
        for module in (package, *modules):
            for name in module.exports or (name for name in module.members if module.name != package.name):
                member = module.members[str(name)]
                yield f"{module.path}.{name}"
                target = member.final_target if member.is_alias else member
                if target.is_class:
                    yield from (f"{module.path}.{name}.{inner}" for inner in target.members if not inner.startswith("_"))


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
