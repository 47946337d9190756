"""The commands do their job from spec to score, and say where things are."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from tiltmeter import organisms
from tiltmeter.cli import main
from tiltmeter.core.records import Unavailable
from tiltmeter.monitor import Monitor

pytestmark = pytest.mark.smoke

Run = Callable[..., str]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs the command line in this process and returns what it printed."""

    def call(*arguments: str, code: int = 0) -> str:
        monkeypatch.setattr(sys, "argv", ["tiltmeter", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
            sys.exit(0)
        assert stopped.value.code == code
        printed = capsys.readouterr()
        return printed.out if code == 0 else printed.err

    return call


@pytest.fixture
def folder(
    run: Run, tiny_model: Path, write_rows: Callable[..., Path], rows: list[dict[str, Any]], tmp_path: Path
) -> Path:
    spec = {
        "name": "small",
        "model": {"path": str(tiny_model)},
        "texts": {"home": str(write_rows(rows))},
        "train": {"distribution": "home", "folds": 2},
        "threshold": {"fpr": 0.3},
        "read": {"pooling": "mean"},
        "evidence": {"bootstrap": 100, "random_directions": 5, "shuffles": 19},
    }
    path = tmp_path / "spec.yaml"
    path.write_text(yaml.safe_dump(spec), encoding="utf-8")
    printed = run("study", str(path), "--out", str(tmp_path / "run"))
    assert "Verdict: " in printed
    assert str(tmp_path / "run" / "report.html") in printed.replace("\n", "")
    return tmp_path / "run"


@pytest.mark.long
def test_a_report_is_written_again_from_its_records(run: Run, folder: Path) -> None:
    page = folder / "report.html"
    before = page.read_text(encoding="utf-8")
    page.unlink()
    assert run("report", str(folder)).strip() == str(page.resolve())
    assert page.read_text(encoding="utf-8") == before


@pytest.mark.long
def test_a_monitor_scores_new_texts_one_line_each(
    run: Run, folder: Path, write_rows: Callable[..., Path], tmp_path: Path
) -> None:
    texts = write_rows([{"id": "a", "text": "w1 is w38 ."}, {"id": "b", "text": "w1 is w39 ."}], name="new.jsonl")
    monitor = folder / "monitors" / "best"
    lines = [json.loads(line) for line in run("score", str(monitor), str(texts)).splitlines()]
    assert [line["id"] for line in lines] == ["a", "b"]
    assert lines[0]["score"] > lines[1]["score"]
    assert {type(line["alarm"]) for line in lines} == {bool}
    out = tmp_path / "scores.jsonl"
    run("score", str(monitor), str(texts), "--out", str(out))
    assert [json.loads(line) for line in out.read_text(encoding="utf-8").splitlines()] == lines
    assert "exists already" in run("score", str(monitor), str(texts), "--out", str(out), code=2)


@pytest.mark.long
def test_a_monitor_without_a_threshold_scores_and_says_why_there_are_no_alarms(
    folder: Path,
    write_rows: Callable[..., Path],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    loaded = Monitor.load(folder / "monitors" / "best")
    none = Unavailable(reason="5 negatives are too few")
    bare = Monitor(loaded.direction, loaded.card.model_copy(update={"threshold": none}))
    bare.save(tmp_path / "bare")
    texts = write_rows([{"id": "a", "text": "w1 is w38 ."}], name="new.jsonl")
    monkeypatch.setattr(sys, "argv", ["tiltmeter", "score", str(tmp_path / "bare"), str(texts)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 0
    printed = capsys.readouterr()
    assert json.loads(printed.out)["alarm"] is None
    assert "no alarms from this monitor, for it has no threshold: 5 negatives are too few" in printed.err


def test_a_report_of_no_run_is_refused(run: Run, tmp_path: Path) -> None:
    assert "run.json" in run("report", str(tmp_path), code=2)


def test_a_parameter_without_a_value_is_refused(run: Run, tmp_path: Path) -> None:
    path = tmp_path / "spec.yaml"
    path.write_text("name: s", encoding="utf-8")
    assert "not of the form NAME=VALUE" in run("study", str(path), "--set", "data", code=2)


def test_the_bundled_organism_is_listed_and_described(run: Run) -> None:
    assert run("organism", "list").startswith("facts: ")
    assert "held out at random" in run("organism", "show", "facts")
    assert "held out at random" in run("organism", "show", str(organisms.load("facts").folder))
    assert "facts" in run("organism", "show", "fact", code=2)


def test_help_teaches_and_loads_neither_torch_nor_transformers() -> None:
    code = (
        "import sys; sys.argv = ['tiltmeter', '--help']\n"
        "from tiltmeter.cli import main\n"
        "try: main()\n"
        "except SystemExit: pass\n"
        "print([m for m in ('torch', 'transformers', 'sklearn', 'altair') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "tiltmeter study examples/facts.yaml" in done.stdout
    assert done.stdout.rstrip().endswith("[]")


def test_an_unknown_command_is_a_usage_error(run: Run) -> None:
    assert "No such command" in run("stduy", code=2)
