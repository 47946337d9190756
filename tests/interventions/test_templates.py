"""The grammar of pairs, the families that ship, and what a tokenizer leaves of them."""

from __future__ import annotations

import itertools
import re
from collections import Counter
from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_subject
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import PreTrainedTokenizerFast

from tiltmeter.core.errors import DataError, DataWarning, SpecError
from tiltmeter.interventions import PAIR_FAMILIES, PairFamily, encode_pairs, sample_pairs
from tiltmeter.models import SubjectModel, bind, load

STORIES = Path(__file__).parents[3] / "shared" / "models" / "stories260K"
SHE = {"she", "her", "hers", "herself", "elle"}
HE = {"he", "him", "his", "himself", "il", "lui"}
# subject, object, possessive before a noun, possessive alone, reflexive; the French subject and stressed forms
FORMS = {
    ("she", "he"),
    ("her", "him"),
    ("her", "his"),
    ("hers", "his"),
    ("herself", "himself"),
    ("elle", "il"),
    ("elle", "lui"),
}
SMALL = PairFamily(
    "small",
    "easy",
    ("{name} saw {thing1} and {thing2} , so she/he", "she/he is {name}"),
    {"name": ("Mary/John", "Mary/Tom", "Ann/Peter", "Zoe/Tom"), "thing": ("a dog", "a cat", "her/his cat")},
)


@pytest.fixture(scope="module")
def pieces() -> SubjectModel:
    """Return a model whose tokenizer cuts some names, knows others whole, and Zoe not at all."""
    whole = ["Mary", "Tom", "saw", "a", "dog", "cat", "her", "his", "and", ",", "so", "she", "he", "is"]
    cut = ["An", "##n", "Pe", "##ter", "Jo", "##hn"]
    backend = Tokenizer(models.WordPiece({word: i for i, word in enumerate(["?", *whole, *cut])}, unk_token="?"))
    backend.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    return bind(tiny_subject("llama").model, PreTrainedTokenizerFast(tokenizer_object=backend, unk_token="?"), name="p")


def _every_way(family: PairFamily) -> Counter[tuple[str, str]]:
    """Fill slot by slot, in loops."""
    found: Counter[tuple[str, str]] = Counter()
    for template in family.templates:
        slots = sorted(set(re.findall(r"\{(\w+)\}", template)))
        for entries in itertools.product(*(family.words[slot.rstrip("0123456789")] for slot in slots)):
            chosen = dict(zip(slots, entries, strict=True))
            numbered = [entry for slot, entry in chosen.items() if slot[-1].isdigit()]
            if len(set(numbered)) < len(numbered):
                continue
            words = template.format(**chosen).split(" ")
            found[
                tuple(" ".join(word.split("/")[side if "/" in word else 0] for word in words) for side in (0, 1))
            ] += 1
    return found


def test_every_way_to_fill_a_template_comes_once():
    found = Counter(SMALL.fill(i, way)[:2] for i in range(2) for way in range(SMALL.count(i)))
    assert found == _every_way(SMALL) and set(found.values()) == {1} and found.total() == 4 * 3 * 2 + 4


