"""Documents keep their word: links lead somewhere, code runs, commands exist."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from pages import DOCUMENTS, FENCE, ROOT, fences

from tiltmeter.core import Direction, Site
from tiltmeter.studies import parse_spec

_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


def _blocks(path: Path, language: str) -> list[str]:
    return [code for found, code in fences(path.read_text(encoding="utf-8")) if found == language]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    for target in _LINK.findall(FENCE.sub("", path.read_text(encoding="utf-8"))):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.split("#")[0]).exists(), f"{path.name} links to {target}"


@pytest.mark.long
def test_the_python_of_the_readme_runs_and_finds_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = _blocks(ROOT / "README.md", "python")
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert float(printed.split("AUROC ")[1].split()[0]) > 0.9
    assert "It weakens on negated (0.74)" in printed and "certified for 1% false alarms" in printed
    assert "On negated the threshold raises more false alarms than it was set for" in printed


METHODS = sorted((ROOT / "docs" / "explanation" / "methods").glob("*.md"))


@pytest.mark.long
@pytest.mark.parametrize("path", METHODS, ids=lambda path: path.stem)
def test_the_examples_of_a_methods_page_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = _blocks(path, "python")
    for code in blocks:
        exec(compile(code, str(path), "exec"), {})
    if "print(" in "".join(blocks):
        assert capsys.readouterr().out.strip()


def test_the_spec_of_the_readme_is_valid() -> None:
    (spec,) = _blocks(ROOT / "README.md", "yaml")
    assert parse_spec(yaml.safe_load(spec)).train.distribution == "cities"


def test_the_specs_of_the_page_of_specs_are_valid() -> None:
    short, long = (
        parse_spec(yaml.safe_load(spec)) for spec in _blocks(ROOT / "docs" / "reference" / "spec.md", "yaml")
    )
    assert short.read.sites == "all" and long.rows["sums"] == "digits <= 2"


def test_a_direction_is_read_without_tiltmeter_as_the_page_of_runs_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    direction = Direction(np.array([0.6, 0.8]), offset=0.25, site=Site.parse("2.resid_post"), sign=1, method="LDA")
    direction.save(Path("runs/facts/probes/2.resid_post"), stem="lda")
    (code,) = _blocks(ROOT / "docs" / "reference" / "run-format.md", "python")
    found: dict[str, Any] = {}
    exec(compile(code, "run-format.md", "exec"), found)
    assert found["vector"].tolist() == pytest.approx([0.6, 0.8]) and found["offset"] == 0.25


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in DOCUMENTS:
        for name in re.findall(r"`?make ([a-z-]+)`", path.read_text(encoding="utf-8")):
            assert name in targets, f"{path.name} names make {name}"
