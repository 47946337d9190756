"""``tiltmeter anatomy svd`` and ``locate``: the page, the record, what is printed, and bad input."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tiltmeter.cli import main
from tiltmeter.core.files import read_record
from tiltmeter.core.weights import WeightAnatomy

SMALL = ("--n-top", "3", "--n-directions", "2", "--matrix", "ov", "--layers", "-1")


def run(*arguments: str) -> int:
    """Return the exit code of the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tiltmeter", "anatomy", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
            sys.exit(0)
    return int(stopped.value.code or 0)


def test_the_page_and_the_record_are_written_and_what_the_nulls_leave_is_printed(
    tiny_model: Path, tmp_path: Path, capsys
):
    out, vectors = tmp_path / "weights", tmp_path / "vectors.txt"
    vectors.write_text("w1 1 0\nw2 0 1\n", encoding="utf-8")
    assert run("svd", str(tiny_model), "--out", str(out), "--word-vectors", str(vectors), *SMALL) == 0
    printed = " ".join(capsys.readouterr().out.split())
    assert "Of 8 directions, more coherent than random ones" in printed and "raw rows" in printed
    record = read_record(out / "weights.json", WeightAnatomy)
    assert record.n_top == 3 and {one.layer for one in record.matrices} == {1}
    assert list(record.judges) == ["own embedding", "spelling", "word vectors"]
    assert all(" ".join(sentence.split()) in printed for sentence in record.conclusions)
    assert "Against three nulls" in (out / "weights.html").read_text(encoding="utf-8")


def test_the_record_is_printed_as_json_and_nothing_is_written(tiny_model: Path, capsys):
    asked = ("--json", "--through", "embedding", "--no-fold-norm", "--seed", "3")
    assert run("svd", str(tiny_model), *asked, *SMALL) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["through"] == "embedding" and found["is_folded"] is False and found["seed"] == 3


def test_words_are_located_in_a_table_and_in_json(tiny_model: Path, capsys):
    asked = ("locate", str(tiny_model), "w1", "w2", "--n-found", "3", "--layers", "-1")
    assert run(*asked) == 0
    assert "as near to any direction" in " ".join(capsys.readouterr().out.split())
    assert run(*asked, "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert len(found) == 3 and {one["layer"] for one in found} == {1} and all(0 < one["p"] <= 1 for one in found)
    assert run("locate", str(tiny_model), "w1", "nowhere") == 2
    assert "'nowhere' is not one of the" in capsys.readouterr().err.splitlines()[-1]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--matrix", "vo"), "--matrix is 'vo'; use one of ov, qk, q, k, mlp_in, mlp_gate, mlp_out"),
        (("--layers", "first"), "--layers 'first' is not a list of whole numbers"),
        (("--layers", "9"), "layer is 9"),
        (("--layers", "0,0"), "names a block twice"),
        (("--matrix", "ov", "--matrix", "ov"), "--matrix names one of ov, ov twice"),
        (("--word-vectors", "gone.txt"), "gone.txt does not exist"),
        (("--n-top", "40"), "n_top is 40"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(tiny_model: Path, tmp_path: Path, arguments, said, capsys):
    assert run("svd", str(tiny_model), "--out", str(tmp_path / "weights"), *arguments) == 2
    line = capsys.readouterr().err.splitlines()[-1]
    assert line.startswith("tiltmeter: ") and said in line
    assert not (tmp_path / "weights").exists()
