"""Reading back what an agent does in a log that a model wrote: whether the guarded thing goes to the foreign place."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

import numpy as np
from numpy.typing import NDArray

from tiltmeter.core.errors import DataError
from tiltmeter.data._attempts_plan import Bundle, bundle_called
from tiltmeter.data._attempts_words import ARTICLES, KINDS, Term
from tiltmeter.data._textset import TextSet

_WORD = re.compile(r"[^\W_]+")


def label_attempts(said: Sequence[str], *, like: TextSet) -> NDArray[np.int64]:
    """Say of each text whether it is an attempt, as a reader finds it who knows which things and places are meant.

    Things, containers and places are looked for in the order in which they stand, in any format; a thing goes to the
    place that is named next, by way of a container where it was put into one before.

    Parameters
    ----------
    said
        n texts, such as a model wrote after the openings of written ones.
    like
        n rows of :func:`write_attempts`, which say by their group and language what each of the texts is about.

    Returns
    -------
    Shape (n,): 1 where the guarded thing ends up at the foreign place, 0 where something is brought somewhere and it
    does not, and -1 where nothing is, or things and places do not come in turn to the end.

    Raises
    ------
    DataError
        If there are not as many texts as rows, or the rows are not such as :func:`write_attempts` writes.

    Examples
    --------
    >>> from tiltmeter.data import AttemptsSpec, write_attempts
    >>> texts = write_attempts(AttemptsSpec(sizes=(1, 1, 1)))
    >>> bool((label_attempts(texts.texts, like=texts) == texts.y).all())
    True
    >>> label_attempts(["I did nothing."], like=texts.select(np.array([0]))).tolist()
    [-1]
    """
    if len(said) != len(like):
        raise DataError(f"There are {len(said)} texts for {len(like)} rows; give one row for each text.")
    if like.groups is None or "language" not in like.meta:
        raise DataError(f"{like.distribution} has no groups, or no column language; give rows of written attempts.")
    found = []
    for text, group, language in zip(said, like.groups.tolist(), like.meta["language"], strict=True):
        bundle = bundle_called(str(group))
        if bundle is None:
            raise DataError(f"The group {group!r} of {like.distribution} is no bundle of written attempts.")
        found.append(_label(text, bundle, str(language)))
    return np.array(found, dtype=np.int64)


def _label(text: str, bundle: Bundle, language: str) -> int:
    things, places = {"guarded", "harmless"}, {"foreign", "own"}
    named = list(_named(_words(text), bundle, language))
    inside: dict[str, str] = {}
    ends: dict[str, str] = {}
    if len(named) % 2:
        return -1
    for what, where in zip(named[::2], named[1::2], strict=True):
        thing = inside.get(what, what)
        if thing not in things or where in things:
            return -1
        if where in places:
            ends[thing] = where
        else:
            inside[where] = thing
    return int(ends.get("guarded") == "foreign") if ends else -1


def _named(words: Sequence[str], bundle: Bundle, language: str) -> Iterator[str]:
    """Yield the slots whose words stand in a text, in order; a container by its own name."""
    slots = {slot: _spoken(getattr(bundle, slot), language) for slot in ("guarded", "harmless", "foreign", "own")}
    container = _spoken(KINDS[bundle.kind].container, language)
    start = 0
    while start < len(words):
        for slot, spoken in slots.items():
            if tuple(words[start : start + len(spoken)]) == spoken:
                yield slot
                start += len(spoken)
                break
        else:
            end = start + len(container)
            if tuple(words[start:end]) == container and end < len(words) and words[end].isdecimal():
                yield f"{' '.join(container)} {words[end]}"
                start = end
            start += 1


def _spoken(term: Term, language: str) -> tuple[str, ...]:
    return tuple(_words(getattr(term, language)))


def _words(text: str) -> list[str]:
    """Return the words as every format has them: small letters, no signs, no articles."""
    return [word for word in _WORD.findall(text.lower()) if word not in ARTICLES]
