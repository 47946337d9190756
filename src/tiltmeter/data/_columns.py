"""From the raw values of a table to the columns of a text set; every error names the line or row."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError
from tiltmeter.data._tables import Row, Table
from tiltmeter.data._textset import SPLITS, Chat, Message, Scalar

_INTEGER = re.compile(r"[+-]?\d+")
# csv writers of other programs write booleans as words
_LABELS = {"0": 0, "1": 1, "0.0": 0, "1.0": 1, "false": 0, "true": 1}
_SHOWN = 6


def has(table: Table, column: str) -> bool:
    """Return whether any row has a value in ``column``."""
    return any(row.values.get(column) is not None for row in table.rows)


def names(table: Table, column: str) -> list[str | None]:
    """Read identifiers: strings, or whole numbers as their digits; None where a row has none."""
    found: list[str | None] = []
    for row in table.rows:
        value = row.values.get(column)
        if isinstance(value, float) and value.is_integer():
            value = int(value)
        if value is not None and not isinstance(value, str | int | float):
            raise DataError(f"{table.at(row)}: {column} is a {_kind(value)}; it must be a string or a number.")
        found.append(None if value is None or value == "" else str(value))
    return found


def strings(table: Table) -> tuple[str, ...]:
    """Read the column ``text``."""
    return tuple(_text(table, row) for row in table.rows)


def chats(table: Table) -> tuple[Chat, ...]:
    """Read the column ``messages``: lists of role and content, or the same written as JSON (CSV has no lists)."""
    return tuple(_chat(table, row) for row in table.rows)


def labels(table: Table, *, positive: str | None) -> NDArray[np.int64] | None:
    """Read ``label``: 0 and 1, booleans, or, where ``positive`` names the value that means 1, anything."""
    given = [row.values.get("label") for row in table.rows]
    if all(value is None for value in given):
        return None
    for row, value in zip(table.rows, given, strict=True):
        if value is None:
            raise DataError(f"{table.at(row)}: the label is missing (null or NaN); label every row, or none.")
    if positive is not None:
        known = [_name_of(value) for value in given]
        if positive not in known:
            raise DataError(f"{table.source}: no label is {positive!r}; the labels are {_listed(known)}.")
        return np.array([int(name == positive) for name in known], dtype=np.int64)
    read = [_LABELS.get(_name_of(value).lower()) for value in given]
    for row, value, label in zip(table.rows, given, read, strict=True):
        if label is None:
            found = _listed([_name_of(value) for value in given])
            raise DataError(
                f"{table.at(row)}: the label is {_name_of(value)!r}, not 0 or 1 (labels found: {found}); "
                "rewrite them, or say which of them means 1: tiltmeter init --positive, from Python label_positive."
            )
    return np.array(read, dtype=np.int64)


def sides(table: Table, pairs: Sequence[str | None]) -> NDArray[np.int64] | None:
    """Read ``side``, 0 or 1 for every row of a pair; rows without a pair get 0."""
    if not has(table, "side"):
        return None
    read = []
    for row, pair in zip(table.rows, pairs, strict=True):
        value = row.values.get("side")
        side = _integer(value) if value is not None or pair is not None else 0
        if side not in (0, 1):
            raise DataError(f"{table.at(row)}: side is {value!r}; a row of a pair has side 0 or 1.")
        read.append(side)
    return np.array(read, dtype=np.int64)


def split_names(table: Table) -> NDArray[np.str_] | None:
    """Read ``split``, one of train, calibration and test in every row, or in none."""
    if not has(table, "split"):
        return None
    for row in table.rows:
        value = row.values.get("split")
        if value not in SPLITS:
            raise DataError(f"{table.at(row)}: split is {value!r}; every row needs one of {', '.join(SPLITS)}.")
    return np.array([row.values["split"] for row in table.rows], dtype=np.str_)


def spans(table: Table, texts: tuple[str, ...] | None) -> NDArray[np.int64] | None:
    """Read the marked range of each text, from ``span_start`` and ``span_end`` or from the substring ``span``."""
    by_text, by_range = has(table, "span"), has(table, "span_start") or has(table, "span_end")
    if not (by_text or by_range):
        return None
    if by_text and by_range:
        raise DataError(f"{table.source} has both span and span_start or span_end; mark spans in one way.")
    if texts is None:
        raise DataError(f"{table.source} marks spans in chats; marked spans need rows of text.")
    mark = _marked_substring if by_text else _marked_range
    found = [mark(table, row, text) for row, text in zip(table.rows, texts, strict=True)]
    return np.array(found, dtype=np.int64)


def remaining(table: Table, *, used: frozenset[str]) -> dict[str, tuple[Scalar, ...]]:
    """Gather the columns that are not ``used``, those inside ``meta`` under their own names."""
    flat: list[dict[str, Scalar]] = []
    for row in table.rows:
        values = {name: _scalar(value) for name, value in row.values.items() if name not in used}
        nested = row.values.get("meta")
        # an empty meta, or one that other rows fill, is no column of its own
        if nested is None or isinstance(nested, dict):
            values.pop("meta", None)
            for name, value in (nested or {}).items():
                values[f"meta.{name}" if name in values else name] = _scalar(value)
        flat.append(values)
    order = dict.fromkeys(name for values in flat for name in values)
    return {name: tuple(values.get(name) for values in flat) for name in order}


def _text(table: Table, row: Row) -> str:
    value = row.values.get("text")
    if value is not None and not isinstance(value, str):
        chats = " (chats stand in the column messages)" if isinstance(value, list) else ""
        raise DataError(f"{table.at(row)}: the text is a {_kind(value)}; it must be a string{chats}.")
    return _checked(table, row, value or "", what="text")


def _chat(table: Table, row: Row) -> Chat:
    value = row.values.get("messages")
    if isinstance(value, str):
        try:
            value = json.loads(value)
        except json.JSONDecodeError:
            raise DataError(f"{table.at(row)}: messages is a string that is not JSON; {_CHAT}.") from None
    if not isinstance(value, list) or not value:
        raise DataError(f"{table.at(row)}: messages is {'empty' if not value else 'a ' + _kind(value)}; {_CHAT}.")
    chat = [_message(table, row, message, number=number) for number, message in enumerate(value)]
    _checked(table, row, "\n".join(message["content"] for message in chat), what="chat")
    return tuple(chat)


def _message(table: Table, row: Row, message: object, *, number: int) -> Message:
    at = f"{table.at(row)}: message {number} (counted from 0)"
    if not isinstance(message, dict) or not isinstance(role := message.get("role"), str):
        raise DataError(f"{at} has no role that is a string; {_CHAT}.")
    for key in _MORE_THAN_CONTENT:
        if message.get(key):
            raise DataError(f"{at} holds {key}, which would be lost; write into its content what the model is to see.")
    content = message.get("content")
    if not isinstance(content, str):
        found = "no content" if content is None else f"content that is a {_kind(content)}"
        parts = " (join the texts of its parts)" if isinstance(content, list) else ""
        raise DataError(f"{at}, of the role {role}, has {found}; it must be one string{parts}.")
    return Message(role=role, content=content)


# what chat templates write beside the content
_MORE_THAN_CONTENT = ("tool_calls", "function_call", "reasoning_content", "thinking")
_CHAT = 'a chat is a list such as [{"role": "user", "content": "..."}]'


def _checked(table: Table, row: Row, text: str, *, what: str) -> str:
    if not text.strip():
        raise DataError(f"{table.at(row)}: the {what} is empty; give every row a text or drop the row.")
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise DataError(
            f"{table.at(row)}: the {what} holds half a surrogate pair at character {error.start}, which is no "
            "Unicode text; repair the escape."
        ) from None
    return text


def _marked_substring(table: Table, row: Row, text: str) -> tuple[int, int]:
    span = row.values.get("span")
    if not isinstance(span, str) or not span:
        raise DataError(f"{table.at(row)}: span is {span!r}; it must be a part of the text, in every row.")
    start = text.find(span)
    # from start + 1, not from the end of the first: overlapping occurrences are ambiguous too
    if start < 0 or text.find(span, start + 1) >= 0:
        often = "does not occur" if start < 0 else "occurs more than once"
        raise DataError(
            f"{table.at(row)}: the span {span!r} {often} in the text; it must occur exactly once, or be given as "
            "span_start and span_end."
        )
    return start, start + len(span)


def _marked_range(table: Table, row: Row, text: str) -> tuple[int, int]:
    start, end = _integer(row.values.get("span_start")), _integer(row.values.get("span_end"))
    if start is None or end is None:
        raise DataError(f"{table.at(row)}: span_start or span_end is no whole number; give both in every row.")
    if not 0 <= start < end <= len(text):
        raise DataError(
            f"{table.at(row)}: the span {start} to {end} is no range within the {len(text)} characters of the text; "
            "it starts at 0 or later and ends (exclusive) after its start."
        )
    return start, end


def _integer(value: object) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value.strip()):
        return int(value)
    if isinstance(value, float) and value.is_integer():
        return int(value)
    return value if isinstance(value, int) and not isinstance(value, bool) else None


def _name_of(value: object) -> str:
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return value.strip() if isinstance(value, str) else json.dumps(value, default=str)


def _listed(values: Sequence[str]) -> str:
    distinct = sorted(set(values))
    return ", ".join(distinct[:_SHOWN]) + (f" and {len(distinct) - _SHOWN} more" if len(distinct) > _SHOWN else "")


def _scalar(value: Any) -> Scalar:  # noqa: ANN401  (whatever a file holds)
    if isinstance(value, float) and not math.isfinite(value):
        return None
    if value is None or isinstance(value, str | int | float | bool):
        return value
    return json.dumps(value, default=str, ensure_ascii=False) if isinstance(value, dict | list) else str(value)


def _kind(value: object) -> str:
    return {"dict": "JSON object", "list": "list", "bool": "boolean", "int": "number", "float": "number"}.get(
        type(value).__name__, type(value).__name__
    )
