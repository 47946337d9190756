"""Public names that are imported when they are first asked for, so that a command pays only for what it uses."""

from __future__ import annotations

import ast
import importlib
import inspect
import sys
from collections.abc import Callable
from typing import NamedTuple


class OnDemand(NamedTuple):
    """The two functions that a module may define to answer for names it does not hold yet (PEP 562)."""

    getattr: Callable[[str], object]
    dir: Callable[[], list[str]]


def names_on_demand(package: str) -> OnDemand:
    """Return ``__getattr__`` and ``__dir__`` for a package whose re-exports stand under ``if TYPE_CHECKING``.

    The imports there are read from the package's source, so that type checkers, the import rules and the running
    program share one list.

    Parameters
    ----------
    package
        Its ``__name__``; it is being imported.

    Examples
    --------
    >>> import tiltmeter.core
    >>> "Site" in names_on_demand("tiltmeter.core").dir()
    True
    """
    module = sys.modules[package]
    home = {
        alias.name: node.module
        for node in ast.walk(ast.parse(inspect.getsource(module)))
        if isinstance(node, ast.ImportFrom) and node.module is not None and node.module.startswith(f"{package}.")
        for alias in node.names
    }

    def find(name: str) -> object:
        if name not in home:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        found = getattr(importlib.import_module(home[name]), name)
        setattr(module, name, found)  # the next time nobody asks here
        return found

    # what a package needs for itself is no name of its own
    return OnDemand(find, lambda: sorted({*vars(module), *home} - {"TYPE_CHECKING", names_on_demand.__name__}))
