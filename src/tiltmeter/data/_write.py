"""A set of texts as a file that is read back to the same set."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np

from tiltmeter.core.errors import DataError, FileError
from tiltmeter.core.files import write_text
from tiltmeter.data._read import COLUMNS
from tiltmeter.data._textset import TextSet


def write_texts(texts: TextSet, path: str | Path) -> None:
    r"""Write texts as JSON Lines, which :func:`read_texts` reads back; the file is whole or not there.

    Everything but the span rule and the source is kept: where a span is ``marked`` it is read back as such, other rules
    stand in a study.

    Parameters
    ----------
    texts
        The rows.
    path
        A ``.jsonl`` file that does not exist yet.

    Raises
    ------
    FileError
        If the file exists, or is not called ``.jsonl``, by which readers know it.
    DataError
        If a column of ``meta`` has a name that means something else to a reader, or a number that JSON lacks.

    Examples
    --------
    >>> import tempfile
    >>> from tiltmeter.data import read_texts
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "cities.jsonl"
    >>> write_texts(TextSet(np.array(["a"]), texts=("Rome is old.",), y=np.array([1])), path)
    >>> path.read_text()
    '{"id": "a", "text": "Rome is old.", "label": 1, "distribution": "texts"}\n'
    >>> read_texts(path).texts
    ('Rome is old.',)
    >>> folder.cleanup()
    """
    path = Path(path)
    if path.suffix != ".jsonl":
        raise FileError(f"{path} does not end in .jsonl; name a file that does.")
    if path.exists():
        raise FileError(f"{path} exists already; name another file or remove it first.")
    if taken := sorted(set(texts.meta) & {*COLUMNS, "meta", "pair_id"}):
        raise DataError(
            f"{texts.distribution} has a column {taken[0]!r} in meta, which a reader takes for its own; rename it."
        )
    columns: dict[str, Any] = {"id": texts.ids, "text": texts.texts, "messages": texts.messages, "label": texts.y}
    columns |= {"pair": texts.pairs, "side": texts.sides, "group": texts.groups, "split": texts.split}
    if texts.spans is not None:
        columns |= {"span_start": texts.spans[:, 0], "span_end": texts.spans[:, 1]}
    columns |= {"distribution": (texts.distribution,) * len(texts), **texts.meta}
    plain = {
        name: values.tolist() if isinstance(values, np.ndarray) else values
        for name, values in columns.items()
        if values is not None
    }
    rows = [dict(zip(plain, values, strict=True)) for values in zip(*plain.values(), strict=True)]
    try:
        lines = [json.dumps(row, ensure_ascii=False, allow_nan=False) + "\n" for row in rows]
    except ValueError:
        raise DataError(f"{texts.distribution} has a number in meta that is NaN or infinite; write None.") from None
    write_text(path, "".join(lines))
