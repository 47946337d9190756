"""What is written is read back as it was, or nothing is written."""

import math

import numpy as np
import pytest

from tiltmeter.core.errors import DataError, FileError
from tiltmeter.data import AttemptsSpec, TextSet, read_texts, write_attempts, write_texts


def assert_same(one, two):
    assert one.fingerprint() == two.fingerprint()
    assert (one.distribution, one.meta) == (two.distribution, two.meta)
    assert (one.split is None) == (two.split is None)
    assert one.split is None or one.split.tolist() == two.split.tolist()


@pytest.mark.parametrize("paired", [True, False])
def test_attempts_are_read_back_as_they_were(tmp_path, paired):
    texts = write_attempts(AttemptsSpec(sizes=(1, 1, 1), paired=paired))
    write_texts(texts, tmp_path / "attempts.jsonl")
    assert_same(texts, read_texts(tmp_path / "attempts.jsonl"))


def test_chats_and_marked_spans_are_read_back(tmp_path):
    chat = ({"role": "user", "content": "a\u2028b"}, {"role": "assistant", "content": "ü"})
    chats = TextSet(np.array(["1"]), messages=(chat,), meta={"level": (None,), "deep": (1.5,)})
    marked = TextSet(np.array(["1"]), texts=("one two",), span="marked", spans=np.array([[4, 7]]))
    for name, texts in (("chats", chats), ("marked", marked)):
        write_texts(texts, tmp_path / f"{name}.jsonl")
        assert_same(texts, read_texts(tmp_path / f"{name}.jsonl"))


def test_a_file_that_exists_is_left_alone(tmp_path):
    path = tmp_path / "a.jsonl"
    path.write_text("mine")
    with pytest.raises(FileError, match="exists already"):
        write_texts(TextSet(np.array(["1"]), texts=("x",)), path)
    assert path.read_text() == "mine"


@pytest.mark.parametrize(
    ("meta", "name", "error", "said"),
    [
        ({"label": (1,)}, "a.jsonl", DataError, "'label' in meta"),
        ({"level": (math.nan,)}, "a.jsonl", DataError, "NaN or infinite"),
        ({}, "a.txt", FileError, "does not end in .jsonl"),
    ],
)
def test_what_could_not_be_read_back_is_refused_and_nothing_is_written(tmp_path, meta, name, error, said):
    with pytest.raises(error, match=said):
        write_texts(TextSet(np.array(["1"]), texts=("x",), meta=meta), tmp_path / name)
    assert list(tmp_path.iterdir()) == []
