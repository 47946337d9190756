"""Judges of token lists: the usual ones, and word vectors from a file."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from tiny_models import tiny_subject

from tiltmeter.anatomy import coherence, read_word_vectors, token_lens, usual_judges
from tiltmeter.core.errors import DataError, FileError, FormatError
from tiltmeter.models import embedding


def test_the_usual_judges_have_one_vector_a_token(tmp_path: Path):
    subject = tiny_subject("llama")
    lens = token_lens(subject)
    path = tmp_path / "vectors.txt"
    path.write_text("w1 1 0\nw2 0 1\n", encoding="utf-8")
    judges = usual_judges(subject, lens, encoder=tiny_subject("bert"), word_vectors=path)
    assert list(judges) == ["own embedding", "spelling", "encoder", "word vectors"]
    assert "by which the lists were made" not in judges["own embedding"].about
    assert {len(judge.vectors) for judge in judges.values()} == {len(lens.texts)}
    assert np.array_equal(judges["own embedding"].vectors, embedding(subject).numpy()[lens.tokens])
    assert f"knows 2 of {len(lens.texts)} tokens" in judges["word vectors"].about


def test_a_judge_that_has_the_rows_of_the_lists_says_that_it_is_not_independent():
    tied, untied = tiny_subject("llama-grouped-tied"), tiny_subject("llama")
    for subject, through in ((tied, "unembedding"), (tied, "embedding"), (untied, "embedding")):
        name, *_ = judges = usual_judges(subject, token_lens(subject, through=through))
        assert name == "own rows (not independent)" and "by which the lists were made" in judges[name].about


def test_word_vectors_are_read_with_and_without_a_line_of_counts(tmp_path: Path):
    bare = "cat 1 0\nRome 0 1\n3 9 9\n"
    for content in (bare, f"3 2\n{bare}"):
        path = tmp_path / "vectors.txt"
        path.write_text(content, encoding="utf-8")
        vectors, n = read_word_vectors(path, (" cat", "Cat", "Rome", "rome", "3"))
        # Cat is looked up in lower case; rome has none, and gets the mean of the four others
        assert n == 4 and vectors[[0, 1, 2, 4]].tolist() == [[1, 0], [1, 0], [0, 1], [9, 9]]
        assert vectors[3].tolist() == [11 / 4, 10 / 4]
        assert coherence(np.array([[3, 0]]), vectors).tolist() == [0.0]


def test_a_word_of_several_parts_is_no_other_word(tmp_path: Path):
    # as the larger of the GloVe files have them: ". . ." and "at name@domain.com"
    path = tmp_path / "vectors.txt"
    path.write_text("cat 1 0\nmat name@domain.com 7 7\nmat 0 1\n", encoding="utf-8")
    vectors, n = read_word_vectors(path, ("cat", "mat"))
    assert n == 2 and vectors.tolist() == [[1, 0], [0, 1]]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("dog 1 0\n", "knows none of the 2 tokens"),
        ("cat 1 0\nmat 1\n", "lines of different lengths"),
        ("cat one 0\n", "something else than numbers after its first word in line 1"),
    ],
)
def test_files_that_cannot_be_used_are_refused(tmp_path: Path, content, said):
    path = tmp_path / "vectors.txt"
    path.write_text(content, encoding="utf-8")
    with pytest.raises(DataError, match=said):
        read_word_vectors(path, ("cat", "mat"))
    with pytest.raises(FileError, match="does not exist"):
        read_word_vectors(tmp_path / "gone.txt", ("cat",))


def test_a_file_that_is_no_utf_8_is_refused(tmp_path: Path):
    path = tmp_path / "vectors.bin"
    path.write_bytes(b"cat 1 0\nmat \xff\xfe\n")
    with pytest.raises(FormatError, match=r"vectors\.bin is not UTF-8 text"):
        read_word_vectors(path, ("cat", "mat"))
