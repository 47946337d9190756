"""Labelled and paired texts from a file, a saved dataset or the hub."""

from __future__ import annotations

import difflib
import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np

from tiltmeter.core.errors import DataError, SpecError
from tiltmeter.data import _columns
from tiltmeter.data._pairs import check_pairs, unfold_pairs
from tiltmeter.data._tables import Row, Table, read_table
from tiltmeter.data._textset import TextSet

COLUMNS = (
    "text", "messages", "positive", "negative", "label", "pair", "side", "group", "distribution", "id", "split",
    "span", "span_start", "span_end",
)  # fmt: skip
_CONTENT = ("text", "messages", "positive", "negative")
_ELSEWHERE = "say which it is: tiltmeter init --text (for a study), from Python columns"


class _Keys(NamedTuple):
    """What identifies rows and holds them together."""

    ids: list[str]
    pairs: list[str | None]
    groups: list[str | None]


def read_texts(
    where: str | Path,
    *,
    distribution: str | None = None,
    columns: Mapping[str, str | None] | None = None,
    label_positive: str | None = None,
) -> TextSet:
    """Read a set of texts, labelled or not.

    A row holds ``text`` or chat ``messages`` (a list of role and content) and, if it has them, ``label`` (0 or 1),
    ``pair`` or ``pair_id`` with ``side``, ``group``, ``distribution``, ``id``, ``split`` (train, calibration, test) and
    a marked span (``span``, a part of the text that occurs once, or ``span_start`` and ``span_end``). A row with
    ``positive`` and ``negative`` is read as two rows of a pair. Other columns go to ``meta``.

    Every pair has two members, of different labels and of one group. Ids default to the number of the row. Where only
    some rows have a group, the others get one each that they share with nothing but their pair.

    Parameters
    ----------
    where
        A ``.jsonl``, ``.csv`` (``.tsv``) or ``.parquet`` file, a folder written by ``datasets.save_to_disk``, or
        ``hf:NAME:SPLIT`` or ``hf:NAME:CONFIG:SPLIT`` for a dataset of the Hugging Face hub.
    distribution
        Name of the set. None: the column ``distribution``, else the name of the file. If that column holds several
        names, it must be one of them, and only its rows are read.
    columns
        Names in the source for the names above, for example ``{"text": "statement"}``; None for what is not to be read
        though it is there, for example ``{"label": None}``.
    label_positive
        The label that means 1, where labels are not 0 and 1; every other label then means 0.

    Returns
    -------
    The rows in their order. ``span`` is ``marked`` if the source marks spans, else ``all``.

    Raises
    ------
    DataError
        If the source is not as described; the sentence names the line or row.
    FileError
        If the path does not exist.
    MissingExtraError
        If a Hugging Face dataset is asked for without the extra ``hub``.
    SpecError
        If ``columns`` renames something that is not read.

    Examples
    --------
    >>> import tempfile
    >>> folder = tempfile.TemporaryDirectory()
    >>> path = Path(folder.name) / "cities.jsonl"
    >>> _ = path.write_text('{"positive": "Rome is in Italy.", "negative": "Rome is in Peru.", "group": "Rome"}')
    >>> texts = read_texts(path)
    >>> texts.texts, texts.y.tolist(), texts.pairs.tolist()
    (('Rome is in Italy.', 'Rome is in Peru.'), [1, 0], ['cities:1', 'cities:1'])
    >>> folder.cleanup()
    """
    table = _renamed(read_table(str(where)), columns=columns or {})
    table, name = _one_distribution(table, distribution)
    kind = _content_kind(table)
    if kind == "positive":
        table = unfold_pairs(table, distribution=name)
        kind = _content_kind(table)
    texts = _columns.strings(table) if kind == "text" else None
    messages = _columns.chats(table) if kind == "messages" else None
    y = _columns.labels(table, positive=label_positive)
    keys = _keys(table, distribution=name)
    sides = _columns.sides(table, keys.pairs)
    check_pairs(table, pairs=keys.pairs, groups=keys.groups, y=y, sides=sides)
    spans = _columns.spans(table, texts)
    grouped = any(group is not None for group in keys.groups)
    paired = any(pair is not None for pair in keys.pairs)
    return TextSet(
        np.array(keys.ids, dtype=np.str_),
        texts=texts,
        messages=messages,
        span="marked" if spans is not None else "all",
        spans=spans,
        y=y,
        pairs=np.array([pair or "" for pair in keys.pairs], dtype=np.str_) if paired else None,
        sides=sides,
        groups=np.array(_filled(keys, distribution=name), dtype=np.str_) if grouped else None,
        split=_columns.split_names(table),
        distribution=name,
        source=str(where),
        meta=_columns.remaining(table, used=frozenset(COLUMNS)),
    )


