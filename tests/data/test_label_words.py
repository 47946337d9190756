"""Words that go with the label, against counting by hand."""

from __future__ import annotations

import numpy as np
import pytest

from tiltmeter.core.errors import DataError
from tiltmeter.data import TextSet, label_words


def _texts(rows: list[str], y: list[int]) -> TextSet:
    return TextSet(np.array([str(i) for i in range(len(rows))]), texts=tuple(rows), y=np.array(y))


def test_counts_are_those_by_hand() -> None:
    rng = np.random.default_rng(0)
    rows = [" ".join(f"w{word}" for word in rng.integers(12, size=6)) for _ in range(60)]
    y = rng.integers(2, size=60).tolist()
    groups = rng.integers(15, size=60).astype(str)
    found = label_words(_texts(rows, y), groups=groups, n=100)
    for word in found.words:
        for label, count in ((1, word.in_positive), (0, word.in_negative)):
            has = {g for row, of, g in zip(rows, y, groups, strict=True) if of == label and word.word in row.split()}
            assert count == len(has)
    assert found.n_positive == len({g for of, g in zip(y, groups, strict=True) if of == 1})
    gaps = [abs(w.in_positive / found.n_positive - w.in_negative / found.n_negative) for w in found.words]
    assert gaps == sorted(gaps, reverse=True)


def test_case_does_not_count_and_a_word_counts_once_a_text() -> None:
    found = label_words(_texts(["No no NO", "yes"], [1, 0]))
    assert {word.word: (word.in_positive, word.in_negative) for word in found.words} == {"no": (1, 0), "yes": (0, 1)}


def test_one_label_is_refused() -> None:
    with pytest.raises(DataError, match="texts of both labels"):
        label_words(_texts(["a", "b"], [1, 1]))
