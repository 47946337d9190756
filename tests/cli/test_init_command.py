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
import yaml

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


@pytest.mark.long
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
            "holds the texts; say so with --text. a: 1 value, ",
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


@pytest.mark.parametrize(
    "name",
    ["@t", "[1]", "{x}", "a: b", "'q", "%20", "*", "a #b", "-x", "~none", "!x", "&a", "`b", "x\ty", "😀: x", "yes"],
)
def test_a_file_of_any_name_becomes_a_spec_that_is_read(command, tmp_path: Path, name: str) -> None:
    texts = write(tmp_path / f"{name}.csv", ROWS)
    out, _ = command("init", "--model", "organism:facts", "--out", "made.yaml", "--", texts.name)
    source = yaml.safe_load((tmp_path / "made.yaml").read_text(encoding="utf-8"))["texts"]
    assert list(source.values()) == ["made.texts.jsonl"] and "Spec:  made.yaml" in out
    ready = [{"text": row["statement"], "label": int(row["is_true"] == "yes")} for row in ROWS]
    write(texts, ready)
    command("init", "--model", "organism:facts", "--out", "ready.yaml", "--", texts.name)
    assert open_material(read_spec(tmp_path / "ready.yaml")).texts


def test_the_commands_that_are_shown_can_be_typed(command, tmp_path: Path) -> None:
    write(tmp_path / "my towns.csv", ROWS)
    assert "\ntiltmeter study 'my towns.yaml'\n" in command("init", "my towns.csv", "--model", "organism:facts")[0]
    write(tmp_path / "-x.csv", ROWS)
    assert "\ntiltmeter study ./-x.yaml\n" in command("init", "--model", "organism:facts", "--", "-x.csv")[0]


