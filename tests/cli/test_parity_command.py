"""``tiltmeter monitor``: a study's monitor is replayed, and given other reference texts; exit codes say how it went."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from tests.cli.conftest import Command
from tiltmeter.monitor import Monitor, read_card
from tiltmeter.studies import parse_spec, read_scored_rows, run_study


@pytest.fixture(scope="module")
def run(tiny_model: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("parity")
    rng = np.random.default_rng(0)
    lines = []
    for i in range(60):
        noise = " ".join(f"w{j}" for j in rng.integers(30, size=4))
        for label, word in ((1, "w38"), (0, "w39")):
            lines.append(json.dumps({"text": f"{noise} {word} .", "label": label, "group": f"g{i}", "pair": f"p{i}"}))
    (folder / "home.jsonl").write_text("\n".join(lines), encoding="utf-8")
    spec = {
        "name": "small",
        "model": {"path": str(tiny_model)},
        "texts": {"home": str(folder / "home.jsonl")},
        "train": {"distribution": "home", "folds": 2},
        "threshold": {"fpr": 0.3},
        "read": {"pooling": "mean", "sites": ["-1.resid_post"]},
        "probes": {"methods": ["lda"]},
        "evidence": {"bootstrap": 100, "random_directions": 5, "shuffles": 19},
    }
    run_study(parse_spec(spec), folder / "run")
    return folder / "run"


@pytest.mark.long
def test_a_study_keeps_reference_texts_of_the_calibration_split_alone_and_its_card_counts_them(run: Path) -> None:
    monitor = Monitor.load(run / "monitors" / "best")
    reference, rows = monitor.require_reference(), read_scored_rows(run)
    calibration = set(rows.id[rows.split == "calibration"].tolist())
    assert len(reference) == 12 and set(reference.texts.ids.tolist()) <= calibration
    assert reference.origin.drawn_from == f"{len(calibration)} calibration texts of home"
    assert len(reference.population) == len(calibration)
    scored = dict(zip(rows.id.tolist(), rows.score.tolist(), strict=True))
    np.testing.assert_allclose(reference.scores, [scored[i] for i in reference.texts.ids.tolist()], atol=1e-5)
    assert read_card(run / "monitors" / "best").n_reference == 12
    page = (run / "monitors" / "best" / "README.md").read_text(encoding="utf-8")
    assert "`parity.json` holds 12 texts" in page
    assert not any(text in page for text in reference.texts.texts or ())


def test_the_same_model_is_exact_and_another_is_refused_with_exit_code_1(
    command: Command, run: Path, tmp_path: Path
) -> None:
    out, _ = command("monitor", "parity", str(run))
    assert ": exact" in out and "0.0e+00" in out
    record = json.loads(command("monitor", "parity", str(run), "--attention", "eager", "--json", "--explain")[0])
    assert record["outcome"] == "within tolerance" and record["causes"][0]["what"] == "attention kernel"
    from transformers import AutoModelForCausalLM, AutoTokenizer

    where = Monitor.load(run / "monitors" / "best").card.model
    other = AutoModelForCausalLM.from_pretrained(where)
    other.model.layers[1].mlp.down_proj.weight.data += 0.5
    other.save_pretrained(tmp_path / "other")
    AutoTokenizer.from_pretrained(where).save_pretrained(tmp_path / "other")
    out, _ = command("monitor", "parity", str(run), "--model", str(tmp_path / "other"), code=1)
    assert "refused" in out and "it is another model: weights_sha256 differ" in out and "1. weights (was" in out


def test_scoring_in_another_dtype_says_what_the_replay_showed(
    command: Command, run: Path, write_rows: Callable[..., Path]
) -> None:
    texts = str(write_rows([{"id": "a", "text": "w1 is w38 ."}]))
    assert "replayed" not in command("score", str(run), texts)[1]
    assert "12 reference texts replayed" in command("score", str(run), texts, "--dtype", "float16")[1]


def test_other_reference_texts_take_the_place_of_the_studys_and_are_what_is_published(
    command: Command, run: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> None:
    folder = tmp_path / "m"
    command("publish", str(run), f"file:{folder}")
    mine = [{"text": row["text"]} for row in rows]
    printed, said = command("monitor", "reference", str(folder), str(write_rows(mine)))
    assert printed.strip() == str(folder / "parity.json") and "12 of 80 texts" in said
    held = Monitor.load(folder).require_reference().texts.texts
    assert set(held or ()) <= {row["text"] for row in mine}
    _, said = command("publish", str(folder), f"file:{tmp_path / 'out'}")
    assert "parity.json holds 12 texts of the data" in said
    out, _ = command("monitor", "parity", str(tmp_path / "out"))
    assert ": exact" in out
    few = str(write_rows(mine[:3], name="few.jsonl"))
    assert "give 8 or more" in command("monitor", "reference", str(folder), few, code=2)[1]
    assert "is not written to" in command("monitor", "reference", "hub:me/probe", few, code=2)[1]


def test_a_monitor_without_reference_texts_is_bad_input(command: Command, run: Path, tmp_path: Path) -> None:
    whole = Monitor.load(run / "monitors" / "best")
    Monitor(whole.direction, whole.card, whole.detector).save(tmp_path / "old")
    assert "holds no reference texts" in command("monitor", "parity", str(tmp_path / "old"), code=2)[1]
