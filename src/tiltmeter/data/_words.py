"""What counts as the same text, and as a word of it."""

from __future__ import annotations

import re

# fifty-one is one word, not two
_WORD = re.compile(r"\w+(?:-\w+)*")


def normalised(text: str) -> str:
    """Return the text without case and with single spaces, so that copies are equal."""
    return " ".join(text.casefold().split())


def words(text: str) -> frozenset[str]:
    """Return the distinct words without case; a text of signs only is one word, so that no text has none."""
    return frozenset(word_order(text))


def word_order(text: str) -> tuple[str, ...]:
    """Return the words as they follow each other, without case."""
    return tuple(_WORD.findall(text.casefold())) or (normalised(text),)
