"""The leakage check: planted leaks are found, templates are none, and it equals the definition written in loops."""

import math
import re
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tiltmeter.core.errors import SpecError
from tiltmeter.data import Message, TextSet, find_leakage, read_texts, split_by_group


def _texts(*rows, prefix="") -> TextSet:
    return TextSet(np.array([f"{prefix}{i}" for i in range(len(rows))], dtype=np.str_), texts=tuple(rows))


def _naive(train, test, near):
    """Count near pairs that are not copies: weighted Jaccard of word sets, each pair of texts in turn.

    Where what two share would be shared by chance, they may differ by one word more.
    """
    clean = [[" ".join(text.casefold().split()) for text in side] for side in (train, test)]
    bags = [{text: set(re.findall(r"\w+(?:-\w+)*", text)) for text in side} for side in clean]
    union = [bag for side in bags for bag in side.values()]

    def weight(words):
        return sum(math.log((len(union) + 1) / sum(word in bag for bag in union)) for word in words)

    count = 0
    for one in clean[0]:
        for other in clean[1]:
            a, b = bags[0][one], bags[1][other]
            is_near = one != other and weight(a & b) >= (near - 1e-9) * weight(a | b)
            if is_near and len(union) * math.exp(-weight(a & b)) > 0.05:
                short, long = sorted((re.findall(r"\w+(?:-\w+)*", text) for text in (one, other)), key=len)
                is_near = short == long or short in [long[:i] + long[i + 1 :] for i in range(len(long))]
            count += is_near
    return count


@settings(deadline=None, max_examples=80)
@given(
    train=st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6), min_size=1, max_size=12),
    test=st.lists(st.lists(st.sampled_from("abcdefgh"), min_size=1, max_size=6), min_size=1, max_size=12),
    near=st.sampled_from([0.1, 0.37, 0.5, 0.8, 1.0]),
)
def test_it_equals_the_definition_in_loops(train, test, near):
    ours, theirs = [" ".join(words) for words in train], [" ".join(words) for words in test]
    found = find_leakage(_texts(*ours), _texts(*theirs), near=near, max_examples=1000)
    assert found.n_exact == sum(one == other for one in ours for other in theirs)
    assert found.n_near == _naive(ours, theirs, near)


def _template(names):
    return [
        f"It is the case that the city of {name} is in the country of Land{i % 10}." for i, name in enumerate(names)
    ]


def test_statements_of_one_template_about_different_things_are_no_leak():
    train, test = _template(f"Ur{i}" for i in range(100)), _template(f"Ob{i}" for i in range(50))
    found = find_leakage(_texts(*train), _texts(*test))
    assert (found.n_exact, found.n_near, found.examples) == (0, 0, ())


def test_a_long_template_does_not_make_two_statements_near():
    prompt = "You are an honest assistant and you answer the question that follows with yes or no, nothing else. " * 5
    train, test = ([prompt + text for text in _template(f"{x}{i}" for i in range(50))] for x in ("Ur", "Ob"))
    assert find_leakage(_texts(*train), _texts(*test)).n_near == 0


def test_planted_copies_and_near_copies_are_found_among_templates():
    train = _template(f"Ur{i}" for i in range(100))
    negated = train[7].replace("is in", "is not in")
    others = [text.replace("is in", "is not in") for text in _template(f"Ob{i}" for i in range(50))]
    test = [*others, train[3].upper().replace(" ", "\n "), negated]
    found = find_leakage(_texts(*train, prefix="train"), _texts(*test, prefix="test"))
    assert (found.n_exact, found.n_near, found.near_threshold) == (1, 1, 0.8)
    exact, near = found.examples
    assert (exact.kind, exact.train_id, exact.test_id, exact.similarity) == ("exact", "train3", "test50", 1.0)
    assert (near.kind, near.train_id, near.test_id) == ("near", "train7", "test51")
    assert 0.8 <= near.similarity < 1
    assert near.train_text == train[7]
    assert near.test_text == negated


def test_a_rare_word_that_is_added_to_a_short_template_makes_another_statement():
    train = _template(f"Ur{i}" for i in range(100))
    assert find_leakage(_texts(*train), _texts(train[7].replace("Ur7", "Ur7 Heights"))).n_near == 0


def test_one_changed_word_in_a_long_sentence_is_near():
    train = "A group of whales swims along the northern coast every spring and returns to the south in autumn"
    others = [f"Sentence number{i} speaks about matter{i} in its own way{i}" for i in range(20)]
    test = train.replace("spring", "summer")
    assert find_leakage(_texts(train, *others[:10]), _texts(test, *others[10:])).n_near == 1


def test_copies_are_counted_over_all_pairs_of_rows():
    found = find_leakage(_texts("yes", "Yes", "no"), _texts("YES", "yes ", "maybe"))
    assert found.n_exact == 4
    assert len(found.examples) == 1


