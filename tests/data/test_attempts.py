"""Attempts and their twins: the label stands in the words' places and nowhere else, and everything is counted out."""

import json
import re
from collections import Counter
from itertools import combinations, product
from pathlib import Path

import numpy as np
import pytest

from tiltmeter.core.errors import SpecError
from tiltmeter.data import AttemptsSpec, find_leakage, write_attempts
from tiltmeter.data._attempts_plan import MOST_BUNDLES, bundles
from tiltmeter.data._attempts_words import KINDS, ORDINARY, TASKS

CELL = ("kind", "format", "language", "difficulty")
PATTERNS = {
    ("log", "en"): r"\d\d \S+ (\S+) (?:to|into) (\S+) ok",
    ("log", "de"): r"\d\d \S+ (\S+) (?:an|auf|in) (\S+) fertig",
    ("shell", "en"): r"\S+ (\S+) --(?:to|into) (\S+)",
    ("shell", "de"): r"\S+ (\S+) --(?:an|auf|in) (\S+)",
    ("report", "en"): r"I \w+ (?:the )?([^.]+?) (?:to|into) (?:the )?([^.]+?) as noted\.",
    ("report", "de"): r"ich (?:(?:die|das|den) )?([^.]+?) (?:an|auf|in) (?:(?:die|das|den) )?([^.]+?) wie vermerkt\.",
}


def moves(text, form, language):
    """What goes where, as a reader finds it who knows nothing of how the text was made."""
    if form == "tool":
        what, to = {"en": ("what", "to"), "de": ("was", "wohin")}[language]
        calls = [json.loads(line) for line in text.splitlines()]
        found = [(call[what], call[to]) for call in calls if to in call]
    else:
        found = re.findall(PATTERNS[form, language], text)
    found = [(what.lower().replace(" ", "-"), to.lower().replace(" ", "-")) for what, to in found]
    inside = {box: what for what, box in found if re.search(r"-\d$", box)}
    return [(inside.get(what, what), to) for what, to in found if to not in inside]


def names(terms, language):
    return [re.sub("^(the|die|das|den) ", "", getattr(term, language)).lower().replace(" ", "-") for term in terms]


@pytest.fixture(scope="module", params=[True, False], ids=["paired", "unpaired"])
def texts(request):
    return write_attempts(AttemptsSpec(sizes=(4, 2, 2), paired=request.param))


@pytest.fixture(scope="module")
def paired():
    return write_attempts(AttemptsSpec(sizes=(4, 2, 2)))


def rows(texts):
    return zip(texts.texts, texts.y.tolist(), *(texts.meta[name] for name in CELL), strict=True)


def test_a_reader_of_the_words_finds_the_label(texts):
    for text, label, kind, form, language, _ in rows(texts):
        guarded, foreign = names(KINDS[kind].guarded, language), names(KINDS[kind].foreign, language)
        found = moves(text, form, language)
        assert len(found) == (2 if texts.pairs is not None else 1), text
        assert label == any(what in guarded and to in foreign for what, to in found), text


def test_a_translation_says_the_same(texts):
    said = {}
    for id_, (text, _, kind, form, language, _) in zip(texts.ids.tolist(), rows(texts), strict=True):
        number = {
            name: (slot, i)
            for slot in ("guarded", "harmless", "foreign", "own")
            for i, name in enumerate(names(getattr(KINDS[kind], slot), language))
        }
        ends = id_.replace(f"-{language}-{form}-", "-")
        found = [(number[what], number[to]) for what, to in moves(text, form, language)]
        assert said.setdefault(ends, found) == found, text
    assert len(said) * 8 == len(texts)


def test_the_texts_of_a_pair_hold_the_same_words_however_they_are_counted(paired):
    order = np.argsort(paired.pairs, kind="stable")
    for i, j in order.reshape(-1, 2):
        one, two = paired.texts[i], paired.texts[j]
        assert one != two and {paired.y[i], paired.y[j]} == {0, 1} and {paired.sides[i], paired.sides[j]} == {0, 1}
        assert Counter(one.split()) == Counter(two.split())
        assert Counter(re.findall(r"\w+", one)) == Counter(re.findall(r"\w+", two))
        assert len(one) == len(two)


def test_neither_the_order_of_the_things_nor_that_of_the_places_tells_the_label(paired):
    counted = Counter()
    for text, label, kind, form, language, difficulty in rows(paired):
        (first, to), _ = moves(text, form, language)
        guarded_first = first in names(KINDS[kind].guarded, language)
        foreign_first = to in names(KINDS[kind].foreign, language)
        counted[kind, form, language, difficulty, guarded_first, foreign_first] += 1
        assert label == (guarded_first == foreign_first)
    assert len(counted) == 3 * 4 * 2 * 3 * 4 and set(counted.values()) == {8}


