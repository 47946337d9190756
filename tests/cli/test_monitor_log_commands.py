"""From the command line: a threshold for texts that grow, and the past of a log scored again."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pytest
from made_monitors import made_monitor

from tests.cli.conftest import Command
from tiltmeter import models
from tiltmeter.core.alarms import Scored, ScoredText
from tiltmeter.data import TextSet
from tiltmeter.monitor import Monitor, MonitorLog

_WORDS = np.random.default_rng(0).choice([f"w{i}" for i in range(40)], size=(320, 4))
_TEXTS = [" ".join(row) for row in _WORDS]


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    subject = models.load(str(tiny_model))
    monitor = made_monitor(subject, threshold=0.2)
    monitor.save(tmp_path / "monitor")
    texts = TextSet(np.arange(320).astype(str), texts=tuple(_TEXTS))
    scores = monitor.score(subject, texts).scores
    with MonitorLog(tmp_path / "log.sqlite", keep_texts=True) as log:
        log.write(
            texts=[
                ScoredText(
                    time=datetime(2026, 5, 1, tzinfo=UTC),
                    text_id=str(i),
                    scores={"made": Scored(score=float(score), alarm=bool(score > 0.2))},
                    text=text,
                    source="score",
                )
                for i, (text, score) in enumerate(zip(_TEXTS[:50], scores, strict=False))
            ]
        )
    (tmp_path / "quiet.jsonl").write_text("".join(json.dumps({"text": text, "label": 0}) + "\n" for text in _TEXTS))
    return tmp_path


def _certify(folder: Path, texts: Path, model: Path) -> tuple[str, ...]:
    asked = ("monitor", "certify", folder / "monitor", texts, "--population", "quiet texts", "--model", model)
    return tuple(str(part) for part in (*asked, "--out", folder / "certified"))


def test_certify_writes_a_monitor_with_a_threshold_for_texts_that_grow(
    folder: Path, tiny_model: Path, command: Command
) -> None:
    asked = _certify(folder, folder / "quiet.jsonl", tiny_model)
    said, _ = command(*asked)
    assert "at most 0.01 of texts like these (quiet texts) ever raise one (confidence 0.95, 320 " in said
    running = Monitor.load(folder / "certified").card.running
    assert running is not None
    assert (running.n, running.fpr) == (320, 0.01)
    assert "quiet texts" in running.population
    _, refused = command(*asked, code=2)
    assert "exists already" in refused


def test_certify_refuses_too_few_texts_and_writes_nothing(folder: Path, tiny_model: Path, command: Command) -> None:
    few = folder / "few.jsonl"
    few.write_text("".join((folder / "quiet.jsonl").read_text().splitlines(keepends=True)[:50]))
    _, refused = command(*_certify(folder, few, tiny_model), code=2)
    assert "299 are needed" in refused
    assert not (folder / "certified").exists()


def test_a_summary_in_80_columns_keeps_days_and_headings_whole_and_says_what_evidence_it_takes(
    folder: Path, command: Command, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    said, _ = command("monitor", "summary", str(folder / "log.sqlite"), f"made={folder / 'monitor'}")
    assert all(word in said for word in ("2026-05-01", " promised ", " unlike ", " alarms "))
    assert "…" not in said
    assert "evidence 1 of the 100 that it takes" in " ".join(said.split())


def test_replay_finds_the_same_monitor_again(folder: Path, tiny_model: Path, command: Command) -> None:
    asked = ("monitor", "replay", folder / "log.sqlite", folder / "monitor", "--model", tiny_model, "--json")
    said, _ = command(*(str(part) for part in asked), "--out", str(folder / "again.jsonl"))
    found = json.loads(said)
    assert (found["n"], found["only_then"], found["only_now"], found["n_left"]) == (50, 0, 0, 0)
    assert found["rank_correlation"]["value"] == pytest.approx(1.0)
    rows = [json.loads(line) for line in (folder / "again.jsonl").read_text().splitlines()]
    assert all(row["score"] == pytest.approx(row["then"]["made"], abs=1e-6) for row in rows)


def test_replay_names_the_texts_that_cannot_be_read_and_goes_on(
    folder: Path, tiny_model: Path, command: Command
) -> None:
    with MonitorLog(folder / "log.sqlite", keep_texts=True) as log:
        last = list(log.scores())[-1]
        log.write(texts=[last.model_copy(update={"text_id": "novel", "text": "w1 " * 500})])
    asked = [
        str(part) for part in ("monitor", "replay", folder / "log.sqlite", folder / "monitor", "--model", tiny_model)
    ]
    said, _ = command(*asked, "--out", str(folder / "again.jsonl"))
    assert "50 texts; rank correlation" in said
    assert "1 texts cannot be read by made (--out says why): novel" in said
    row = json.loads((folder / "again.jsonl").read_text().splitlines()[-1])
    assert (row["score"] is None and row["unreadable"].startswith("Text novel")) or "novel" in row["unreadable"]
    _, refused = command(*asked, "--beside", "lise", code=2)
    assert "no scores of 'lise'; it has those of made" in refused


def test_a_log_without_texts_cannot_be_replayed(folder: Path, tmp_path: Path, command: Command) -> None:
    with MonitorLog(tmp_path / "bare.sqlite") as log, MonitorLog(folder / "log.sqlite", mode="read") as kept:
        log.write(texts=list(kept.scores()))
    _, refused = command("monitor", "replay", str(tmp_path / "bare.sqlite"), str(folder / "monitor"), code=2)
    assert "--keep-texts" in refused
