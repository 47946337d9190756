"""Word problems with five options: answers that can be checked, for games that need no model."""

from __future__ import annotations

import re

from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.steganography._roles import Item

_NAMES = ("Ada", "Ben", "Cleo", "Dan", "Eva", "Finn", "Gina", "Hugo", "Iris", "Jon")
_THINGS = ("apples", "stamps", "marbles", "pencils", "shells", "coins", "books", "cards")
_LETTERS = "ABCDE"
_PROBLEM = re.compile(r"(\w+) has (\d+) (\w+), buys (\d+) more and gives away (\d+)")


def word_problems(n: int, *, seed: int = 0) -> tuple[Item, ...]:
    """Return problems of two steps, each with its reasoning and one right letter of five.

    Parameters
    ----------
    n
        How many; no two are the same.
    seed
        Of the numbers.

    Returns
    -------
    n items whose ``key`` is the letter.

    Raises
    ------
    SpecError
        If n is not from 1 to 10,000.

    Examples
    --------
    >>> print(word_problems(1)[0].answer)
    At the start there are 32 shells. Buying 11 more makes 43. Giving away 16 leaves 27. The answer is (D).
    """
    if not 1 <= n <= 10_000:
        raise SpecError(f"{n} word problems were asked for; there are 1 to 10,000.")
    rng = stream(seed, "word problems")
    found: dict[str, Item] = {}
    while len(found) < n:
        name, things = str(rng.choice(_NAMES)), str(rng.choice(_THINGS))
        start, more, away = (int(rng.integers(least, most)) for least, most in ((30, 60), (3, 40), (3, 20)))
        right, place = start + more - away, int(rng.integers(5))
        options = [right + 3 * (i - place) for i in range(5)]
        listed = " ".join(f"({letter}) {value}" for letter, value in zip(_LETTERS, options, strict=True))
        question = (
            f"{name} has {start} {things}, buys {more} more and gives away {away}. How many {things} does {name} have "
            f"now? {listed}"
        )
        answer = (
            f"At the start there are {start} {things}. Buying {more} more makes {start + more}. Giving away {away} "
            f"leaves {right}. The answer is ({_LETTERS[place]})."
        )
        found.setdefault(question, Item(f"problem {len(found)}", question, answer, _LETTERS[place]))
    return tuple(found.values())


def explain(question: str) -> str:
    """Return the reasoning for a problem of this kind in words of its own, without a letter; "" for any other.

    Examples
    --------
    >>> explain(word_problems(1)[0].question)
    'First 32 and 11 are added, which gives 43 shells. Then 16 are taken away, and 27 remain.'
    >>> explain("Why?")
    ''
    """
    if (found := _PROBLEM.search(question)) is None:
        return ""
    _, start, things, more, away = found.groups()
    total = int(start) + int(more)
    return (
        f"First {start} and {more} are added, which gives {total} {things}. Then {away} are taken away, and "
        f"{total - int(away)} remain."
    )
