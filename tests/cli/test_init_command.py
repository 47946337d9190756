"""``tiltmeter init``: a spec for somebody's own file, which a study accepts."""

from __future__ import annotations

import csv
import io
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from tiltmeter.studies import read_spec
from tiltmeter.studies._material import open_material

pytestmark = pytest.mark.smoke

ROWS = [
    {"statement": f"the town of w{i % 15} is {word} w{i}", "is_true": said, "town": f"t{i % 15}"}
    for i in range(90)
    for said, word in (("yes", "old"), ("no", "new"))
]


def write(path: Path, rows: list[dict[str, Any]]) -> Path:
    match path.suffix:
        case ".jsonl":
            path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
        case ".parquet":
            pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), path)
        case ".csv":
            with path.open("w", encoding="utf-8", newline="") as file:
                writer = csv.DictWriter(file, list(rows[0]))
                writer.writeheader()
                writer.writerows(rows)
    return path


@pytest.fixture(autouse=True)
def _nobody_to_ask(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO())
    monkeypatch.chdir(tmp_path)


@pytest.mark.parametrize("kind", ["csv", "jsonl", "parquet"])
def test_a_file_with_odd_columns_becomes_a_spec_that_a_study_accepts(command, tmp_path: Path, kind: str) -> None:
    texts = write(tmp_path / f"towns.{kind}", ROWS)
    out, _ = command("init", texts.name, "--model", "organism:facts", "--group", "town")
    assert "statement is read as text" in out and "the label yes means 1" in out and "town is read as group" in out
    spec = read_spec(tmp_path / "towns.yaml")
    assert (spec.name, spec.model.path, spec.train.distribution) == ("towns", "organism:facts", "towns")
    material = open_material(spec)
    assert material.grouped_by == {"towns": "group"}
    assert material.texts["towns"].texts == tuple(row["statement"] for row in ROWS)
    assert material.texts["towns"].y.tolist() == [1, 0] * 90


def test_a_file_with_the_usual_names_is_used_as_it_is(command, tmp_path: Path, write_rows, rows) -> None:
    write_rows(rows)
    out, _ = command("init", "texts.jsonl", "--model", "organism:facts", "--name", "mine", "--json")
    told = json.loads(out)
    assert told["texts"] is None and told["leakage"]["n_exact"] == 0
    spec = read_spec(tmp_path / "mine.yaml")
    assert Path(spec.texts["mine"]) == tmp_path / "texts.jsonl"
    assert [path.name for path in sorted(tmp_path.iterdir())] == ["mine.yaml", "texts.jsonl"]


def test_leaks_across_the_split_are_told_and_closed_where_there_are_no_groups(command, tmp_path: Path) -> None:
    said = [(i, f"The city of C{i % 70} number {i} is") for i in range(200)]
    rows = [{"text": f"{a} {b} country {i % 9}.", "label": y} for i, a in said for y, b in ((1, "in"), (0, "not in"))]
    write(tmp_path / "towns.csv", rows)
    out, _ = command("init", "towns.csv", "--model", "organism:facts")
    assert "held-out texts were copies or near copies of training texts" in out
    assert "There are no groups" not in out
    spec = read_spec(tmp_path / "towns.yaml")
    assert spec.train.ungrouped == "shared_words"


COPIED = [
    {"text": f"w{i // 2} and w{i // 2} {i % 2}", "label": i % 2, "group": f"{half}{i}"}
    for half in "gh"
    for i in range(40)
]


def test_groups_that_hold_copies_of_each_other_are_joined(command, tmp_path: Path) -> None:
    own = write(tmp_path / "copied.csv", COPIED)
    before = own.read_bytes()
    out, _ = command("init", "copied.csv", "--model", "organism:facts")
    assert "groups that hold such texts are one now, which leaves 0" in out and "Texts: copied.texts.jsonl" in out
    assert "No held-out text is in training." in (tmp_path / "copied.yaml").read_text(encoding="utf-8")
    assert own.read_bytes() == before
    material = open_material(read_spec(tmp_path / "copied.yaml"))
    units = material.units["copied"].tolist()
    assert units[:40] == units[40:] and material.grouped_by == {"copied": "group"}


