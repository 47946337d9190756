"""Rules for any language of the grammar: which words are put in, and what the ones that a model wrote say."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.experts.test_experts_grammar import sentiment_by_hand
from tiltmeter.baselines import Rule, RuleList, read_rules
from tiltmeter.experts import ListedRules, decisions, grammar_texts, make_grammar, rules_for

GRAMMAR = make_grammar(11)
WRITTEN = Path(__file__).parents[2] / "examples" / "experts" / "grammar_rules.yaml"


@pytest.mark.parametrize(
    ("kind", "words", "strangers"),
    [
        (
            "PRAISE",
            (*GRAMMAR.praise, *GRAMMAR.praise_elsewhere[::2]),
            (*GRAMMAR.blame, *GRAMMAR.praise_elsewhere[1::2]),
        ),
        ("BLAME", (*GRAMMAR.blame, *GRAMMAR.blame_elsewhere[::2]), (*GRAMMAR.praise, *GRAMMAR.blame_elsewhere[1::2])),
        ("NEGATOR", GRAMMAR.negators, GRAMMAR.fillers),
        ("INTENSIFIER", GRAMMAR.intensifiers, GRAMMAR.fillers),
        ("CONTRAST", (GRAMMAR.contrast,), (GRAMMAR.join,)),
        ("JOIN", (GRAMMAR.join,), (GRAMMAR.contrast,)),
        ("IRONY", (GRAMMAR.irony,), GRAMMAR.fillers),
    ],
)
def test_a_kind_stands_for_its_whole_words_and_no_other(kind, words, strangers):
    rules = rules_for(GRAMMAR, RuleList(rules=(Rule(regex=rf"^x \b{kind}\s?$", then=1),)))
    assert all(rules.rules[0].fits(f"x {word}") for word in words)
    assert not any(rules.rules[0].fits(f"x {word}") for word in strangers)
    assert not any(rules.rules[0].fits(f"x {word}a") for word in words)


def test_what_names_no_kind_stays_as_it_is():
    rules = RuleList(
        rules=(Rule(contains="PRAISE", then=1), Rule(words="IRONY", then=0), Rule(regex="praise|PRAISED", then=1)),
        default=-2.0,
    )  # fmt: skip
    assert rules_for(GRAMMAR, rules) == rules


@pytest.mark.parametrize("ironic", [False, True])
@pytest.mark.parametrize("form", ["plain", "contrast", "intensified"])
def test_the_rules_that_a_model_wrote_read_the_grammar_as_a_naive_reader_does(form, ironic):
    program = ListedRules(rules_for(GRAMMAR, read_rules(WRITTEN)))
    texts = grammar_texts(GRAMMAR, 100, seed=3, form=form, ironic=ironic)
    assert decisions(program, texts.texts).tolist() == [sentiment_by_hand(GRAMMAR, text) for text in texts.texts]
