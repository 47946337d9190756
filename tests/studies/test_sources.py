"""Organisms are named by kind and seed, as a model and as a set of texts."""

from __future__ import annotations

import pytest

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.studies._sources import open_organism, open_texts, which_organism


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
