"""A set of labelled texts or chats, and the span of each that is to be read."""

from __future__ import annotations

import difflib
import hashlib
import json
from dataclasses import dataclass, field, fields, replace
from typing import Any, TypedDict

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError
from tiltmeter.data._spans import Between, NthMessage, Span, describe_span, parse_span

SPLITS = ("train", "calibration", "test")
Scalar = str | int | float | bool | None


class Message(TypedDict):
    """One turn of a chat, in the form that chat templates take."""

    role: str
    content: str


Chat = tuple[Message, ...]


@dataclass(frozen=True, slots=True, eq=False)
class TextSet:
    """Texts or chats of one distribution, with what is needed to split them and to judge a probe on them.

    Parameters
    ----------
    ids
        Shape (n,), one identifier a row, unique.
    texts, messages
        Exactly one of the two: n strings, or n chats. None of them is empty.
    span
        What is read of each row: ``"all"`` of it, the ``"marked"`` range of characters, the last turn of the
        ``"assistant"``, one message (:class:`NthMessage`), or what stands between two strings (:class:`Between`). "The
        last token" is a matter of pooling over the span.
    spans
        None, or shape (n, 2): start and end (exclusive) of the marked characters of each text.
    y
        None, or shape (n,), labels 0 and 1 (1 = the concept is present).
    pairs, sides, groups
        None, or shape (n,): pair identifier ("" where a row has none), which half of the pair the row is (0 or 1; 0
        where it has none), and the group that a split must not divide.
    split
        None, or shape (n,): ``train``, ``calibration`` or ``test``, where the source says so.
    distribution, source
        Name of the set, and where it was read.
    meta
        The remaining columns by name, n values each.

    Raises
    ------
    DataError
        If lengths disagree, identifiers repeat, a text is blank, the content of a message is missing or no string, a
        label, side, split name or span is none that can be, or the span rule does not fit the rows.
    SpecError
        If there is no such span rule.

    Examples
    --------
    >>> texts = TextSet(np.array(["a", "b"]), texts=("Rome is old.", "Rome is new."), y=np.array([1, 0]))
    >>> texts.select(texts.y == 1).texts
    ('Rome is old.',)
    >>> len(texts)
    2
    """

    ids: NDArray[np.str_]
    texts: tuple[str, ...] | None = None
    messages: tuple[Chat, ...] | None = None
    span: Span = "all"
    spans: NDArray[np.int64] | None = None
    y: NDArray[np.int64] | None = None
    pairs: NDArray[np.str_] | None = None
    sides: NDArray[np.int64] | None = None
    groups: NDArray[np.str_] | None = None
    split: NDArray[np.str_] | None = None
    distribution: str = "texts"
    source: str = ""
    meta: dict[str, tuple[Scalar, ...]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if (self.texts is None) == (self.messages is None):
            raise DataError(f"{self.distribution} must hold either texts or messages; give exactly one of the two.")
        n = len(self.ids)
        for name, values in (("texts", self.texts), ("messages", self.messages), *self.meta.items()):
            if values is not None and len(values) != n:
                raise DataError(f"{self.distribution}: {name} has {len(values)} entries for {n} ids; give one a row.")
        for name in ("y", "pairs", "sides", "groups", "split"):
            array = getattr(self, name)
            if array is not None and array.shape != (n,):
                raise DataError(
                    f"{self.distribution}: {name} has shape {array.shape} for {n} rows; give one entry each."
                )
        for name in ("ids", "pairs", "groups", "split"):
            array = getattr(self, name)
            if array is not None:
                _check_strings(f"{self.distribution}: {name}", array)
        if len(set(self.ids.tolist())) != n:
            raise DataError(f"{self.distribution}: ids repeat; every row needs an identifier of its own.")
        # a description, as a study writes it, would be taken for another rule by whoever asks which rule it is
        object.__setattr__(self, "span", parse_span(self.span))
        _check_messages(self)
        for row, text in zip(self.ids, plain_texts(self), strict=True):
            if not text.strip():
                raise DataError(f"{self.distribution}, row {row}: the text is empty; give every row a text.")
        for name, allowed in (("y", (0, 1)), ("sides", (0, 1)), ("split", SPLITS)):
            array = getattr(self, name)
            if array is not None and not np.isin(array, allowed).all():
                found = ", ".join(map(str, np.unique(array)[:5]))
                wanted = ", ".join(map(str, allowed))
                raise DataError(f"{self.distribution}: {name} holds {found}; it may hold {wanted}.")
        _check_span(self)

    def __len__(self) -> int:
        return len(self.ids)

    def select(self, rows: NDArray[np.bool_] | NDArray[np.int64]) -> TextSet:
        """Return the rows that ``rows`` names, a boolean mask or indices, in that order.

        A selection may divide a pair; :func:`split_by_group` never does.
        """
        if rows.dtype == np.bool_ and rows.shape != (len(self),):
            raise DataError(f"A mask of shape {rows.shape} does not fit the {len(self)} rows of {self.distribution}.")
        index = np.flatnonzero(rows) if rows.dtype == np.bool_ else rows
        picked: dict[str, Any] = {
            entry.name: value[index] if isinstance(value, np.ndarray) else tuple(value[i] for i in index)
            for entry in fields(self)
            if entry.name not in {"span", "distribution", "source", "meta"}
            and (value := getattr(self, entry.name)) is not None
        }
        meta = {name: tuple(values[i] for i in index) for name, values in self.meta.items()}
        return replace(self, meta=meta, **picked)

    def fingerprint(self) -> str:
        """Return a SHA-256 (hexadecimal) of what is read and how it is labelled, wherever the file stands.

        It covers ids, texts or chats, the span rule and spans, labels, pairs, sides and groups, in order.
        """
        digest = hashlib.sha256()
        for name in ("ids", "texts", "messages", "span", "spans", "y", "pairs", "sides", "groups"):
            value = describe_span(self.span) if name == "span" else getattr(self, name)
            plain = value.tolist() if isinstance(value, np.ndarray) else value
            digest.update(json.dumps([name, plain], sort_keys=True).encode())
        return digest.hexdigest()


def _check_strings(what: str, array: NDArray[Any]) -> None:
    if array.dtype.kind != "U":
        raise DataError(f"{what} is of type {array.dtype}; give strings, as array.astype(str) makes them.")
    try:
        "".join(array.tolist()).encode()
    except UnicodeEncodeError as error:
        raise DataError(f"{what} holds half a character ({error.reason}), which no file can hold; mend it.") from None


def plain_texts(texts: TextSet) -> tuple[str, ...]:
    r"""Return each row as one string: the whole text, or the contents of a chat joined by line breaks.

    This is what text-only rivals and the leakage check see: the words, without the tags of a chat template and
    whatever the span.

    Parameters
    ----------
    texts
        The rows.

    Returns
    -------
    n strings, in order.

    Examples
    --------
    >>> chat = ({"role": "user", "content": "Hello"}, {"role": "assistant", "content": "Hi"})
    >>> plain_texts(TextSet(np.array(["1"]), messages=(chat,)))
    ('Hello\nHi',)
    """
    if texts.texts is not None:
        return texts.texts
    return tuple("\n".join(message["content"] for message in chat) for chat in texts.messages or ())


def require_two_classes(texts: TextSet) -> NDArray[np.int64]:
    """Return the labels, once it is sure that both are there; fitting and judging need them, scoring does not.

    Parameters
    ----------
    texts
        The rows.

    Returns
    -------
    Labels 0 and 1, shape (n,).

    Raises
    ------
    DataError
        If the set has no labels, or one class only.

    Examples
    --------
    >>> require_two_classes(TextSet(np.array(["1", "2"]), texts=("yes", "no"), y=np.array([1, 0]))).tolist()
    [1, 0]
    """
    name = texts.distribution
    if texts.y is None:
        near = difflib.get_close_matches("label", list(texts.meta), n=1, cutoff=0.6)
        hint = f"name the column {near[0]!r} label" if near else "add a column label of 0 and 1"
        raise DataError(f"{name} has no labels, which fitting and judging a probe need; {hint}.")
    found = np.unique(texts.y)
    if len(found) < 2:
        only = f"only label {found[0]} in its {len(texts)} rows" if len(found) else "no rows"
        raise DataError(f"{name} has {only}; a probe needs texts of both labels, 0 and 1.")
    return texts.y


def _check_messages(texts: TextSet) -> None:
    for row, chat in zip(texts.ids, texts.messages or (), strict=False):
        for message in chat:
            for key in ("role", "content"):
                if key not in message:
                    raise DataError(
                        f"{texts.distribution}, row {row}: a message has no {key}; give each of them a role and a "
                        "content."
                    )
            if not isinstance(message["role"], str) or not isinstance(message["content"], str):
                raise DataError(
                    f"{texts.distribution}, row {row}: a message has the role {message['role']!r} and, as its content, "
                    f"a {type(message['content']).__name__}; both must be strings."
                )


def _check_span(texts: TextSet) -> None:
    name = texts.distribution
    if isinstance(texts.span, NthMessage):
        _check_message(texts, texts.span.index)
    if isinstance(texts.span, Between) and texts.texts is not None:
        for row, text in zip(texts.ids, texts.texts, strict=True):
            texts.span.find(text, where=f"{name}, row {row}")
    if texts.span == "assistant":
        if texts.messages is None:
            raise DataError(f"{name} holds plain texts; the span 'assistant' needs chats (a column messages).")
        for row, chat in zip(texts.ids, texts.messages, strict=True):
            if not any(message["role"] == "assistant" for message in chat):
                raise DataError(f"{name}, row {row}: the chat has no message of the assistant, which the span needs.")
    if texts.span == "marked" and texts.spans is None:
        raise DataError(f"{name} marks no spans; add a column span, or span_start and span_end, or read 'all'.")
    if texts.spans is None:
        return
    if texts.texts is None:
        raise DataError(f"{name} marks spans in chats; marked spans need a column text, or use the span 'assistant'.")
    if texts.spans.shape != (len(texts), 2):
        raise DataError(f"{name}: spans has shape {texts.spans.shape}; it must be ({len(texts)}, 2).")
    for row, text, (start, end) in zip(texts.ids, texts.texts, texts.spans.tolist(), strict=True):
        if not 0 <= start < end <= len(text):
            raise DataError(
                f"{name}, row {row}: the span {start} to {end} is no range within its {len(text)} characters; "
                "a span starts at 0 or later and ends (exclusive) after its start, within the text."
            )


def _check_message(texts: TextSet, index: int) -> None:
    name = texts.distribution
    if texts.messages is None:
        raise DataError(f"{name} holds plain texts; the span {{message: {index}}} needs chats (a column messages).")
    for row, chat in zip(texts.ids, texts.messages, strict=True):
        if not -len(chat) <= index < len(chat):
            raise DataError(
                f"{name}, row {row}: the chat has {len(chat)} messages, none of which is number {index} (counted from "
                "0, or from the end below 0), which the span needs."
            )
