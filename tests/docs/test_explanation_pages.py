"""The explanation pages, followed by a machine; those of the methods are in ``test_documents``."""

from __future__ import annotations

from pathlib import Path

import pytest
from pages import ROOT
from stages import Stage, below, cases, follow, with_steps

pytestmark = pytest.mark.docs

STAGES: dict[str, Stage] = {}


@pytest.mark.parametrize("name", cases(STAGES))
def test_a_page_is_followed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow(name, STAGES[name], folder=tmp_path)


def test_every_page_is_followed() -> None:
    methods = ROOT / "docs" / "explanation" / "methods"
    assert with_steps(page for page in below("docs/explanation") if page.parent != methods) == STAGES.keys()
