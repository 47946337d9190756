"""One page from one record that stands beside it."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from tiltmeter.core.errors import FileError
from tiltmeter.core.files import read_record, write_text
from tiltmeter.core.records import Record

R = TypeVar("R", bound=Record)


def write_page(folder: Path, name: str, *, kind: type[R], render: Callable[[R], str], made_by: str) -> Path:
    """Write ``name.html`` from the folder's ``name.json``; the command ``made_by`` is named where that is absent."""
    path = folder / f"{name}.json"
    if not path.is_file():
        raise FileError(f"{folder} holds no {name}.json; {made_by} makes one.")
    page = folder / f"{name}.html"
    write_text(page, render(read_record(path, kind)))
    return page
