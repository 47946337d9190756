"""Text-only rivals find what stands in the text, and nothing where nothing stands."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.baselines import TEXT_BASELINES, TextBaseline, fit_and_score
from tiltmeter.core.errors import DataError
from tiltmeter.evaluation import auroc

_BY_NAME = {baseline.name: baseline for baseline in TEXT_BASELINES}


def _texts(n: int, *, cue: bool, longer: bool, seed: int) -> tuple[list[str], np.ndarray]:
    rng = np.random.default_rng(seed)
    y = np.arange(n) % 2
    words = [f"w{i}" for i in range(40)]
    made = []
    for label in y:
        text = [words[i] for i in rng.integers(40, size=8 + (4 * label if longer else 0))]
        if cue and label:
            text.insert(int(rng.integers(8)), "cue")
        made.append(" ".join(text))
    return made, y


@pytest.mark.parametrize("name", ["bag of words", "TF-IDF"])
def test_a_word_that_tells_the_label_is_found(name: str) -> None:
    train, y = _texts(200, cue=True, longer=False, seed=0)
    test, labels = _texts(100, cue=True, longer=False, seed=1)
    scores = fit_and_score(_BY_NAME[name], train=train, y=y, tests={"t": test})["t"]
    assert auroc(labels, scores) > 0.99


def test_length_that_tells_the_label_is_found_by_length() -> None:
    train, y = _texts(200, cue=False, longer=True, seed=0)
    test, labels = _texts(100, cue=False, longer=True, seed=1)
    assert auroc(labels, fit_and_score(_BY_NAME["length"], train=train, y=y, tests={"t": test})["t"]) > 0.99


@pytest.mark.parametrize("baseline", TEXT_BASELINES, ids=lambda baseline: baseline.name)
def test_texts_without_a_cue_are_at_chance_on_fresh_texts(baseline: TextBaseline) -> None:
    aurocs = []
    for seed in range(5):
        train, y = _texts(200, cue=False, longer=False, seed=2 * seed)
        test, labels = _texts(200, cue=False, longer=False, seed=2 * seed + 1)
        aurocs.append(auroc(labels, fit_and_score(baseline, train=train, y=y, tests={"t": test})["t"]))
    assert abs(np.mean(aurocs) - 0.5) < 0.06


def test_one_class_is_refused_with_the_name_of_the_baseline() -> None:
    with pytest.raises(DataError, match="bag of words needs train texts of both labels"):
        fit_and_score(_BY_NAME["bag of words"], train=["a", "b"], y=np.array([1, 1]), tests={})


def test_punctuation_and_single_letters_are_words_too() -> None:
    scores = fit_and_score(
        _BY_NAME["bag of words"], train=["x !", "x ?"] * 10, y=np.array([1, 0] * 10), tests={"t": ["!", "?"]}
    )["t"]
    assert scores[0] > scores[1]
