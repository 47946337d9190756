"""A study of ready vectors: looked up, judged like any other, and without a monitor."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from tiltmeter.cli import main
from tiltmeter.core.errors import DataError, FileError, FormatError, SpecError
from tiltmeter.core.files import read_json
from tiltmeter.data import TextSet
from tiltmeter.studies import parse_spec, read_spec, run_study
from tiltmeter.studies._vectors import look_up, open_vectors

_EXAMPLE = Path(__file__).parents[2] / "examples" / "gender_words.yaml"
_SHARED = Path(__file__).parents[3] / "shared" / "data" / "vectors" / "minilm_word_embeddings.npz"


def _vectors(folder: Path, *, n: int = 40, width: int = 8) -> str:
    """Write n words of which the odd ones lie apart along the first axis."""
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, width))
    X[1::2, 0] += 6.0
    np.savez(folder / "v.npz", words=np.array([f"w{i}" for i in range(n)]), X=X.astype(np.float16))
    return f"vectors:{folder / 'v.npz'}"


def _spec(folder: Path, **changes: object) -> dict[str, object]:
    rows = "".join(f"w{i},{i % 2},{i // 2}\n" for i in range(40))
    (folder / "words.csv").write_text("text,label,pair\n" + rows)
    return {
        "name": "words",
        "model": {"path": _vectors(folder)},
        "texts": {"words": str(folder / "words.csv")},
        "train": {"distribution": "words", "folds": 2},
        "evidence": {"bootstrap": 100, "shuffles": 19, "random_directions": 5},
        **changes,
    }


def test_a_study_of_vectors_leaves_evidence_and_a_report_but_no_monitor(tmp_path: Path) -> None:
    done = run_study(parse_spec(_spec(tmp_path)), tmp_path / "run")
    assert done.evidence.sites == ("0.resid_pre",)
    assert {cell.test for cell in done.evidence.transfer} == {"words"}
    assert (tmp_path / "run" / "report.html").is_file()
    assert not (tmp_path / "run" / "monitors").exists()
    assert read_json(tmp_path / "run" / "run.json")["model"]["n_words"] == 40


def test_every_text_gets_its_own_vector_whatever_the_order(tmp_path: Path) -> None:
    vectors = open_vectors(_vectors(tmp_path))
    texts = TextSet(np.array(["a", "b"]), texts=("w7", "w2"), distribution="x")
    found = look_up(vectors, texts, name="x")["0.resid_pre"]
    np.testing.assert_array_equal(found.X, vectors.X[[7, 2]])
    assert found.X.dtype == np.float32


def test_a_text_without_a_vector_is_named(tmp_path: Path) -> None:
    texts = TextSet(np.array(["a", "b", "c"]), texts=("w7", "queen", "king"), distribution="x")
    with pytest.raises(DataError, match="x: 2 of 3 texts have no vector, the first of them 'queen'"):
        look_up(open_vectors(_vectors(tmp_path)), texts, name="x")


@pytest.mark.parametrize(
    ("arrays", "message"),
    [
        ({"words": np.array(["a", "a"]), "X": np.eye(2)}, "1 words more than once"),
        ({"words": np.array(["a", "b"]), "X": np.full((2, 2), np.nan)}, "NaN or infinity"),
        ({"words": np.array(["a", "b"]), "X": np.eye(3)}, "n strings and n rows"),
        ({"words": np.array([1, 2]), "X": np.eye(2)}, "n strings and n rows"),
        ({"words": np.array(["a", "b"]), "X": np.empty((2, 0))}, "n strings and n rows"),
        ({"words": np.array(["a", "b"]), "X": np.full((2, 2), 1e300)}, "in single precision"),
        ({"words": np.array(["a", "b"])}, "cannot be read as an"),
        ({"words": np.array(["a", None], dtype=object), "X": np.eye(2)}, "cannot be read as an"),
    ],
)
def test_a_file_that_holds_no_vectors_is_refused(tmp_path: Path, arrays: dict[str, object], message: str) -> None:
    np.savez(tmp_path / "bad.npz", **arrays)  # type: ignore[arg-type]
    with pytest.raises(FormatError, match=message):
        open_vectors(f"vectors:{tmp_path / 'bad.npz'}")


def test_a_file_that_is_absent_or_no_archive_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist; vectors are an"):
        open_vectors(f"vectors:{tmp_path / 'none.npz'}")
    np.save(tmp_path / "bare.npy", np.eye(2))
    (tmp_path / "bare.npy").rename(tmp_path / "bare.npz")
    with pytest.raises(FormatError, match="cannot be read as an"):
        open_vectors(f"vectors:{tmp_path / 'bare.npz'}")
    (tmp_path / "text.npz").write_text("no archive")
    with pytest.raises(FormatError, match="cannot be read as an"):
        open_vectors(f"vectors:{tmp_path / 'text.npz'}")


@pytest.mark.parametrize("change", [{"read": {"pooling": "mean"}}, {"model": {"dtype": "bfloat16"}}])
def test_what_only_a_model_can_do_is_refused(tmp_path: Path, change: dict[str, dict[str, str]]) -> None:
    spec = _spec(tmp_path)
    for key, value in change.items():
        spec[key] = {**spec.get(key, {}), **value}  # type: ignore[dict-item]
    with pytest.raises(SpecError, match="leave out read, and revision, dtype and device"):
        run_study(parse_spec(spec), tmp_path / "run")


def test_the_command_line_does_not_name_a_monitor_that_is_not_there(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(_spec(tmp_path)))
    monkeypatch.setattr(sys, "argv", ["tiltmeter", "study", str(path), "--out", str(tmp_path / "run")])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code in (0, None)
    printed = capsys.readouterr().out
    assert "Report:" in printed
    assert "Monitor:" not in printed


@pytest.mark.long
@pytest.mark.skipif(not _SHARED.is_file(), reason="needs ../shared/data/vectors, absent here")
def test_the_example_on_real_word_vectors_reads_gender_and_says_what_chance_gives(tmp_path: Path) -> None:
    spec = read_spec(_EXAMPLE, values={"vectors": str(_SHARED)})
    evidence = run_study(spec, tmp_path / "run").evidence
    found = {(cell.method, cell.test): cell.auroc for cell in evidence.transfer if cell.train == "kin"}
    assert {method for method, _ in found} == set(evidence.methods)
    assert len(evidence.methods) == 12
    tests = {"kin", "roles", "names", "typical jobs"}
    for test in tests:
        assert found["mean_difference", test].low > 0.5, test  # type: ignore[union-attr]
    assert {null.test for null in evidence.random_directions} == tests
    assert {null.test for null in evidence.shuffled} == tests