def test_copies_in_splits_that_the_file_names_are_told(command, tmp_path: Path) -> None:
    parts = ("train", "train", "calibration", "test")
    rows = [{**row, "split": parts[(i % 40) // 2 % 4] if i < 40 else "train"} for i, row in enumerate(COPIED)]
    write(tmp_path / "copied.csv", rows)
    out, _ = command("init", "copied.csv", "--model", "organism:facts")
    assert "held-out texts are copies or near copies of training texts, such as " in out
    assert "held-out texts are (near) copies" in (tmp_path / "copied.yaml").read_text(encoding="utf-8")
    assert not (tmp_path / "copied.texts.jsonl").exists()


def test_near_copies_are_told_where_joining_them_would_leave_too_little_to_split(command, tmp_path: Path) -> None:
    rows = [{"text": f"one and the same text {'not' * (i % 2)}", "label": i % 2, "group": f"g{i}"} for i in range(40)]
    write(tmp_path / "same.csv", rows)
    out, _ = command("init", "same.csv", "--model", "organism:facts")
    assert "held-out texts are copies or near copies of training texts, such as " in out
    assert not (tmp_path / "same.texts.jsonl").exists()


def test_a_column_whose_values_repeat_is_offered_as_the_group(command, tmp_path: Path) -> None:
    write(tmp_path / "towns.csv", [{**row, "row": i, "kind": i % 2} for i, row in enumerate(ROWS)])
    out, _ = command("init", "towns.csv", "--model", "organism:facts", "--label", "is_true")
    assert "name it with --group: town (15 values)." in out


def test_the_rate_of_the_threshold_is_one_that_can_be_certified(command, tmp_path: Path) -> None:
    write(tmp_path / "towns.csv", ROWS)
    out, _ = command("init", "towns.csv", "--model", "organism:facts", "--group", "town", code=0)
    # 15 towns give some four calibration units, of which none certifies even 0.3
    assert "too few to certify any threshold" in out
    assert read_spec(tmp_path / "towns.yaml").threshold.fpr == 0.01
    many = [{"text": f"w{i} stands here", "label": i % 2, "group": f"g{i}"} for i in range(1000)]
    write(tmp_path / "many.csv", many)
    out, _ = command("init", "many.csv", "--model", "organism:facts")
    assert "enough to certify 0.05 false alarms; 0.01 needs 299" in out or "0.02 false alarms" in out


@pytest.mark.parametrize(
    ("rows", "options", "words"),
    [
        (
            [{"a": "b c", "d": "e f", "label": "1"}],
            [],
            "holds the texts; say so with --text. a: 1 values",
        ),
        ([{"text": "b c", "kind": "x"}], [], "which column of towns.csv holds the labels; say so with --label"),
        ([{"text": "b c", "label": "good"}, {"text": "d e", "label": "bad"}], [], "say with --positive which of them"),
        ([{"text": "b c", "label": "1"}], ["--label", "truth"], "--label is 'truth', which is no column of towns.csv"),
        ([{"text": "b c", "label": "1"}], [], "both labels"),
    ],
)
def test_what_cannot_be_told_is_one_sentence_and_leaves_nothing(
    command, tmp_path: Path, rows: list[dict[str, Any]], options: list[str], words: str
) -> None:
    write(tmp_path / "towns.csv", rows)
    _, err = command("init", "towns.csv", "--model", "organism:facts", *options, code=2)
    assert words in err and "Traceback" not in err
    assert [path.name for path in tmp_path.iterdir()] == ["towns.csv"]


def test_neither_a_spec_nor_a_model_is_made_up(command, tmp_path: Path) -> None:
    write(tmp_path / "towns.csv", ROWS)
    assert "--model" in command("init", "towns.csv", code=2)[1]
    (tmp_path / "towns.yaml").write_text("mine", encoding="utf-8")
    assert "towns.yaml exists already" in command("init", "towns.csv", "--model", "organism:facts", code=2)[1]
    assert (tmp_path / "towns.yaml").read_text(encoding="utf-8") == "mine"


def test_a_spec_that_is_there_is_said_before_anything_is_asked(
    command: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / "towns.csv", ROWS)
    (tmp_path / "towns.yaml").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    _, err = command("init", "towns.csv", code=2)
    assert err == "tiltmeter: towns.yaml exists already; remove it first, or name another spec with --out.\n"


def test_texts_that_an_earlier_spec_left_are_not_touched(command, tmp_path: Path) -> None:
    write(tmp_path / "towns.csv", ROWS)
    (tmp_path / "towns.texts.jsonl").write_text("mine", encoding="utf-8")
    _, err = command("init", "towns.csv", "--model", "organism:facts", code=2)
    assert "towns.texts.jsonl exists already" in err
    assert (tmp_path / "towns.texts.jsonl").read_text(encoding="utf-8") == "mine"


class Terminal(io.StringIO):
    """Somebody who answers."""

    def isatty(self) -> bool:
        return True


def test_in_a_terminal_it_asks_what_it_cannot_tell(
    command: Callable[..., tuple[str, str]], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    odd = [{"said": row["statement"], "again": row["statement"], "verdict": row["is_true"] + "!"} for row in ROWS]
    write(tmp_path / "odd.csv", odd)
    monkeypatch.setattr(sys, "stdin", Terminal("said\nyes!\n\norganism:facts\n"))
    out, err = command("init", "odd.csv")
    assert "Which column holds the texts?" in err and "Which label means 1" in err and "Which model" in err
    assert "said is read as text" in out and "verdict is read as label" in out
    assert read_spec(tmp_path / "odd.yaml").model.path == "organism:facts"
