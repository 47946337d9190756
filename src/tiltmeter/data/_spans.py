"""Which part of a row is read: a small closed set of rules."""

from __future__ import annotations

import difflib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Annotated, Literal, get_args

from pydantic import PlainSerializer, PlainValidator

from tiltmeter.core.errors import DataError, SpecError

_Named = Literal["all", "marked", "assistant"]
_FORMS = "all, marked, assistant, {message: 2} or {between: [START, END]}"


@dataclass(frozen=True, slots=True)
class NthMessage:
    """Read the content of one message of a chat.

    Messages after it are left out of what the model sees.

    Parameters
    ----------
    index
        Which message, counted from 0; negative numbers count from the end.

    Raises
    ------
    SpecError
        If ``index`` is no whole number.

    Examples
    --------
    >>> NthMessage(-1)
    NthMessage(index=-1)
    """

    index: int

    def __post_init__(self) -> None:
        if not isinstance(self.index, int) or isinstance(self.index, bool):
            raise SpecError(
                f"The message to read is {self.index!r}; give its number, counted from 0, or from the end below 0."
            )


@dataclass(frozen=True, slots=True)
class Between:
    """Read what stands between two strings, without the white space around it.

    It runs from the first ``start`` to the next ``end`` after it, in the text or in the chat as its template writes it.
    In a chat, what ends before the first message does, in a system prompt that the template adds, is passed over.

    Parameters
    ----------
    start, end
        The strings before and after; neither is read.

    Raises
    ------
    SpecError
        If either is no string, or an empty one.

    Examples
    --------
    >>> Between("<think>", "</think>").find("<think> Six? </think> Seven.", where="row 1")
    (8, 12)
    """

    start: str
    end: str

    def __post_init__(self) -> None:
        for marker in (self.start, self.end):
            if not isinstance(marker, str) or not marker:
                raise SpecError(f"What to read between is marked by {marker!r}; give two strings that are not empty.")

    def find(self, text: str, *, where: str, after: int = 0) -> tuple[int, int]:
        """Return the first character of what is read, and the one after its last.

        What ends within the first ``after`` characters is passed over.

        Raises
        ------
        DataError
            If a marker is missing, or nothing stands between the two; ``where`` names the text in the message.
        """
        opening, first, last = self._stretch(text, 0)
        while opening >= 0 and 0 <= last < after:
            opening, first, last = self._stretch(text, last + len(self.end))
        content = text[first:last]
        if opening < 0:
            problem = f"{self.start!r}, after which it is read, is not in it"
        elif last < 0:
            problem = f"no {self.end!r}, up to which it is read, follows the first {self.start!r}"
        elif not content.strip():
            problem = f"nothing stands between the first {self.start!r} and the next {self.end!r}"
        else:
            return first + len(content) - len(content.lstrip()), first + len(content.rstrip())
        raise DataError(f"{where}: {problem}; change the text, or what is read of it.")

    def _stretch(self, text: str, begin: int) -> tuple[int, int, int]:
        """Return where ``start`` stands, where it ends and where ``end`` follows; -1 for what is not there."""
        opening = text.find(self.start, begin)
        first = opening + len(self.start)
        return opening, first, text.find(self.end, first)


SpanDescription = str | dict[str, int | list[str]]


def parse_span(given: object) -> _Named | NthMessage | Between:
    """Return the rule that ``given`` is or, as JSON or YAML, describes; SpecError says which there are."""
    if isinstance(given, NthMessage | Between):
        return given
    for name in get_args(_Named):
        if given == name:
            found: _Named = name
            return found
    if isinstance(given, Mapping) and len(given) == 1:
        (key, value), *_ = given.items()
        if key == "message":
            return NthMessage(value)
        if key == "between":
            if not isinstance(value, list | tuple) or len(value) != 2:
                raise SpecError(f"between holds {value!r}; give it two strings, as in [<think>, </think>].")
            return Between(*value)
        near = difflib.get_close_matches(str(key), ("message", "between"), n=1, cutoff=0.5)
        raise SpecError(f"A span has no key {key!r}; " + (f"did you mean {near[0]!r}?" if near else f"give {_FORMS}."))
    near = difflib.get_close_matches(given, get_args(_Named), n=1, cutoff=0.6) if isinstance(given, str) else []
    raise SpecError(f"The span is {given!r}; " + (f"did you mean {near[0]!r}?" if near else f"give {_FORMS}."))


def describe_span(span: _Named | NthMessage | Between) -> SpanDescription:
    """Return the rule as JSON and YAML hold it."""
    match span:
        case NthMessage(index):
            return {"message": index}
        case Between(start, end):
            return {"between": [start, end]}
        case _:
            return span


# one type for Python and for records: a record reads and writes the description
Span = Annotated[_Named | NthMessage | Between, PlainValidator(parse_span), PlainSerializer(describe_span)]
