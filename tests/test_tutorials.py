"""The tutorials, followed by a machine: what they say is printed is what is printed."""

from __future__ import annotations

import importlib.util
import re
from pathlib import Path
from typing import Any

import pytest
from pages import assert_agree, free_port, printed

pytestmark = pytest.mark.docs

ROOT = Path(__file__).parents[1]
TUTORIALS = ROOT / "docs" / "tutorials"
NOTEBOOKS = sorted(TUTORIALS.glob("*.ipynb"))
_PORT = "8765"
_SVG_TEXT = re.compile(r"<text[^>]*>([^<]*)")

_RAY = pytest.mark.skipif(
    importlib.util.find_spec("ray") is None, reason="needs the extra ray: pip install 'tiltmeter[ray]'"
)
PAGES = [
    pytest.param("monitor"),
    # a minute of training, whose figures hang on the processor as well
    pytest.param("organism", marks=pytest.mark.slow),
    pytest.param("ray", marks=_RAY),
    pytest.param("reading-a-report"),
]


@pytest.mark.parametrize("name", PAGES)
def test_a_tutorial_does_what_it_says(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    monkeypatch.chdir(tmp_path)
    page = (TUTORIALS / f"{name}.md").read_text(encoding="utf-8").replace(_PORT, free_port())
    for step, said in printed(page, folder=tmp_path):
        if step.shown is not None:
            assert_agree(step.shown, said)


def test_every_page_is_followed() -> None:
    followed = {case.values[0] for case in PAGES}
    assert {path.stem for path in TUTORIALS.glob("*.md")} - {"index", "README"} == followed


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_gives_the_outputs_that_it_shows(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat comes with the extra dev")
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "src"))
    committed = nbformat.read(path, as_version=4)
    again = _execute().executed(path)
    for shown, fresh in zip(committed.cells, again.cells, strict=True):
        if shown.cell_type == "code":
            assert_agree(_texts(shown), _texts(fresh))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_shows_what_it_prints_draws_something_and_ends_with_its_limits(path: Path) -> None:
    nbformat = pytest.importorskip("nbformat", reason="nbformat comes with the extra dev")
    cells = nbformat.read(path, as_version=4).cells
    assert all(_texts(cell).strip() for cell in cells if cell.cell_type == "code" and "print(" in cell.source)
    assert any("image/svg+xml" in output.get("data", {}) for cell in cells for output in cell.get("outputs", ()))
    assert "## What this does not show" in cells[-1].source


def _texts(cell: Any) -> str:
    """Return what a cell printed, and the words and numbers of its charts."""
    said = []
    for output in cell.outputs:
        assert output.output_type != "error"
        said.append(output.get("text", ""))
        data = output.get("data", {})
        said += [*_SVG_TEXT.findall(data.get("image/svg+xml", "")), data.get("text/plain", "")]
    return "\n".join(said)


def _execute() -> Any:
    spec = importlib.util.spec_from_file_location("execute", TUTORIALS / "execute.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
