"""Rules from a file and rules that are found say what they do, in order."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.tree import DecisionTreeClassifier

from tiltmeter.baselines import INDUCED_RULES, InducedRules, Rule, RuleList, read_rules
from tiltmeter.core.errors import FileError, FormatError
from tiltmeter.evaluation import auroc


def _file(folder: Path, text: str) -> Path:
    path = folder / "rules.yaml"
    path.write_text(text, encoding="utf-8")
    return path


def test_the_first_rule_that_fits_decides_by_its_label_and_weight(tmp_path: Path) -> None:
    rules = read_rules(
        _file(
            tmp_path,
            """
            rules:
              - {contains: [steal, car], then: 1, weight: 3}
              - {words: car, then: 0}
              - {regex: '\\b[A-Z]{3,}\\b', then: 1, weight: 0.5}
            default: 0.25
            """,
        )
    )
    texts = ["Stealing CARs", "a car", "a carpet", "NOW a carpet", "steal a CAR NOW"]
    assert rules.scores(texts).tolist() == [3.0, -1.0, 0.25, 0.5, 3.0]
    assert rules.lines() == (
        "if it contains 'steal' and contains 'car': +3.00",
        "if it has the word 'car': -1.00",
        r"if it matches /\b[A-Z]{3,}\b/: +0.50",
        "else: +0.25",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("rules: [{then: 1}]", "rules 1: a rule needs contains, words or regex"),
        ("rules: [{contains: a, then: 1}, {regex: '(', then: 1}]", "rules 2 regex: '\\(' is no regular expression"),
        ("rules: [{contains: a, then: 2}]", "rules 1 then"),
        ("rules: [{contains: a, than: 1}]", "rules 1"),
        ("rules: [", "not valid YAML"),
        ("just words", "the file"),
    ],
)
def test_what_is_no_rule_is_refused_with_its_place(tmp_path: Path, text: str, message: str) -> None:
    with pytest.raises(FormatError, match=message):
        read_rules(_file(tmp_path, text))


def test_rules_that_are_not_there_are_missed() -> None:
    with pytest.raises(FileError, match=r"no-such\.yaml do not exist"):
        read_rules("no-such.yaml")


def _texts(n: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Positive where "red" stands, unless "not" stands as well; one label in ten is wrong."""
    rng = np.random.default_rng(seed)
    made, y = [], []
    for _ in range(n):
        red, no = rng.random(2) < 0.5
        words = [f"w{i}" for i in rng.integers(30, size=6)] + ["red"] * int(red) + ["not"] * int(no)
        made.append(" ".join(rng.permutation(words)))
        y.append(int((red and not no) != (rng.random() < 0.1)))
    return np.array(made, dtype=object), np.array(y)


def test_found_rules_say_what_the_tree_says_leaf_by_leaf() -> None:
    texts, y = _texts(400, seed=0)
    fresh, _ = _texts(200, seed=1)
    found = InducedRules().fit(texts, y)
    words = CountVectorizer(binary=True, token_pattern=r"\w+", min_df=5)
    X = words.fit_transform(texts)
    tree = DecisionTreeClassifier(max_leaf_nodes=8, min_samples_leaf=5, random_state=0).fit(X, y)
    leaves, at = tree.apply(X), tree.apply(words.transform(fresh))
    odds = {
        leaf: np.log((y[leaves == leaf].sum() + 0.5) / ((1 - y[leaves == leaf]).sum() + 0.5)) for leaf in set(leaves)
    }
    assert found.decision_function(fresh).tolist() == pytest.approx([odds[leaf] for leaf in at])


def test_found_rules_are_few_and_find_what_was_planted() -> None:
    texts, y = _texts(400, seed=0)
    fresh, labels = _texts(400, seed=1)
    found = InducedRules().fit(texts, y)
    assert len(found.rules_.lines()) <= 8
    assert auroc(labels, found.decision_function(fresh)) > 0.8
    assert {"red", "not"} <= {word for rule in found.rules_.rules for word in rule.words}
    assert INDUCED_RULES.notes(found, fresh) == found.rules_.lines()


def test_words_that_say_nothing_give_chance_on_fresh_texts() -> None:
    rng, values = np.random.default_rng(0), []
    for _ in range(5):
        texts = np.array([" ".join(f"w{i}" for i in rng.integers(40, size=8)) for _ in range(400)], dtype=object)
        y = rng.integers(2, size=400)
        values.append(auroc(y[200:], InducedRules().fit(texts[:200], y[:200]).decision_function(texts[200:])))
    assert abs(np.mean(values) - 0.5) < 0.06


def test_texts_without_a_word_in_common_get_one_score() -> None:
    texts, y = np.array([f"!{i}?" for i in range(10)], dtype=object), np.arange(10) % 2
    assert set(InducedRules().fit(texts, y).decision_function(texts)) == {0.0}
    assert RuleList(rules=(Rule(words="ß", then=1),)).scores(["ẞ SS"]).tolist() == [1.0]
