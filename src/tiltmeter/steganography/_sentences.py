"""Texts taken apart into sentences, and words put back with their case."""

from __future__ import annotations

import re

_SENTENCE = re.compile(r".+?(?:[.!?]+[\"')]*(?=\s|$)|\n|$)", re.DOTALL)
WORD = re.compile(r"[^\W\d_]+(?:'[^\W\d_]+)?")


def sentences(text: str) -> tuple[str, ...]:
    """Cut a text after each full stop, exclamation or question mark, and at line breaks.

    Examples
    --------
    >>> sentences("He ran. Did he? Yes")
    ('He ran.', 'Did he?', 'Yes')
    """
    return tuple(found for piece in _SENTENCE.findall(text) if (found := piece.strip()))


def cased(word: str, like: str) -> str:
    """Give a word a capital where the other has one.

    Examples
    --------
    >>> cased("big", like="Large")
    'Big'
    """
    return word[:1].upper() + word[1:] if like[:1].isupper() else word
