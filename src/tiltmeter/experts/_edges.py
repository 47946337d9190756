"""Edge cases: suites of the texts that rules and students trip over."""

from __future__ import annotations

import re
from dataclasses import replace

import numpy as np

from tiltmeter.core.errors import SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.data import TextSet, plain_texts
from tiltmeter.experts._sentences import parts_of
from tiltmeter.experts._sentiment import SentimentRules

IRONY_MARKERS = (
    "🙄",
    "😒",
    "/s",
    "#sarcasm",
    "#irony",
    "#not",
    "yeah right",
    "yeah, right",
    "thanks a lot",
    "lol",
    "lmao",
)
"""What writers of English mark irony with, in lower case. Some of it also marks plain amusement."""
# one with letters stands by itself, so that "he/she" and "lollipop" mark nothing; a face may touch a word
_MARKED = re.compile(
    "|".join(rf"(?<!\w){re.escape(one)}(?!\w)" if re.search(r"\w", one) else re.escape(one) for one in IRONY_MARKERS)
)

# fewer cannot be judged: an exact interval of ten is half as wide as all there is
_FEWEST_ROWS = 10
# letters; in a shorter word two neighbours cannot be swapped inside it
_LONG_ENOUGH = 4


def with_typos(texts: TextSet, *, share: float = 0.3, seed: int) -> TextSet:
    """Swap two neighbouring letters inside some of the words of each text.

    Parameters
    ----------
    texts
        Plain texts.
    share
        Of the words of at least four letters.
    seed
        Of the draw.

    Returns
    -------
    The same rows with other texts. A swap of two equal letters changes nothing.

    Raises
    ------
    SpecError
        If the share is not from 0 to 1.

    Examples
    --------
    >>> texts = TextSet(np.array(["a"]), texts=("rather good, but dear",))
    >>> with_typos(texts, share=1.0, seed=0).texts
    ('ratehr good, but daer',)
    """
    if not 0 <= share <= 1:
        raise SpecError(f"A share of {share} of the words was asked for; it is from 0 to 1.")
    rng = stream(seed, "typos")

    def wrong(word: str) -> str:
        if len(word) < _LONG_ENOUGH or not word[1:-1].isalpha() or rng.random() >= share:
            return word
        at = int(rng.integers(1, len(word) - 2))
        return word[:at] + word[at + 1] + word[at] + word[at + 2 :]

    changed = tuple(" ".join(map(wrong, text.split())) for text in plain_texts(texts))
    return replace(texts, texts=changed, messages=None)


def edge_suites(texts: TextSet, rules: SentimentRules, *, seed: int) -> dict[str, TextSet]:
    """Pick the texts of a set that hold an edge case, and misspell a copy of all of them.

    Parameters
    ----------
    texts
        Test texts.
    rules
        Their negators and contrast words say which texts are negated, and which have a contrast.
    seed
        Of the typos.

    Returns
    -------
    Suites by name: ``negation``, ``contrast``, ``irony`` (texts with one of ``IRONY_MARKERS``) and ``typos``. Those of
    fewer than ten texts are left out.

    Examples
    --------
    >>> from tiltmeter.experts import ENGLISH
    >>> texts = TextSet(np.arange(20).astype(str), texts=("Not bad.", "Good.") * 10)
    >>> {name: len(suite) for name, suite in edge_suites(texts, ENGLISH, seed=0).items()}
    {'negation': 10, 'typos': 20}
    """
    written = plain_texts(texts)
    parts = [set(parts_of(text)) for text in written]
    holds = {
        "negation": [not own.isdisjoint(rules.negators) for own in parts],
        "contrast": [not own.isdisjoint(rules.contrast) for own in parts],
        "irony": [_MARKED.search(text.casefold()) is not None for text in written],
    }
    picked = {name: texts.select(np.array(rows)) for name, rows in holds.items() if sum(rows) >= _FEWEST_ROWS}
    return picked | {"typos": with_typos(texts, seed=seed)}
