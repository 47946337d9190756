"""``tiltmeter organism league``: bad input, and what it prints."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from tests.studies.tiny_league import SPEC, TINY
from tiltmeter.cli import main


def run(*arguments: str) -> int:
    """Return the exit code of the command line."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys, "argv", ["tiltmeter", "organism", "league", *arguments])
        with pytest.raises(SystemExit) as stopped:
            main()
    return int(stopped.value.code or 0)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "fact-truth"), "There is no task 'fact-truth' in the league; its tasks are facts-truth"),
        (("--seeds", "one"), "--seeds 'one' is not a list of whole numbers"),
        (("--seeds", "0,0"), "give whole numbers from 0, each once"),
        (("--seeds", "-1"), "give whole numbers from 0, each once"),
    ],
)
def test_bad_input_is_one_sentence_and_exit_code_2(arguments, said, tmp_path: Path, capsys):
    out = tmp_path / "league"
    assert run(*arguments, "--out", str(out)) == 2
    (line,) = (line for line in capsys.readouterr().err.splitlines() if line != "league: loading …")
    assert line.startswith("tiltmeter: ") and said in line
    assert not out.exists()


def test_a_folder_that_holds_something_else_is_refused(tmp_path: Path, capsys):
    (tmp_path / "mine.txt").write_text("mine", encoding="utf-8")
    assert run("--out", str(tmp_path)) == 2
    assert "holds something else than a league" in capsys.readouterr().err
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


@pytest.mark.long
def test_a_task_of_the_league_is_printed_as_json_or_in_words(tmp_path: Path, capsys, monkeypatch):
    import tiltmeter.studies as studies

    # the task list and the methods of the tiny league in place of the whole one
    small = SPEC.model_copy(update={"tasks": (TINY[1],), "readers": ("mean_difference", "lda"), "erasers": ()})
    monkeypatch.setattr(studies, "TASKS", small.tasks)
    monkeypatch.setattr(studies, "LeagueSpec", lambda tasks, seeds: small)
    assert run("--out", str(tmp_path / "league"), "--json") == 0
    found = json.loads(capsys.readouterr().out)
    assert [one["task"] for one in found["tasks"]] == ["two"]
    assert found == json.loads((tmp_path / "league" / "league.json").read_text(encoding="utf-8"))
    assert run("--out", str(tmp_path / "league")) == 0
    captured = capsys.readouterr()
    assert "is there already" in captured.err
    assert "One seed of each organism is one draw" in captured.out.replace("\n", " ")
