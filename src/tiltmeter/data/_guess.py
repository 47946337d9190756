"""Which columns of somebody's file hold texts, labels and groups: by their names, and else by what stands in them."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

from tiltmeter.data._tables import read_table

# names that files of this field give to what is read as text, label and group, the commonest first
_NAMES = {
    "text": ("text", "statement", "sentence", "prompt", "content", "body", "message", "comment", "review", "tweet"),
    "label": ("label", "labels", "target", "class", "y", "is_true", "truth", "category", "sentiment"),
    "group": ("group", "group_id", "author", "user", "user_id", "topic", "source", "conversation_id", "question_id"),
}
# one of these beside another value is the label that means 1
_POSITIVE = ("1", "true", "yes", "y", "positive", "pos", "correct")
_ZERO_AND_ONE = ({"0", "1"}, {"false", "true"}, {"0.0", "1.0"})
_MOST_SHOWN = 6


class Column(NamedTuple):
    """A column of a file: its name, how many different values it has, and the first few."""

    name: str
    n_values: int
    values: tuple[str, ...]

    def __str__(self) -> str:
        """Describe it in a line."""
        shown = ", ".join(value if len(value) <= 40 else f"{value[:39]}…" for value in self.values)
        counted = f"{self.n_values:,} value{'' if self.n_values == 1 else 's'}"
        return f"{self.name}: {counted}, such as {shown}" if self.values else f"{self.name}: empty"


class Guess(NamedTuple):
    """What the columns of a file seem to be.

    ``content`` is text, messages or positive (for pairs in a row). Of ``text``, ``label`` and ``group`` each is the
    name of the column, or None where none could be told; ``text`` is that of chats where another than ``messages``
    holds them. ``positive`` is the label that means 1, None where labels are
    0 and 1 already or it could not be told, which ``is_binary`` tells apart.
    """

    n_rows: int
    columns: tuple[Column, ...]
    content: str
    text: str | None
    label: str | None
    group: str | None
    positive: str | None
    is_binary: bool

    def column(self, name: str) -> Column | None:
        """Return a column by its name, None if the file has no such column."""
        return next((one for one in self.columns if one.name == name), None)


def guess_columns(where: str | Path, *, text: str | None = None, label: str | None = None) -> Guess:
    r"""Look at a file of texts and guess which column is which; what :func:`read_texts` knows by name stays.

    A column is taken for text by its name, or as the only one in which most values hold several words; for the label by
    its name, or as the only other one with just two values; for the group by its name, if it has three values, of
    which each split could get one.

    Parameters
    ----------
    where
        As for :func:`tiltmeter.data.read_texts`.
    text
        The column of the texts or chats, where it is known.
    label
        The column of the labels, where it is known.

    Raises
    ------
    DataError, FileError
        If the file cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "cities.csv"
    >>> _ = path.write_text("statement,is_true\nRome is in Italy.,yes\nRome is in Peru.,no\n")
    >>> guess = guess_columns(path)
    >>> guess.text, guess.label, guess.positive
    ('statement', 'is_true', 'yes')
    """
    rows = [row.values for row in read_table(str(where)).rows]
    names = list(dict.fromkeys(name for row in rows for name in row))
    given = {name: [row[name] for row in rows if not _is_missing(row.get(name))] for name in names}
    filled = {name: [_written(value) for value in values] for name, values in given.items()}
    columns = tuple(_column(name, values) for name, values in filled.items())
    content = next((kind for kind in ("messages", "positive") if filled.get(kind) and text is None), "text")
    if content == "text":
        text = text or _named("text", names) or _only(names, lambda name: _is_prose(filled[name]))
        text = text or _only(names, lambda name: _holds_chats(given[name]))
        content = "messages" if text is not None and _holds_chats(given.get(text, [])) else "text"
    others = [name for name in names if name not in (text, content, "negative", "id", "split", "distribution")]
    found = label or _named("label", others) or _only(others, lambda name: len(set(filled[name])) == 2)
    values = {value.lower() for value in filled.get(found, ())} if found else set()
    is_binary = any(values <= pair for pair in _ZERO_AND_ONE)
    return Guess(
        n_rows=len(rows),
        columns=columns,
        content=content,
        text=text,
        label=found,
        group=_named("group", [name for name in others if name != found and len(set(filled[name])) >= 3]),
        positive=None if is_binary or not found else _positive(filled.get(found, [])),
        is_binary=is_binary,
    )


def _is_missing(value: object) -> bool:
    return value is None or (isinstance(value, float) and math.isnan(value))


def _holds_chats(values: list[object]) -> bool:
    """Return whether the first value is a list of messages, or one written as JSON, which is how CSV holds it."""
    first = values[0] if values else None
    if isinstance(first, str) and first.lstrip().startswith("["):
        try:
            first = json.loads(first)
        except ValueError:
            return False
    return isinstance(first, list) and bool(first) and isinstance(first[0], dict) and "role" in first[0]


def _written(value: object) -> str:
    return " ".join(str(value).split())


def _column(name: str, values: list[str]) -> Column:
    distinct = tuple(dict.fromkeys(values))
    return Column(name, len(distinct), distinct[:_MOST_SHOWN])


def _named(what: str, names: list[str]) -> str | None:
    by_lower: Mapping[str, str] = {name.lower().strip(): name for name in names}
    return next((by_lower[name] for name in _NAMES[what] if name in by_lower), None)


def _only(names: list[str], fits: Callable[[str], bool]) -> str | None:
    found = [name for name in names if fits(name)]
    return found[0] if len(found) == 1 else None


def _is_prose(values: list[str]) -> bool:
    return bool(values) and sum(" " in value for value in values) > len(values) / 2


def _positive(values: list[str]) -> str | None:
    distinct = {value.lower(): value for value in values}
    if len(distinct) != 2:
        return None
    known = [distinct[value] for value in _POSITIVE if value in distinct]
    # of 1 and 2, or of ratings 1 and 5, the 1 is often the negative one
    if len(known) != 1 or (known == ["1"] and "-1" not in distinct):
        return None
    return known[0]