def test_a_spec_stands_in_this_folder_whatever_it_is_called(command, monkeypatch, tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    write(tmp_path / "towns.csv", ROWS)
    command("init", "../towns.csv", "--model", "organism:facts", "--name", "../Städte")
    assert read_spec(tmp_path / "here" / "Städte.yaml").name == "Stadte"


@pytest.mark.parametrize("folder", ["not/yet/made", "linked/below"])
def test_paths_are_told_from_the_folder_of_the_spec(command, tmp_path: Path, folder: str) -> None:
    (tmp_path / "far" / "away" / "below").mkdir(parents=True)
    (tmp_path / "linked").symlink_to(tmp_path / "far" / "away")
    write(tmp_path / "towns.csv", [{"text": row["statement"], "label": i % 2} for i, row in enumerate(ROWS)])
    command("init", "towns.csv", "--model", "organism:facts", "--out", f"{folder}/towns.yaml")
    assert len(open_material(read_spec(tmp_path / folder / "towns.yaml")).texts["towns"]) == 180


@pytest.mark.parametrize("separator", [";", "\t"])
def test_what_a_spreadsheet_writes_between_fields_is_found(command, tmp_path: Path, separator: str) -> None:
    lines = [separator.join(("text", "label")), *(separator.join((f"w{i}, here", str(i % 2))) for i in range(40))]
    (tmp_path / "towns.tsv").write_text("\n".join(lines), encoding="utf-8")
    command("init", "towns.tsv", "--model", "organism:facts")
    assert open_material(read_spec(tmp_path / "towns.yaml")).texts["towns"].texts[3] == "w3, here"


@pytest.mark.parametrize("kind", ["csv", "jsonl"])
def test_chats_under_another_name_are_chats(command, tmp_path: Path, kind: str) -> None:
    chats = [[{"role": "user", "content": row["statement"]}] for row in ROWS]
    rows = [{"conversation": json.dumps(chat) if kind == "csv" else chat, "y": i % 2} for i, chat in enumerate(chats)]
    write(tmp_path / f"said.{kind}", rows)
    for option in ([], ["--text", "conversation", "--out", "again.yaml"]):
        out, _ = command("init", f"said.{kind}", "--model", "organism:facts", *option)
        assert "conversation is read as messages" in out
    assert open_material(read_spec(tmp_path / "said.yaml")).texts["said"].messages[0] == tuple(chats[0])


def test_of_labels_1_and_2_neither_is_taken_for_positive_but_of_1_and_minus_1_it_is(command, tmp_path: Path) -> None:
    for name, other in (("ratings", "2"), ("signs", "-1")):
        write(tmp_path / f"{name}.csv", [{"text": f"w{i} is here", "label": (other, "1")[i % 2]} for i in range(40)])
    assert "say with --positive" in command("init", "ratings.csv", "--model", "organism:facts", code=2)[1]
    assert "the label 1 means 1" in command("init", "signs.csv", "--model", "organism:facts")[0]


def test_a_file_without_a_header_loses_no_row_in_silence(command, tmp_path: Path) -> None:
    (tmp_path / "bare.csv").write_text("".join(f"w{i} is here,{i % 2}\n" for i in range(40)), encoding="utf-8")
    assert "write a line such as text,label above it" in command("init", "bare.csv", "--model", "m/m", code=2)[1]


def test_a_column_of_one_value_is_no_group_nor_is_one_that_is_not_wanted(command, tmp_path: Path) -> None:
    rows = [{"text": f"w{i} is here", "label": i % 2, "source": "web", "topic": f"t{i % 3}"} for i in range(90)]
    write(tmp_path / "a.csv", [{name: row[name] for name in ("text", "label", "source")} for row in rows])
    assert "There are no groups" in command("init", "a.csv", "--model", "organism:facts")[0]
    write(tmp_path / "b.csv", rows)
    assert "There are no groups" in command("init", "b.csv", "--model", "organism:facts", "--group", "")[0]


def test_one_of_several_distributions_is_chosen_by_name(command, tmp_path: Path) -> None:
    write(
        tmp_path / "a.csv", [{"text": f"w{i} is", "label": i // 2 % 2, "distribution": "ab"[i % 2]} for i in range(80)]
    )
    assert "--name" in command("init", "a.csv", "--model", "organism:facts", code=2)[1]
    command("init", "a.csv", "--model", "organism:facts", "--name", "b")
    assert len(open_material(read_spec(tmp_path / "b.yaml")).texts["b"]) == 40


@pytest.mark.parametrize(
    ("options", "words"),
    [
        (["--model", "organism:facts", "--group", "statement"], "cannot hold two of texts, labels, groups and ids"),
        (["--model", "organism:fact"], "no organism"),
        (["--model", "./gone"], "'./gone' does not exist"),
        (["--model", "~nobody-there/gone"], "does not exist"),
        (["--model", ""], "Name the model"),
        (["--model", "organism:facts", "--out", "/proc/none/a.yaml"], "/proc/none/a.texts.jsonl cannot be written"),
    ],
)
def test_what_a_study_would_refuse_later_is_refused_at_once(command, tmp_path: Path, options, words: str) -> None:
    write(tmp_path / "towns.csv", ROWS)
    assert words in command("init", "towns.csv", *options, code=2)[1]
    assert [path.name for path in tmp_path.iterdir()] == ["towns.csv"]


def test_a_wrong_answer_is_asked_for_again(command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(
        tmp_path / "odd.csv", [{"said": r["statement"], "again": r["statement"], "v": r["is_true"] + "!"} for r in ROWS]
    )
    monkeypatch.setattr(sys, "stdin", Terminal("sad\nsaid\nyes\nyes!\ntown\n\n"))
    _, err = command("init", "odd.csv", "--model", "organism:facts")
    assert "There is no 'sad'; one of said, again, v." in err
    assert "There is no 'yes'" in err and "There is no 'town'" in err
    assert read_spec(tmp_path / "odd.yaml").train.ungrouped is not None


def test_breaking_off_at_a_question_stops_as_ctrl_c_does(
    command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    write(tmp_path / "odd.csv", [{"said": r["statement"], "again": r["statement"], "v": r["is_true"]} for r in ROWS])
    monkeypatch.setattr(sys, "stdin", Terminal(""))
    _, err = command("init", "odd.csv", "--model", "organism:facts", code=130)
    assert err.rstrip().endswith("tiltmeter: stopped. Nothing half-written is left.")
    assert [path.name for path in tmp_path.iterdir()] == ["odd.csv"]


def test_nothing_is_asked_for_a_spec_that_is_there(command, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    write(tmp_path / "odd.csv", [{"said": "a b", "again": "c d"}])
    (tmp_path / "odd.yaml").write_text("mine", encoding="utf-8")
    monkeypatch.setattr(sys, "stdin", Terminal("said\n"))
    _, err = command("init", "odd.csv", code=2)
    assert "exists already" in err and "Which column" not in err