def test_near_copies_are_counted_over_all_pairs_of_rows():
    long = "one two three four five six seven eight nine ten"
    found = find_leakage(_texts(long, long, "else"), _texts(f"{long} eleven", "other"))
    assert (found.n_exact, found.n_near) == (0, 2)


def test_only_so_many_examples_are_kept_exact_ones_first_then_by_similarity():
    base = " ".join(f"word{i}" for i in range(60))
    test = [base, f"{base} more", f"{base} more and", f"{base} more and still"]
    found = find_leakage(_texts(base, "else"), _texts(*test), max_examples=3)
    assert (found.n_exact, found.n_near) == (1, 3)
    assert [leak.kind for leak in found.examples] == ["exact", "near", "near"]
    assert [leak.test_id for leak in found.examples] == ["0", "1", "2"]
    similarities = [leak.similarity for leak in found.examples]
    assert similarities == sorted(similarities, reverse=True)
    assert find_leakage(_texts(base), _texts(*test), max_examples=0).examples == ()


def test_the_contents_of_chats_are_compared():
    chat = (Message(role="user", content="Is Rome in Italy?"), Message(role="assistant", content="Yes"))
    chats = TextSet(np.array(["1"]), messages=(chat,))
    assert find_leakage(chats, replace(chats, span="assistant")).n_exact == 1
    assert find_leakage(_texts("Is Rome in Italy?\nYes"), chats).n_exact == 1


def test_texts_of_signs_only_and_empty_splits_leak_nothing():
    assert find_leakage(_texts("???"), _texts("!!!")).n_near == 0
    nothing = _texts("one").select(np.array([], dtype=np.int64))
    assert find_leakage(nothing, _texts("one")).n_exact == 0
    assert find_leakage(_texts("one"), nothing).n_exact == 0


@pytest.mark.parametrize("near", [0.0, -0.5, 1.01])
def test_the_similarity_must_be_one(near):
    with pytest.raises(SpecError, match="above 0 and at most 1"):
        find_leakage(_texts("one"), _texts("two"), near=near)


def test_a_negative_number_of_examples_is_refused():
    with pytest.raises(SpecError, match="max_examples is -1"):
        find_leakage(_texts("one"), _texts("two"), max_examples=-1)


def test_more_texts_than_one_block_holds_are_compared_like_a_full_matrix():
    rng = np.random.default_rng(0)
    has = rng.random((1900, 40)) < np.linspace(0.05, 0.6, 40)
    has[:, -1] |= ~has.any(axis=1)
    has = np.unique(has, axis=0)[rng.permutation(len(np.unique(has, axis=0)))]
    rows = [" ".join(f"w{word}" for word in np.flatnonzero(row)) for row in has]
    found = find_leakage(_texts(*rows[:1200]), _texts(*rows[1200:]), near=0.6, max_examples=0)
    weights = np.log((len(has) + 1) / has.sum(axis=0))
    shared = (has[:1200] * weights) @ has[1200:].T
    total = has @ weights
    similarity = shared / (total[:1200, None] + total[None, 1200:] - shared)
    differing = (has[:1200, None] != has[None, 1200:]).sum(axis=2)
    is_near = (similarity >= 0.6) & ((len(has) * np.exp(-shared) <= 0.05) | (differing <= 1))
    assert found.n_near == is_near.sum() > 70


# the real files


def test_grouped_cities_do_not_leak_and_ungrouped_claims_do(shared_data):
    for name, expected in (("cities", False), ("common_claim", True)):
        texts = read_texts(shared_data / f"truth/{name}.jsonl")
        split = split_by_group(texts, seed=0)[name]
        found = find_leakage(texts.select(split == "train"), texts.select(split == "test"))
        assert (found.n_exact + found.n_near > 0) == expected


def test_every_negation_is_near_its_statement(shared_data):
    cities, negated = (read_texts(shared_data / f"truth/{name}.jsonl") for name in ("cities", "neg_cities"))
    found = find_leakage(cities, negated, max_examples=5000)
    assert found.n_exact == 0
    assert {(leak.train_id, leak.test_id) for leak in found.examples} >= {(str(i), str(i)) for i in range(1, 1497)}


def test_sums_of_the_same_digits_are_no_copies_of_each_other():
    rng = np.random.default_rng(0)

    def sums(n):
        return [
            " ".join(f"say {a} + {b} = {a + b} .".replace("", " ").split()) for a, b in rng.integers(1000, 5000, (n, 2))
        ]

    train, test = sums(300), sums(200)
    found = find_leakage(_texts(*train, *test[:5]), _texts(*[f"s {text}" for text in test]))
    assert found.by_set[0].n_near == 5


def test_words_that_are_few_but_in_the_same_order_are_near():
    texts = [f"{a} and {b} or {c}" for a in "xyz" for b in "xyz" for c in "xyz"]
    found = find_leakage(_texts(*texts), _texts("x and y or or z"))
    assert [leak.train_text for leak in found.examples] == ["x and y or z"]