def _renamed(table: Table, *, columns: Mapping[str, str | None]) -> Table:
    """Give the columns the names they are read by, drop those that are not to be, and make NaN (of Parquet) None."""
    present = dict.fromkeys(name for row in table.rows for name in row.values)
    for ours, theirs in columns.items():
        if ours not in COLUMNS:
            raise SpecError(f"columns renames {ours!r}, which is not read; the names are {', '.join(COLUMNS)}.")
        if theirs is not None and theirs not in present:
            raise DataError(f"{table.source} has no column {theirs!r}; its columns are {', '.join(present)}.")
    names = {theirs: ours for ours, theirs in columns.items() if theirs is not None}
    if "pair" not in columns and "pair" not in present and "pair_id" in present:
        names.setdefault("pair_id", "pair")
    replaced = set(columns).union(names.values()) - set(names)
    rows = [
        row._replace(
            values={
                names.get(column, column): None if isinstance(value, float) and math.isnan(value) else value
                for column, value in row.values.items()
                if column not in replaced
            }
        )
        for row in table.rows
    ]
    return table._replace(rows=rows)


def _one_distribution(table: Table, asked: str | None) -> tuple[Table, str]:
    found = _columns.names(table, "distribution")
    known = sorted({name for name in found if name is not None})
    if len(known) <= 1:
        return table, asked or (known[0] if known else table.name)
    if asked not in known:
        raise DataError(
            f"{table.source} holds the distributions {', '.join(known)}; name the one to read: in a spec and with "
            "tiltmeter init the set is called so (--name), from Python it is distribution; for other commands write "
            "its rows into a file of their own."
        )
    rows = [row for row, name in zip(table.rows, found, strict=True) if name == asked]
    return table._replace(rows=rows), asked


def _content_kind(table: Table) -> str:
    """Return text, messages or positive (for pairs in a row); DataError if there is none, or more than one."""
    first: dict[str, Row] = {}
    for row in table.rows:
        for column in _CONTENT:
            if row.values.get(column) is not None:
                first.setdefault("positive" if column == "negative" else column, row)
    if len(first) > 1:
        (one, here), (other, there) = list(first.items())[:2]
        raise DataError(
            f"{table.source} mixes {one} ({table.unit} {here.line}) and {other} ({table.unit} {there.line}); "
            "a set holds one kind, so write two files, or say which holds the texts (--text)."
        )
    if first:
        return next(iter(first))
    present = dict.fromkeys(name for row in table.rows for name in row.values)
    for column in _CONTENT:
        if column in present:
            raise DataError(f"{table.at(table.rows[0])}: the {column} is empty, as in every other row; give it texts.")
    raise DataError(
        f"{table.source} has no column text, messages, or positive and negative; "
        f"its columns are {', '.join(present) or 'none'}{_suggestion(list(present))}."
    )


def _suggestion(present: Sequence[str]) -> str:
    for column in _CONTENT:
        by_lower = {name.lower(): name for name in present}
        near = difflib.get_close_matches(column, list(by_lower), n=1, cutoff=0.6)
        if near:
            return f": did you mean {by_lower[near[0]]!r} for {column}? Rename it, or {_ELSEWHERE}"
    return f"; rename the one that holds the texts, or {_ELSEWHERE}"


def _keys(table: Table, *, distribution: str) -> _Keys:
    ids = [name or str(row.number) for name, row in zip(_columns.names(table, "id"), table.rows, strict=True)]
    seen: dict[str, Row] = {}
    for row_id, row in zip(ids, table.rows, strict=True):
        if row_id in seen:
            raise DataError(
                f"{table.at(row)}: the id {row_id!r} stands in {table.unit} {seen[row_id].line} of "
                f"{distribution} already; ids must differ."
            )
        seen[row_id] = row
    return _Keys(ids, _columns.names(table, "pair"), _columns.names(table, "group"))


def _filled(keys: _Keys, *, distribution: str) -> list[str]:
    """Give rows without a group one of their own; the name of the set keeps it apart from other sets' rows."""
    filled: list[str] = []
    for row_id, pair, group in zip(keys.ids, keys.pairs, keys.groups, strict=True):
        alone = f"row:{distribution}:{row_id}" if pair is None else f"pair:{distribution}:{pair}"
        filled.append(alone if group is None else group)
    return filled
