"""What all pages share: their templates, one page from one record beside it, and the one script that some have."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from tiltmeter.core.errors import FileError
from tiltmeter.core.files import read_record, write_text
from tiltmeter.core.records import Record

TEMPLATES = Path(__file__).parent / "templates"

R = TypeVar("R", bound=Record)


def environment() -> Environment:
    """Return what fills the templates of all pages: everything is escaped, and a name that is missing is an error."""
    return Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def write_page(folder: Path, name: str, *, kind: type[R], render: Callable[[R], str], made_by: str) -> Path:
    """Write ``name.html`` from the folder's ``name.json``; the command ``made_by`` is named where that is absent."""
    path = folder / f"{name}.json"
    if not path.is_file():
        raise FileError(f"{folder} holds no {name}.json; {made_by} makes one.")
    page = folder / f"{name}.html"
    write_text(page, render(read_record(path, kind)))
    return page


def sort_script() -> tuple[str, str]:
    """Return the script that sorts and filters tables, and the hash by which a page's policy knows it."""
    script = (TEMPLATES / "sort.js").read_text(encoding="utf-8")
    return script, base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
