"""What a command writes to: its first word comes before its libraries, and nothing in a pipe ends in spaces."""

from __future__ import annotations

import importlib.util
import io
import sys

import pytest
from rich.padding import Padding
from rich.table import Table

from tests.cli.test_every_command import tiltmeter
from tiltmeter.cli._terminal import page, steps

pytestmark = pytest.mark.smoke

SERVE = pytest.mark.skipif(
    importlib.util.find_spec("fastapi") is None, reason="needs the extra serve: pip install 'tiltmeter[serve]'"
)


@pytest.mark.long
@pytest.mark.parametrize(
    "arguments",
    [
        "doctor", "study {spec}", "study {spec} --dry-run", "score m texts.csv", "verdict run",
        "plan run --base-rate 0.1 --per-day 9 --reviews 2", "compare a b",
        "collect m texts.csv --store s", pytest.param("monitor serve m", marks=SERVE),
        "monitor certify m texts.csv --population p --out o", "monitor reference m texts.csv", "monitor parity m",
        "monitor summary log", "monitor replay log m", "card m", "publish m a/b", "organism list", "store info s",
        "anatomy svd m", "anatomy shape m t", "init texts.csv --model m",
    ],
)  # fmt: skip
def test_the_first_word_comes_before_torch_is_loaded(arguments, tmp_path, monkeypatch):
    """With a torch that stops the program, what is said until then is the name of the step."""
    (tmp_path / "torch.py").write_text("raise SystemExit(3)")
    spec = tmp_path / "towns.yaml"
    spec.write_text("name: towns\n")
    monkeypatch.chdir(tmp_path)
    done = tiltmeter(*arguments.format(spec=spec).split(), PYTHONPATH=f"{tmp_path}:{':'.join(sys.path)}")
    first = done.stderr.splitlines()[0]
    assert first.endswith(": loading …") and done.stdout == ""


def test_a_page_in_a_pipe_has_no_spaces_at_the_ends_of_lines(monkeypatch):
    monkeypatch.setattr(sys, "stdout", io.StringIO())
    table = Table(box=None)
    table.add_column("name")
    table.add_row("a")
    table.add_row("a longer one")
    page().print(Padding("a paragraph", (0, 2)))
    page().print(table)
    lines = sys.stdout.getvalue().splitlines()
    assert lines[0] == "  a paragraph" and lines[2].strip() == "a"
    assert [line for line in lines if line != line.rstrip()] == []


def test_a_step_is_one_line_however_long(capsys):
    with steps("towns", first="reading") as announce:
        announce("a" * 300)
    assert capsys.readouterr().err == f"towns: reading …\ntowns: {'a' * 300} …\n"
