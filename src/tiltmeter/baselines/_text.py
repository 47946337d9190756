"""Classifiers that see the text only: if one of them does as well, the activations add nothing."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray
from sklearn.feature_extraction.text import CountVectorizer, TfidfVectorizer
from sklearn.linear_model import LogisticRegression
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import FunctionTransformer, StandardScaler
from threadpoolctl import threadpool_limits

from tiltmeter.core.errors import DataError

# every run of characters between spaces, so that punctuation and one-letter words count as words too
_WORD = r"\S+"


class TextBaseline(NamedTuple):
    """A named rival: ``build()`` returns a fresh scikit-learn pipeline from strings to a score."""

    name: str
    description: str
    build: Callable[[], Pipeline]


def _lengths(texts: Sequence[str]) -> NDArray[np.float64]:
    return np.array([[len(text), len(text.split())] for text in texts], dtype=np.float64)


def _length() -> Pipeline:
    return make_pipeline(FunctionTransformer(_lengths), StandardScaler(), LogisticRegression())


def _bag_of_words() -> Pipeline:
    return make_pipeline(CountVectorizer(token_pattern=_WORD), LogisticRegression(max_iter=2000))


def _tf_idf() -> Pipeline:
    # C = 10: rows of norm 1 are short, and the default penalty would shrink a rival that the probe must beat
    return make_pipeline(
        TfidfVectorizer(token_pattern=_WORD, ngram_range=(1, 2), sublinear_tf=True),
        LogisticRegression(C=10.0, max_iter=2000),
    )


TEXT_BASELINES: tuple[TextBaseline, ...] = (
    TextBaseline("length", "logistic regression on the number of characters and of words", _length),
    TextBaseline("bag of words", "logistic regression on word counts", _bag_of_words),
    TextBaseline("TF-IDF", "logistic regression on TF-IDF weights of words and pairs of neighbouring words", _tf_idf),
)


def fit_and_score(
    baseline: TextBaseline, *, train: Sequence[str], y: NDArray[np.int64], tests: Mapping[str, Sequence[str]]
) -> dict[str, NDArray[Any]]:
    """Fit a baseline on train texts and score each set of test texts with it.

    Parameters
    ----------
    baseline
        One of ``TEXT_BASELINES``, or another of the same form.
    train, y
        Texts and their labels 0 and 1, both present.
    tests
        Texts by name.

    Returns
    -------
    Log-odds per text, by the names of ``tests``.

    Raises
    ------
    DataError
        If ``y`` has one class only.

    Examples
    --------
    >>> scores = fit_and_score(TEXT_BASELINES[1], train=["good day", "bad day"], y=np.array([1, 0]),
    ...                        tests={"new": ["a good one", "a bad one"]})
    >>> bool(scores["new"][0] > scores["new"][1])
    True
    """
    if len(np.unique(y)) < 2:
        raise DataError(f"The baseline {baseline.name} needs train texts of both labels; these have one.")
    with threadpool_limits(1):  # its products are so small that a second thread would only wait
        model = baseline.build().fit(list(train), y)
        return {name: np.asarray(model.decision_function(list(texts))) for name, texts in tests.items()}
