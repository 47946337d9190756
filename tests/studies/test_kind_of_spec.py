"""A spec is told by its keys: a study's, or a contest's."""

from __future__ import annotations

from pathlib import Path

import pytest

from tiltmeter.core.errors import FileError, SpecError
from tiltmeter.studies import spec_kind

pytestmark = pytest.mark.smoke

EXAMPLES = Path(__file__).parents[2] / "examples"
# files of rules are parts of specs
SPECS = [path for path in sorted(EXAMPLES.rglob("*.yaml")) if not path.stem.endswith("_rules")]


@pytest.mark.parametrize("path", SPECS, ids=lambda path: str(path.relative_to(EXAMPLES)))
def test_every_example_is_what_its_folder_says(path: Path) -> None:
    assert spec_kind(path) == ("contest" if path.parent.name == "experts" else "study")


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ("{name: s, grammar: {}}", "contest"),
        ("{name: s, texts: {home: a.jsonl}}", "contest"),
        ("{name: s, texts: {home: a.jsonl}, model: {path: gpt2}, train: {distribution: home}}", "study"),
        # both kinds at once, and neither: a study's words say what is wrong
        ("{name: s, grammar: {}, train: {distribution: a}}", "study"),
        ("{name: s}", "study"),
        ("[1, 2]", "study"),
    ],
)
def test_keys_tell_the_kind(tmp_path: Path, content: str, kind: str) -> None:
    (tmp_path / "spec.yaml").write_text(content, encoding="utf-8")
    assert spec_kind(tmp_path / "spec.yaml") == kind


def test_what_is_no_yaml_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="does not exist; give the path of a study's spec"):
        spec_kind(tmp_path / "none.yaml")
    (tmp_path / "spec.yaml").write_text("{", encoding="utf-8")
    with pytest.raises(SpecError, match="is not valid YAML"):
        spec_kind(tmp_path / "spec.yaml")
