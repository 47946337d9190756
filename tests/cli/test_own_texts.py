"""A file of one's own is read wherever texts are read: by the same options, and with the same guess at its texts."""

from __future__ import annotations

import csv
import json
from dataclasses import replace
from pathlib import Path

import pytest

from tests.cli.conftest import Command
from tests.made_monitors import certified, made_monitor
from tiltmeter import models, studies
from tiltmeter.activations import ActivationStore
from tiltmeter.core.errors import SpecError
from tiltmeter.monitor import Monitor

pytestmark = pytest.mark.smoke


@pytest.fixture
def folder(tiny_model: Path, tmp_path: Path) -> Path:
    made_monitor(models.load(str(tiny_model)), threshold=0.0, sign=1).save(tmp_path / "m")
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


@pytest.mark.parametrize("called", ["split", "distribution", "pair", "label"])
def test_to_be_scored_a_text_needs_no_column_but_its_own(
    command: Command, folder: Path, own: Path, tiny_model: Path, called: str
) -> None:
    own.write_text(own.read_text().replace(",template,", f",{called},", 1).replace(",label,", ",kind,", 1))
    assert len(command("score", str(folder), str(own), "--model", str(tiny_model))[0].splitlines()) == 60


@pytest.mark.parametrize("called", ["positive", "messages"])
def test_whoever_names_the_texts_may_have_other_things_in_columns_called_so(called: str, own: Path) -> None:
    own.write_text(own.read_text().replace(",label,", f",{called},", 1))
    columns = studies.ColumnsOf(text="sentence", label=called, positive="yes")
    texts, _ = studies.open_own_texts(str(own), columns, distribution="own", labels="given")
    assert texts.y is not None and texts.y.tolist() == [0, 1] * 30
    unlabelled, _ = studies.open_own_texts(
        str(own), studies.ColumnsOf(text="sentence"), distribution="own", labels="ignored"
    )
    assert unlabelled.texts is not None and unlabelled.texts[0] == "w0 of w0 ."


def test_labels_and_groups_are_known_in_capitals_and_with_spaces_too(own: Path) -> None:
    own.write_text(own.read_text().replace(",label,template,", ", Label,GROUP,", 1))
    texts, notes = studies.open_own_texts(str(own), distribution="own", labels="given")
    assert texts.y is not None and texts.groups is not None and len(set(texts.groups.tolist())) == 30
    assert " Label is read as label" in notes and "GROUP is read as group" in notes


def test_a_column_that_is_named_as_something_else_holds_no_labels(own: Path) -> None:
    own.write_text(own.read_text().replace("key,sentence,label,", "label,sentence,kind,", 1))
    texts, _ = studies.open_own_texts(str(own), studies.ColumnsOf(id="label"), distribution="own", labels="given")
    assert texts.y is None and texts.ids[0] == "k0"


@pytest.mark.parametrize(
    ("header", "options", "said"),
    [
        ("key,sentence,kind,", {"positive": "yes"}, "--positive is 'yes', and .* has no labels"),
        ("positive,negative,kind,", {"label": "kind"}, "positive and negative, which are its labels"),
        ("positive,negative,kind,", {"positive": "yes"}, "positive and negative, which are its labels"),
    ],
)
def test_what_is_said_of_labels_that_are_not_there_is_refused(
    own: Path, header: str, options: dict[str, str], said: str
) -> None:
    own.write_text(own.read_text().replace("key,sentence,label,", header, 1))
    with pytest.raises(SpecError, match=said):
        studies.open_own_texts(str(own), studies.ColumnsOf(**options), distribution="own", labels="given")


def test_the_columns_of_an_organism_are_not_named() -> None:
    with pytest.raises(SpecError, match="are known; leave --text"):
        studies.open_own_texts(
            "organism:facts/negated", studies.ColumnsOf(text="words"), distribution=None, labels="given"
        )
