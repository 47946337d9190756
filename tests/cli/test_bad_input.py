"""Bad input gets one clear sentence and exit code 2, and leaves nothing behind."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml
from safetensors.torch import load_file, save_file

from tiltmeter.cli import main

Rows = list[dict[str, Any]]
Refused = Callable[..., str]


@pytest.fixture
def refused(
    tmp_path: Path, tiny_model: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Refused:
    """Return a function that runs a study, checks that it is refused, and returns the sentence."""

    def run(texts: Path, **changes: Any) -> str:
        spec = {
            "name": "bad",
            "model": {"path": str(tiny_model)},
            "texts": {"home": str(texts)},
            "train": {"distribution": "home"},
            **changes,
        }
        path = tmp_path / "spec.yaml"
        path.write_text(yaml.safe_dump(spec), encoding="utf-8")
        out = tmp_path / "run"
        before = sorted(tmp_path.iterdir())
        monkeypatch.setattr(sys, "argv", ["tiltmeter", "study", str(path), "--out", str(out)])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 2
        assert sorted(tmp_path.iterdir()) == before, "something was left behind"
        error = [line for line in capsys.readouterr().err.splitlines() if line.startswith("tiltmeter: ")]
        assert len(error) == 1
        return error[0]

    return run


def test_a_missing_column(refused: Refused, write_rows: Callable[..., Path], rows: Rows) -> None:
    path = write_rows([{"txt": row["text"], "label": row["label"]} for row in rows])
    message = refused(path)
    assert "text" in message
    assert "txt" in message


def test_one_class_only(refused: Refused, write_rows: Callable[..., Path], rows: Rows) -> None:
    path = write_rows([{"text": row["text"], "label": 1} for row in rows])
    assert "a probe needs texts of both labels" in refused(path)


def test_an_unknown_key_in_the_spec(refused: Refused, write_rows: Callable[..., Path], rows: Rows) -> None:
    assert "unknown key 'treshold'; did you mean 'threshold'?" in refused(write_rows(rows), treshold={"fpr": 0.01})


def test_a_pair_with_one_member(refused: Refused, write_rows: Callable[..., Path], rows: Rows) -> None:
    message = refused(write_rows(rows[:-1]))
    assert "p39" in message
    assert "pair" in message.lower()


def test_malformed_json_names_its_line(refused: Refused, write_rows: Callable[..., Path], rows: Rows) -> None:
    path = write_rows(rows)
    lines = path.read_text(encoding="utf-8").splitlines()
    lines[6] = lines[6][:-4]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert "line 7" in refused(path)


@pytest.mark.parametrize("empty", ["", "  \t "])
def test_an_empty_text(refused: Refused, write_rows: Callable[..., Path], rows: Rows, empty: str) -> None:
    rows[4]["text"] = empty
    message = refused(write_rows(rows))
    assert "empty" in message
    assert "5" in message


def test_a_text_longer_than_the_context_is_refused_by_default(
    refused: Refused, write_rows: Callable[..., Path], rows: Rows
) -> None:
    rows[3]["text"] = " ".join(["w1"] * 50)
    message = refused(write_rows(rows))
    assert "50" in message
    assert "32" in message


def test_activations_that_are_not_finite(
    refused: Refused, write_rows: Callable[..., Path], rows: Rows, tiny_model: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in tiny_model.iterdir():
        (broken / file.name).write_bytes(file.read_bytes())
    # in memory, for the file that is mapped is saved over
    weights = {name: weight.clone() for name, weight in load_file(broken / "model.safetensors").items()}
    weights["model.layers.1.mlp.down_proj.weight"][0] = float("nan")
    save_file(weights, broken / "model.safetensors", metadata={"format": "pt"})
    message = refused(write_rows(rows), model={"path": str(broken)})
    assert "1.resid_post" in message
    assert "NaN" in message


def test_an_unknown_architecture(
    refused: Refused, write_rows: Callable[..., Path], rows: Rows, tiny_model: Path, tmp_path: Path
) -> None:
    odd = tmp_path / "odd"
    odd.mkdir()
    for file in tiny_model.iterdir():
        (odd / file.name).write_bytes(file.read_bytes())
    config = json.loads((odd / "config.json").read_text(encoding="utf-8"))
    config["model_type"] = "blenderbot"
    (odd / "config.json").write_text(json.dumps(config), encoding="utf-8")
    message = refused(write_rows(rows), model={"path": str(odd)})
    assert "blenderbot" in message
    assert "llama" in message


def test_a_model_folder_that_is_missing(refused: Refused, write_rows: Callable[..., Path], rows: Rows) -> None:
    assert "no/such/folder" in refused(write_rows(rows), model={"path": "./no/such/folder"})


def test_texts_that_are_missing(refused: Refused, tmp_path: Path) -> None:
    assert "none.jsonl" in refused(tmp_path / "none.jsonl")


def test_a_run_directory_that_exists(
    refused: Refused, write_rows: Callable[..., Path], rows: Rows, tmp_path: Path
) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("keep", encoding="utf-8")
    assert "exists already" in refused(write_rows(rows))
    assert (tmp_path / "run" / "mine.txt").read_text(encoding="utf-8") == "keep"


def test_lat_without_pairs(refused: Refused, write_rows: Callable[..., Path], rows: Rows) -> None:
    for row in rows:
        del row["pair"]
    assert "lat" in refused(write_rows(rows), probes={"methods": ["lat"]})


def test_a_nuisance_without_a_column(refused: Refused, write_rows: Callable[..., Path], rows: Rows) -> None:
    assert "'cue'" in refused(write_rows(rows), evidence={"nuisances": ["cue"]})


def test_an_unknown_organism(refused: Refused, write_rows: Callable[..., Path], rows: Rows) -> None:
    message = refused(write_rows(rows), model={"path": "organism:fact"})
    assert "facts" in message


def test_a_run_directory_that_cannot_be_made_leaves_nothing(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    spec = tmp_path / "spec.yaml"
    spec.write_text(
        "{name: s, model: {path: 'organism:facts'}, texts: {a: none.jsonl}, train: {distribution: a}}", encoding="utf-8"
    )
    # inside a file; below folders that do not exist yet, where the texts are missing
    for out in (spec / "run", tmp_path / "deep" / "er" / "run"):
        monkeypatch.setattr(sys, "argv", ["tiltmeter", "study", str(spec), "--out", str(out)])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 2
        assert capsys.readouterr().err.count("tiltmeter: ") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["spec.yaml"]


def test_what_the_file_system_refuses_is_one_sentence(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "file"
    file.write_text("x", encoding="utf-8")
    monkeypatch.setattr(sys, "argv", ["tiltmeter", "score", str(file), "organism:facts/negated"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "Traceback" not in capsys.readouterr().err
