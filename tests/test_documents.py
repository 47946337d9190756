"""Documents keep their word: links lead somewhere, code runs, commands exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml

from tiltmeter.studies import parse_spec

ROOT = Path(__file__).parents[1]
DOCUMENTS = sorted(p for p in ROOT.rglob("*.md") if not any(part.startswith(".") for part in p.relative_to(ROOT).parts))
_LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"```(\w*)\n(.*?)```", re.DOTALL)


def _blocks(path: Path, language: str) -> list[str]:
    return [code for found, code in _FENCE.findall(path.read_text(encoding="utf-8")) if found == language]


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: str(path.relative_to(ROOT)))
def test_every_relative_link_leads_to_a_file(path: Path) -> None:
    for target in _LINK.findall(_FENCE.sub("", path.read_text(encoding="utf-8"))):
        if not target.startswith(("http://", "https://", "#")):
            assert (path.parent / target.split("#")[0]).exists(), f"{path.name} links to {target}"


def test_the_python_of_the_readme_runs_and_finds_what_it_says(capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = _blocks(ROOT / "README.md", "python")
    exec(compile(code, "README.md", "exec"), {})
    printed = capsys.readouterr().out
    assert float(printed.split("AUROC ")[1].split()[0]) > 0.9
    assert "It weakens on negated (0.74)" in printed and "certified for 1% false alarms" in printed
    assert "On negated the threshold raises more false alarms than it was set for" in printed


PAGES = [
    *sorted((ROOT / "docs" / "methods").glob("*.md")),
    *(ROOT / "docs" / f"{name}.md" for name in ("operating-points", "rivals", "steering", "shift", "planning")),
]


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.stem)
def test_the_examples_of_a_methods_page_run(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = _blocks(path, "python")
    for code in blocks:
        exec(compile(code, str(path), "exec"), {})
    if "print(" in "".join(blocks):
        assert capsys.readouterr().out.strip()


def test_the_spec_of_the_readme_is_valid() -> None:
    (spec,) = _blocks(ROOT / "README.md", "yaml")
    assert parse_spec(yaml.safe_load(spec)).train.distribution == "cities"


def test_every_make_target_that_the_documents_name_exists() -> None:
    targets = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE))
    for path in DOCUMENTS:
        for name in re.findall(r"`?make ([a-z-]+)`", path.read_text(encoding="utf-8")):
            assert name in targets, f"{path.name} names make {name}"
