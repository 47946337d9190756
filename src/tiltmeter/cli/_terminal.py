"""What the command line writes to: progress on standard error, words and tables on standard output."""

from __future__ import annotations

import re
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import IO, cast

from rich.console import Console

_TRAILING = re.compile(r"[ \t]+$", re.MULTILINE)


@contextmanager
def steps(name: str, *, first: str = "loading") -> Iterator[Callable[[str], None]]:
    """Show the current step on standard error: a spinner in a terminal, one line a step in a log.

    The ``first`` is there at once: libraries alone take seconds to load.
    """
    console = Console(stderr=True, highlight=False)

    def line(step: str) -> None:
        console.print(f"{name}: {step} …", markup=False, soft_wrap=True)

    if not console.is_terminal:
        line(first)
        yield line
        return
    with console.status(f"{name}: {first} …") as status:
        yield lambda step: status.update(f"{name}: {step} …")


def page() -> Console:
    """Return where words and tables go; in a file or a pipe no line ends in spaces."""
    if sys.stdout.isatty():
        return Console(highlight=False)
    return Console(file=cast("IO[str]", _Trimmed(sys.stdout)), highlight=False)


class _Trimmed:
    """A file for rich, which fills cells and paragraphs with spaces up to the width; it writes whole lines at once."""

    def __init__(self, file: IO[str]) -> None:
        self._file = file

    def write(self, content: str) -> None:
        self._file.write(_TRAILING.sub("", content))

    def flush(self) -> None:
        self._file.flush()

    def isatty(self) -> bool:
        return False
