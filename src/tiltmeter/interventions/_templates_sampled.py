"""Pairs drawn from templates, and only those that a model's tokenizer keeps aligned."""

from __future__ import annotations

import warnings
from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Literal, NamedTuple

import numpy as np

from tiltmeter.core.errors import DataError, DataWarning, SpecError
from tiltmeter.core.seeds import stream
from tiltmeter.interventions._pairs import PromptPairs
from tiltmeter.interventions._template_families import PAIR_FAMILIES
from tiltmeter.interventions._templates import Filled, PairFamily, number_sets
from tiltmeter.models import SubjectModel

# ways of one template that are tokenized at once
_CHUNK = 32
# a template of which so many ways were tried and none could be used is given up
_PATIENCE = 2048

Fault = Literal["unequal", "answer", "unknown"]


class Sifted(NamedTuple):
    """What became of the ways to fill one template that were looked at.

    Of ``tried``, ``aligned`` could be used; ``unequal`` have prompts of unlike length, ``answer`` an answer that is not
    one token, ``unknown`` a word that the tokenizer does not know. ``lost``: entries that were tried and are in no
    aligned pair.
    """

    template: str
    tried: int
    aligned: int
    unequal: int
    answer: int
    unknown: int
    lost: tuple[str, ...]


class SampledPairs(NamedTuple):
    """The pairs, and one account a template of what was left out; without a model nothing is."""

    pairs: PromptPairs
    sifted: tuple[Sifted, ...]


def sample_pairs(
    family: str | PairFamily,
    n: int,
    *,
    subject: SubjectModel | None = None,
    groups: str = "template",
    random_state: int = 0,
) -> SampledPairs:
    """Draw pairs from the templates of a family, the templates in turn.

    Parameters
    ----------
    family
        One of :data:`PAIR_FAMILIES` by name, or your own.
    n
        How many pairs at most; no pair comes twice.
    subject
        The model that is to read them: then both prompts of a pair have as many tokens, all of them known, and each
        answer is one token that follows its prompt. None to leave that to :func:`encode_pairs`, which raises for the
        first pair that does not fit; answers are then written with a space before them.
    groups
        What a split should keep on one side: ``"template"``, or the name of a slot, such as ``"name"``. Entries of a
        slot that share a word are one group; pairs without that slot are grouped by template.
    random_state
        Seed of the draw.

    Returns
    -------
    Fewer than n if the templates allow no more; then every way to fill them was tried, or 2,048 of a template that gave
    no pair.

    Raises
    ------
    SpecError
        If there is no such family or slot, n is below 1, or the slot stands for several entries at once.
    DataError
        If no pair can be used with the model.

    Warns
    -----
    DataWarning
        If there are fewer pairs than asked for, or some templates yield none.

    Examples
    --------
    >>> pairs, _ = sample_pairs("gender-easy", 40, groups="name")
    >>> len(pairs), str(pairs.tags[0]), pairs.positive_answers[0], pairs.negative_answers[0]
    (40, 'easy', (' she',), (' he',))
    """
    if isinstance(family, str):
        if family not in PAIR_FAMILIES:
            raise SpecError(f"There is no family of pairs {family!r}; use one of {', '.join(PAIR_FAMILIES)}.")
        family = PAIR_FAMILIES[family]
    if n < 1:
        raise SpecError(f"n is {n}; ask for at least one pair.")
    grouping = _Grouping(family, groups)
    sources = [_Source(family, i, subject=subject, random_state=random_state) for i in range(len(family.templates))]
    drawn = list(_in_turn(sources, n))
    sifted = tuple(source.account() for source in sources)
    _tell(family, sifted, n=n, n_drawn=len(drawn))
    pairs = PromptPairs(
        np.array([f"{family.name}/{one.template}/{one.way}" for one in drawn]),
        tuple(one.filled.positive.rpartition(" ")[0] for one in drawn),
        tuple(one.filled.negative.rpartition(" ")[0] for one in drawn),
        tuple((one.answers[0],) for one in drawn),
        tuple((one.answers[1],) for one in drawn),
        np.array([family.tag] * len(drawn)),
        np.array([grouping.of(one) for one in drawn]),
    )
    return SampledPairs(pairs, sifted)


class _Drawn(NamedTuple):
    template: int
    way: int
    filled: Filled
    answers: tuple[str, str]


