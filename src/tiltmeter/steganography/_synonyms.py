"""Words that may stand for each other: what a rule-based paraphrase makes one, and what a hider chooses between."""

from __future__ import annotations

import re
from collections.abc import Callable

from tiltmeter.steganography._sentences import WORD, cased

_CLASSES = """
big large huge
little small tiny
happy glad cheerful
sad unhappy sorrowful
said spoke
started began
very really quite
saw noticed spotted
looked gazed
pretty lovely beautiful
scared afraid frightened
friend companion
nice kind gentle
wanted wished
ran rushed hurried
walked strolled
found discovered
liked enjoyed
loved adored
asked enquired
helped aided
gave handed
took grabbed
made created
put placed
quickly fast swiftly
after following
starts begins
has owns
buys purchases
giving handing
buying purchasing
gives hands
more extra
then afterwards
ok done
send forward
renew refresh
add sum
clean tidy
check inspect
sort order
mark flag
also too
because since
mother mom mum
father dad daddy
boy lad
girl lass
forest wood
thing object
good fine
hard difficult
easy simple
smart clever bright
angry cross furious
shout yell
shouted yelled
smiled grinned
jumped leapt
dog hound
cat kitten
toy plaything
"""
CLASSES = tuple(tuple(line.split()) for line in _CLASSES.strip().splitlines())
_CLASS_OF = {word: words for words in CLASSES for word in words}


def with_synonyms(text: str, choose: Callable[[tuple[str, ...]], str]) -> str:
    """Put in the place of each known word the one that is chosen from its class.

    Examples
    --------
    >>> with_synonyms("A large dog.", lambda words: words[0])
    'A big dog.'
    """

    def one(found: re.Match[str]) -> str:
        word = found.group()
        words = _CLASS_OF.get(word.lower())
        if words is None:
            return word
        return cased(choose(words), like=word)

    return WORD.sub(one, text)


def many_to_one(text: str) -> str:
    """Write the first word of its class for every known word: texts that differ in synonyms become one text.

    Examples
    --------
    >>> many_to_one("A tiny cat") == many_to_one("A small kitten")
    True
    """
    return with_synonyms(text, lambda words: words[0])
