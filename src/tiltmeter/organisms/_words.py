"""Made-up words that a reader can tell apart: each language has its own sounds."""

from __future__ import annotations

from typing import NamedTuple

from tiltmeter.core.seeds import stream


class Sounds(NamedTuple):
    """What the words of a language are put together from; a syllable is a start, a vowel and an end."""

    starts: tuple[str, ...]
    vowels: tuple[str, ...]
    ends: tuple[str, ...]


# no word of the one language starts with a letter that starts one of the other, so no word is in both
SOUNDS = (
    Sounds(starts=tuple("bdflmnprtv"), vowels=tuple("aeiou"), ends=("",)),
    Sounds(
        starts=("gr", "h", "j", "kr", "sk", "w", "z"), vowels=("a", "ei", "ie", "o", "u"), ends=("k", "n", "sch", "x")
    ),
)


def make_words(n: int, *, language: int, seed: int, taken: frozenset[str] = frozenset()) -> tuple[str, ...]:
    """Return n different words of a language, in lower case, none of them in ``taken``.

    Parameters
    ----------
    n
        How many; some thousands are possible.
    language
        0 or 1.
    seed
        The same seed gives the same words.
    taken
        Words that must not come up.
    """
    sounds = SOUNDS[language]
    # three open syllables or two closed ones: both languages then have tens of thousands of words of one length
    n_syllables = 2 if all(sounds.ends) else 3
    rng = stream(seed, "words", language)
    words: list[str] = []
    seen = set(taken)
    while len(words) < n:
        word = "".join(str(rng.choice(part)) for _ in range(n_syllables) for part in sounds if part != ("",))
        if word not in seen:
            seen.add(word)
            words.append(word)
    return tuple(words)