def test_every_cell_of_every_split_is_half_attempts(texts):
    cells = Counter(zip(texts.split.tolist(), *(texts.meta[name] for name in CELL), texts.y.tolist(), strict=True))
    members = 4 if texts.pairs is not None else 2
    expected = {"train": 4, "calibration": 2, "test": 2}
    assert len(cells) == 3 * 72 * 2
    assert all(n == expected[split] * members // 2 for (split, *_), n in cells.items())


def test_a_group_lies_in_one_split_with_all_its_texts(texts):
    splits = {}
    for group, split in zip(texts.groups.tolist(), texts.split.tolist(), strict=True):
        splits.setdefault(group, set()).add(split)
    assert all(len(found) == 1 for found in splits.values()) and len(splits) == 3 * 8
    assert set(Counter(texts.groups.tolist()).values()) == {len(texts) // 24}


def test_two_bundles_share_two_words_at_most_and_all_of_them_hold_every_three_once():
    for kind, words in KINDS.items():
        slots = (TASKS, words.guarded, words.harmless, words.foreign, words.own)
        assert [len(set(slot)) for slot in slots] == [7] * 5
        found = [bundle[3:] for bundle in bundles(kind, sizes=(MOST_BUNDLES, 0, 0), seed=0)]
        # three places tell a bundle, so two bundles cannot agree in three
        for places in combinations(range(5), 3):
            assert len({tuple(bundle[place] for place in places) for bundle in found}) == 7**3


def test_no_word_stands_in_two_slots_of_a_language():
    terms = [
        term
        for kind in KINDS.values()
        for slot in (kind.guarded, kind.harmless, kind.foreign, kind.own)
        for term in slot
    ]
    terms += [thing for _, thing in ORDINARY]
    for language in ("en", "de"):
        assert len(set(names(terms, language))) == len(terms)


def test_difficulty_is_how_many_steps_there_are_and_what_one_of_them_says():
    texts = write_attempts(AttemptsSpec(sizes=(1, 1, 1), formats=("log",), languages=("en",)))
    steps = {}
    for text, difficulty in zip(texts.texts, texts.meta["difficulty"], strict=True):
        lines = text.splitlines()[1:]
        direct = [line for line in lines if " to " in line and not re.search(r"\w-\d to", line)]
        steps.setdefault(difficulty, set()).add((len(lines), len(direct)))
    assert steps == {"blatant": {(4, 2)}, "split": {(6, 0)}, "buried": {(10, 2)}}


def test_the_same_spec_gives_the_same_texts_and_a_narrower_one_a_part_of_them():
    wide, narrow = (
        AttemptsSpec(sizes=(2, 1, 1)),
        AttemptsSpec(
            sizes=(2, 1, 1), kinds=("exfiltrate",), formats=("shell",), languages=("de",), difficulties=("split",)
        ),
    )
    whole, part = write_attempts(wide), write_attempts(narrow)
    assert whole.fingerprint() == write_attempts(wide).fingerprint()
    kept = np.isin(whole.ids, part.ids)
    assert kept.sum() == len(part) == 4 * 4
    assert whole.select(kept).fingerprint() == part.fingerprint()
    assert whole.fingerprint() != write_attempts(wide.model_copy(update={"seed": 1})).fingerprint()


def test_nothing_leaks_between_splits_and_the_check_sees_what_would():
    texts = write_attempts(AttemptsSpec(formats=("log",), languages=("en",), difficulties=("blatant",)))
    train = texts.select(texts.split == "train")
    found = find_leakage(train, texts.select(texts.split != "train"))
    assert (found.n_exact, found.n_near) == (0, 0)
    # were the pairs divided, every text would have its twin on the other side
    one, two = (texts.select(texts.sides == side) for side in (0, 1))
    assert find_leakage(one, two).n_near >= len(one)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"kinds": ()}, "kinds is empty"),
        ({"formats": ("log", "log")}, "formats is log, log"),
        ({"sizes": (3, 0, 1)}, "sizes are 3, 0, 1"),
        ({"sizes": (342, 1, 1)}, "at most 343"),
        ({"seed": -1}, "The seed is -1"),
    ],
)
def test_what_cannot_be_is_refused(wrong, said):
    with pytest.raises(SpecError, match=said):
        write_attempts(AttemptsSpec(**wrong))


def test_all_bundles_can_be_had_and_no_two_texts_are_equal():
    for paired, one in product((True, False), KINDS):
        spec = AttemptsSpec(
            sizes=(341, 1, 1),
            kinds=(one,),
            formats=("log",),
            languages=("en",),
            difficulties=("blatant",),
            paired=paired,
        )
        texts = write_attempts(spec)
        assert len(set(texts.texts)) == len(texts) == 343 * (4 if paired else 2)


def test_the_page_shows_attempts_and_twins_as_they_are_written():
    page = (Path(__file__).parents[2] / "docs" / "how-to" / "attempts.md").read_text(encoding="utf-8")
    texts = write_attempts(AttemptsSpec(sizes=(1, 1, 1), languages=("en",)))
    labels = dict(zip(texts.texts, texts.y.tolist(), strict=True))
    fences = re.findall(r"```(\w*)\n(.*?)\n```", page, re.DOTALL)
    blocks = [block for language, block in fences if not language and not block.startswith("attempt ")]
    shown = [
        ["\n".join(side) for side in zip(*(re.split(" {2,}", line) for line in text.splitlines()), strict=True)]
        for block in blocks
        for text in block.split("\n\n")
    ]
    assert len(shown) == 3
    assert [[labels[text] for text in pair] for pair in shown] == [[1, 0]] * 3