class _Source:
    """Goes through the ways to fill one template in random order, and tells what it leaves out."""

    def __init__(self, family: PairFamily, template: int, *, subject: SubjectModel | None, random_state: int) -> None:
        self.family = family
        self.template = template
        self.subject = subject
        self._rng = stream(random_state, "pairs", family.name, template)
        self._fates: Counter[Fault | None] = Counter()
        self._tried: set[str] = set()
        self._used: set[str] = set()

    def __iter__(self) -> Iterator[_Drawn]:
        order = self._rng.permutation(self.family.count(self.template))
        for start in range(0, len(order), _CHUNK):
            if start >= _PATIENCE and not self._fates[None]:
                return
            ways = order[start : start + _CHUNK].tolist()
            filled = [self.family.fill(self.template, way) for way in ways]
            for way, one, checked in zip(ways, filled, _check(self.subject, filled), strict=True):
                self._tried.update(one.entries.values())
                if not isinstance(checked, tuple):
                    self._fates[checked] += 1
                    continue
                self._fates[None] += 1
                self._used.update(one.entries.values())
                yield _Drawn(self.template, way, one, checked)

    def account(self) -> Sifted:
        counts = self._fates
        return Sifted(
            self.family.templates[self.template],
            counts.total(),
            counts[None],
            counts["unequal"],
            counts["answer"],
            counts["unknown"],
            tuple(sorted(self._tried - self._used)),
        )


def _in_turn(sources: Sequence[_Source], n: int) -> Iterator[_Drawn]:
    running = [iter(source) for source in sources]
    while running:
        for one in tuple(running):
            found = next(one, None)
            if found is None:
                running.remove(one)
                continue
            yield found
            n -= 1
            if n == 0:
                return


def _check(subject: SubjectModel | None, filled: Sequence[Filled]) -> list[tuple[str, str] | Fault]:
    """Return the two answers of each pair as they are to be written, or what is wrong with it."""
    if subject is None:
        return [(f" {one.positive.split(' ')[-1]}", f" {one.negative.split(' ')[-1]}") for one in filled]
    whole = [text for one in filled for text in (one.positive, one.negative)]
    prompts = [text.rpartition(" ")[0] for text in whole]
    answers = [text.rpartition(" ")[2] for text in whole]
    # as it stands behind a prompt, an answer has a space before it, which some tokenizers add themselves
    parts = [_tokenized(subject, texts) for texts in (prompts, whole, [f" {one}" for one in answers], answers)]
    unknown = subject.tokenizer.unk_token_id
    found = list[tuple[str, str] | Fault]()
    for i in range(0, len(whole), 2):
        lengths = [len(parts[0][j]) for j in (i, i + 1)]
        written = [_written(answers[j], *(part[j] for part in parts)) for j in (i, i + 1)]
        if unknown in {token for j in (i, i + 1) for token in parts[1][j]}:
            found.append("unknown")
        elif lengths[0] != lengths[1]:
            found.append("unequal")
        elif written[0] is None or written[1] is None:
            found.append("answer")
        else:
            found.append((written[0], written[1]))
    return found


def _written(answer: str, prompt: list[int], whole: list[int], spaced: list[int], bare: list[int]) -> str | None:
    """Return the answer so that alone it is the one token that follows the prompt; None if it cannot be."""
    if len(whole) != len(prompt) + 1 or whole[:-1] != prompt:
        return None
    for text, alone in ((f" {answer}", spaced), (answer, bare)):
        if alone == whole[-1:]:
            return text
    return None


def _tokenized(subject: SubjectModel, texts: list[str]) -> list[list[int]]:
    tokens: list[list[int]] = subject.tokenizer(texts, add_special_tokens=False)["input_ids"]
    return tokens


class _Grouping:
    """Names the group of a pair."""

    def __init__(self, family: PairFamily, by: str) -> None:
        if by != "template" and by not in family.words:
            raise SpecError(
                f"groups is {by!r}; group the pairs of {family.name} by template, or by a slot: "
                f"{', '.join(family.words)}."
            )
        if any(f"{{{by}1}}" in template for template in family.templates):
            raise SpecError(f"Several entries of {by} stand in one pair of {family.name}; group by template.")
        self.family = family
        self.by = by
        self._numbers = number_sets(family.words.get(by, ()))

    def of(self, one: _Drawn) -> str:
        entry = one.filled.entries.get(self.by)
        part = f"template {one.template}" if entry is None else f"{self.by} {self._numbers[entry]}"
        return f"{self.family.name}/{part}"


def _tell(family: PairFamily, sifted: Sequence[Sifted], *, n: int, n_drawn: int) -> None:
    if n_drawn == 0:
        worst = sifted[0]
        raise DataError(
            f"No pair of {family.name} fits the tokenizer; of template {worst.template!r} {worst.unequal} ways have "
            f"prompts of unlike length, {worst.answer} an answer of several tokens and {worst.unknown} an unknown "
            "word; use another family."
        )
    barren = sum(one.aligned == 0 for one in sifted)
    if n_drawn < n or (barren and n >= len(sifted)):
        warnings.warn(
            f"{family.name} gives {n_drawn} pairs of the {n} asked for, and {barren} of its {len(sifted)} templates "
            "none; sifted says why.",
            DataWarning,
            stacklevel=3,
        )
