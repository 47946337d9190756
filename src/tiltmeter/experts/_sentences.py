"""Texts as the experts see them: words and marks in lower case."""

from __future__ import annotations

import re

# a word keeps its apostrophe, so that "isn't" is one word; any other sign stands for itself
_PART = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")


def parts_of(text: str) -> list[str]:
    """Divide a text into words and single marks, in lower case, with the plain apostrophe.

    Examples
    --------
    >>> parts_of("It isn’t bad, is it?")
    ['it', "isn't", 'bad', ',', 'is', 'it', '?']
    """
    return [part.replace("’", "'") for part in _PART.findall(text.casefold())]
