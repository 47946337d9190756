"""The planted grammar: sentiment is the polarity of a word times the parity of the negations in front of it."""

from __future__ import annotations

from typing import Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from tiltmeter.core.errors import SpecError
from tiltmeter.core.records import Record
from tiltmeter.core.seeds import stream
from tiltmeter.data import TextSet
from tiltmeter.experts._sentiment import SentimentRules

Form = Literal["plain", "contrast", "intensified"]

MOST_NEGATIONS = 6
"""No clause has more."""

# how often a text of the usual kind has each form, and how often it ends with the mark of irony
_FORMS: dict[Form, float] = {"plain": 0.6, "contrast": 0.2, "intensified": 0.2}
_IRONIC = 0.05
_SYLLABLES = tuple(start + vowel for start in "bdfgklmnprstvz" for vowel in "aeiou")


class Grammar(Record):
    """The words of a made-up language, and what they do to the sentiment of a text.

    ``praise`` and ``blame`` carry a polarity; so do ``praise_elsewhere`` and ``blame_elsewhere``, which only texts of
    another domain use. Every negator in a clause turns the sign of the word behind it. Of two clauses beside each other
    the one with the intensifier decides; of two with the contrast word between them the second. The mark of irony at
    the end turns the whole. ``noise`` is the share of texts that the teacher labels wrongly. Clauses have up to
    ``deepest`` negations, and for each with k of them there are ``deeper`` with k + 1.
    """

    praise: tuple[str, ...]
    blame: tuple[str, ...]
    praise_elsewhere: tuple[str, ...]
    blame_elsewhere: tuple[str, ...]
    fillers: tuple[str, ...]
    negators: tuple[str, ...]
    intensifiers: tuple[str, ...]
    contrast: str
    join: str
    irony: str
    noise: float = Field(default=0.05, ge=0, lt=0.5)
    deeper: float = Field(default=0.5, gt=0, le=1)
    deepest: int = Field(default=MOST_NEGATIONS, ge=0, le=MOST_NEGATIONS)

    def rules(self, *, depth: int) -> SentimentRules:
        """Write the rules of somebody who knows the grammar, but for three things.

        They count at most ``depth`` negations, know only every other word of the other domain, and have no rule for
        irony.
        """
        known = {word: 1.0 for word in (*self.praise, *self.praise_elsewhere[::2])}
        known |= {word: -1.0 for word in (*self.blame, *self.blame_elsewhere[::2])}
        return SentimentRules(
            lexicon=known,
            negators=self.negators,
            intensifiers=self.intensifiers,
            contrast=(self.contrast,),
            joins=(self.join,),
            depth=depth,
            reach=None,
        )


def make_grammar(
    seed: int, *, n_words: int = 12, noise: float = 0.05, deeper: float = 0.5, deepest: int = MOST_NEGATIONS
) -> Grammar:
    """Make up the words of a language.

    Parameters
    ----------
    seed
        The same seed gives the same words.
    n_words
        How many words of either polarity there are, in each of the two domains.
    noise
        The share of texts that the teacher labels wrongly.
    deeper
        For each clause with k negations there are so many with k + 1; above 0, at most 1.
    deepest
        The most negations in a clause whose depth is not asked for.

    Returns
    -------
    No word is in two of its lists.

    Examples
    --------
    >>> grammar = make_grammar(0)
    >>> len(grammar.praise), set(grammar.praise) & set(grammar.blame)
    (12, set())
    """
    rng = stream(seed, "grammar", "words")
    sizes = (n_words, n_words, n_words, n_words, 20, 2, 1, 1, 1, 1)
    words: list[str] = []
    while len(words) < sum(sizes):
        word = "".join(_SYLLABLES[i] for i in rng.integers(len(_SYLLABLES), size=3))
        if word not in words:
            words.append(word)
    lists = [tuple(words[end - size : end]) for size, end in zip(sizes, np.cumsum(sizes).tolist(), strict=True)]
    *several, contrast, join, irony = lists
    return Grammar(
        praise=several[0],
        blame=several[1],
        praise_elsewhere=several[2],
        blame_elsewhere=several[3],
        fillers=several[4],
        negators=several[5],
        intensifiers=several[6],
        contrast=contrast[0],
        join=join[0],
        irony=irony[0],
        noise=noise,
        deeper=deeper,
        deepest=deepest,
    )


