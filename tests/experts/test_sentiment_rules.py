"""Hand-written rules: each of the four kinds, against the same in loops, and taken away one by one."""

from __future__ import annotations

import zlib

import numpy as np
import pytest

from tiltmeter.baselines import Rule, RuleList
from tiltmeter.experts import ENGLISH, ByRules, ListedRules, Mixed, SentimentRules, decisions, description_bits
from tiltmeter.experts._sentences import parts_of

WORDS = {"good": 1.0, "great": 2.0, "bad": -1.0, "awful": -2.0}
RULES = ENGLISH.model_copy(update={"lexicon": WORDS})


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("A good day.", 1),
        ("A bad day.", -1),
        ("A day.", 0),
        ("good and bad", 0),
        ("Not good at all.", -1),
        ("It isn’t bad!", 1),
        ("never not good", 1),
        ("not never not good", 0),
        ("not a day of the year was good", 1),
        ("not red, good", 1),
        ("good and very bad", -1),
        ("very good and bad", 1),
        ("bad but good", 1),
        ("great, awful, but good", 1),
        ("good but", 0),
        ("bad but good however awful", -1),
        ("", 0),
    ],
)
def test_english_texts_are_read_as_the_rules_say(text, said):
    assert RULES.decide(text) == said


def decided_by_hand(rules: SentimentRules, text: str) -> int:
    """Do the same with positions and one loop a word."""
    parts = parts_of(text)
    after = max([i for i, part in enumerate(parts) if part in rules.contrast], default=-1)
    total = 0.0
    for i in range(after + 1, len(parts)):
        if parts[i] not in rules.lexicon:
            continue
        weight, n, j = rules.lexicon[parts[i]], 0, i - 1
        while j >= 0 and parts[j] not in (*rules.joins, *rules.contrast):
            if rules.reach is None or i - j <= rules.reach:
                n += parts[j] in rules.negators
            j -= 1
        if n > rules.depth:
            return 0
        if i and parts[i - 1] in rules.intensifiers:
            weight *= 2
        total += weight * (-1) ** n
    return int(np.sign(total))


@pytest.mark.parametrize("reach", [None, 1, 2, 3])
@pytest.mark.parametrize("depth", [0, 1, 2])
def test_decisions_equal_those_of_a_naive_twin(reach, depth):
    rules = RULES.model_copy(update={"reach": reach, "depth": depth})
    rng = np.random.default_rng(depth)
    words = ["good", "great", "bad", "awful", "not", "never", "very", "but", "however", "and", ",", "red", "day"]
    texts = [" ".join(rng.choice(words, size=rng.integers(1, 12))) for _ in range(400)]
    assert decisions(rules, texts).tolist() == [decided_by_hand(rules, text) for text in texts]


@pytest.mark.parametrize(
    ("text", "rule", "said"),
    [
        ("not good", "negation", 1),
        ("not not not good", "negation", 1),
        ("very bad and good", "intensifier", 0),
        ("bad but good", "contrast", 0),
        ("great and bad", "great", -1),
    ],
)
def test_a_rule_that_is_taken_away_no_longer_works(text, rule, said):
    fired = set(RULES.fires(text))
    assert rule in fired
    assert RULES.decide(text, only=fired) == RULES.decide(text)
    assert RULES.decide(text, only=fired - {rule}) == said


def test_rules_that_do_not_fire_change_nothing():
    rng = np.random.default_rng(0)
    words = ["good", "great", "bad", "awful", "not", "very", "but", "and", "red"]
    for _ in range(200):
        text = " ".join(rng.choice(words, size=6))
        assert RULES.decide(text, only=set(RULES.fires(text))) == RULES.decide(text)


def test_rules_are_counted_written_and_their_bits_are_those_of_their_lines():
    rules = SentimentRules(lexicon={"good": 1.0, "bad": -0.5}, negators=("not", "no"), depth=1)
    assert rules.n_rules == 3
    assert rules.lines() == ("good: +1", "bad: -0.5", "not, no: turn the sign, in front in the clause, up to 1 of them")
    assert description_bits(rules) == 8 * len(zlib.compress("\n".join(rules.lines()).encode(), level=9))


LISTED = RuleList(
    rules=(Rule(words=("not", "good"), then=0), Rule(words="good", then=1), Rule(contains="aw", then=0)), default=1.0
)


def test_listed_rules_decide_by_the_first_that_fits_and_the_default_is_no_rule():
    program = ListedRules(LISTED)
    assert decisions(program, ["not good", "good", "awful", "red"]).tolist() == [-1, 1, -1, 0]
    assert program.fires("not good and awful") == ("1", "2", "3")
    assert program.decide("not good", only={"2"}) == 1 and program.decide("not good", only={"3"}) == 0
    # every text that a rule fits has the sign of the list's own score
    texts = ["not good", "good", "awful", "good awful"]
    assert decisions(program, texts).tolist() == np.sign(LISTED.scores(texts)).tolist()


class Parrot:
    """Says 1 of everything, and keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def predict(self, texts):
        self.asked += texts
        return np.ones(len(texts), dtype=np.int64)


def test_a_mixed_program_asks_the_network_only_where_its_rules_say_nothing():
    parrot = Parrot()
    assert Mixed(RULES, parrot).predict(["bad", "red", "not good", "blue"]).tolist() == [0, 1, 0, 1]
    assert parrot.asked == ["red", "blue"]
    assert Mixed(RULES, Parrot()).predict([]).tolist() == []


@pytest.mark.parametrize("otherwise", [0, 1])
def test_rules_alone_give_the_usual_label_where_they_say_nothing(otherwise):
    assert ByRules(RULES, otherwise=otherwise).predict(["good", "bad", "red"]).tolist() == [1, 0, otherwise]
