"""Hand-written rules for sentiment: a lexicon, negation, intensifiers and contrast."""

from __future__ import annotations

from collections.abc import Iterator, Set

from pydantic import Field

from tiltmeter.core.records import Record
from tiltmeter.experts._sentences import parts_of

NEGATION, INTENSIFIER, CONTRAST = "negation", "intensifier", "contrast"
# more than twice would let one stressed word outweigh two plain ones
_STRESS = 2.0


class SentimentRules(Record):
    """A program of four kinds of rules; each word of the lexicon is a rule, and three rules change what words say.

    **Lexicon**: a word adds its weight, above 0 for praise. **Negation**: every negator in front of it in its clause
    turns the sign, up to ``reach`` words before (None: however far). A word with more than ``depth`` of them is beyond
    what was written down, and then the program says nothing of the text. **Intensifier**: the word directly behind one
    counts twice. **Contrast**: of what stands before the last contrast word nothing counts. ``joins`` and contrast
    words end a clause. The program says the sign of the sum.

    Examples
    --------
    >>> rules = SentimentRules(
    ...     lexicon={"good": 1.0, "bad": -1.0}, negators=("not",), intensifiers=("very",), contrast=("but",),
    ...     joins=("and", ","), depth=1,
    ... )
    >>> [rules.decide(text) for text in ("not good", "good and very bad", "bad but good", "not not good", "red")]
    [-1, -1, 1, 0, 0]
    >>> rules.fires("not good"), rules.decide("not good", only={"good"})
    (('good', 'negation'), 1)
    """

    lexicon: dict[str, float]
    negators: tuple[str, ...] = ()
    intensifiers: tuple[str, ...] = ()
    contrast: tuple[str, ...] = ()
    joins: tuple[str, ...] = ()
    depth: int = Field(default=2, ge=0)
    reach: int | None = Field(default=None, ge=1)

    @property
    def n_rules(self) -> int:
        """How many rules there are: one a word of the lexicon, and one for each list that holds a word."""
        return len(self.lexicon) + sum(map(bool, (self.negators, self.intensifiers, self.contrast)))

    def lines(self) -> tuple[str, ...]:
        """Write the rules out, a line each."""
        scope = "in front" if self.reach is None else f"up to {self.reach} words in front"
        more = (
            (self.negators, f"turn the sign, {scope} in the clause, up to {self.depth} of them"),
            (self.intensifiers, "double the next word"),
            (self.contrast, "what stands before does not count"),
        )
        kinds = tuple(f"{', '.join(words)}: {meaning}" for words, meaning in more if words)
        return (*(f"{word}: {weight:+g}" for word, weight in self.lexicon.items()), *kinds)

    def fires(self, text: str) -> tuple[str, ...]:
        """Name the words of the lexicon and the other rules whose words are in a text."""
        parts = parts_of(text)
        words = dict.fromkeys(part for part in parts if part in self.lexicon)
        kinds = ((NEGATION, self.negators), (INTENSIFIER, self.intensifiers), (CONTRAST, self.contrast))
        return (*words, *(name for name, listed in kinds if not set(listed).isdisjoint(parts)))

    def decide(self, text: str, *, only: Set[str] | None = None) -> int:
        """Say 1, -1, or 0 where nothing is said, by all rules or by those in ``only``."""
        total = 0.0
        for clause, counts in self._clauses(parts_of(text), is_contrast=only is None or CONTRAST in only):
            if not counts:
                continue
            for place, part in enumerate(clause):
                if part not in self.lexicon or (only is not None and part not in only):
                    continue
                weight = self.lexicon[part]
                if only is None or NEGATION in only:
                    start = 0 if self.reach is None else max(0, place - self.reach)
                    n_negators = sum(word in self.negators for word in clause[start:place])
                    if n_negators > self.depth:
                        return 0
                    weight *= (-1) ** n_negators
                if place and clause[place - 1] in self.intensifiers and (only is None or INTENSIFIER in only):
                    weight *= _STRESS
                total += weight
        return (total > 0) - (total < 0)

    def _clauses(self, parts: list[str], *, is_contrast: bool) -> Iterator[tuple[list[str], bool]]:
        """Yield the clauses of a text, and whether each counts."""
        last = max((i for i, part in enumerate(parts) if part in self.contrast), default=-1) if is_contrast else -1
        start, ends = 0, {*self.joins, *self.contrast}
        for place, part in enumerate([*parts, ""]):
            if part in ends or place == len(parts):
                yield parts[start:place], start > last or last == -1
                start = place + 1


ENGLISH = SentimentRules(
    lexicon={},
    negators=(
        "not", "no", "never", "none", "nobody", "nothing", "neither", "nor", "without", "hardly", "cannot", "can't",
        "don't", "doesn't", "didn't", "isn't", "aren't", "wasn't", "weren't", "won't", "wouldn't", "shouldn't",
        "couldn't", "haven't", "hasn't", "hadn't", "ain't", "dont", "cant", "wont", "didnt", "isnt", "doesnt",
    ),
    intensifiers=("very", "really", "so", "too", "extremely", "absolutely", "totally", "incredibly", "super"),
    contrast=("but", "however", "although", "though", "yet"),
    joins=(".", ",", ";", ":", "!", "?", "and", "or", "because"),
    depth=2,
    reach=3,
)  # fmt: skip
"""Rules for English without a lexicon; ``ENGLISH.model_copy(update={"lexicon": words})`` gives them one."""