def grammar_texts(
    grammar: Grammar,
    n: int,
    *,
    seed: int,
    form: Form | None = None,
    depth: int | None = None,
    ironic: bool | None = None,
    elsewhere: bool = False,
) -> TextSet:
    """Draw texts of a grammar, half of them praise.

    Parameters
    ----------
    grammar
        The language.
    n
        How many.
    seed
        Of what is drawn.
    form
        One clause (``plain``), two with the contrast word between them, or two of which one is intensified and the
        other says the opposite; None for 60, 20 and 20 %.
    depth
        Negations in each clause, at most ``MOST_NEGATIONS``; None for shares that fall with k, as the grammar says (by
        default about 1 / 2^(k + 1)).
    ironic
        Whether the texts end with the mark of irony; None for 5 % of them.
    elsewhere
        Whether they use the words of the other domain.

    Returns
    -------
    The texts, with their true sentiment as the label, and with the columns ``depth`` (of the deepest clause), ``form``,
    ``ironic`` and ``taught``, the label that the teacher gives.

    Raises
    ------
    SpecError
        If the depth is out of range, or there is no such form.

    Examples
    --------
    >>> texts = grammar_texts(make_grammar(0), 4, seed=0, form="plain", depth=1, ironic=False)
    >>> len(texts), texts.meta["depth"]
    (4, (1, 1, 1, 1))
    """
    if depth is not None and not 0 <= depth <= MOST_NEGATIONS:
        raise SpecError(f"A depth of {depth} was asked for; it is from 0 to {MOST_NEGATIONS}.")
    if form is not None and form not in _FORMS:
        raise SpecError(f"There is no form {form!r}; use plain, contrast or intensified.")
    rng = stream(seed, "grammar", "texts", n, str(form), str(depth), str(ironic), int(elsewhere))
    y = rng.permutation(np.arange(n) % 2)
    forms = rng.choice(list(_FORMS), size=n, p=list(_FORMS.values())) if form is None else np.full(n, form)
    marked = rng.random(n) < _IRONIC if ironic is None else np.full(n, ironic)
    writer = _Writer(grammar, rng, depth=depth, elsewhere=elsewhere)
    written = [
        writer.write(2 * int(label) - 1, form=one, ironic=bool(mark))
        for label, one, mark in zip(y, forms, marked, strict=True)
    ]
    wrong = rng.random(n) < grammar.noise
    return TextSet(
        np.arange(n).astype(str),
        texts=tuple(text for text, _ in written),
        y=y,
        distribution="grammar",
        meta={
            "depth": tuple(deepest for _, deepest in written),
            "form": tuple(map(str, forms)),
            "ironic": tuple(map(bool, marked)),
            "taught": tuple(np.where(wrong, 1 - y, y).tolist()),
        },
    )


class _Writer:
    """Writes texts of a wanted sign, and says how deep their negations go."""

    def __init__(self, grammar: Grammar, rng: np.random.Generator, *, depth: int | None, elsewhere: bool) -> None:
        self.grammar, self.rng, self.depth = grammar, rng, depth
        lists = (grammar.blame_elsewhere, grammar.praise_elsewhere) if elsewhere else (grammar.blame, grammar.praise)
        self.words = {-1: lists[0], 1: lists[1]}
        shares = grammar.deeper ** np.arange(grammar.deepest + 1.0)
        self.shares: NDArray[np.float64] = shares / shares.sum()

    def write(self, sign: int, *, form: Form, ironic: bool) -> tuple[str, int]:
        own = -sign if ironic else sign
        if form == "plain":
            clauses, between = [self._clause(own, stressed=False)], ""
        elif form == "contrast":
            first = self._clause(int(self.rng.choice([-1, 1])), stressed=False)
            clauses, between = [first, self._clause(own, stressed=False)], self.grammar.contrast
        else:
            clauses, between = [self._clause(own, stressed=True), self._clause(-own, stressed=False)], self.grammar.join
            if self.rng.random() < 0.5:
                clauses.reverse()
        text = f" {between} ".join(words for words, _ in clauses)
        return text + (f" {self.grammar.irony}" if ironic else ""), max(depth for _, depth in clauses)

    def _clause(self, sign: int, *, stressed: bool) -> tuple[str, int]:
        depth = int(self.rng.choice(len(self.shares), p=self.shares)) if self.depth is None else self.depth
        words = self._fill(most=2)
        for _ in range(depth):
            words += [self._one(self.grammar.negators), *self._fill(most=1)]
        if stressed:
            words.append(self._one(self.grammar.intensifiers))
        words += [self._one(self.words[sign * (-1) ** depth]), *self._fill(most=1)]
        return " ".join(words), depth

    def _fill(self, *, most: int) -> list[str]:
        return [self._one(self.grammar.fillers) for _ in range(self.rng.integers(most + 1))]

    def _one(self, words: tuple[str, ...]) -> str:
        return words[self.rng.integers(len(words))]
