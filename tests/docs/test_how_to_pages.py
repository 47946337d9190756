"""The how-to pages, followed by a machine: every command and all Python, in the order of the page."""

from __future__ import annotations

from pathlib import Path

import props
import pytest
from stages import Stage, below, cases, follow, with_steps

pytestmark = pytest.mark.docs


def two_runs(folder: Path) -> None:
    for name in ("before", "after", "new", "baseline"):
        props.facts_run(folder / "runs" / name)


STAGES = {
    "docs/how-to/compare": Stage(two_runs),
}


@pytest.mark.parametrize("name", cases(STAGES))
def test_a_page_is_followed(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    follow(name, STAGES[name], folder=tmp_path)


def test_every_page_is_followed() -> None:
    assert with_steps(below("docs/how-to")) == STAGES.keys()