@pytest.mark.parametrize("family", PAIR_FAMILIES.values(), ids=list(PAIR_FAMILIES))
def test_no_sentence_of_a_family_speaks_of_the_other_side(family):
    rng = np.random.default_rng(0)
    for i, template in enumerate(family.templates):
        # one way of each entry at least
        for way in {*range(0, family.count(i), max(1, family.count(i) // 40)), *rng.integers(family.count(i), size=9)}:
            positive, negative, _ = family.fill(i, int(way))
            words = [set(re.findall(r"\w+", text.lower())) for text in (positive, negative)]
            if family.tag != "facts":
                assert not words[0] & HE and not words[1] & SHE, template
            assert positive[0].isupper() and "  " not in positive and not re.search(r"[/{}]", positive + negative)
            ends = [text.split(" ")[-1] for text in (positive, negative)]
            assert ends[0] != ends[1] and all(end.isalpha() for end in ends)


def test_pronouns_stand_beside_the_same_form_of_the_other_gender():
    for family in PAIR_FAMILIES.values():
        for text in (*family.templates, *itertools.chain(*family.words.values())):
            for one, other in re.findall(r"(\w+)/(\w+)", text.lower()):
                if {one, other} & (SHE | HE):
                    assert (one, other) in FORMS, text


@pytest.mark.parametrize("family", ["gender-train", "stories-train", "facts-train"])
def test_what_is_tested_was_not_seen_in_training(family):
    kind = family.split("-")[0]
    train = PAIR_FAMILIES[family]
    tests = [one for name, one in PAIR_FAMILIES.items() if name != family and name.startswith(kind)]
    if kind == "gender":
        tests.append(PAIR_FAMILIES["french"])
    assert tests
    for test in tests:
        assert not {*train.templates} & {*test.templates}
        for table in ("name", "fact"):
            seen = {word for entry in train.words.get(table, ()) for word in re.split(r"[/ ]", entry)}
            asked = {word for entry in test.words.get(table, ()) for word in re.split(r"[/ ]", entry)}
            assert seen & asked <= {"is", "a", "an", "the"}


@pytest.mark.parametrize("family", ["facts-train", "facts-test"])
def test_no_adjective_goes_with_truth(family):
    true, false = zip(*(entry.split(" ")[-1].split("/") for entry in PAIR_FAMILIES[family].words["fact"]), strict=True)
    assert Counter(true) == Counter(false)


def test_templates_come_in_turn_and_no_pair_twice():
    pairs, sifted = sample_pairs("gender-train", 90)
    assert Counter(name.split("/")[1] for name in pairs.ids) == dict.fromkeys("012345678", 10)
    assert len(set(pairs.ids)) == 90 and sum(one.unequal + one.answer + one.unknown for one in sifted) == 0
    again, other = sample_pairs("gender-train", 90).pairs, sample_pairs("gender-train", 90, random_state=1).pairs
    assert again.positive == pairs.positive and other.positive != pairs.positive
    assert set(pairs.tags) == {"easy"}
    # the last word is the answer, and no part of the prompt
    for i in range(90):
        template = PAIR_FAMILIES["gender-train"].templates[int(pairs.ids[i].split("/")[1])]
        assert not pairs.positive[i].endswith(pairs.positive_answers[i][0])
        assert len(pairs.positive[i].split()) >= len(template.split()) - 1


def test_a_group_shares_its_template_or_a_name():
    by_template, _ = sample_pairs("gender-easy", 80)
    assert len(set(by_template.groups)) == 8
    assert all(
        group.endswith(name.split("/")[1]) for group, name in zip(by_template.groups, by_template.ids, strict=True)
    )
    names = ("Ann/Tom", "Mary/Tom", "Mary/Paul", "Zoe/Max", "Eve/Max", "Ida/Leo")
    family = PairFamily(
        "own", "easy", ("{name} said she/he", "{name} lost her/his", "the girl/boy and she/he"), {"name": names}
    )
    pairs, _ = sample_pairs(family, 13, groups="name")
    first = dict(zip(pairs.positive, pairs.groups, strict=True))
    assert first["Ann said"] == first["Mary lost"] and first["Zoe said"] == first["Eve said"]
    assert len({first["Ann said"], first["Zoe said"], first["Ida said"], first["the girl and"]}) == 4


def test_with_a_model_exactly_those_pairs_are_kept_that_can_be_encoded(pieces):
    expected = set()
    every, _ = sample_pairs(SMALL, 28)
    for i in range(28):
        one = every.select(np.array([i]))
        try:
            encode_pairs(pieces, one)
        except (DataError, SpecError):
            continue
        # encoding takes a word that the tokenizer does not know
        if "Zoe" not in one.positive[0] and "Zoe" not in one.positive_answers[0][0]:
            expected.add(one.ids[0])
    with pytest.warns(DataWarning, match=r"small gives \d+ pairs of the 28 asked for, and 0 of its 2 templates none"):
        pairs, sifted = sample_pairs(SMALL, 28, subject=pieces)
    assert {*pairs.ids} == expected and 0 < len(expected) < 28
    assert len(encode_pairs(pieces, pairs)) == len(pairs)
    saw, said = sifted
    # Mary and John are unlike, Zoe is unknown; Mary and Tom as well as Ann and Peter remain, and both cats
    assert saw[1:] == (24, 12, 6, 0, 6, ("Mary/John", "Zoe/Tom"))
    # a name of two pieces is no answer
    assert said[1:] == (4, 1, 0, 2, 1, ("Ann/Peter", "Mary/John", "Zoe/Tom"))


def test_what_fits_no_tokenizer_or_does_not_exist_is_refused(pieces):
    family = PairFamily("none", "easy", ("Mary/John saw her/his",), {})
    with pytest.raises(DataError, match=r"No pair of none fits .* 1 ways have prompts of unlike length"):
        sample_pairs(family, 1, subject=pieces)
    with pytest.raises(SpecError, match="no family of pairs 'gender'; use one of gender-train"):
        sample_pairs("gender", 5)
    with pytest.raises(SpecError, match="n is 0"):
        sample_pairs("french", 0)
    with pytest.raises(SpecError, match="groups is 'colour'; group the pairs of small by template, or by a slot: name"):
        sample_pairs(SMALL, 5, groups="colour")
    with pytest.raises(SpecError, match="Several entries of thing stand in one pair"):
        sample_pairs(SMALL, 5, groups="thing")


def test_a_template_that_gives_nothing_is_given_up(pieces):
    words = {"one": tuple(f"Mary{i}" for i in range(60)), "two": tuple(f"Tom{i}" for i in range(60))}
    family = PairFamily("vast", "easy", ("{one} saw {two} and she/he", "a cat saw her/his"), words)
    with pytest.warns(DataWarning, match="vast gives 1 pairs of the 5 asked for, and 1 of its 2 templates none"):
        _, (vast, small) = sample_pairs(family, 5, subject=pieces)
    assert vast.tried == vast.unknown == 2048 < family.count(0) and small.aligned == 1


def test_a_grammar_that_cannot_be_says_so():
    words = {"name": ("Mary/John",)}
    with pytest.raises(SpecError, match="has no templates"):
        PairFamily("own", "easy", (), words)
    with pytest.raises(SpecError, match="has a slot place, for which there is no table; the tables are name"):
        PairFamily("own", "easy", ("{name} went to {place} with her/his",), words)
    with pytest.raises(SpecError, match="table name of own has an entry twice"):
        PairFamily("own", "easy", ("{name} said she/he",), {"name": ("Ann/Tom", "Ann/Tom")})
    with pytest.raises(SpecError, match="asks for more entries than its table has"):
        PairFamily("own", "easy", ("{name1} met {name2} and she/he",), words)
    for template in ("{name} said so", "she/he", "{Name} said she/he"):
        with pytest.raises(SpecError, match="must be a sentence whose last word is the answer"):
            PairFamily("own", "easy", (template,), words)


@pytest.mark.skipif(not STORIES.is_dir(), reason="needs the folder shared/models/stories260K beside the repository")
def test_a_real_tokenizer_keeps_the_stories_and_drops_the_rest_with_an_account():
    subject = load(STORIES)
    with pytest.warns(DataWarning, match="of the 5000 asked for"):
        stories, sifted = sample_pairs("stories-easy", 5000, subject=subject)
    family = PAIR_FAMILIES["stories-easy"]
    assert len(stories) == sum(family.count(i) for i in range(6)) and all(one.tried == one.aligned for one in sifted)
    encoded = encode_pairs(subject, stories)
    assert not (encoded.tokens[:, 0] == encoded.tokens[:, 1]).all(axis=1).any()
    with pytest.warns(DataWarning):
        gender, sifted = sample_pairs("gender-train", 5000, subject=subject)
    assert len(encode_pairs(subject, gender)) == len(gender) == sum(one.aligned for one in sifted) > 200
    assert all(one.tried == one.aligned + one.unequal + one.answer + one.unknown for one in sifted)
    # " him" is two tokens there
    assert sifted[1].aligned == 0 and sifted[1].answer == 768
    with pytest.raises(DataError, match="No pair of french fits the tokenizer"):
        sample_pairs("french", 10, subject=subject)
