"""Texts from somebody's own file, whose columns have names of their own."""

from __future__ import annotations

from typing import Literal, NamedTuple

from tiltmeter.core.errors import SpecError
from tiltmeter.data import Guess, TextSet, guess_columns, read_texts
from tiltmeter.studies._sources import open_texts

# a row alone says nothing of these to whoever only wants its text
_NOT_OF_TEXTS = ("label", "pair", "side", "split", "distribution")
_CONTENT = ("text", "messages", "positive", "negative")


class ColumnsOf(NamedTuple):
    """Which columns of a file hold what; None where a file names them as Tiltmeter does, or has none.

    An empty ``group`` is none, whatever may be guessed. ``positive`` is the label that means 1.
    """

    text: str | None = None
    label: str | None = None
    group: str | None = None
    positive: str | None = None
    id: str | None = None


AS_NAMED = ColumnsOf()


class OwnTexts(NamedTuple):
    """Texts of somebody's own file, and in ``notes`` what was taken for what, as beginnings of sentences."""

    texts: TextSet
    notes: tuple[str, ...]


def open_own_texts(
    where: str,
    columns: ColumnsOf = AS_NAMED,
    *,
    distribution: str | None,
    labels: Literal["guessed", "given", "ignored"],
) -> OwnTexts:
    r"""Read a file under the names that Tiltmeter knows; which column holds the texts is guessed where it is not said.

    Parameters
    ----------
    where
        As for :func:`open_texts`.
    columns
        What is not guessed rightly by :func:`tiltmeter.data.guess_columns`.
    distribution
        Name of the set; None for that of the file.
    labels
        ``guessed`` like the texts, and groups with them; as ``given``, by ``columns`` or by the names that Tiltmeter
        knows, in capitals or not; or ``ignored``, as pairs, splits and distributions are then.

    Raises
    ------
    TiltmeterError
        If a column cannot be told (the sentence names those there are), or the texts cannot be read.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> path = Path(tempfile.mkdtemp()) / "new.csv"
    >>> _ = path.write_text("sentence,label\nRome is in Italy.,yes\n")
    >>> opened = open_own_texts(str(path), distribution="new", labels="ignored")
    >>> opened.texts.texts, opened.texts.y, opened.notes
    (('Rome is in Italy.',), None, ('sentence is read as text',))
    """
    if where.startswith("organism:"):
        if any(columns):
            raise SpecError(
                f"The columns of {where} are known; leave --text, --label, --positive, --group and --id out."
            )
        return OwnTexts(open_texts(where, distribution=distribution or where.rpartition("/")[2]), ())
    guess = guess_columns(where, text=columns.text, label=columns.label)
    listed = "; ".join(map(str, guess.columns))
    asked = {"--text": columns.text, "--label": columns.label, "--group": columns.group, "--id": columns.id}
    for option, name in asked.items():
        if name and guess.column(name) is None:
            raise SpecError(f"{option} is {name!r}, which is no column of {where}. Its columns: {listed}.")
    if guess.content == "text" and guess.text is None:
        raise SpecError(f"It cannot be told which column of {where} holds the texts; say so with --text. {listed}.")
    label, group = _label(where, guess, columns, labels=labels), columns.group or None
    if labels == "guessed" and columns.group is None:
        group = guess.group
    elif labels == "given" and columns.group is None:
        group = _called("group", guess, columns)
    _check_roles(where, guess, others=(label, group, columns.id))
    positive = columns.positive
    if guess.content == "positive" and (columns.label or positive is not None):
        raise SpecError(
            f"A row of {where} is a pair, positive and negative, which are its labels; leave --label and --positive "
            "out, or name the column of the texts with --text."
        )
    if positive is not None and label is None:
        raise SpecError(f"--positive is {positive!r}, and {where} has no labels; name their column with --label.")
    if label is not None and positive is None and label == guess.label:
        positive = guess.positive
    if label is not None and positive is None and not guess.is_binary:
        raise SpecError(
            f"The labels in {where} are not 0 and 1 ({guess.column(label)}); say with --positive which of them means "
            "1, what the probe is to find."
        )
    content = "messages" if guess.content == "messages" else "text"
    taken = {content: guess.text, "label": label, "group": group, "id": columns.id}
    renamed = {ours: theirs for ours, theirs in taken.items() if theirs is not None and theirs != ours}
    notes = [f"{theirs} is read as {ours}" for ours, theirs in renamed.items()]
    if positive is not None:
        notes.append(f"the label {positive} means 1, every other 0")
    unread = dict.fromkeys(_NOT_OF_TEXTS if labels == "ignored" else ())
    if columns.text:
        # whoever says where the texts are has something else in columns that are called so
        unread |= dict.fromkeys(name for name in _CONTENT if name != content)
    texts = read_texts(where, distribution=distribution, columns={**renamed, **unread}, label_positive=positive)
    return OwnTexts(texts, tuple(notes))


def _label(where: str, guess: Guess, columns: ColumnsOf, *, labels: str) -> str | None:
    """Return the column of the labels, None where there is none or nobody wants them."""
    if labels == "ignored" or guess.content == "positive":
        return None
    if labels == "given":
        return columns.label or _called("label", guess, columns)
    if guess.label is None:
        listed = "; ".join(map(str, guess.columns))
        raise SpecError(f"It cannot be told which column of {where} holds the labels; say so with --label. {listed}.")
    return guess.label


def _called(name: str, guess: Guess, columns: ColumnsOf) -> str | None:
    """Return the column of that name, else one that differs in capitals or spaces; none that is said to be another."""
    alike = [one.name for one in guess.columns if one.name.strip().lower() == name and one.name not in columns]
    return name if name in alike else next(iter(alike), None)


def _check_roles(where: str, guess: Guess, *, others: tuple[str | None, str | None, str | None]) -> None:
    """Refuse a column in two roles (``others`` are labels, groups and ids), and a first line that is no header."""
    named = [column for column in (guess.text, *others) if column is not None]
    if twice := [column for column in named if named.count(column) > 1]:
        raise SpecError(
            f"The column {twice[0]!r} of {where} cannot hold two of texts, labels, groups and ids; name others with "
            "--text, --label, --group and --id."
        )
    label = None if others[0] is None else guess.column(others[0])
    if label is not None and label.name in label.values:
        raise SpecError(
            f"The first line of {where} names its columns, and {label.name!r} there is one of the labels; write a line "
            "such as text,label above it."
        )
