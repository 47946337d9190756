"""The counter of interactions: none on independent rules, some on a clash that was built, and a naive twin."""

from __future__ import annotations

from itertools import product

import numpy as np

from tiltmeter.baselines import Rule, RuleList
from tiltmeter.experts import ENGLISH, ListedRules, grammar_texts, interactions, make_grammar

RULES = ENGLISH.model_copy(update={"lexicon": {"good": 1.0, "great": 2.0, "bad": -1.0}})


def listed(*rules: Rule) -> ListedRules:
    return ListedRules(RuleList(rules=rules))


def test_independent_rules_never_interact():
    # no two words stand in one text
    words = [f"w{i}" for i in range(10)]
    program = listed(*(Rule(words=word, then=i % 2) for i, word in enumerate(words)))
    found = interactions(program, [f"so {word} it is" for word in words])
    assert found.answered.all() and found.one_rule.all()
    assert not found.clash.any() and not found.modified.any()


def test_rules_that_agree_do_not_interact_where_they_meet():
    program = listed(Rule(words="good", then=1), Rule(words="great", then=1))
    found = interactions(program, ["good and great", "great good"])
    assert found.one_rule.all() and not found.clash.any() and not found.modified.any()


def test_a_built_clash_is_counted_in_just_the_texts_where_it_is():
    program = listed(Rule(words="good", then=1), Rule(words="bad", then=0))
    found = interactions(program, ["good", "bad", "good bad", "red", "bad good day"])
    assert found.clash.tolist() == [False, False, True, False, True]
    assert found.answered.tolist() == [True, True, True, False, True]


def test_an_exception_before_its_rule_is_a_clash_too():
    program = listed(Rule(words=("not", "good"), then=0), Rule(words="good", then=1))
    assert interactions(program, ["not good", "good"]).clash.tolist() == [True, False]


def test_negation_works_together_with_a_word_and_does_not_clash_with_it():
    found = interactions(RULES, ["not good", "good", "not red", "good and bad but great", "great and bad"])
    assert found.modified.tolist() == [True, False, False, False, False]
    # what stands before "but" does not count, with "great" or without
    assert found.clash.tolist() == [False, False, False, False, True]
    assert found.one_rule.tolist() == [False, True, False, True, True]


def test_a_tie_that_two_rules_make_is_a_clash():
    found = interactions(RULES, ["good and bad"])
    assert found.clash.tolist() == [True] and found.answered.tolist() == [False]


def test_the_counter_equals_its_naive_twin_over_all_texts_of_four_words():
    vocabulary = ["good", "bad", "great", "not", "but", "red"]
    texts = [" ".join(words) for words in product(vocabulary, repeat=3)]
    found = interactions(RULES, texts)
    for row, text in enumerate(texts):
        fired = list(RULES.fires(text))
        whole = RULES.decide(text)
        clash = modified = explained = False
        for rule in fired:
            alone = RULES.decide(text, only=frozenset([rule]))
            rest = RULES.decide(text, only=frozenset(other for other in fired if other != rule))
            if alone == 0:
                modified = modified or rest != whole
            else:
                explained = explained or (alone == whole)
                clash = clash or (rest != whole and rest != 0)
        row_found = [bool(part[row]) for part in found]
        assert row_found == [whole != 0, explained, clash, modified], text


def test_the_grammars_rules_clash_only_where_two_clauses_disagree():
    grammar = make_grammar(0)
    rules = grammar.rules(depth=6)
    plain = grammar_texts(grammar, 100, seed=0, form="plain", ironic=False)
    assert not interactions(rules, plain.texts).clash.any()
    assert np.array_equal(interactions(rules, plain.texts).modified, np.array(plain.meta["depth"]) % 2 == 1)
    stressed = grammar_texts(grammar, 100, seed=0, form="intensified", depth=0, ironic=False)
    assert interactions(rules, stressed.texts).clash.all()


def test_no_texts_give_no_figures_and_no_rules_no_interactions():
    assert interactions(RULES, []).clash.shape == (0,)
    assert not interactions(listed(), ["good"]).answered.any()
