"""Organisms are named by kind and seed, as a model and as a set of texts."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.organisms import load
from tiltmeter.studies import read_spec
from tiltmeter.studies._planted import own_sets
from tiltmeter.studies._sources import locate_model, open_organism, open_texts, which_organism


def test_name_and_seed_are_read_off_models_and_sets() -> None:
    assert which_organism("organism:facts") == which_organism("organism:facts@0/negated") == ("facts", 0)
    assert which_organism("organism:quirky@12/bob") == ("quirky", 12)
    assert which_organism("folder/texts@2.jsonl") is None


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("organism:facts@one", "has no number for a seed; write organism:facts@1, or organism:facts for seed 0"),
        ("organism:facts@", "has no number for a seed"),
        ("organism:facts/negated", "is a set of texts; the model is organism:facts"),
        ("organism:", "There is no organism ''"),
    ],
)
def test_a_model_that_is_named_wrongly_is_refused(where: str, message: str) -> None:
    with pytest.raises(SpecError, match=message):
        open_organism(where)


def test_texts_without_a_set_are_refused() -> None:
    with pytest.raises(
        SpecError, match="'organism:facts' names no set of texts of an organism; write organism:NAME/SET"
    ):
        open_texts("organism:facts", distribution="x")


def test_another_seed_is_looked_for_in_the_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setenv("TILTMETER_CACHE", str(tmp_path))
    with pytest.raises(FileError, match="pupil of seed 3 was not trained yet; tiltmeter organism train pupil --seed 3"):
        open_organism("organism:pupil@3")
    with pytest.raises(FileError, match="pupil of seed 3 was not trained yet"):
        open_texts("organism:pupil@3/model_easy", distribution="x")


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an organism of one's own, beside which one works."""
    shutil.copytree(load("facts").folder, tmp_path / "mine")
    monkeypatch.chdir(tmp_path)
    return tmp_path / "mine"


def test_an_organism_of_ones_own_is_named_by_its_folder(mine: Path) -> None:
    for where in ("./mine", f"../{mine.parent.name}/mine", str(mine)):
        found = open_organism(f"organism:{where}")
        assert found is not None and found.name == "mine"
        assert Path(locate_model(f"organism:{where}")).resolve() == mine
        texts = open_texts(f"organism:{where}/negated", distribution="no")
        assert texts.distribution == "no"
        assert texts.texts == open_texts("organism:facts/negated", distribution="no").texts
        assert which_organism(f"organism:{where}/negated") == which_organism("organism:./mine") == (str(mine), 0)


def test_a_spec_names_an_organism_beside_it(mine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = mine.parent / "spec.yaml"
    spec.write_text(
        "{name: s, model: {path: organism:./mine}, train: {distribution: yes_},"
        " texts: {yes_: organism:./mine/affirmative, bundled: organism:facts/negated}}"
    )
    (mine.parent / "elsewhere").mkdir()
    monkeypatch.chdir(mine.parent / "elsewhere")
    read = read_spec(spec)
    assert read.model.path == f"organism:{mine}"
    assert read.texts == {"yes_": f"organism:{mine}/affirmative", "bundled": "organism:facts/negated"}
    # columns of its own sets, and of no others, were planted in it
    assert own_sets(read) == ("yes_",)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("organism:./mine/negated", "is a set of texts; the model is organism:./mine"),
        ("organism:./yours", "yours/card.json does not exist"),
        ("organism:mine", "There is no organism 'mine', but a folder of one; write organism:./mine"),
    ],
)
def test_a_folder_that_is_named_wrongly_as_a_model_is_refused(mine: Path, where: str, message: str) -> None:
    with pytest.raises((SpecError, FileError), match=message):
        open_organism(where)


@pytest.mark.parametrize(
    ("where", "message"),
    [
        ("organism:./mine", "names no set of texts of an organism; write organism:./mine/SET"),
        ("organism:./mine/lies", "lies"),
        ("organism:./yours/negated", "yours/card.json does not exist"),
    ],
)
def test_a_folder_that_is_named_wrongly_as_texts_is_refused(mine: Path, where: str, message: str) -> None:
    with pytest.raises((SpecError, FileError), match=message):
        open_texts(where, distribution="x")
