"""Rules found in the training texts: a small decision tree over words, written as an ordered list."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.tree import DecisionTreeClassifier

from tiltmeter.baselines._rival import Rival, Seen, strings
from tiltmeter.baselines._rules import Rule, RuleList

_MOST_RULES = 8
# a rule that fits fewer texts than this share, or than this many, is an accident
_LEAST_SHARE, _LEAST_ROWS = 0.01, 5
_MOST_WORDS = 5000


class InducedRules:
    """A decision tree of at most eight leaves over the presence of words, as the list of rules that says the same.

    Texts with the word of a split come first in the list, so that what follows need not say that they lack it. The
    weight of a rule is the log-odds of the label among the training texts that it decides, one half added to either
    count.

    Examples
    --------
    >>> texts, y = np.array(["a good day", "a bad day"] * 10, dtype=object), np.array([1, 0] * 10)
    >>> InducedRules().fit(texts, y).rules_.lines()
    ("if it has the word 'bad': -3.04", 'else: +3.04')
    """

    rules_: RuleList

    def fit(self, texts: Seen, y: NDArray[np.int64]) -> Self:
        """Grow the tree on texts, shape (n,), and labels of both classes, and write it down."""
        words = CountVectorizer(
            binary=True, token_pattern=r"\w+", min_df=min(_LEAST_ROWS, len(y)), max_features=_MOST_WORDS
        )
        try:
            X = words.fit_transform(texts.tolist())
        except ValueError:  # no word stands in so many texts
            return self._keep([], _log_odds(y))
        tree = DecisionTreeClassifier(
            max_leaf_nodes=_MOST_RULES, min_samples_leaf=max(_LEAST_ROWS, round(_LEAST_SHARE * len(y))), random_state=0
        ).fit(X, y)
        names, reached = words.get_feature_names_out(), tree.apply(X)
        *rules, (_, last) = _leaves(tree.tree_, 0, ())
        found = [(tuple(str(names[i]) for i in has), _log_odds(y[reached == leaf])) for has, leaf in rules]
        return self._keep(found, _log_odds(y[reached == last]))

    def _keep(self, found: list[tuple[tuple[str, ...], float]], default: float) -> Self:
        rules = tuple(Rule(words=has, then=1 if odds > 0 else 0, weight=abs(odds)) for has, odds in found)
        self.rules_ = RuleList(rules=rules, default=default)
        return self

    def decision_function(self, texts: Seen) -> NDArray[np.float64]:
        """Score texts, shape (n,)."""
        return self.rules_.scores(texts.tolist())


def _leaves(tree: Any, node: int, has: tuple[int, ...]) -> Iterator[tuple[tuple[int, ...], int]]:  # noqa: ANN401
    """Yield the words that a text of each leaf has, and the leaf, those with the word of a split first."""
    if tree.children_left[node] == -1:
        yield has, node
        return
    yield from _leaves(tree, tree.children_right[node], (*has, int(tree.feature[node])))
    yield from _leaves(tree, tree.children_left[node], has)


def _log_odds(y: NDArray[np.int64]) -> float:
    return float(np.log((y.sum() + 0.5) / (len(y) - y.sum() + 0.5)))


INDUCED_RULES = Rival(
    "induced rules",
    "rules",
    f"a decision tree of at most {_MOST_RULES} leaves over the presence of words, as ordered rules",
    strings,
    InducedRules,
    notes=lambda fitted, _seen: fitted.rules_.lines(),
)
