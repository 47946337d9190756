"""``tiltmeter compare``: a table, a record, and exit codes that a job can act on."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.made_runs import make_folder, scored_rows
from tiltmeter.core.comparison import Bounds, Comparison

Command = Callable[..., tuple[str, str]]


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    folder = tmp_path_factory.mktemp("runs")
    made = {"strong": (3.0, 0), "alike": (3.0, 1), "weak": (1.0, 2)}
    for name, (strength, noise) in made.items():
        make_folder(folder / name, scored_rows(strength=strength, noise=noise))
    make_folder(folder / "fresh", scored_rows(strength=3.0, seed=5, prefix="new"))
    make_folder(folder / "far", scored_rows(strength=3.0, tests=("elsewhere",)))
    return {path.name: str(path) for path in folder.iterdir()}


def test_the_table_names_both_probes_every_figure_and_what_was_compared(command: Command, runs: dict[str, str]) -> None:
    printed, _ = command("compare", runs["strong"], runs["weak"], "--draws", "300")
    assert f"First: {runs['strong']}: Logistic at " in printed and f"Other: {runs['weak']}: " in printed
    for words in ("auroc", "caught", "false alarms", "other − first", "<0.001*", "corrected for 6 looks"):
        assert words in printed
    assert "facts: paired on 120 common test texts in 60 units, of 120 and 120" in printed
    assert "–: caught at equal alarms on facts: 60 negatives cannot resolve" in printed
    assert "Worse" not in printed


def test_the_record_is_printed_on_request(command: Command, runs: dict[str, str]) -> None:
    printed, _ = command("compare", runs["strong"], runs["weak"], runs["fresh"], "--draws", "300", "--json")
    record = Comparison.model_validate_json(printed)
    assert [run.run for run in record.runs] == [runs["strong"], runs["weak"], runs["fresh"]]
    assert [common.paired for common in record.common] == [True, True, False, False]


def test_unpaired_sets_are_marked_in_the_table(command: Command, runs: dict[str, str]) -> None:
    printed, _ = command("compare", runs["strong"], runs["fresh"], "--draws", "300")
    assert "facts: UNPAIRED, no test text in common (120 and 120)" in printed


def test_a_run_that_is_worse_than_a_baseline_ends_with_1_and_one_that_is_not_with_0(
    command: Command, runs: dict[str, str]
) -> None:
    printed, _ = command("compare", runs["weak"], "--against", runs["strong"], "--draws", "300", code=1)
    assert f"Worse: {runs['weak']}: auroc on facts" in printed
    printed, _ = command("compare", runs["alike"], "--against", runs["strong"], "--draws", "300")
    assert "Nothing is clearly worse." in printed
    command("compare", runs["strong"], "--against", runs["weak"], "--draws", "300")
    record, _ = command("compare", runs["weak"], "--against", runs["strong"], "--draws", "300", "--json", code=1)
    assert Comparison.model_validate_json(record).first == runs["strong"]


def test_bounds_are_written_kept_and_broken(command: Command, runs: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "bounds.json"
    assert command("compare", runs["strong"], "--write-bounds", str(path))[0].strip() == str(path)
    assert len(Bounds.model_validate_json(path.read_text(encoding="utf-8")).bounds) == 6
    assert "All 6 bounds kept." in command("compare", runs["strong"], "--bounds", str(path))[0]
    printed, _ = command("compare", runs["strong"], runs["weak"], "--bounds", str(path), code=1)
    assert "BROKEN" in printed and "bounds broken." in printed and "kept" in printed
    kept = json.loads(command("compare", runs["weak"], "--bounds", str(path), "--json", code=1)[0])
    assert {one["is_kept"] for one in kept} == {True, False}
    assert "exists already" in command("compare", runs["weak"], "--write-bounds", str(path), code=2)[1]


def test_bounds_on_other_texts_say_so(command: Command, runs: dict[str, str], tmp_path: Path) -> None:
    path = tmp_path / "bounds.json"
    command("compare", runs["strong"], "--write-bounds", str(path))
    content = json.loads(path.read_text(encoding="utf-8"))
    for bound in content["bounds"]:
        bound["texts"] = "0"
    path.write_text(json.dumps(content), encoding="utf-8")
    assert "kept, on other texts than recorded" in command("compare", runs["strong"], "--bounds", str(path))[0]


def test_what_cannot_be_compared_is_one_sentence_and_exit_code_2(
    command: Command, runs: dict[str, str], tmp_path: Path
) -> None:
    (tmp_path / "bounds.json").write_text('{"run": "a", "bounds": [{"test": "facts"}]}', encoding="utf-8")
    strong, weak = runs["strong"], runs["weak"]
    for arguments, words in {
        (strong,): "One run is nothing to compare",
        (strong, str(tmp_path)): "is not a run directory",
        (strong, runs["far"]): "share no test set",
        (strong, strong): "A run stands twice",
        (strong, weak, "--draws", "3"): "3 draws are too few",
        (strong, weak, "--write-bounds", str(tmp_path / "b.json")): "Bounds are taken from one run",
        (strong, "--bounds", "b.json", "--against", weak): "Give one of",
        (strong, "--bounds", str(tmp_path / "none.json")): "does not exist",
        (strong, "--bounds", str(tmp_path / "bounds.json")): "is not a record that this release reads",
    }.items():
        printed = command("compare", *arguments, code=2)[1]
        assert words in printed and printed.startswith("tiltmeter: ") and printed.count("\n") == 1
