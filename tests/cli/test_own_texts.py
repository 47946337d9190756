"""A file of one's own is read wherever texts are read: by the same options, and with the same guess at its texts."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.made_monitors import certified
from tests.service.served import made_monitor
from tiltmeter import models
from tiltmeter.activations import ActivationStore
from tiltmeter.monitor import Monitor

pytestmark = pytest.mark.smoke


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    made_monitor(models.load(str(tiny_model))).save(tmp_path / "m")
    return tmp_path / "m"


@pytest.fixture
def own(tmp_path: Path) -> Path:
    """A spreadsheet: 60 sentences in 30 templates, each hateful and not."""
    with (tmp_path / "own.csv").open("w", newline="") as file:
        rows = csv.writer(file)
        rows.writerow(["key", "sentence", "label", "template", "note"])
        rows.writerows(
            [f"k{i}", f"w{i % 40} of w{i % 7} .", "yes" if i % 2 else "no", f"t{i // 2}", "-"] for i in range(60)
        )
    return tmp_path / "own.csv"


def test_texts_are_scored_as_init_would_read_them_and_labels_are_not_asked_for(
    command: Command, folder: Path, own: Path, tiny_model: Path
) -> None:
    out, err = command("score", str(folder), str(own), "--model", str(tiny_model), "--id", "key")
    scored = [json.loads(line) for line in out.splitlines()]
    assert [line["id"] for line in scored] == [f"k{i}" for i in range(60)]
    n_alarms = sum(line["alarm"] for line in scored)
    assert "score: sentence is read as text.\nscore: key is read as id.\n" in err
    assert f"score: 60 texts, {n_alarms} alarms\n" in err


def test_what_was_written_to_a_file_is_summed_up(command: Command, folder: Path, own: Path, tiny_model: Path) -> None:
    to = own.with_name("scores.jsonl")
    out, _ = command("score", str(folder), str(own), "--model", str(tiny_model), "--out", str(to))
    n_alarms = sum(json.loads(line)["alarm"] for line in to.read_text().splitlines())
    assert out == f"{to}: 60 texts, {n_alarms} alarms\n"


def test_another_column_is_scored_where_it_is_named(
    command: Command, folder: Path, own: Path, tiny_model: Path
) -> None:
    arguments = ("score", str(folder), str(own), "--model", str(tiny_model))
    assert command(*arguments, "--text", "note")[0] != command(*arguments)[0]
    said = command(*arguments, "--text", "words", code=2)[1]
    assert "--text is 'words', which is no column of" in said and "sentence: " in said
    said = command(*arguments, "--text", "key", "--id", "key", code=2)[1]
    assert "The column 'key'" in said and "name others with --text, --label, --group and --id" in said


def test_where_no_column_can_be_told_the_columns_are_listed(
    command: Command, folder: Path, own: Path, tiny_model: Path
) -> None:
    own.write_text("a,b\nw1 of w2,w3 of w4\nw5 of w6,w7 of w8\n")
    said = command("score", str(folder), str(own), "--model", str(tiny_model), code=2)[1]
    assert "It cannot be told which column" in said and "say so with --text. a: 2 values, such as w1 of w2" in said


def test_certified_are_the_texts_without_the_concept_counted_by_their_groups(
    command: Command, folder: Path, own: Path, tiny_model: Path
) -> None:
    out, err = command(
        "monitor", "certify", str(folder), str(own), "--model", str(tiny_model), "--population", "quiet",
        "--fpr", "0.2", "--group", "template", "--out", str(own.with_name("certified")),
    )  # fmt: skip
    # 30 groups: the texts of label 1 are left out
    assert "confidence 0.95, 30 groups" in out
    assert "certify: the label yes means 1, every other 0." in err


def test_where_the_study_counted_groups_it_is_said_that_new_texts_have_none(
    command: Command, folder: Path, own: Path, tiny_model: Path
) -> None:
    monitor = Monitor.load(folder)
    grouped = certified(0.0).model_copy(update={"unit": "group"})
    for name, threshold in (("rows", certified(0.0)), ("groups", grouped)):
        card = monitor.card.model_copy(update={"threshold": threshold})
        replace(monitor, card=card).save(own.with_name(name))
        _, err = command(
            "monitor", "certify", str(own.with_name(name)), str(own), "--model", str(tiny_model), "--fpr", "0.2",
            "--population", "quiet", "--out", str(own.with_name(f"{name}-certified")),
        )  # fmt: skip
        assert ("Name their column with --group" in err) == (name == "groups")


def test_collected_are_labels_and_groups_under_names_of_their_own(
    command: Command, own: Path, tiny_model: Path, tmp_path: Path
) -> None:
    store = tmp_path / "acts"
    own.write_text(own.read_text().replace(",label,", ",hateful,", 1))
    command(
        "collect", str(tiny_model), str(own), "--store", str(store), "--sites", "1.resid_post",
        "--label", "hateful", "--positive", "no", "--group", "template", "--id", "key",
    )  # fmt: skip
    acts = ActivationStore.open(store).read("1.resid_post")
    assert acts.y is not None and acts.groups is not None
    assert acts.y.tolist() == [1, 0] * 30 and len(set(acts.groups.tolist())) == 30 and acts.ids[0] == "k0"


def test_a_label_is_not_guessed_where_nobody_looks_at_the_guess(
    command: Command, own: Path, tiny_model: Path, tmp_path: Path
) -> None:
    own.write_text(own.read_text().replace(",label,", ",is_true,", 1))
    command("collect", str(tiny_model), str(own), "--store", str(tmp_path / "acts"), "--sites", "1.resid_post")
    assert ActivationStore.open(tmp_path / "acts").read("1.resid_post").y is None


def test_reference_texts_are_chosen_from_it(command: Command, folder: Path, own: Path, tiny_model: Path) -> None:
    _, err = command("monitor", "reference", str(folder), str(own), "--model", str(tiny_model), "--text", "sentence")
    assert "reference: sentence is read as text." in err and "of 60 texts stand in it" in err
