"""``tiltmeter verdict``, ``card`` and ``publish``: one verdict everywhere, and exit codes that tell."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.made_runs import make_folder, make_monitor, scored_rows
from tiltmeter.core.evidence import Evidence, Verdict
from tiltmeter.evaluation import judge
from tiltmeter.monitor import read_card

Command = Callable[..., tuple[str, str]]


@pytest.fixture
def run(tmp_path: Path) -> tuple[Path, Evidence]:
    evidence = make_folder(tmp_path / "run", scored_rows(strength=1.5))
    make_monitor(tmp_path / "run" / "monitors" / "best", evidence)
    return tmp_path / "run", evidence


def flat(text: str) -> str:
    return " ".join(text.split())


def test_a_run_and_its_monitor_print_every_statement_of_one_verdict(
    command: Command, run: tuple[Path, Evidence]
) -> None:
    folder, evidence = run
    assert isinstance(evidence.verdict, Verdict)
    printed, _ = command("verdict", str(folder))
    assert command("verdict", str(folder / "monitors" / "best"))[0] == printed
    for words in (evidence.verdict.headline, *(f"{s.text} ({s.because})" for s in evidence.verdict.statements)):
        assert flat(words) in flat(printed)
    assert printed.index("Against it:") < printed.index("For it:") < printed.index("Notes:")
    as_json, _ = command("verdict", str(folder), "--json")
    assert Verdict.model_validate_json(as_json) == evidence.verdict


def test_an_old_run_is_judged_again_and_what_changed_is_printed_and_nothing_is_written(
    command: Command, run: tuple[Path, Evidence]
) -> None:
    folder, evidence = run
    assert "Nothing else differs." in command("verdict", str(folder), "--rejudge")[0]
    path = folder / "evidence.json"
    content = json.loads(path.read_text(encoding="utf-8"))
    content["verdict"]["rules_version"] = 1
    content["verdict"]["outcome"] = "undecided"
    content["verdict"]["statements"][0]["text"] = "The omens are good."
    content["verdict"]["headline"] = "Who knows."
    path.write_text(json.dumps(content), encoding="utf-8")
    before = path.read_bytes()
    printed, _ = command("verdict", str(folder), "--rejudge")
    assert "Before, by version 1 of the rules: undecided." in printed
    assert "The headline was: Who knows." in printed
    assert "No longer said:" in printed and "The omens are good." in printed and "Said now:" in printed
    change = json.loads(command("verdict", str(folder), "--rejudge", "--json")[0])
    assert change["new"] == judge(evidence).model_dump(mode="json") and len(change["gone"]) == len(change["come"]) == 1
    assert path.read_bytes() == before


def test_a_run_that_was_never_judged_is_refused_and_judged_on_request(
    command: Command, run: tuple[Path, Evidence]
) -> None:
    folder, evidence = run
    path = folder / "evidence.json"
    bare = {**evidence.model_dump(mode="json"), "verdict": {"kind": "unavailable", "reason": "not judged yet"}}
    path.write_text(json.dumps(bare), encoding="utf-8")
    assert "add --rejudge for one" in command("verdict", str(folder), code=2)[1]
    assert "There was no verdict before (not judged yet)." in command("verdict", str(folder), "--rejudge")[0]


@pytest.mark.parametrize("damage", ["evidence.json", "monitors/best/direction.json", "monitors/best/monitor.json"])
def test_a_damaged_run_or_monitor_is_one_sentence_and_exit_code_2(
    command: Command, run: tuple[Path, Evidence], damage: str
) -> None:
    folder, _ = run
    path = folder / damage
    path.write_bytes(path.read_bytes()[:-20])
    where = folder if damage == "evidence.json" else folder / "monitors" / "best"
    printed = command("verdict", str(where), code=2)[1]
    assert printed.startswith("tiltmeter: ") and printed.count("\n") == 1
    assert "neither a monitor nor a run" in command("verdict", str(folder / "nowhere"), code=2)[1]


def test_a_card_is_written_and_the_monitor_published_to_a_folder(
    command: Command, run: tuple[Path, Evidence], tmp_path: Path
) -> None:
    folder, _ = run
    best = folder / "monitors" / "best"
    assert "card.json does not exist" in command("publish", str(folder), f"file:{tmp_path / 'out'}", code=2)[1]
    printed, _ = command("card", str(folder), "--licence", "apache-2.0", "--base-model", "Qwen/Qwen3-0.6B")
    assert printed.strip() == str((best / "README.md").resolve())
    assert (read_card(best).licence, read_card(best).base_model) == ("apache-2.0", "Qwen/Qwen3-0.6B")
    printed, warned = command("publish", str(best), f"file:{tmp_path / 'out'}")
    assert printed.strip() == str(tmp_path / "out") and "quotes" in warned and "texts of the data" in warned
    assert command("verdict", str(tmp_path / "out"))[0] == command("verdict", str(folder))[0]
    elsewhere = tmp_path / "card"
    command("card", str(best), "--out", str(elsewhere))
    assert {path.name for path in elsewhere.iterdir()} == {"README.md", "card.json"}
    assert "exists already" in command("card", str(best), "--out", str(elsewhere), code=2)[1]
    assert "add --out FOLDER" in command("card", "hub:me/probe", code=2)[1]
    assert "give the Hub's identifier" in command("card", str(best), "--licence", "My Own", code=2)[1]


def test_nothing_is_published_where_a_page_was_changed(
    command: Command, run: tuple[Path, Evidence], tmp_path: Path
) -> None:
    folder, _ = run
    command("card", str(folder))
    page = folder / "monitors" / "best" / "README.md"
    page.write_text(page.read_text(encoding="utf-8") + "Very good.", encoding="utf-8")
    assert "README.md does not match" in command("publish", str(folder), f"file:{tmp_path / 'out'}", code=2)[1]
    assert not (tmp_path / "out").exists()
