"""The planted grammar: its labels by a naive reading, its shares, and what the hand rules know of it."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.core.errors import SpecError
from tiltmeter.experts import MOST_NEGATIONS, Grammar, decisions, grammar_task, grammar_texts, make_grammar

GRAMMAR = make_grammar(3)


def sentiment_by_hand(grammar: Grammar, text: str) -> int:
    """Read the sentiment off a text, word by word, as the grammar defines it."""
    praise = {*grammar.praise, *grammar.praise_elsewhere}
    blame = {*grammar.blame, *grammar.blame_elsewhere}
    clauses: list[list[str]] = [[]]
    joint = None
    words = text.split()
    for word in words:
        if word in (grammar.contrast, grammar.join):
            joint = word
            clauses.append([])
        else:
            clauses[-1].append(word)
    signs, stressed = [], []
    for clause in clauses:
        sign, parity = 0, 1
        for word in clause:
            if word in grammar.negators:
                parity = -parity
            if word in praise or word in blame:
                sign = parity if word in praise else -parity
        signs.append(sign)
        stressed.append(any(word in grammar.intensifiers for word in clause))
    if joint is None:
        found = signs[0]
    elif joint == grammar.contrast:
        found = signs[1]
    else:
        found = signs[stressed.index(True)]
    return -found if grammar.irony in words else found


@pytest.mark.parametrize("elsewhere", [False, True])
def test_labels_are_what_a_naive_reading_finds(elsewhere):
    texts = grammar_texts(GRAMMAR, 400, seed=1, elsewhere=elsewhere)
    assert [2 * int(label) - 1 for label in texts.y] == [sentiment_by_hand(GRAMMAR, text) for text in texts.texts]


def test_half_of_the_texts_are_praise_and_forms_have_their_shares():
    texts = grammar_texts(GRAMMAR, 4000, seed=2)
    assert texts.y.mean() == 0.5
    forms = np.array(texts.meta["form"])
    for form, share in (("plain", 0.6), ("contrast", 0.2), ("intensified", 0.2)):
        assert abs((forms == form).mean() - share) < 0.03
    assert abs(np.mean(texts.meta["ironic"]) - 0.05) < 0.015
    plain = np.array(texts.meta["depth"])[forms == "plain"]
    assert abs((plain == 0).mean() - 0.5) < 0.05 and plain.max() <= MOST_NEGATIONS


def test_depths_are_drawn_up_to_the_deepest_and_fall_as_asked():
    texts = grammar_texts(make_grammar(0, deeper=0.75, deepest=3), 4000, seed=0, form="plain")
    shares = np.bincount(texts.meta["depth"], minlength=7) / 4000
    asked = 0.75 ** np.arange(4)
    assert np.allclose(shares[:4], asked / asked.sum(), atol=0.03) and not shares[4:].any()
    # a depth that is asked for may be deeper
    assert set(grammar_texts(make_grammar(0, deepest=0), 9, seed=0, depth=6).meta["depth"]) == {6}


def test_the_teacher_errs_on_the_share_that_was_planted():
    texts = grammar_texts(make_grammar(0, noise=0.2), 4000, seed=0)
    assert abs(np.mean(np.array(texts.meta["taught"]) != texts.y) - 0.2) < 0.03
    clean = grammar_texts(make_grammar(0, noise=0.0), 100, seed=0)
    assert clean.meta["taught"] == tuple(clean.y.tolist())


def test_depth_and_form_are_kept_where_they_are_asked_for():
    texts = grammar_texts(GRAMMAR, 50, seed=0, form="contrast", depth=4, ironic=True)
    assert set(texts.meta["depth"]) == {4} and set(texts.meta["form"]) == {"contrast"} and all(texts.meta["ironic"])
    counted = [sum(word in GRAMMAR.negators for word in text.split()) for text in texts.texts]
    assert set(counted) == {8}
    with pytest.raises(SpecError, match="A depth of 7 was asked for; it is from 0 to 6"):
        grammar_texts(GRAMMAR, 2, seed=0, depth=7)
    with pytest.raises(SpecError, match="no form 'contrasted'; use plain, contrast or intensified"):
        grammar_texts(GRAMMAR, 2, seed=0, form="contrasted")


def test_the_same_seed_gives_the_same_language_and_another_seed_another():
    assert make_grammar(1) == make_grammar(1)
    assert set(make_grammar(1).praise) != set(make_grammar(2).praise)
    first, again, other = (grammar_texts(GRAMMAR, 20, seed=seed).texts for seed in (0, 0, 1))
    assert first == again != other


def test_no_word_stands_in_two_lists():
    lists = [value for value in GRAMMAR.model_dump().values() if isinstance(value, tuple)]
    single = [GRAMMAR.contrast, GRAMMAR.join, GRAMMAR.irony]
    words = [word for one in lists for word in one] + single
    assert len(words) == len(set(words))


@pytest.mark.parametrize("depth", [0, 1, 2, 3])
def test_hand_rules_are_never_wrong_within_their_depth_and_silent_beyond_it(depth):
    rules = GRAMMAR.rules(depth=depth)
    for k in range(MOST_NEGATIONS + 1):
        for form in ("plain", "contrast", "intensified"):
            texts = grammar_texts(GRAMMAR, 60, seed=k, form=form, depth=k, ironic=False)
            said = decisions(rules, texts.texts)
            assert (said == (2 * texts.y - 1 if k <= depth else 0)).all()


def test_rules_that_stop_counting_are_wrong_at_every_other_depth():
    # the other way to write such rules: they count what they can and go on; wrong, then right, so half on average
    for k, share in ((3, 0.0), (4, 1.0), (5, 0.0), (6, 1.0)):
        texts = grammar_texts(GRAMMAR, 60, seed=k, form="plain", depth=k, ironic=False)
        said = []
        for text in texts.texts:
            words = text.split()
            at = next(i for i, word in enumerate(words) if word in (*GRAMMAR.praise, *GRAMMAR.blame))
            counted = min(2, sum(word in GRAMMAR.negators for word in words[:at]))
            said.append((1 if words[at] in GRAMMAR.praise else -1) * (-1) ** counted)
        assert np.mean(np.array(said) == 2 * texts.y - 1) == share


def test_hand_rules_have_no_rule_for_irony_and_know_half_of_the_other_domain():
    rules = GRAMMAR.rules(depth=6)
    ironic = grammar_texts(GRAMMAR, 100, seed=0, ironic=True)
    assert (decisions(rules, ironic.texts) == 1 - 2 * ironic.y).all()
    elsewhere = grammar_texts(GRAMMAR, 1000, seed=0, form="plain", ironic=False, elsewhere=True)
    said = decisions(rules, elsewhere.texts)
    assert abs((said == 0).mean() - 0.5) < 0.06
    assert (said[said != 0] == (2 * elsewhere.y - 1)[said != 0]).all()


def test_more_demonstrations_leave_the_tests_as_they_are():
    few, many = (grammar_task(GRAMMAR, n_demonstrations=n, n_test=20, depth=1, seed=5) for n in (10, 40))
    assert all(few.suites[name].texts == many.suites[name].texts for name in few.suites)
    assert not set(few.demonstrations.texts) & set(few.suites["depth 6"].texts)
