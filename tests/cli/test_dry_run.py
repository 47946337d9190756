"""What a study or a collection would cost is told from the command line, and nothing is written."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml


@pytest.fixture
def spec(tiny_model: Path, write_rows, rows, tmp_path: Path) -> Path:
    asked = {
        "name": "small",
        "model": {"path": str(tiny_model)},
        "texts": {"home": str(write_rows(rows))},
        "train": {"distribution": "home", "folds": 2},
    }
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(asked), encoding="utf-8")
    return path


def test_a_study_tells_its_splits_and_what_reading_costs(command, spec: Path, tmp_path: Path) -> None:
    before = sorted(tmp_path.iterdir())
    out, _ = command("study", str(spec), "--dry-run", "--out", str(tmp_path / "run"))
    assert "home" in out and "400" in out and "Reading takes about" in out and "MB of memory" in out
    told = json.loads(command("study", str(spec), "--dry-run", "--json")[0])
    (home,) = told["distributions"]
    assert sum(home["rows"].values()) == 80
    # 80 texts of five words at the embedding and both blocks, in float32
    assert told["by_set"]["home"]["n_tokens"] == 400
    assert told["by_set"]["home"]["n_bytes"] == 80 * 3 * 16 * 4
    assert sorted(tmp_path.iterdir()) == before


def test_a_study_of_ready_vectors_or_a_contest_has_nothing_to_wait_for(command, spec: Path, tmp_path: Path) -> None:
    contest = tmp_path / "contest.yaml"
    contest.write_text("{name: tiny, grammar: {}}", encoding="utf-8")
    assert "takes neither --set nor --dry-run" in command("study", str(contest), "--dry-run", code=2)[1]
    asked = yaml.safe_load(spec.read_text(encoding="utf-8"))
    asked["model"]["path"] = "vectors:words.npz"
    spec.write_text(yaml.safe_dump(asked), encoding="utf-8")
    assert "reads ready vectors" in command("study", str(spec), "--dry-run", code=2)[1]


def test_a_collection_tells_its_cost_and_that_of_what_is_left(command, tiny_model: Path, spec: Path, tmp_path: Path):
    texts, store = str(tmp_path / "texts.jsonl"), tmp_path / "acts"
    asked = ["collect", str(tiny_model), texts, "--store", str(store), "--sites", "0.resid_post,1.resid_post"]
    told = json.loads(command(*asked, "--dry-run", "--json")[0])
    assert (told["n_texts"], told["n_tokens"], told["n_bytes"]) == (80, 400, 80 * 2 * 16 * 4)
    assert not store.exists()
    collected = json.loads(command(*asked, "--json")[0])
    assert (collected["texts"], collected["sites"], collected["truncated"]) == (80, 2, 0)
    out, _ = command(*asked, "--dry-run")
    assert "none; everything is stored" in out and "80 are in the store already" in out


@pytest.mark.long
def test_a_study_prints_its_verdict_as_json(command, spec: Path, tmp_path: Path) -> None:
    asked = yaml.safe_load(spec.read_text(encoding="utf-8"))
    asked |= {"threshold": {"fpr": 0.3}, "read": {"pooling": "mean"}}
    asked["evidence"] = {"bootstrap": 100, "random_directions": 5, "shuffles": 19}
    spec.write_text(yaml.safe_dump(asked), encoding="utf-8")
    told = json.loads(command("study", str(spec), "--out", str(tmp_path / "run"), "--json")[0])
    assert told["verdict"]["outcome"] and told["verdict"]["statements"]
    assert Path(told["report"]).is_file() and Path(told["monitor"]).is_dir()


def test_a_dry_run_says_what_it_is_doing_before_it_is_done(command, spec: Path) -> None:
    assert "timing a few batches" in command("study", str(spec), "--dry-run", progress=True)[1]
